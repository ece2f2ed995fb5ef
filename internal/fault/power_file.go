//go:build proof

package fault

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// pageBytes is what reaches the disk as a whole or not at all.
const pageBytes = 4096

// file is what names stand for. Guarded by power.mu.
type file struct {
	p        *power
	contents string // name of what is synced of it
	disk     *os.File
	opened   int // how often it is open; disk is nil where it is not
	uses     int // names, of both kinds, and openings

	size  int64
	pages map[int64][]byte // that are not synced, by number; whole, but for what is beyond size
}

// open opens f, which may be open.
func (f *file) open(name string) (vfs.File, error) {
	if f.disk == nil {
		disk, err := os.OpenFile(f.contents, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		f.disk = disk
	}
	f.opened++
	f.uses++
	return &openFile{file: f, name: name}, nil
}

func (f *file) close() error {
	var err error
	if f.opened--; f.opened == 0 {
		err, f.disk = f.disk.Close(), nil
	}
	f.unuse()
	return err
}

// unuse lets go of the contents when nothing leads there any more.
func (f *file) unuse() {
	if f.uses--; f.uses == 0 {
		_ = os.Remove(f.contents)
	}
}

func (f *file) readAt(b []byte, at int64) (n int, err error) {
	for n < len(b) && at < f.size {
		number, within := at/pageBytes, at%pageBytes
		most := min(int64(len(b)-n), pageBytes-within, f.size-at)
		into := b[n : n+int(most)]
		if page := f.pages[number]; page != nil {
			copy(into, page[within:])
		} else if err := f.readSynced(into, at); err != nil {
			return n, err
		}
		n += len(into)
		at += most
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// readSynced reads what is synced; beyond its end are zeros.
func (f *file) readSynced(b []byte, at int64) error {
	n, err := f.disk.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		clear(b[n:])
		err = nil
	}
	return err
}

func (f *file) writeAt(b []byte, at int64) error {
	for len(b) > 0 {
		number, within := at/pageBytes, at%pageBytes
		page := f.pages[number]
		if page == nil {
			page = make([]byte, pageBytes)
			if err := f.readSynced(page, number*pageBytes); err != nil {
				return err
			}
			f.pages[number] = page
		}
		n := copy(page[within:], b)
		b, at = b[n:], at+int64(n)
		f.size = max(f.size, at)
	}
	return nil
}

// sync has the disk know the pages of which will says so.
func (f *file) sync(will func() bool) error {
	disk := f.disk
	if disk == nil && len(f.pages) > 0 {
		opened, err := os.OpenFile(f.contents, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer opened.Close()
		disk = opened
	}
	for number, page := range f.pages {
		if !will() {
			continue
		}
		at := number * pageBytes
		if _, err := disk.WriteAt(page[:min(pageBytes, f.size-at)], at); err != nil {
			return err
		}
		delete(f.pages, number)
	}
	return nil
}

// openFile is a file that is open.
type openFile struct {
	*file
	name   string
	at     int64
	closed bool
}

func (o *openFile) Read(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	n, err := o.readAt(b, o.at)
	if o.at += int64(n); n > 0 {
		err = nil
	}
	return n, err
}

func (o *openFile) ReadAt(b []byte, at int64) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	return o.readAt(b, at)
}

func (o *openFile) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	err := o.writeAt(b, o.at)
	o.at += int64(len(b))
	return len(b), err
}

func (o *openFile) WriteAt(b []byte, at int64) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	return len(b), o.writeAt(b, at)
}

func (o *openFile) Close() error {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	if o.closed {
		return fs.ErrClosed
	}
	o.closed = true
	return o.close()
}

func (o *openFile) Stat() (vfs.FileInfo, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	return info{name: o.name, size: o.size}, nil
}

func (o *openFile) Sync() error {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	return o.sync(always)
}

func (o *openFile) SyncData() error              { return o.Sync() }
func (o *openFile) SyncTo(int64) (bool, error)   { return false, nil } // promises nothing
func (o *openFile) Preallocate(_, _ int64) error { return nil }
func (o *openFile) Prefetch(_, _ int64) error    { return nil }
func (o *openFile) Fd() uintptr                  { return vfs.InvalidFd }

// info describes a file.
type info struct {
	name string
	size int64
}

func (i info) Name() string           { return i.name }
func (i info) Size() int64            { return i.size }
func (i info) Mode() fs.FileMode      { return 0o644 }
func (i info) ModTime() time.Time     { return time.Time{} }
func (i info) IsDir() bool            { return false }
func (i info) Sys() any               { return nil }
func (i info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
