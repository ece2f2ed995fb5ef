package pebble_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gopush/internal/channel"
	"gopush/internal/store/pebble"
)

// TestFullTmpfs is TestFullDisk on a real file system that is really full.
func TestFullTmpfs(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	cfg := pebble.Config{Dir: filepath.Join(mount, "data"), MemTableBytes: 256 << 10}
	s := mustOpen(t, cfg)
	h := newHistory(math.MaxInt)
	h.work(t, s, 100)
	fill := filepath.Join(mount, "fill")
	fillDisk(t, fill)
	h.work(t, s, 200)
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

	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	h.recover(t, s)
	h.check(t, "after room was made", s)
	h.work(t, s, 10)
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	h.check(t, "after opening again", mustOpen(t, cfg))
}

// fillDisk writes to name until nothing more fits.
func fillDisk(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
}
