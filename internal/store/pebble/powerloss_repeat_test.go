package pebble_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

const (
	repeaters  = 4
	repeatKeys = 3
)

// TestPowerLossesAndRepeatedPushes takes the power, a tenth as often as TestPowerLosses, from those who repeat each push until it is
// acknowledged, and some that are: each is stored once, with the mid that was told, and those of one after the other in their order.
func TestPowerLossesAndRepeatedPushes(t *testing.T) {
	t.Parallel()
	var pushes, duplicates atomic.Int64
	machines := (*powerLosses/10 + lossesInARow - 1) / lossesInARow
	t.Run("machines", func(t *testing.T) {
		for i := range machines {
			seed := *powerSeed + uint64(i)
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				r := newRepeating(t, seed)
				for range lossesInARow {
					r.run(false)
				}
				r.run(true)
				pushes.Add(r.pushes.Load())
				duplicates.Add(r.duplicates.Load())
			})
		}
	})
	t.Logf("%d losses of power; %d pushes were stored, %d repetitions were known", machines*lossesInARow, pushes.Load(), duplicates.Load())
}

// repeating is a machine with those who push to it.
type repeating struct {
	t       *testing.T
	rng     *rand.Rand
	disk    *vfs.MemFS
	clock   *steppedClock
	workers [repeaters]*repeater

	pushes, duplicates atomic.Int64

	gate sync.RWMutex // held for writing while the power is taken
	lost bool         // nothing is noted any more; guarded by gate
}

// repeater pushes calls of a few messages.
type repeater struct {
	of     *repeating
	rng    *rand.Rand
	name   int
	number int              // of the last message that was begun
	calls  []message.Push   // that are not acknowledged
	told   map[string]int64 // mids of those that are, by payload
	keys   [repeatKeys]int  // how many of each
}

func newRepeating(t *testing.T, seed uint64) *repeating {
	r := &repeating{t: t, rng: rand.New(rand.NewPCG(seed, 7)), disk: vfs.NewCrashableMem(), clock: newSteppedClock()}
	for i := range r.workers {
		r.workers[i] = &repeater{of: r, rng: rand.New(rand.NewPCG(seed, uint64(10+i))), name: i, told: map[string]int64{}}
	}
	return r
}

func (r *repeating) freeze(do func()) {
	r.gate.Lock()
	defer r.gate.Unlock()
	do()
	r.lost = true
}

// run works until the power is lost, or, at last, until all is acknowledged.
func (r *repeating) run(last bool) {
	r.lost = false
	r.clock.move(time.Duration(r.rng.Int64N(int64(time.Second))))
	p := &power{
		disk: crashable{r.disk}, at: 1 + int64(r.rng.IntN(1500)), percent: r.rng.IntN(101),
		rng: rand.New(rand.NewPCG(r.rng.Uint64(), 2)), freeze: r.freeze, lost: make(chan struct{}),
	}
	if last {
		p.at = math.MaxInt64
	}
	s, err := pebble.Open(pebble.Config{
		Dir: dataDir, FS: p.cut(), MemTableBytes: 64 << 10, Tick: 5 * time.Millisecond, Now: r.clock.now,
		IdempotencyWindow: time.Minute, // of a clock that moves at most that much in a row: generations come and go
	})
	if err != nil {
		r.t.Fatalf("Open: %v", err)
	}
	hub, err := channel.Open(context.Background(), channel.Config{Store: s, Node: "n", Now: r.clock.now, StoreTimeout: time.Minute})
	if err != nil {
		r.t.Fatalf("open a hub: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running, working sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	for _, w := range r.workers {
		working.Go(func() { w.run(p.lost, hub, last) })
	}
	working.Wait()
	if last {
		r.check(s)
	}
	cancel()
	running.Wait()
	if err := s.Close(); err != nil {
		r.t.Errorf("Close: %v", err)
	}
	p.takeNow()
	r.disk = p.left
}

// run pushes until the power is lost, or, at last, what is left.
func (w *repeater) run(lost <-chan struct{}, hub *channel.Hub, last bool) {
	for {
		select {
		case <-lost:
			return
		default:
		}
		if len(w.calls) == 0 {
			if last {
				return
			}
			w.begin()
		}
		w.push(hub)
	}
}

// begin makes a new call.
func (w *repeater) begin() {
	for range 1 + w.rng.IntN(4) {
		w.number++
		key := w.rng.IntN(repeatKeys)
		w.keys[key]++
		name := fmt.Sprintf("%d %06d", w.name, w.number)
		payload := name + " " + strings.Repeat("x", w.rng.IntN(1<<w.rng.IntN(13)))
		w.calls = append(w.calls, message.Push{Key: fmt.Sprint("k", key), Payload: []byte(payload), Expire: time.Hour, IdemKey: []byte(name)})
	}
}

func (w *repeater) push(hub *channel.Hub) {
	receipts := hub.Publish(context.Background(), w.calls)
	w.of.gate.RLock()
	defer w.of.gate.RUnlock()
	if w.of.lost {
		return
	}
	var left []message.Push
	for i, r := range receipts {
		p := w.calls[i]
		if r.Err != nil {
			left = append(left, p)
			continue
		}
		name := string(p.IdemKey)
		if mid, again := w.told[name]; again && (mid != r.Mid || !r.Duplicate) {
			w.of.t.Errorf("%s was stored as %d, and is answered %+v", name, mid, r)
		}
		w.told[name] = r.Mid
		if r.Duplicate {
			w.of.duplicates.Add(1)
		}
	}
	if w.rng.IntN(8) > 0 { // the answer is lost, now and then
		w.calls = left
	}
}

// check looks at what is stored in the end.
func (r *repeating) check(s *pebble.Store) {
	found := map[string]bool{}
	for key := range repeatKeys {
		stored, err := s.Range(context.Background(), fmt.Sprint("k", key), 0, math.MaxInt64, false, 0, 0)
		if err != nil {
			r.t.Fatalf("Range: %v", err)
		}
		want, last := 0, [repeaters]int{}
		for _, w := range r.workers {
			want += w.keys[key]
		}
		if len(stored) != want {
			r.t.Errorf("k%d has %d messages, want %d", key, len(stored), want)
		}
		for _, m := range stored {
			var of, number int
			if _, err := fmt.Sscanf(string(m.Payload), "%d %d", &of, &number); err != nil {
				r.t.Fatalf("k%d has %.40q", key, m.Payload)
			}
			name := fmt.Sprintf("%d %06d", of, number)
			if found[name] || number <= last[of] || r.workers[of].told[name] != m.Mid {
				r.t.Errorf("k%d has %s with mid %d behind number %d; it was told as %d; there before: %v", key, name, m.Mid, last[of], r.workers[of].told[name], found[name])
			}
			found[name], last[of] = true, number
		}
		r.pushes.Add(int64(len(stored)))
	}
}
