package node

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The least limit of a group and of those around it counts, whatever the version of control groups.
func TestTheMemoryOfAControlGroup(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"a/memory.max": "1000000\n", "a/b/memory.max": "max\n", "a/b/c/memory.max": "2000000\n", "memory.max": "3000000\n",
		"memory/x/memory.limit_in_bytes": "500000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]int64{
		"0::/a/b/c\n":                  1000000,
		"0::/\n":                       3000000,
		"0::/not/here\n":               3000000,
		"4:memory:/x/y\n0::/\n":        500000,
		"3:cpu,memory:/x\n":            500000,
		"2:cpu:/x\n1:name=systemd:/\n": math.MaxInt64,
		"nonsense\n":                   math.MaxInt64,
	} {
		if got := groupMemory(root, text); got != want {
			t.Errorf("groupMemory of %q = %d, want %d", text, got, want)
		}
	}
	if n := machineMemory(); n < 1<<24 || n == math.MaxInt64 {
		t.Errorf("machineMemory() = %d", n)
	}
}
