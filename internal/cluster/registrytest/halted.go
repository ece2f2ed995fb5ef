package registrytest

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/cluster"
)

// processVariable makes a run of the test binary a process of a node, and says which: address, prefix and name.
const processVariable = "GOPUSH_REGISTRYTEST_PROCESS"

// beProcess is a process of a node until standard input ends, if this is to be one.
func beProcess(t *testing.T, k Kind) bool {
	what := strings.Fields(os.Getenv(processVariable))
	if len(what) != 3 {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	r := k.Open(t, what[:1], what[1], processNode(what[2]))
	running.Go(func() { r.Run(ctx, func([]cluster.Node) {}) })
	if err := r.Join(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err == nil
}

// processNode is what a process of its own registers as.
func processNode(name string) cluster.Node {
	return cluster.Node{Name: name, Weight: 1, Admin: []string{"10.1.1.1:6970"}}
}

// halted has a process stand still for longer than its session lasts, as in a virtual machine that is moved.
func halted(t *testing.T, g *group) {
	watcher := g.joined("n2")[0]
	process := exec.Command(os.Args[0], "-test.run=^"+strings.SplitN(t.Name(), "/", 2)[0]+"$")
	process.Env = append(os.Environ(), processVariable+"="+strings.Join([]string{g.server.Addr, g.prefix, "n1"}, " "))
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	endWithTest(process)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	both := serving{&member{node: processNode("n1")}, watcher}
	for range 2 {
		g.wantSeen([]*member{watcher}, both)
		if err := halt(process.Process); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("processes cannot be halted here")
		} else if err != nil {
			t.Fatal(err)
		}
		g.wantSeen([]*member{watcher}, serving{watcher})
		<-time.After(g.kind.Timeout / 2)
		if err := resume(process.Process); err != nil {
			t.Fatal(err)
		}
	}
	g.wantSeen([]*member{watcher}, both)
}
