package proof

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Binaries are builds of gopush, each made once.
type Binaries struct {
	race bool

	mu    sync.Mutex // held while one is built
	dir   string     // "": none was
	built map[string]bool
}

// NewBinaries returns a place for builds, which with race have the race detector: what that finds fails a run.
func NewBinaries(race bool) *Binaries { return &Binaries{race: race, built: map[string]bool{}} }

// Build returns the binary with these build tags ("proof", "broken_seam").
func (b *Binaries) Build(ctx context.Context, tags ...string) (binary string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "gopush-proof-bin-"); err != nil {
			return "", err
		}
	}
	name := strings.Join(append([]string{"gopush"}, tags...), "-")
	binary = filepath.Join(b.dir, name)
	if b.built[name] {
		return binary, nil
	}
	if binary, err = Build(ctx, b.dir, b.race, tags...); err != nil {
		return "", err
	}
	b.built[name] = true
	return binary, nil
}

// Close removes what was built.
func (b *Binaries) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return os.RemoveAll(b.dir)
}

// Build builds gopush into dir with build tags, and returns the binary's path.
func Build(ctx context.Context, dir string, race bool, tags ...string) (binary string, err error) {
	binary = filepath.Join(dir, strings.Join(append([]string{"gopush"}, tags...), "-"))
	args := []string{"build", "-o", binary, "-tags", strings.Join(tags, ",")}
	if race {
		args = append(args, "-race")
	}
	out, err := exec.CommandContext(ctx, "go", append(args, "gopush/cmd/gopush")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", filepath.Base(binary), err, out)
	}
	return binary, nil
}
