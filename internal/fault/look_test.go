//go:build proof

package fault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Who asks after a file changes nothing in its directory.
func TestLookingIsNotUsing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPower(vfs.Default)
	if info, err := p.Stat(file); err != nil || info.Size() != 4 {
		t.Errorf("Stat = %v, %v, want 4 bytes", info, err)
	}
	if _, err := p.Stat(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of nothing: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v (%v) after that, want the file alone", entries, err)
	}
}
