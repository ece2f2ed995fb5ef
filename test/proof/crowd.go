package proof

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
)

// dialects are all ways to listen.
func dialects() []*dialect {
	return []*dialect{
		{name: "legacy RESP", resumes: true, told: true, listen: listenRESP},
		{name: "legacy WebSocket", resumes: true, told: true, listen: listenWebSocket},
		{name: "Go SDK", resumes: true, told: true, listen: listenSDK},
		{name: "XREAD", resumes: true, stored: true, listen: listenXRead},
		{name: "XREADGROUP", resumes: true, stored: true, group: true, listen: listenGroup},
		{name: "SUBSCRIBE", listen: listenSubscribe},
	}
}

// ways are all ways to push.
func ways() []*way {
	return []*way{
		{name: "HTTP v1", idem: true, push: pushV1},
		{name: "legacy HTTP", quoted: true, idem: true, push: pushLegacy},
		{name: "XADD", idem: true, push: pushXAdd},
		{name: "PUBLISH", liveOnly: true, push: pushPublish},
	}
}

// draw returns what somebody of the run draws from.
func (r *run) draw(what string, number int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(what))
	return rand.New(rand.NewPCG(r.cfg.Seed^h.Sum64(), uint64(number)))
}

// gather makes the devices: of each dialect as many as the load says, spread over the keys.
func (r *run) gather() {
	for _, how := range dialects() {
		for i := range r.cfg.Load.Devices {
			number := len(r.devices)
			r.devices = append(r.devices, &device{
				r: r, number: number, how: how, key: r.ledger.keys[i%len(r.ledger.keys)], draw: r.draw("device", number),
				slack: i/len(r.ledger.keys)%2 == 0, has: map[int]bool{},
			})
		}
	}
}

// start has all devices come and go until ctx ends. The returned function waits for their end.
func (r *run) start(ctx context.Context) (wait func()) {
	var all sync.WaitGroup
	for _, d := range r.devices {
		all.Go(func() { d.run(ctx) })
	}
	return all.Wait
}

// push has all pushers push until ctx ends.
func (r *run) push(ctx context.Context) {
	var all sync.WaitGroup
	for i, how := range ways() {
		for j := range r.cfg.Load.Pushers {
			p := r.newPusher(i*r.cfg.Load.Pushers+j, how)
			all.Go(func() { p.run(ctx) })
		}
	}
	all.Go(func() { r.garden(ctx) })
	all.Wait()
}
