package gopush_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Only a binary that is built for it can be broken from inside.
func TestOnlyTheTagProofHasFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tags string
		want bool
	}{{"", false}, {"proof", true}} {
		out, err := exec.Command("go", "list", "-deps", "-tags", c.tags, "./cmd/gopush").Output()
		if err != nil {
			t.Fatal(err)
		}
		packages := strings.Fields(string(out))
		for _, name := range []string{"gopush/internal/fault", "github.com/cockroachdb/pebble/v2/vfs/errorfs"} {
			if got := slices.Contains(packages, name); got != c.want {
				t.Errorf("with the tags %q %s is compiled in: %v, want %v", c.tags, name, got, c.want)
			}
		}
	}
}
