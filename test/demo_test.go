package test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestDemoDeliversEverythingThroughACrash(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--devices", "60", "--rooms", "4", "--rate", "200", strangeText(t, 240))
	if code := d.wait(); code != 0 {
		t.Fatalf("gopush demo ended with %d, want 0:\n%s", code, d.output)
	}
	for name, want := range map[string]int{
		"pushed": 240 * 4, "delivered": 240 * 60,
		"lost": 0, "doubled": 0, "out of order": 0, "altered": 0, "gaps": 0,
	} {
		if got := d.row(name); got != want {
			t.Errorf("%s is %d, want %d:\n%s", name, got, want, d.output)
		}
	}
	// A third came back, and the rest met the crash.
	if got, want := d.row("reconnects"), 60; got < want {
		t.Errorf("reconnects is %d, want at least %d:\n%s", got, want, d.output)
	}
	d.expectNothingLeft()
}

// TestDemoFindsWhatAStoreInMemoryLoses: the counting is worth nothing if it cannot fail.
func TestDemoFindsWhatAStoreInMemoryLoses(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--store", "memory", "--devices", "30", "--rooms", "2", "--rate", "200", strangeText(t, 100))
	if code := d.wait(); code != 1 {
		t.Errorf("gopush demo ended with %d, want 1:\n%s", code, d.output)
	}
	// A third was away from line 21 on; what was pushed from there to the crash is gone.
	if lost, want := d.row("lost"), 10*(50-20); lost < want {
		t.Errorf("lost is %d, want at least %d:\n%s", lost, want, d.output)
	}
	if lost, delivered := d.row("lost"), d.row("delivered"); lost+delivered != 30*100 {
		t.Errorf("lost and delivered are %d and %d, want %d together:\n%s", lost, delivered, 30*100, d.output)
	}
	if doubled := d.row("doubled"); doubled != 0 {
		t.Errorf("doubled is %d, want 0: what was acknowledged is not pushed again\n%s", doubled, d.output)
	}
	d.expectNothingLeft()
}

func TestDemoCleansUpWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, at string // the line of its output that it is interrupted after
		signal   os.Signal
	}{
		{"before the devices are there", "node: ", os.Interrupt},
		{"while it pushes", "devices: ", os.Interrupt},
		{"while devices are away", "devices are gone", syscall.SIGTERM},
		{"while the node is down", "kill -9", os.Interrupt},
		{"when its terminal is closed", "devices come back", syscall.SIGHUP},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := startDemo(t, "--devices", "20", "--rooms", "2", "--rate", "50", strangeText(t, 100))
			eventually(t, fmt.Sprintf("%q said", row.at), func() bool { return strings.Contains(d.output.String(), row.at) })
			if err := d.cmd.Process.Signal(row.signal); err != nil {
				t.Fatal(err)
			}
			if code := d.wait(); code != 1 || !strings.Contains(d.output.String(), "gopush: demo: interrupted") {
				t.Errorf("gopush demo ended with %d after %v, want 1 and that it was interrupted:\n%s", code, row.signal, d.output)
			}
			d.expectNothingLeft()
		})
	}
}

// demoRun is a running gopush demo.
type demoRun struct {
	t      *testing.T
	cmd    *exec.Cmd
	output *lockedBuffer // of both streams
	tmp    string        // its directory for temporary files
	exited chan error    // how it ended
}

func startDemo(t *testing.T, args ...string) *demoRun {
	t.Helper()
	return startDemoCommand(t, "demo", args...)
}

// startDemoCommand starts a subcommand like demo. An argument NAME=VALUE is a variable.
func startDemoCommand(t *testing.T, subcommand string, args ...string) *demoRun {
	t.Helper()
	var env []string
	args = slices.DeleteFunc(args, func(arg string) bool {
		isVariable := regexp.MustCompile(`^[A-Z]+=`).MatchString(arg)
		if isVariable {
			env = append(env, arg)
		}
		return isVariable
	})
	d := &demoRun{t: t, output: new(lockedBuffer), tmp: t.TempDir(), exited: make(chan error, 1)}
	d.cmd = exec.Command(gopush, append([]string{subcommand}, args...)...)
	d.cmd.Env = append(append(os.Environ(), "TMPDIR="+d.tmp, "GOPUSH_AUTH=token"), env...) // which is not for its node
	d.cmd.Stdout, d.cmd.Stderr = d.output, d.output
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.exited <- d.cmd.Wait() }()
	t.Cleanup(func() { d.cmd.Process.Kill() })
	return d
}

// wait returns the exit code.
func (d *demoRun) wait() int {
	d.t.Helper()
	select {
	case err := <-d.exited:
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			d.t.Fatal(err)
		}
	case <-time.After(3 * patience):
		d.t.Fatalf("gopush demo: still there after %v:\n%s", 3*patience, d.output)
	}
	return d.cmd.ProcessState.ExitCode()
}

// row returns the number in a row of the table.
func (d *demoRun) row(name string) int {
	d.t.Helper()
	found := regexp.MustCompile(`(?m)^ *` + name + ` +([\d,]+)`).FindStringSubmatch(d.output.String())
	if found == nil {
		d.t.Fatalf("gopush demo has no row %q:\n%s", name, d.output)
	}
	n, err := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// expectNothingLeft looks for the files and, where there is /proc, the node of the demo: it
// has the directory on its command line.
func (d *demoRun) expectNothingLeft() {
	d.t.Helper()
	if left, err := filepath.Glob(filepath.Join(d.tmp, "*")); len(left) > 0 || err != nil {
		d.t.Errorf("gopush demo left %v (%v)", left, err)
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		line, err := os.ReadFile(file)
		if err == nil && bytes.Contains(line, []byte(d.tmp)) {
			d.t.Errorf("gopush demo left a process: %q", line)
		}
	}
}

// strangeText makes a file of lines that are easily altered on their way.
func strangeText(t *testing.T, lines int) string {
	t.Helper()
	strange := []string{
		"", " ", "\t", "same", "same", "0", "null", `"quoted"`, `{"json" : [1, 2]}`, `back\slash`, "<a href='x'>&amp;</a>",
		"é ü 漢字 🎉", "\u2028\u2029\ufeff", "nul \x00 bell \a escape \x1b", "not UTF-8 \xff\xc3", "carriage return\r",
		"+h", "-p", "$5", strings.Repeat("long ", 8000),
	}
	var text strings.Builder
	for i := range lines {
		fmt.Fprintln(&text, strange[i%len(strange)])
	}
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
