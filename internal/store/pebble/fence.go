package pebble

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence is the file system of one pebble instance, and takes it from the instance at the first
// write that fails. From then on nothing that the instance writes reaches the disk, as if the
// power had gone, and pebble is told that all is well: it answers a failed write with a panic, a
// hang or a lost batch, but can be closed when nothing ever fails.
//
//	opening   a failed write and all after it go nowhere; whoever opens looks at cause
//	serving   a failed write and all after it wait, so that the instance keeps what it has in
//	          memory and can still be read; only the log goes nowhere at once, since a commit
//	          waits for it
//	released  all that waits, and all that comes, goes nowhere; the instance can be closed
//
// What is on disk is what was there when the write failed, and no later write of the same
// instance can damage it, also not when another instance has been opened meanwhile.
type fence struct {
	vfs.FS

	logBytes int64         // how much a log holds, about
	zeros    []byte        // what logs are zeroed with
	failed   chan struct{} // closed by the first failure
	released chan struct{} // closed by release

	syncing sync.Mutex // held while the journal is synced by who does not commit, or changed
	journal vfs.File   // what is to be synced before a table is made; nil: nothing. Guarded by syncing

	mu      sync.Mutex // guards all below
	err     error      // of the first failure
	serving bool
	stalled bool // pebble lets a commit wait for the files that are being written
}

func newFence(disk vfs.FS, logBytes int64) *fence {
	return &fence{FS: disk, logBytes: logBytes, zeros: make([]byte, 64<<10), failed: make(chan struct{}), released: make(chan struct{})}
}

// cause returns the first failure, nil if there was none.
func (f *fence) cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// readable tells whether what the instance has can still be read.
func (f *fence) readable() bool {
	select {
	case <-f.released:
		return false
	default:
		return true
	}
}

// serve ends opening.
func (f *fence) serve() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serving = true
}

// fail takes the disk from the instance, because of err.
func (f *fence) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return
	}
	f.err = err
	close(f.failed)
	f.releaseIf(f.stalled)
}

// release lets go all that waits.
func (f *fence) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.releaseIf(true)
}

// stall tells that a commit waits for files to be written, or does so no longer. A commit must
// not wait for what itself waits: the instance is given up instead.
func (f *fence) stall(stalled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalled = stalled
	f.releaseIf(stalled && f.err != nil)
}

// releaseIf is called with f.mu held.
func (f *fence) releaseIf(yes bool) {
	if yes && f.readable() {
		close(f.released)
	}
}

// write does what changes the file named name, unless the disk was taken; its failure takes it.
// It always returns nil, as what it stands in for should.
func (f *fence) write(name string, do func() error) error {
	if f.cause() == nil {
		err := do()
		if err == nil {
			return nil
		}
		f.fail(err)
	}
	f.hold(name)
	return nil
}

// hold waits for release, if a failed write to name is to wait.
func (f *fence) hold(name string) {
	f.mu.Lock()
	waits := f.serving && name != "" && path.Ext(name) != ".log"
	f.mu.Unlock()
	if waits {
		<-f.released
	}
}

// open makes a file with do.
func (f *fence) open(name string, do func() (vfs.File, error)) (vfs.File, error) {
	var file vfs.File
	f.write(name, func() (err error) {
		file, err = do()
		return err
	})
	if file == nil {
		return void{}, nil
	}
	return &fencedFile{File: file, f: f, name: name}, nil
}

// Create makes a file. What a table will have is in the journal, perhaps not synced: else a power failure might leave of a
// commit what is in the table and is not written again from the journal.
func (f *fence) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if path.Ext(name) == ".sst" {
		f.syncJournal()
	}
	f.order(name)
	file, err := f.open(name, func() (vfs.File, error) { return f.FS.Create(name, c) })
	return zeroedAhead(file), err
}

// order makes durable what was done in the directory before a marker is made or removed. A marker names the file that counts, of
// several: pebble syncs the directory only when the new one is made and the old one is removed. A disk that keeps the one and not the other, or not
// the file that is named, has lost all (cockroachdb/pebble#5915).
func (f *fence) order(name string) {
	if !strings.HasPrefix(f.PathBase(name), "marker.") {
		return
	}
	_ = f.write(name, func() error {
		dir, err := f.FS.OpenDir(f.PathDir(name))
		if err != nil {
			return err
		}
		return errors.Join(dir.Sync(), dir.Close())
	})
}

// syncJournal makes durable what was written to the journal. Whether that failed is the fence's to tell.
func (f *fence) syncJournal() {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if f.journal != nil {
		_ = f.journal.SyncData()
	}
}

// setJournal has file be the journal, before the one that was is closed.
func (f *fence) setJournal(file vfs.File) {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.journal = file
}

func (f *fence) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open(name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, opts...) })
}

func (f *fence) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.open(to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
	return zeroedAhead(file), err
}

// OpenDir opens a directory; syncing it does not wait, since the log's files need that too.
func (f *fence) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fencedFile{File: dir, f: f}, nil
}

func (f *fence) Link(from, to string) error {
	return f.write(to, func() error { return f.FS.Link(from, to) })
}

func (f *fence) Rename(from, to string) error {
	return f.write(to, func() error { return f.FS.Rename(from, to) })
}

// Remove removes a file; that it is not there is no failure.
func (f *fence) Remove(name string) error {
	f.order(name)
	var missing error
	f.write(name, func() error {
		err := f.FS.Remove(name)
		if errors.Is(err, fs.ErrNotExist) {
			missing, err = err, nil
		}
		return err
	})
	return missing
}

func (f *fence) RemoveAll(name string) error {
	return f.write(name, func() error { return f.FS.RemoveAll(name) })
}

// Unwrap implements vfs.FS.
func (f *fence) Unwrap() vfs.FS { return f.FS }

// fencedFile is a file that may be written.
type fencedFile struct {
	vfs.File
	f    *fence
	name string // empty for a directory
}

func (w *fencedFile) write(do func() error) error { return w.f.write(w.name, do) }

func (w *fencedFile) Write(p []byte) (int, error) {
	return len(p), w.write(func() error { _, err := w.File.Write(p); return err })
}

func (w *fencedFile) WriteAt(p []byte, at int64) (int, error) {
	return len(p), w.write(func() error { _, err := w.File.WriteAt(p, at); return err })
}

func (w *fencedFile) Sync() error     { return w.write(w.File.Sync) }
func (w *fencedFile) SyncData() error { return w.write(w.File.SyncData) }

func (w *fencedFile) SyncTo(length int64) (full bool, err error) {
	err = w.write(func() (err error) { full, err = w.File.SyncTo(length); return err })
	return full, err
}

// Stat fails as a write does: pebble asks for the size of a log that it writes.
func (w *fencedFile) Stat() (vfs.FileInfo, error) {
	info, err := w.File.Stat()
	if err != nil {
		w.f.fail(err)
		return empty{}, nil
	}
	return info, nil
}

// Preallocate only asks for room: that there is none is no failure yet.
func (w *fencedFile) Preallocate(offset, length int64) error {
	if w.f.cause() != nil {
		return nil
	}
	return w.File.Preallocate(offset, length)
}

// Close closes the file also when the disk was taken: it is the descriptor that goes.
func (w *fencedFile) Close() error {
	err := w.File.Close()
	return w.write(func() error { return err })
}

// void is a file that was made when the disk was taken.
type void struct{ vfs.File }

func (void) Write(p []byte) (int, error)            { return len(p), nil }
func (void) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (void) Read([]byte) (int, error)               { return 0, fs.ErrNotExist }
func (void) ReadAt([]byte, int64) (int, error)      { return 0, fs.ErrNotExist }
func (void) Stat() (vfs.FileInfo, error)            { return empty{}, nil }
func (void) Preallocate(_, _ int64) error           { return nil }
func (void) Prefetch(_, _ int64) error              { return nil }
func (void) SyncTo(int64) (bool, error)             { return true, nil }
func (void) SyncData() error                        { return nil }
func (void) Sync() error                            { return nil }
func (void) Close() error                           { return nil }
func (void) Fd() uintptr                            { return vfs.InvalidFd }

// empty describes a void file.
type empty struct{ vfs.FileInfo }

func (empty) Size() int64 { return 0 }
