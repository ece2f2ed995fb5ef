package pebble_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/store/pebble"
)

var (
	powerLosses = flag.Int("power-losses", defaultLosses, "how often the power is lost in TestPowerLosses")
	powerSeed   = flag.Uint64("power-seed", 0, "the first machine of TestPowerLosses")
)

const (
	dataDir      = "a/b"
	lossesInARow = 20
	powerWorkers = 4
	keysOfWorker = 3
	powerCap     = 24 // messages that are kept of a key
)

// TestPowerLosses takes the power from a hub and its store at random operations on the disk: while all kinds of things are done, while
// the store is opened, and while it is closed; now and then operations on the disk fail before. Each time another part of what is not synced survives. What comes up on the disk
// that is left has all that was acknowledged or shown, and nothing that was not asked for.
func TestPowerLosses(t *testing.T) {
	t.Parallel()
	var total, opening, failing, ops atomic.Int64
	machines := (*powerLosses + lossesInARow - 1) / lossesInARow
	t.Run("machines", func(t *testing.T) {
		for i := range machines {
			seed := *powerSeed + uint64(i)
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				m := newMachine(t, seed)
				for n := range lossesInARow {
					m.number = n
					m.run()
					if t.Failed() {
						t.Fatalf("at loss %d; again: -run TestPowerLosses -power-losses %d -power-seed %d", n, lossesInARow, seed)
					}
				}
				m.last()
				total.Add(lossesInARow)
				opening.Add(int64(m.opening))
				failing.Add(int64(m.failing))
				ops.Add(m.k.acknowledged.Load())
			})
		}
	})
	t.Logf("%d losses of power, %d of them while the store was opened, %d after operations on the disk had failed; %d operations were acknowledged before",
		total.Load(), opening.Load(), failing.Load(), ops.Load())
}

// machine is a computer that loses its power again and again.
type machine struct {
	t       *testing.T
	rng     *rand.Rand
	disk    *vfs.MemFS // as the last loss left it
	clock   *steppedClock
	k       *witness
	number  int // of the loss
	opening int // losses while the store was opened
	failing int // losses of a disk that failed before, for a while
}

func newMachine(t *testing.T, seed uint64) *machine {
	return &machine{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), disk: vfs.NewCrashableMem(),
		clock: newSteppedClock(), k: newWitness(t),
	}
}

// run opens the store, has it worked on, and takes the power.
func (m *machine) run() {
	p := m.power()
	m.clock.step(m.rng)
	m.k.begin()
	s := m.open(p.cut())
	if s == nil {
		return
	}
	defer m.close(p, s)
	hub, stop := m.openHub(s)
	if hub == nil {
		return
	}
	defer stop()
	if p.gone() {
		m.opening++
		return
	}
	m.k.check(m.t, m.clock, s, hub)
	if m.t.Failed() {
		return
	}
	m.work(p, s, hub)
}

// power decides when it is lost: often while the store is being opened, and else some time later.
func (m *machine) power() *power {
	at := int64(m.rng.IntN(100))
	if m.rng.IntN(4) > 0 {
		at = int64(m.rng.IntN(2500))
	}
	percents := []int{0, 50, 100, m.rng.IntN(101)}
	return &power{
		disk: crashable{m.disk}, at: at + 1, percent: percents[m.rng.IntN(len(percents))],
		rng: rand.New(rand.NewPCG(m.rng.Uint64(), 2)), freeze: m.k.freeze, lost: make(chan struct{}),
		fails: []error{syscall.EIO, syscall.ENOSPC}[m.rng.IntN(2)],
	}
}

func (m *machine) open(disk vfs.FS) *pebble.Store {
	s, err := pebble.Open(pebble.Config{
		Dir: dataDir, FS: disk, MemTableBytes: 64 << 10, MaxStoredPerKey: powerCap, Tick: 5 * time.Millisecond, Now: m.clock.now,
	})
	if err != nil {
		m.t.Errorf("Open: %v", err)
		return nil
	}
	return s
}

func (m *machine) openHub(s *pebble.Store) (*channel.Hub, func()) {
	hub, err := channel.Open(context.Background(), channel.Config{Store: s, Node: "n", Now: m.clock.now, StoreTimeout: time.Minute})
	if err != nil {
		m.t.Errorf("open a hub: %v", err)
		return nil, nil
	}
	m.k.attach(hub)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	return hub, func() {
		cancel()
		running.Wait()
	}
}

// work has all workers work until the power is lost, or now and then end before.
func (m *machine) work(p *power, s *pebble.Store, hub *channel.Hub) {
	rounds := 1 << 30
	if m.rng.IntN(5) == 0 {
		rounds = m.rng.IntN(50)
	}
	failing := m.rng.IntN(3) == 0
	if failing {
		m.failing++
		p.failSoon(m.rng)
	}
	var workers sync.WaitGroup
	for i := range powerWorkers {
		w := &worker{
			t: m.t, rng: rand.New(rand.NewPCG(m.rng.Uint64(), 3)), keys: m.k.keys[i*keysOfWorker : (i+1)*keysOfWorker],
			k: m.k, clock: m.clock, store: s, hub: hub, failing: failing,
		}
		workers.Go(func() { w.run(p.lost, rounds) })
	}
	workers.Wait()
}

// close closes the store, and keeps what is left of the disk.
func (m *machine) close(p *power, s *pebble.Store) {
	if err := s.Close(); err != nil && p.failTo.Load() == 0 {
		m.t.Errorf("Close: %v", err)
	}
	p.takeNow()
	m.disk = p.left
}

// last looks at what is left in the end, after a loss and after a stop that is none.
func (m *machine) last() {
	for range 2 {
		m.k.begin()
		s := m.open(crashable{m.disk})
		if s == nil {
			return
		}
		if hub, stop := m.openHub(s); hub != nil {
			m.k.check(m.t, m.clock, s, hub)
			stop()
		}
		if err := s.Close(); err != nil {
			m.t.Errorf("Close: %v", err)
		}
	}
}

// steppedClock is a clock that is set, forward and back.
type steppedClock struct {
	at      atomic.Int64 // ns
	highest atomic.Int64 // it ever was
}

func newSteppedClock() *steppedClock {
	c := &steppedClock{}
	c.at.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *steppedClock) now() time.Time { return time.Unix(0, c.move(time.Microsecond)) }

func (c *steppedClock) move(d time.Duration) int64 {
	at := c.at.Add(int64(d))
	for highest := c.highest.Load(); highest < at && !c.highest.CompareAndSwap(highest, at); highest = c.highest.Load() {
	}
	return at
}

// step sets it.
func (c *steppedClock) step(rng *rand.Rand) {
	switch rng.IntN(6) {
	case 0:
		c.move(-time.Duration(rng.Int64N(int64(time.Hour))))
	case 1:
		c.move(time.Duration(rng.Int64N(int64(time.Hour))))
	default:
		c.move(time.Duration(rng.Int64N(int64(time.Second))))
	}
}
