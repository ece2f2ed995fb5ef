package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// faults fails operations on files.
type faults struct {
	kind  func(errorfs.Op) bool // which operations may fail
	err   error
	count atomic.Int64 // of the operations that may fail
	from  atomic.Int64 // the first one that fails
	to    atomic.Int64 // the first one after it that does not
}

func (f *faults) MaybeError(op errorfs.Op) error {
	if !f.kind(op) {
		return nil
	}
	if n := f.count.Add(1); n >= f.from.Load() && n < f.to.Load() {
		return f.err
	}
	return nil
}

func (f *faults) String() string { return "faults" }

// heal lets nothing fail from now on.
func (f *faults) heal() { f.to.Store(0) }

func isWrite(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt:
		return true
	}
	return false
}

func isSync(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		return true
	}
	return false
}

func isCreate(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpLink, errorfs.OpRename:
		return true
	}
	return false
}

func isChange(op errorfs.Op) bool {
	return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpLock && op.Kind != errorfs.OpFilePreallocate
}

func isRead(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpFileRead, errorfs.OpFileReadAt, errorfs.OpOpen:
		return true
	}
	return false
}

// TestFaults lets the nth operation on files fail, and the next few, for all n until the work
// below gets by without: whatever fails, and whenever, nothing that was acknowledged is lost,
// nothing that was refused appears, and the store recovers by itself.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kind func(errorfs.Op) bool
		err  error
		many int64 // operations that fail in a row
	}{
		{"ENOSPC on write", isWrite, syscall.ENOSPC, 1},
		{"ENOSPC on writes", isWrite, syscall.ENOSPC, 20},
		{"EIO on write", isWrite, syscall.EIO, 1},
		{"EIO on sync", isSync, syscall.EIO, 1},
		{"EIO on syncs", isSync, syscall.EIO, 10},
		{"EMFILE on create", isCreate, syscall.EMFILE, 1},
		{"ENOSPC on creates", isCreate, syscall.ENOSPC, 5},
		{"EIO on any change", isChange, syscall.EIO, 1},
		{"EIO on any changes", isChange, syscall.EIO, 15},
		{"EIO on read", isRead, syscall.EIO, 1},
		{"EIO on reads", isRead, syscall.EIO, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := int64(1); ; n += step(n) {
				f := &faults{kind: c.kind, err: c.err}
				f.from.Store(n)
				f.to.Store(n + c.many)
				t.Run(fmt.Sprint("from ", n), func(t *testing.T) { testFault(t, f) })
				if f.count.Load() < n {
					return
				}
			}
		})
	}
}

// step looks at the first operations one by one, and at fewer of the others.
func step(n int64) int64 {
	if testing.Short() {
		return 1 + n/4
	}
	return 1 + n/10
}

func testFault(t *testing.T, f *faults) {
	disk := vfs.NewMem()
	cfg := pebble.Config{Dir: "data", FS: errorfs.Wrap(disk, f), MemTableBytes: 64 << 10, MaxStoredPerKey: 20}
	s, err := pebble.Open(cfg)
	if err != nil {
		f.heal()
		if s, err = pebble.Open(cfg); err != nil {
			t.Fatalf("Open after the disk healed: %v", err)
		}
	}
	h := newHistory(20)
	h.work(t, s, 40)
	f.heal()
	h.recover(t, s)
	h.check(t, "after recovery", s)
	h.work(t, s, 5)
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if s, err = pebble.Open(pebble.Config{Dir: "data", FS: disk}); err != nil {
		t.Fatalf("Open again: %v", err)
	}
	defer s.Close()
	h.check(t, "after opening again", s)
}

// TestFullDisk: while nothing can be written, what is stored can be read, pushes are refused at
// once and with the reason, and all is well as soon as there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	f := &faults{kind: isChange, err: syscall.ENOSPC}
	s := mustOpen(t, pebble.Config{Dir: "data", FS: errorfs.Wrap(vfs.NewMem(), f), MemTableBytes: 64 << 10})
	h := newHistory(math.MaxInt)
	h.work(t, s, 50)
	f.from.Store(f.count.Load() + 1)
	f.to.Store(math.MaxInt64)
	h.work(t, s, 20)
	err := h.fail(t, s)
	if !errors.Is(err, channel.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Append on a full disk = %v, want ErrUnavailable because of ENOSPC", err)
	}
	if err := s.Healthy(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Healthy on a full disk = %v, want ENOSPC", err)
	}
	if _, err := s.Info(t.Context(), h.keys[0].name); err == nil { // else a commit waited for a full memtable just then
		h.check(t, "on a full disk", s)
	}
	f.heal()
	h.recover(t, s)
	h.check(t, "after the disk healed", s)
	h.work(t, s, 10)
}

// TestHangingDisk: who appends waits for the disk, who comes then no longer than he wants to; what he gives up is not stored.
func TestHangingDisk(t *testing.T) {
	t.Parallel()
	hang, hangs, hanging := make(chan struct{}), make(chan struct{}, 100), atomic.Bool{}
	inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if isSync(op) && hanging.Load() {
			hangs <- struct{}{}
			<-hang
		}
		return nil
	})
	s := mustOpen(t, pebble.Config{Dir: "data", FS: errorfs.Wrap(vfs.NewMem(), inj)})
	h := newHistory(math.MaxInt)
	h.work(t, s, 1)
	hanging.Store(true)
	first := make(chan error, 1)
	go func() { first <- appendFor(s, "first", 200*time.Millisecond) }()
	<-hangs
	for range 2 {
		if err := appendFor(s, "second", 200*time.Millisecond); !errors.Is(err, channel.ErrUnavailable) {
			t.Errorf("Append behind one whose fsync hangs = %v, want ErrUnavailable", err)
		}
	}
	h.check(t, "while the disk hangs", s)
	hanging.Store(false)
	close(hang)
	if err := <-first; err != nil {
		t.Errorf("Append whose fsync has hung = %v, want nil", err)
	}
	h.recover(t, s)
	if got, err := s.Range(context.Background(), "second", 0, math.MaxInt64, false, 0, 0); err != nil || len(got) != 0 {
		t.Errorf("Range of what was taken back = %v, %v, want nothing", got, err)
	}
}

func appendFor(s channel.Store, key string, d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	e := channel.Entry{Message: message.Message{Key: key, Mid: 4, Expires: message.Never}}
	return s.Append(ctx, []channel.Entry{e})[0]
}

func mustOpen(t *testing.T, cfg pebble.Config) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
