package test

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestClusterDemoLosesNothing(t *testing.T) {
	t.Parallel()
	needProgram(t, "redis-server")
	d := startDemoCommand(t, "cluster-demo", "--devices", "60", "--rooms", "6", "--rate", "40", "--session-timeout", "1s", strangeText(t, 240))
	if code := d.wait(); code != 0 {
		t.Fatalf("gopush cluster-demo ended with %d, want 0:\n%s", code, d.output)
	}
	for name, want := range map[string]int{"lost": 0, "doubled": 0, "out of order": 0, "altered": 0, "gaps": 0} {
		if got := d.row(name); got != want {
			t.Errorf("%s is %d, want %d:\n%s", name, got, want, d.output)
		}
	}
	if acknowledged, unanswered := d.row("acknowledged"), d.row("unanswered"); acknowledged+unanswered != 240*6 {
		t.Errorf("%d pushes were acknowledged and %d not answered, want %d together:\n%s", acknowledged, unanswered, 240*6, d.output)
	}
	// A third came back, and of the rest a third met the kill.
	if got, want := d.row("reconnects"), 20+10; got < want {
		t.Errorf("reconnects is %d, want at least %d:\n%s", got, want, d.output)
	}
	d.expectNothingLeft()
}

func TestClusterDemoCleansUpWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	needProgram(t, "redis-server")
	for _, row := range []struct {
		name, at string // the line of its output that it is interrupted after
		signal   os.Signal
	}{
		{"before the nodes are there", "text: ", os.Interrupt},
		{"while a node is down", "kill -9", syscall.SIGTERM},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := startDemoCommand(t, "cluster-demo", "--devices", "20", "--rooms", "2", "--rate", "50", strangeText(t, 100))
			eventually(t, row.at+" said", func() bool { return strings.Contains(d.output.String(), row.at) })
			if err := d.cmd.Process.Signal(row.signal); err != nil {
				t.Fatal(err)
			}
			if code := d.wait(); code != 1 || !strings.Contains(d.output.String(), "gopush: cluster-demo: interrupted") {
				t.Errorf("gopush cluster-demo ended with %d after %v, want 1 and that it was interrupted:\n%s", code, row.signal, d.output)
			}
			d.expectNothingLeft()
		})
	}
}

// Without redis-server it says what to install, and starts nothing.
func TestClusterDemoSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	d := startDemoCommand(t, "cluster-demo", strangeText(t, 20), "PATH=")
	if code := d.wait(); code != 1 || !strings.Contains(d.output.String(), "apt-get install redis-server") {
		t.Errorf("gopush cluster-demo without redis-server ended with %d, want 1 and what to install:\n%s", code, d.output)
	}
	d.expectNothingLeft()
}
