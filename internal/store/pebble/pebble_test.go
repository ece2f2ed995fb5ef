package pebble_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/message"
	"gopush/internal/store/memory"
	"gopush/internal/store/pebble"
	"gopush/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, openInMemory)
}

func TestStoreOnDisk(t *testing.T) {
	t.Parallel()
	storetest.RunReopen(t, func(t *testing.T, cfg storetest.Config) storetest.Store { return open(t, cfg, nil) })
}

// TestAgreesWithMemory: whatever is asked of both stores, they answer the same.
func TestAgreesWithMemory(t *testing.T) {
	t.Parallel()
	storetest.RunAgreement(t, openMemory, openInMemory)
}

func openMemory(_ *testing.T, cfg storetest.Config) storetest.Store {
	return memory.New(memory.Config{MaxStoredPerKey: cfg.MaxStoredPerKey, Now: cfg.Now})
}

// openInMemory opens a store that does not outlive the test.
func openInMemory(t *testing.T, cfg storetest.Config) storetest.Store {
	return open(t, cfg, vfs.NewMem())
}

func open(t *testing.T, cfg storetest.Config, fs vfs.FS) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(pebble.Config{Dir: cfg.Dir, MaxStoredPerKey: cfg.MaxStoredPerKey, Now: cfg.Now, FS: fs})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    string
	}{
		{"a directory in use", func(t *testing.T, dir string) { mustOpen(t, pebble.Config{Dir: dir}) }, "no other process may use it: stop that one, or use another directory"},
		{"another format", func(t *testing.T, dir string) { write(t, dir, "f", binary.AppendVarint(nil, 7)) }, "has format 7, this gopush knows formats 1 to 4: use the gopush that wrote it, or another directory"},
		{"another program's database", func(t *testing.T, dir string) { write(t, dir, "a", nil) }, "not gopush's: use another directory"},
		{"a file", func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			c.prepare(t, dir)
			_, err := pebble.Open(pebble.Config{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("Open = %v, want it to say %q and name %s", err, c.want, dir)
			}
		})
	}
}

// write puts a value into a database of pebble's.
func write(t *testing.T, dir, key string, value []byte) {
	t.Helper()
	db, err := pebbledb.Open(dir, &pebbledb.Options{Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte(key), value, pebbledb.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// TestUpgrade: a store of format 1, which knew no groups, is one of ours once it was opened.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := pebble.Open(pebble.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	mustChain(t, s, time.Now(), "k", 3, time.Hour)
	want, err := s.Info(t.Context(), "k")
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if got := downgrade(t, dir); got != 4 {
		t.Errorf("a new store has format %d, want 4", got)
	}

	s = mustOpen(t, pebble.Config{Dir: dir})
	if got, err := s.Info(t.Context(), "k"); got != want || err != nil {
		t.Errorf("Info of a key of format 1 = %+v, %v, want %+v", got, err, want)
	}
	if err := s.CreateGroup(t.Context(), "k", "g", 0, false); err != nil {
		t.Errorf("CreateGroup: %v", err)
	}
	found, err := s.ReadGroup(t.Context(), message.GroupRead{Key: "k", Group: "g", Consumer: "c"})
	if err != nil || len(found) != 3 {
		t.Errorf("ReadGroup = %d messages, %v, want 3", len(found), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := downgrade(t, dir); got != 4 {
		t.Errorf("a store of format 1 that was opened has format %d, want 4", got)
	}
}

// downgrade makes the store in dir one of format 1, and returns which it had.
func downgrade(t *testing.T, dir string) (version int64) {
	t.Helper()
	db, err := pebbledb.Open(dir, &pebbledb.Options{Logger: quiet{}, FormatMajorVersion: pebbledb.FormatTableFormatV6})
	if err != nil {
		t.Fatal(err)
	}
	iter, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	batch := db.NewBatch()
	for ok := iter.First(); ok; ok = iter.Next() {
		switch iter.Key()[0] {
		case 'f':
			v, n := binary.Varint(iter.Value())
			version = v
			err = errors.Join(err, batch.Set(iter.Key(), append(binary.AppendVarint(nil, 1), iter.Value()[n:]...), nil))
		case 'k':
			length := 0
			for range 6 {
				_, n := binary.Varint(iter.Value()[length:])
				length += n
			}
			err = errors.Join(err, batch.Set(iter.Key(), iter.Value()[:length], nil))
		}
	}
	if err := errors.Join(err, iter.Close(), batch.Commit(pebbledb.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	return version
}
