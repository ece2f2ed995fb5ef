package comet

import (
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/message"
)

// Against a model: whatever connections read or not, none gets a message twice or out of order, none misses a stored one, none is closed
// for being slow, and where only the newest waits everybody ends with it.
func TestSlowConnectionsMissNothingThatIsStored(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]SlowPolicy{"drop": SlowDrop, "latest": SlowLatest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { slowModel(t, policy) })
		})
	}
}

func slowModel(t *rapid.T, policy SlowPolicy) {
	f := newFanout(t.Fatalf, "")
	f.loop.g.loops = []*loop{f.loop}
	limits := *f.loop.g.limits.Load()
	limits.SlowConsumers = []SlowConsumers{{Prefix: "other", Policy: SlowClose}, {Policy: policy}}
	f.loop.g.SetLimits(limits)
	k := f.keys.keys[""]
	post := func(t *rapid.T) { f.keys.post("", rapid.IntRange(0, 3).Draw(t, "stored") == 0) }
	read := func(*rapid.T) { f.read() }
	t.Repeat(f.with(map[string]func(*rapid.T){
		"post": post, "post too": post, "post again": post, "read": read,
		"deliver": func(*rapid.T) { f.deliver() },
		"join":    func(*rapid.T) { f.join("", -1) },
		"resume": func(t *rapid.T) {
			f.join("", message.MidStep*rapid.Int64Range(0, k.last/message.MidStep).Draw(t, "mid"))
		},
		"burst": func(t *rapid.T) { f.burst(t, 10) },
		"check": func(t *rapid.T) { checkScales(f.loop, t.Fatalf) },
	}))
	f.settle()
	if n := f.loop.g.Stats.Closed[Slow].Load(); n > 0 {
		t.Fatalf("%d connections are closed as slow", n)
	}
	if policy != SlowLatest || f.loop.g.Stats.DroppedLive.Load() > 0 {
		return
	}
	for _, c := range f.living() {
		if r := f.readers[c.fd]; r.seen != k.last && !f.engine.fails[c.fd] && r.barrier != k.last {
			t.Fatalf("connection %d ends with %d, and the newest is %d", c.fd, r.seen, k.last)
		}
	}
}
