package pebble_test

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crashable is a disk that can be cloned while it is written: the MemFS itself may hang then, since its ReuseForWrite
// locks twice.
type crashable struct{ *vfs.MemFS }

func (c crashable) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := c.Rename(from, to); err != nil {
		return nil, err
	}
	return c.OpenReadWrite(to, category)
}

// power is taken from a disk at one of the operations on it: what that leaves is another disk. The operations after it go on, so
// that all ends well; nobody looks at what they do.
type power struct {
	disk    crashable
	at      int64        // which operation
	percent int          // of what is not synced survives
	rng     *rand.Rand   // of who takes it
	freeze  func(func()) // has nobody note anything while the power is taken

	failFrom, failTo atomic.Int64 // operations that fail
	fails            error        // with this

	ops  atomic.Int64
	lost chan struct{} // closed when it is taken
	left *vfs.MemFS    // what is on the disk then; valid once lost is closed
}

// cut returns the disk that loses its power.
func (p *power) cut() vfs.FS { return errorfs.Wrap(p.disk, errorfs.InjectorFunc(p.operation)) }

func (p *power) operation(op errorfs.Op) error {
	n := p.ops.Add(1)
	switch at := p.at; {
	case n == at:
		p.take()
	case n > at:
		<-p.lost // else what is removed after it would be taken for removed before it, as if the disk had foreseen that
	}
	if n >= p.failFrom.Load() && n < p.failTo.Load() && (isChange(op) || isRead(op)) && !p.gone() {
		return p.fails
	}
	return nil
}

// failSoon has some operations fail in a while.
func (p *power) failSoon(rng *rand.Rand) {
	from := p.ops.Load() + 1 + rng.Int64N(500)
	p.failTo.Store(from + 1 + rng.Int64N(6))
	p.failFrom.Store(from)
}

// take takes the power.
func (p *power) take() {
	p.freeze(func() {
		p.left = p.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.percent, RNG: p.rng})
		p.removeSome()
		close(p.lost)
	})
}

// takeNow takes it unless it is taken.
func (p *power) takeNow() {
	if p.at = 0; !p.gone() {
		p.take()
	}
}

func (p *power) gone() bool {
	select {
	case <-p.lost:
		return true
	default:
		return false
	}
}

// removeSome has some of the removals survive that were not synced. A clone of a MemFS has undone them all.
func (p *power) removeSome() {
	there, _ := p.disk.List(dataDir) // none: it was not made yet
	left, _ := p.left.List(dataDir)
	slices.Sort(left)
	for _, name := range left {
		if !slices.Contains(there, name) && p.rng.IntN(100) < p.percent {
			if err := p.left.Remove(p.left.PathJoin(dataDir, name)); err != nil {
				panic(err)
			}
		}
	}
	// What is left is on the disk.
	if dir, err := p.left.OpenDir(dataDir); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
}
