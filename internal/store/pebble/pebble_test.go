package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

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
