package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What README.md has of a cluster, to be copied and pasted, does what it says.
func TestReadmeCluster(t *testing.T) {
	t.Parallel()
	needProgram(t, "redis-server")
	if runtime.GOOS != "linux" {
		t.Skip("its ports are free on another loopback address, which only Linux has")
	}
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A cluster\n")
	_, script, _ := strings.Cut(section, "```sh\n")
	script, _, found := strings.Cut(script, "```")
	if !found {
		t.Fatal("README.md has no script under \"A cluster\"")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(gopush, filepath.Join(dir, "bin", "gopush")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t), "sh", "-ec", strings.ReplaceAll(script, "127.0.0.1", loopbackHost()))
	output := new(lockedBuffer)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, output, output
	inGroup(cmd)
	cmd.Cancel = func() error { endGroup(cmd); return nil }
	if err := cmd.Run(); err != nil {
		t.Fatalf("the script of README.md ended with %v:\n%s", err, output)
	}
	if !strings.Contains(output.String(), "across nodes") {
		t.Errorf("the device got nothing:\n%s", output)
	}
}
