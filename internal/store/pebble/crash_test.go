package pebble_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/store/pebble"
)

// crashable is a disk that can be cloned while it is written: the MemFS itself may hang then, since its ReuseForWrite
// locks twice.
type crashable struct{ *vfs.MemFS }

func (c crashable) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := c.Remove(from); err != nil {
		return nil, err
	}
	return c.Create(to, category)
}

// TestCrash takes the power away at random moments: all that was acknowledged by then is there
// when the store is opened again, whatever else of what was written reached the disk.
func TestCrash(t *testing.T) {
	t.Parallel()
	disk := crashable{vfs.NewCrashableMem()}
	s := mustOpen(t, pebble.Config{Dir: "a/b", FS: disk, MemTableBytes: 64 << 10, MaxStoredPerKey: 20})
	h := newHistory(20)
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for i := range h.keys {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := h.append(&h.keys[i], s); err != nil {
					t.Errorf("Append: %v", err)
					return
				}
			}
		})
	}
	crashes := 40
	if testing.Short() {
		crashes = 10
	}
	for i := range crashes {
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		h.waitFor(rng.IntN(100)) // of a memtable's 32 messages
		known := h.snapshot()
		clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * (i % 3), RNG: rng})
		checkCrash(t, known, clone)
	}
	close(stop)
	writers.Wait()
}

func checkCrash(t *testing.T, known *history, disk *vfs.MemFS) {
	t.Helper()
	s, err := pebble.Open(pebble.Config{Dir: "a/b", FS: disk, MaxStoredPerKey: 20})
	if err != nil {
		t.Errorf("Open after a crash: %v", err)
		return
	}
	defer s.Close()
	known.check(t, "after a crash", s)
	known.resume(t, s)
	known.check(t, "after a crash and more appends", s)
}
