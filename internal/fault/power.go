//go:build proof

package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// power is a file system on a disk which has only what was synced: of files what they had when they were, and of names, made, changed and removed,
// those that were there when their directory was. All else is in memory, so that the end of the process, however it comes, is a
// loss of power. Directories themselves are on the disk at once.
//
// A file's contents are on the disk under a hidden name, from which it is linked to the names that it has. The disk itself is not synced: it does not lose its power.
type power struct {
	vfs.FS // the disk

	mu   sync.Mutex      // guards all below, and all files and directories
	dirs map[string]*dir // that were used
	made int             // hidden names
}

// dir is a directory with files.
type dir struct {
	path   string
	live   map[string]*file // by name, as the process sees them
	synced map[string]*file // as they are on the disk
}

// hidden is the directory within a directory that has the contents of its files.
const hidden = ".synced"

func newPower(disk vfs.FS) *power { return &power{FS: disk, dirs: map[string]*dir{}} }

// at returns the directory of name, and the name in it. Its hidden files are made anew when it is first used.
func (p *power) at(name string) (*dir, string, error) {
	name = filepath.Clean(name)
	path, base := filepath.Dir(name), filepath.Base(name)
	d, err := p.dir(path)
	return d, base, err
}

func (p *power) dir(path string) (*dir, error) {
	if d := p.dirs[path]; d != nil {
		return d, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	d := &dir{path: path, live: map[string]*file{}, synced: map[string]*file{}}
	if err := errors.Join(os.RemoveAll(filepath.Join(path, hidden)), os.Mkdir(filepath.Join(path, hidden), 0o755)); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == "LOCK" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		f := p.newFile(d)
		if err := os.Link(filepath.Join(path, e.Name()), f.contents); err != nil {
			return nil, err
		}
		f.size, f.uses = info.Size(), 2
		d.live[e.Name()], d.synced[e.Name()] = f, f
	}
	p.dirs[path] = d
	return d, nil
}

func (p *power) newFile(d *dir) *file {
	p.made++
	return &file{p: p, contents: filepath.Join(d.path, hidden, fmt.Sprint(p.made)), pages: map[int64][]byte{}}
}

// name has f be called so; nil: nothing is.
func (d *dir) name(base string, f *file) {
	was := d.live[base]
	if f == nil {
		delete(d.live, base)
	} else {
		f.uses++
		d.live[base] = f
	}
	if was != nil {
		was.unuse()
	}
}

// sync has the disk know the names of which will says so.
func (d *dir) sync(will func() bool) error {
	for base, f := range d.live {
		if d.synced[base] == f || !will() {
			continue
		}
		if err := d.link(base, f); err != nil {
			return err
		}
	}
	for base, f := range d.synced {
		if d.live[base] != nil || !will() {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, base)); err != nil {
			return err
		}
		delete(d.synced, base)
		f.unuse()
	}
	return nil
}

// link has f be called so on the disk.
func (d *dir) link(base string, f *file) error {
	next := filepath.Join(d.path, hidden, "next")
	if err := os.Link(f.contents, next); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(d.path, base)); err != nil {
		return err
	}
	was := d.synced[base]
	f.uses++
	if d.synced[base] = f; was != nil {
		was.unuse()
	}
	return nil
}

// lose has so much of what is not synced be on the disk, at random. Nothing comes after it: the process is to end.
func (p *power) lose(percent int) {
	p.mu.Lock() // for good
	will := func() bool { return rand.IntN(100) < percent }
	for _, d := range p.dirs {
		for _, f := range d.live {
			_ = f.sync(will)
		}
		_ = d.sync(will)
	}
}

func always() bool { return true }

// Create implements vfs.FS.
func (p *power) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, base, err := p.at(name)
	if err != nil {
		return nil, err
	}
	f := p.newFile(d)
	disk, err := os.OpenFile(f.contents, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	f.disk = disk
	d.name(base, f)
	return f.open(base)
}

// find returns the file called name.
func (p *power) find(op, name string) (*dir, *file, error) {
	d, base, err := p.at(name)
	if err == nil && d.live[base] == nil {
		err = &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, nil, err
	}
	return d, d.live[base], nil
}

// Open implements vfs.FS.
func (p *power) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, f, err := p.find("open", name)
	if err != nil {
		return nil, err
	}
	return f.open(filepath.Base(name))
}

// OpenReadWrite implements vfs.FS.
func (p *power) OpenReadWrite(name string, c vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	file, err := p.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return p.Create(name, c)
	}
	return file, err
}

// OpenDir implements vfs.FS.
func (p *power) OpenDir(name string) (vfs.File, error) {
	file, err := p.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &openDir{File: file, p: p, path: filepath.Clean(name)}, nil
}

// Link implements vfs.FS.
func (p *power) Link(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, f, err := p.find("link", from)
	if err != nil {
		return err
	}
	d, base, err := p.at(to)
	if err != nil {
		return err
	}
	if d.live[base] != nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	d.name(base, f)
	return nil
}

// Remove implements vfs.FS.
func (p *power) Remove(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, _, err := p.find("remove", name)
	if err == nil {
		d.name(filepath.Base(name), nil)
	}
	return err
}

// RemoveAll implements vfs.FS.
func (p *power) RemoveAll(name string) error {
	if err := p.Remove(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return p.FS.RemoveAll(name)
	}
	return nil
}

// Rename implements vfs.FS.
func (p *power) Rename(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rename(from, to)
}

func (p *power) rename(from, to string) error {
	old, f, err := p.find("rename", from)
	if err != nil {
		return err
	}
	d, base, err := p.at(to)
	if err != nil {
		return err
	}
	d.name(base, f)
	old.name(filepath.Base(from), nil)
	return nil
}

// ReuseForWrite implements vfs.FS.
func (p *power) ReuseForWrite(from, to string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.rename(from, to); err != nil {
		return nil, err
	}
	_, f, err := p.find("open", to)
	if err != nil {
		return nil, err
	}
	return f.open(filepath.Base(to))
}

// List implements vfs.FS.
func (p *power) List(path string) (names []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, err := p.dir(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	for base := range d.live {
		names = append(names, base)
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() && e.Name() != hidden {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// Stat implements vfs.FS.
func (p *power) Stat(name string) (vfs.FileInfo, error) {
	below, err := p.FS.Stat(name)
	if err == nil && below.IsDir() {
		return below, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dirs[filepath.Dir(filepath.Clean(name))] == nil {
		return below, err // a directory that is looked at is not used: pebble asks for files of its own without theirs
	}
	_, f, err := p.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{name: filepath.Base(name), size: f.size}, nil
}

// Unwrap implements vfs.FS.
func (p *power) Unwrap() vfs.FS { return p.FS }

// openDir is a directory that is open. Syncing it has the disk know the names in it.
type openDir struct {
	vfs.File
	p    *power
	path string
}

func (o *openDir) Sync() error {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	d := o.p.dirs[o.path]
	if d == nil {
		return nil // nothing in it was used
	}
	return d.sync(always)
}

func (o *openDir) SyncData() error { return o.Sync() }
