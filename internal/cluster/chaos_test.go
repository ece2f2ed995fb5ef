package cluster_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// Whatever becomes of links, nodes, the registry and the store: each device sees every stored message that was acknowledged, in one order, each once.
// Those that resume see all that there is; the others what is pushed once they have subscribed, until they are closed.
func TestDevicesSeeAllThroughWhateverHappens(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			x := &chaos{
				t: t, began: time.Now(), board: new(board), store: &fickle{Store: memory.New(memory.Config{MaxStoredPerKey: math.MaxInt32, Now: longAgo()})},
			}
			for k := range 4 {
				x.keys = append(x.keys, fmt.Sprint("key", k))
			}
			for _, name := range []string{"n1", "n2", "n3"} {
				x.nodes = append(x.nodes, x.start(name))
			}
			x.run(3 * time.Second)
		})
	}
}

// chaos is a cluster to which everything happens, with devices and who pushes to them.
type chaos struct {
	t     *testing.T
	began time.Time
	board *board
	store *fickle
	keys  []string
	order atomic.Int64 // of pushes and subscriptions, as they begin

	mu      sync.Mutex
	nodes   []*chaosNode // that live
	acked   []acked
	history []string // what happened
	failed  int
}

// acked is a push that was acknowledged.
type acked struct {
	key   string
	mid   int64
	begun int64 // of chaos.order
}

// chaosNode is a node with devices.
type chaosNode struct {
	*node
	devices *devices
	wire    *wire
	dead    chan struct{}
}

func (x *chaos) fail(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failed++; x.failed <= 10 {
		x.t.Errorf("%v: %s; before: %q", time.Since(x.began), fmt.Sprintf(format, args...), x.history[max(0, len(x.history)-6):])
	}
}

func (x *chaos) start(name string) *chaosNode {
	n := &chaosNode{devices: &devices{of: map[string][]*session{}}, wire: newWire(), dead: make(chan struct{})}
	n.node = x.board.start(x.t, x.store, name, func(cfg *cluster.Config) {
		n.wire.use(cfg)
		cfg.Links.MaxQueueBytes = 64 << 10
		cfg.StoreTimeout, cfg.Links.StoreTimeout = 300*time.Millisecond, 300*time.Millisecond
	}, n.devices)
	return n
}

func (x *chaos) any() *chaosNode {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.nodes[rand.IntN(len(x.nodes))]
}

func (x *chaos) push(i int) {
	key, payload := x.keys[rand.IntN(len(x.keys))], []byte(strconv.Itoa(i))
	if rand.IntN(8) == 0 {
		payload = make([]byte, 4<<10)
	}
	begun := x.order.Add(1)
	r := x.any().Publish(x.t.Context(), []message.Push{{Key: key, Payload: payload, Expire: time.Hour}})[0]
	if r.Err != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.acked = append(x.acked, acked{key, r.Mid, begun})
}

// pushes returns those that were acknowledged.
func (x *chaos) pushes() []acked {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.acked)
}

// disturb does something to the nodes.
func (x *chaos) disturb(stop <-chan struct{}) {
	n, other := x.any(), x.any()
	pause := func(most int) {
		select {
		case <-time.After(time.Duration(rand.IntN(most)) * time.Millisecond):
		case <-stop:
		}
	}
	what := rand.IntN(7)
	x.mu.Lock()
	x.history = append(x.history, fmt.Sprint([]string{"cut", "freeze", "blind", "leave", "away", "kill", "rest"}[what], " ", n.name, " ", other.name))
	x.mu.Unlock()
	switch what {
	case 0:
		n.wire.cut(other.node)
		pause(300)
		n.wire.mend(other.node)
	case 1:
		n.wire.freeze(other.node)
		pause(600)
		n.wire.mend(other.node)
	case 2:
		n.registry.see(false)
		pause(400)
		other.registry.gone()
		pause(200)
		other.Join(x.t.Context())
		pause(200)
		n.registry.see(true)
	case 3:
		n.registry.gone()
		pause(200)
		n.registry.Join(x.t.Context())
	case 4:
		x.store.away.Store(true)
		pause(300)
		x.store.away.Store(false)
	case 5:
		x.restart(n, pause)
	case 6:
		pause(300)
	}
}

// restart kills n and starts another process under its name, before or after.
func (x *chaos) restart(n *chaosNode, pause func(int)) {
	x.mu.Lock()
	if len(x.nodes) < 3 || !slices.Contains(x.nodes, n) {
		x.mu.Unlock()
		return
	}
	x.nodes = slices.DeleteFunc(x.nodes, func(o *chaosNode) bool { return o == n })
	x.mu.Unlock()
	var next *chaosNode
	if rand.IntN(2) == 0 {
		next = x.start(n.name) // stands by
	}
	n.kill()
	close(n.dead)
	pause(200)
	n.registry.gone()
	pause(200)
	if next == nil {
		next = x.start(n.name)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.nodes = append(x.nodes, next)
}

// run has everything happen for a while, and then waits until all devices have seen all.
func (x *chaos) run(took time.Duration) {
	stop, end := make(chan struct{}), make(chan struct{})
	var pushing, watching sync.WaitGroup
	var all []*device
	for _, key := range x.keys {
		for i := range 6 {
			d := &device{chaos: x, key: key, resumes: i%2 == 0, name: strconv.Itoa(i), got: map[int64]bool{}}
			all = append(all, d)
			watching.Go(func() { d.run(stop, end) })
		}
	}
	for range 6 {
		pushing.Go(func() { x.pushOn(stop) })
	}
	pushing.Go(func() {
		for !isClosed(stop) {
			x.disturb(stop)
		}
	})
	time.Sleep(took)
	close(stop)
	pushing.Wait()
	x.settle(all)
	close(end)
	watching.Wait()
}

func (x *chaos) pushOn(stop <-chan struct{}) {
	for i := 0; !isClosed(stop); i++ {
		x.push(i)
		if rand.IntN(4) == 0 {
			time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// settle waits until all nodes are linked and all devices have seen the last push of their key, for a while. What they have not
// seen then they tell at the end.
func (x *chaos) settle(all []*device) {
	var nodes []*node
	for _, n := range x.nodes {
		nodes = append(nodes, n.node)
	}
	await(x.t, "all is well again", func() bool { return linked(nodes) })
	last := map[string]int64{}
	for _, a := range x.pushes() {
		last[a.key] = max(last[a.key], a.mid)
	}
	behind := func(d *device) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.seen < last[d.key]
	}
	for deadline := time.Now().Add(10 * time.Second); slices.ContainsFunc(all, behind) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// longAgo is a clock that a store is made by an hour ago: a device may begin a second before now, and a store that was made after that tells it of a gap, since it
// has no record that far back.
func longAgo() func() time.Time {
	var asked atomic.Bool
	return func() time.Time {
		if !asked.Swap(true) {
			return time.Now().Add(-time.Hour)
		}
		return time.Now()
	}
}
