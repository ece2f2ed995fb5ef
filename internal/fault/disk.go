//go:build proof

package fault

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// kind is a set of kinds of operations on files.
type kind uint8

const (
	reads kind = 1 << iota
	writes
	syncs
)

// kindOf tells what an operation is; 0: none that fails.
func kindOf(op errorfs.OpKind) kind {
	switch op {
	case errorfs.OpFileRead, errorfs.OpFileReadAt, errorfs.OpOpen:
		return reads
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpLink, errorfs.OpRename, errorfs.OpRemove:
		return writes
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		return syncs
	}
	return 0
}

// disk tells what becomes of operations on files. It is an errorfs.Injector.
type disk struct {
	mu      sync.Mutex // guards all below
	failing kind
	err     error
	slower  time.Duration // of syncs
	stalled chan struct{} // closed when writes and syncs go on; nil: they do
}

func (d *disk) String() string { return "faults" }

// MaybeError implements errorfs.Injector.
func (d *disk) MaybeError(op errorfs.Op) error {
	k := kindOf(op.Kind)
	slower, stalled := d.delays()
	if k&syncs != 0 && slower > 0 {
		time.Sleep(slower)
	}
	if k&(writes|syncs) != 0 && stalled != nil {
		<-stalled
	}
	return d.failure(k)
}

func (d *disk) delays() (time.Duration, chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slower, d.stalled
}

func (d *disk) failure(k kind) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing&k == 0 {
		return nil
	}
	return d.err
}

// fail has operations fail from now on.
func (d *disk) fail(which kind, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing, d.err = which, err
}

func (d *disk) slow(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slower = by
}

// stall has operations wait, or go on.
func (d *disk) stall(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case on && d.stalled == nil:
		d.stalled = make(chan struct{})
	case !on && d.stalled != nil:
		close(d.stalled)
		d.stalled = nil
	}
}
