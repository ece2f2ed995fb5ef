package pebble_test

import (
	"math"
	"path"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"gopush/internal/store/pebble"
)

// TestLogsGrowAhead: a log seldom grows by what is appended, since a sync takes much longer then; also one that is used again.
func TestLogsGrowAhead(t *testing.T) {
	t.Parallel()
	const appends = 2000
	disk := vfs.NewMem()
	s := mustOpen(t, pebble.Config{Dir: "data", FS: disk, MemTableBytes: 1 << 20})
	h := newHistory(math.MaxInt)
	grown, before := 0, int64(0)
	for range appends {
		h.work(t, s, 1)
		if now := logBytes(t, disk); now != before {
			grown, before = grown+1, now
		}
	}
	if grown > appends/20 {
		t.Errorf("%d appends changed the size of logs %d times, want %d at most", appends, grown, appends/20)
	}
}

// logBytes returns how long all logs are.
func logBytes(t *testing.T, disk vfs.FS) (bytes int64) {
	t.Helper()
	names, err := disk.List("data")
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	for _, name := range names {
		if path.Ext(name) != ".log" {
			continue
		}
		if info, err := disk.Stat(disk.PathJoin("data", name)); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// TestNoRoomAhead: while there is room for messages, it does not matter that there is none for what logs grow ahead by.
func TestNoRoomAhead(t *testing.T) {
	t.Parallel()
	tried := false
	noRoom := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileWriteAt || path.Ext(op.Path) != ".log" {
			return nil
		}
		tried = true
		return syscall.ENOSPC
	})
	s := mustOpen(t, pebble.Config{Dir: "data", FS: errorfs.Wrap(vfs.NewMem(), noRoom)})
	h := newHistory(math.MaxInt)
	h.work(t, s, 50)
	if err := s.Healthy(); err != nil || !tried {
		t.Errorf("Healthy = %v, want nil; a log was to grow ahead: %v", err, tried)
	}
	h.check(t, "without room ahead", s)
}
