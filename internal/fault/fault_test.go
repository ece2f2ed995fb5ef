//go:build proof

package fault_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/fault"
)

// open returns what can be broken, and who orders it to be.
func open(t *testing.T, losesPower bool) (*fault.Faults, func(order string) string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "faults")
	f, err := fault.Open(socket, losesPower, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	answers := bufio.NewScanner(c)
	return f, func(order string) string {
		if _, err := fmt.Fprintln(c, order); err != nil || !answers.Scan() {
			t.Fatalf("%s: %v", order, errors.Join(err, answers.Err()))
		}
		return answers.Text()
	}
}

func write(t *testing.T, disk vfs.FS, name, contents string) vfs.File {
	t.Helper()
	f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(contents)); err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, disk vfs.FS, name string) string {
	t.Helper()
	f, err := disk.Open(name)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func syncDir(t *testing.T, disk vfs.FS, dir string) {
	t.Helper()
	d, err := disk.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		t.Fatal(err)
	}
}

// What is not synced is seen by the process, and not by the one that comes after it.
func TestWhatIsNotSyncedIsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	f, _ := open(t, true)
	disk := f.Disk()
	kept := write(t, disk, at("kept"), "synced")
	for _, name := range []string{"removed", "renamed", "reused"} {
		if err := write(t, disk, at(name), name).Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := kept.Sync(); err != nil {
		t.Fatal(err)
	}
	syncDir(t, disk, dir)
	if _, err := kept.Write([]byte(", and this is not")); err != nil {
		t.Fatal(err)
	}
	if err := write(t, disk, at("new"), "synced, but its name is not").Sync(); err != nil {
		t.Fatal(err)
	}
	reused, err := disk.ReuseForWrite(at("reused"), at("again"), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reused.Write([]byte("RE")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(reused.Sync(), disk.Remove(at("removed")), disk.Rename(at("renamed"), at("other"))); err != nil {
		t.Fatal(err)
	}
	see(t, "the process", disk, dir, map[string]string{
		"kept": "synced, and this is not", "new": "synced, but its name is not", "again": "REused", "other": "renamed",
	})
	see(t, "the one after it", vfs.Default, dir, map[string]string{"kept": "synced", "reused": "REused", "removed": "removed", "renamed": "renamed"})
	syncDir(t, disk, dir)
	if err := kept.Sync(); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"kept": "synced, and this is not", "new": "synced, but its name is not", "again": "REused", "other": "renamed"}
	see(t, "who comes after all was synced", vfs.Default, dir, all)
	next, _ := open(t, true)
	see(t, "who loses power, too, after that", next.Disk(), dir, all)
}

func see(t *testing.T, who string, disk vfs.FS, dir string, want map[string]string) {
	t.Helper()
	names, err := disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, ".") })
	if len(names) != len(want) {
		t.Errorf("%s sees %q, want %d files", who, names, len(want))
	}
	for name, contents := range want {
		if got := read(t, disk, filepath.Join(dir, name)); got != contents {
			t.Errorf("%s reads %q from %s, want %q", who, got, name, contents)
		}
		if info, err := disk.Stat(filepath.Join(dir, name)); err != nil || info.Size() != int64(len(contents)) {
			t.Errorf("%s: Stat(%s) = %v, %v, want %d bytes", who, name, info, err, len(contents))
		}
	}
}

// A file reads as what was written, in whatever pieces, synced or not.
func TestPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, _ := open(t, true)
	want := make([]byte, 20_000)
	file := write(t, f.Disk(), filepath.Join(dir, "f"), string(want))
	for i := range 500 {
		at := i * 7919 % 19_000
		piece := slices.Repeat([]byte{byte(i)}, i*31%900+1)
		copy(want[at:], piece)
		if _, err := file.WriteAt(piece, int64(at)); err != nil {
			t.Fatal(err)
		}
		if i%7 == 0 {
			if err := file.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, 20_000)
		if n, err := file.ReadAt(got, 0); n != len(got) || err != nil || string(got) != string(want) {
			t.Fatalf("after write %d ReadAt = %d, %v, and it is not what was written", i, n, err)
		}
	}
	if n, err := file.ReadAt(make([]byte, 10), 19_995); n != 5 || err != io.EOF {
		t.Errorf("ReadAt across the end = %d, %v, want 5 and EOF", n, err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	syncDir(t, f.Disk(), dir)
	if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != string(want) {
		t.Errorf("on the disk is not what was written: %v", err)
	}
}

// Nothing is left on the disk of files that nobody can reach.
func TestFilesAreLetGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, _ := open(t, true)
	for range 10 {
		file := write(t, f.Disk(), filepath.Join(dir, "f"), "x")
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			t.Fatal(err)
		}
		syncDir(t, f.Disk(), dir)
	}
	if err := f.Disk().Remove(filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	syncDir(t, f.Disk(), dir)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADiskThatFails(t *testing.T) {
	t.Parallel()
	f, order := open(t, false)
	name := filepath.Join(t.TempDir(), "f")
	file := write(t, f.Disk(), name, "x")
	write := func() error { _, err := file.Write([]byte("x")); return err }
	read := func() error { _, err := file.ReadAt(make([]byte, 1), 0); return err }
	for _, c := range []struct {
		order             string
		write, sync, read error
	}{
		{"fail write EIO", syscall.EIO, nil, nil},
		{"fail write ENOSPC", syscall.ENOSPC, nil, nil},
		{"fail sync EIO", nil, syscall.EIO, nil},
		{"fail read,sync EIO", nil, syscall.EIO, syscall.EIO},
		{"fail none", nil, nil, nil},
	} {
		if got := order(c.order); got != "ok" {
			t.Fatalf("%s: %s", c.order, got)
		}
		if w, s, r := write(), file.Sync(), read(); w != c.write || s != c.sync || r != c.read {
			t.Errorf("%s: write, sync and read = %v, %v, %v, want %v, %v, %v", c.order, w, s, r, c.write, c.sync, c.read)
		}
	}
	for _, wrong := range []string{"", "fail", "fail write", "fail all EIO", "fail write EPERM", "slow", "slow x", "power 50", "power x", "clock"} {
		if got := order(wrong); got == "ok" || got == "" {
			t.Errorf("%q is answered %q, want what is wrong with it", wrong, got)
		}
	}
}

func TestADiskThatStalls(t *testing.T) {
	t.Parallel()
	f, order := open(t, false)
	file := write(t, f.Disk(), filepath.Join(t.TempDir(), "f"), "x")
	order("stall on")
	synced := make(chan error)
	go func() { synced <- file.Sync() }()
	if got := order("slow 50ms"); got != "ok" {
		t.Fatal(got)
	}
	select {
	case err := <-synced:
		t.Errorf("Sync of a disk that stalls = %v", err)
	default:
	}
	order("stall off")
	if err := <-synced; err != nil {
		t.Error(err)
	}
	began := time.Now()
	if err := file.Sync(); err != nil || time.Since(began) < 50*time.Millisecond {
		t.Errorf("Sync of a slow disk = %v after %v, want 50ms", err, time.Since(began))
	}
}

// The clock is set as a machine's is: what is measured does not change.
func TestTheClockIsSet(t *testing.T) {
	t.Parallel()
	f, order := open(t, false)
	last := time.Duration(0)
	for _, ahead := range []time.Duration{0, time.Hour, time.Hour, -time.Hour} {
		before, by := f.Now(), ahead-last
		last = ahead
		order("clock " + ahead.String())
		after := f.Now()
		if d := after.Sub(before); d < 0 || d > time.Minute {
			t.Errorf("set by %v, and %v are measured", by, d)
		}
		if d := after.Round(0).Sub(before.Round(0)) - by; d < -time.Second || d > time.Minute {
			t.Errorf("set by %v, and the time is %v after that", by, d)
		}
	}
	if d := time.Until(f.Now().Round(0)); d > -59*time.Minute || d < -61*time.Minute {
		t.Errorf("set an hour back, it is %v ahead", d)
	}
}
