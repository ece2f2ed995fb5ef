package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// device pushes to a key, reads it with a cursor, and acknowledges some of what it gets.
type device struct {
	key  string
	rng  *rand.Rand
	last int64 // that the pusher knows

	mu     sync.Mutex     // guards all below
	stored []int64        // mids whose Append was acknowledged
	tried  map[int64]bool // mids whose Ack was begun; true: and answered
}

func newDevices(n int) []*device {
	devices := make([]*device, n)
	for i := range devices {
		devices[i] = &device{key: fmt.Sprint("key", i), rng: rand.New(rand.NewPCG(uint64(i), 1)), tried: map[int64]bool{}}
	}
	return devices
}

// begin makes the device's cursor.
func (d *device) begin(t *testing.T, s channel.Groups) {
	t.Helper()
	if err := s.CreateGroup(t.Context(), d.key, "g", 0, true); err != nil {
		t.Fatalf("CreateGroup: %v", err)
	}
}

// step pushes, reads and acknowledges a little. Its error is one that must not be.
func (d *device) step(s *pebble.Store) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e := channel.Entry{Message: message.Message{Key: d.key, Mid: message.NextMid(time.Now(), d.last), Prev: d.last, Expires: message.Never, Payload: payload}}
	err := s.Append(ctx, []channel.Entry{e})[0]
	if err == nil {
		d.mu.Lock()
		d.stored = append(d.stored, e.Mid)
		d.mu.Unlock()
		d.last = e.Mid
	} else if info, err := s.Info(ctx, d.key); err == nil {
		d.last = info.Last
	}
	if unexpected(err) && !errors.Is(err, channel.ErrOrder) {
		return fmt.Errorf("Append: %w", err)
	}
	found, err := s.ReadGroup(ctx, message.GroupRead{Key: d.key, Group: "g", Consumer: "c", Count: d.rng.IntN(3)})
	if unexpected(err) {
		return fmt.Errorf("ReadGroup: %w", err)
	}
	if d.rng.IntN(4) == 0 {
		again, err := s.ReadPending(ctx, d.key, "g", "c", 0, 3, 0)
		if unexpected(err) {
			return fmt.Errorf("ReadPending: %w", err)
		}
		for _, a := range again {
			found = append(found, a.Message)
		}
	}
	return d.ack(ctx, s, found)
}

// ack acknowledges some of what was found, in one go.
func (d *device) ack(ctx context.Context, s channel.Groups, found []message.Message) error {
	var mids []int64
	d.mu.Lock()
	for _, m := range found {
		if d.rng.IntN(3) > 0 && !d.tried[m.Mid] {
			mids = append(mids, m.Mid)
			d.tried[m.Mid] = false
		}
	}
	d.mu.Unlock()
	n, err := s.Ack(ctx, d.key, "g", mids...)
	if unexpected(err) {
		return fmt.Errorf("Ack: %w", err)
	}
	if err != nil || n < len(mids) {
		return nil // a delivery may be lost with a failure, and then there is nothing to acknowledge: it comes again
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, mid := range mids {
		d.tried[mid] = true
	}
	return nil
}

// unexpected tells whether err is neither nil nor what a failing disk may cause.
func unexpected(err error) bool {
	return err != nil && (!errors.Is(err, channel.ErrUnavailable) && !errors.Is(err, channel.ErrUnknown) || errors.Is(err, context.DeadlineExceeded))
}

// known is what a device knew at some moment.
type known struct {
	stored []int64
	tried  map[int64]bool
}

func (d *device) known() known {
	d.mu.Lock()
	defer d.mu.Unlock()
	return known{slices.Clone(d.stored), maps.Clone(d.tried)}
}

// check holds what s delivers against what d knew: before had happened when the store was as it is, after may have.
func (d *device) check(t *testing.T, when string, s *pebble.Store, before, after known) {
	t.Helper()
	delivered := d.drain(t, when, s)
	for mid, answered := range before.tried {
		if answered && delivered[mid] {
			t.Errorf("%s: %s: %d was acknowledged, and is delivered again", when, d.key, mid)
		}
	}
	for _, mid := range before.stored {
		if _, tried := after.tried[mid]; !tried && !delivered[mid] {
			t.Errorf("%s: %s: %d was stored, was not acknowledged, and is not delivered", when, d.key, mid)
		}
	}
}

// drain reads all that s has for d.
func (d *device) drain(t *testing.T, when string, s *pebble.Store) map[int64]bool {
	t.Helper()
	ctx, delivered := context.Background(), map[int64]bool{}
	add := func(mid int64) {
		if delivered[mid] {
			t.Errorf("%s: %s: %d is delivered twice", when, d.key, mid)
		}
		delivered[mid] = true
	}
	pending, err := s.ReadPending(ctx, d.key, "g", "c", 0, 0, 0)
	if err != nil {
		t.Fatalf("%s: ReadPending: %v", when, err)
	}
	for _, p := range pending {
		add(p.Mid)
		if p.Gone || len(p.Payload) != len(payload) {
			t.Errorf("%s: %s: %d is pending, gone %v, with %d bytes", when, d.key, p.Mid, p.Gone, len(p.Payload))
		}
	}
	fresh, err := s.ReadGroup(ctx, message.GroupRead{Key: d.key, Group: "g", Consumer: "c"})
	if err != nil {
		t.Fatalf("%s: ReadGroup: %v", when, err)
	}
	for _, m := range fresh {
		add(m.Mid)
	}
	groups, err := s.GroupsOf(ctx, d.key)
	if err != nil || len(groups) != 1 || groups[0].Pending != len(delivered) || groups[0].Lag != 0 || groups[0].Consumers != 1 {
		t.Errorf("%s: GroupsOf %s = %+v, %v, want one with %d pending", when, d.key, groups, err, len(delivered))
	}
	return delivered
}

// TestCursorsAfterCrash takes the power away at random moments: what was acknowledged stays so, and all else comes again.
func TestCursorsAfterCrash(t *testing.T) {
	t.Parallel()
	disk := crashable{vfs.NewCrashableMem()}
	s := mustOpen(t, pebble.Config{Dir: "data", FS: disk, MemTableBytes: 64 << 10})
	devices := newDevices(4)
	var running sync.WaitGroup
	stop := make(chan struct{})
	steps := make(chan struct{}, 1024)
	for _, d := range devices {
		d.begin(t, s)
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				case steps <- struct{}{}:
				}
				if err := d.step(s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	crashes := 30
	if testing.Short() {
		crashes = 8
	}
	for i := range crashes {
		rng := rand.New(rand.NewPCG(uint64(i), 2))
		for range rng.IntN(60) {
			<-steps
		}
		var before, after []known
		for _, d := range devices {
			before = append(before, d.known())
		}
		clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * (i % 3), RNG: rng})
		for _, d := range devices {
			after = append(after, d.known())
		}
		checkCursors(t, clone, devices, before, after)
	}
	close(stop)
	running.Wait()
}

func checkCursors(t *testing.T, disk vfs.FS, devices []*device, before, after []known) {
	t.Helper()
	s, err := pebble.Open(pebble.Config{Dir: "data", FS: disk})
	if err != nil {
		t.Errorf("Open after a crash: %v", err)
		return
	}
	defer s.Close()
	for i, d := range devices {
		d.check(t, "after a crash", s, before[i], after[i])
	}
}

// TestCursorFaults lets the nth operation on files fail, and the next few: nothing acknowledged is lost, and nothing
// that was not is missed.
func TestCursorFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kind func(errorfs.Op) bool
		many int64
	}{
		{"on write", isWrite, 1},
		{"on writes", isWrite, 20},
		{"on sync", isSync, 1},
		{"on any changes", isChange, 15},
		{"on read", isRead, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := int64(1); ; n += 2 * step(n) {
				f, reached := &faults{kind: c.kind, err: errorfs.ErrInjected}, false
				t.Run(fmt.Sprint("from ", n), func(t *testing.T) { reached = testCursorFault(t, f, n, c.many) })
				if !reached {
					return
				}
			}
		})
	}
}

// testCursorFault lets many operations fail from the nth on, once cursors are there, and tells whether that was reached.
func testCursorFault(t *testing.T, f *faults, n, many int64) bool {
	disk := vfs.NewMem()
	s, err := pebble.Open(pebble.Config{Dir: "data", FS: errorfs.Wrap(disk, f), MemTableBytes: 64 << 10})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	devices := newDevices(3)
	for _, d := range devices {
		d.begin(t, s)
	}
	begin := f.count.Load()
	f.from.Store(begin + n)
	f.to.Store(begin + n + many)
	var running sync.WaitGroup
	for _, d := range devices {
		running.Go(func() {
			for range 30 {
				if err := d.step(s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	reached := f.count.Load() >= begin+n
	f.heal()
	for _, d := range devices {
		for end := time.Now().Add(20 * time.Second); s.Healthy() != nil && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		d.check(t, "after recovery", s, d.known(), d.known())
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if s, err = pebble.Open(pebble.Config{Dir: "data", FS: disk}); err != nil {
		t.Fatalf("Open again: %v", err)
	}
	defer s.Close()
	for _, d := range devices {
		d.check(t, "after opening again", s, d.known(), d.known())
	}
	return reached
}

// TestManyCursors: the cursors of devices that are away cost no memory: the heap may grow by less for each than the name and the
// numbers of one would take. It measures the heap, so it runs alone.
func TestManyCursors(t *testing.T) {
	const keys, few, many = 500, 2, 12 // groups of each key
	s := mustOpen(t, pebble.Config{Dir: t.TempDir(), CacheBytes: 1 << 20, MemTableBytes: 256 << 10})
	e := channel.Entry{Message: message.Message{Mid: 4, Expires: message.Never}}
	for k := range keys {
		e.Key = keyName(k)
		if err := s.Append(t.Context(), []channel.Entry{e})[0]; err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
	makeCursors(t, s, keys, 0, few)
	before := heap()
	makeCursors(t, s, keys, few, many)
	after := heap()
	const groups = keys * (many - few)
	if grown := int64(after) - int64(before); grown > 180*groups {
		t.Errorf("the heap grew by %d bytes with %d groups, each with a consumer and a pending message: %d each", grown, groups, grown/groups)
	} else {
		t.Logf("the heap grew by %d bytes with %d groups, each with a consumer and a pending message", grown, groups)
	}
	got, err := s.GroupsOf(t.Context(), keyName(keys-1))
	if err != nil || len(got) != many || got[many-1].Pending != 1 {
		t.Errorf("GroupsOf = %d groups, %v, want %d with 1 pending each", len(got), err, many)
	}
}

// makeCursors has devices from from to below to read a message of each key.
func makeCursors(t *testing.T, s *pebble.Store, keys, from, to int) {
	t.Helper()
	var running sync.WaitGroup
	for n := range 500 {
		running.Go(func() {
			for k := n; k < keys; k += 500 {
				for i := from; i < to; i++ {
					group := fmt.Sprint("device ", i)
					if err := s.CreateGroup(t.Context(), keyName(k), group, 0, false); err != nil {
						t.Errorf("CreateGroup: %v", err)
						return
					}
					found, err := s.ReadGroup(t.Context(), message.GroupRead{Key: keyName(k), Group: group, Consumer: "c"})
					if err != nil || len(found) != 1 {
						t.Errorf("ReadGroup = %v, %v, want a message", found, err)
					}
				}
			}
		})
	}
	running.Wait()
}
