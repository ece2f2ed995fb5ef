package proof

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds gopush into dir with build tags ("proof", "broken_seam"), and returns the binary's path. With race it has the
// race detector, whose findings fail a run.
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
