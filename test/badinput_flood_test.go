package test

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// flood opens so many connections that say nothing.
func flood(t *testing.T, addr string, count int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, count)
	for i := range conns {
		conns[i] = dial(t, addr)
	}
	return conns
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// cpu returns the processor time that the node has used. /proc counts it in hundredths.
func (n *node) cpu() time.Duration {
	n.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	ticks := 0
	for _, field := range fields[12:14] { // user, system
		v, err := strconv.Atoi(field)
		if err != nil {
			n.t.Fatal(err)
		}
		ticks += v
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// Past the descriptor limit accepting fails: counted, logged at most once a second, without
// spinning. Who is connected notices nothing, and when connections close all is as before.
func TestFloodPastTheDescriptorLimit(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			floodPastTheLimit(t, serveLimited(t, 128, "--engine", engine, "--max-connections", "100000", "--first-packet-timeout", "1h"))
		})
	}
}

func floodPastTheLimit(t *testing.T, n *node) {
	const failures = "gopush_accept_failures_total"
	w := newWitness(n)
	w.check(t) // from here on pushes and metrics have their connections
	if got := n.count(failures); got != 0 {
		t.Fatalf("%s is %v before the flood", failures, got)
	}
	begin, used := time.Now(), n.cpu()
	conns := flood(t, n.public[0], 300)
	eventually(t, "accepting fails, again and again", func() bool {
		w.check(t)
		return n.count(failures) >= 3 && time.Since(begin) > 2*time.Second
	})
	took := time.Since(begin)
	if got := n.count(failures); got > 25*took.Seconds() {
		t.Errorf("accepting failed %v times in %v: it spins", got, took)
	}
	if lines := strings.Count(n.stderr.String(), "accept failed"); lines < 1 || lines > int(took.Seconds())+2 {
		t.Errorf("%d lines of accepts that failed in %v:\n%s", lines, took, n.stderr)
	}
	t.Logf("%v of processor time in %v", n.cpu()-used, took)

	closeAll(conns)
	w.check(t)
	n.subscribe("k")
	eventually(t, "the flood has gone", func() bool { return n.count("gopush_connections") < 10 })
	w.check(t)
}

// A node that only waits for descriptors uses no processor time.
func TestFloodDoesNotSpin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			n := serveLimited(t, 128, "--engine", engine, "--max-connections", "100000", "--first-packet-timeout", "1h")
			flood(t, n.public[0], 300)
			logged := func() int { return strings.Count(n.stderr.String(), "accept failed") }
			eventually(t, "a line of accepts that failed", func() bool { return logged() > 0 })
			begin, used := time.Now(), n.cpu()
			eventually(t, "two more such lines", func() bool { return logged() > 2 })
			if took, used := time.Since(begin), n.cpu()-used; used > took/4 || took < time.Second {
				t.Errorf("used %v of processor time in %v of waiting", used, took)
			}
		})
	}
}

// Above max_connections a connection of a device is closed as soon as it is accepted. Backends and
// operators still get in.
func TestMaxConnections(t *testing.T) {
	onEngines(t, []string{"--max-connections", "20", "--first-packet-timeout", "1h"}, func(t *testing.T, n *node) {
		w := newWitness(n)
		conns := flood(t, n.public[0], 50)
		n.expectClosed("max_connections", 31) // of the flood and the witness 20 may stay
		w.check(t)
		if got := n.count("gopush_connections"); got > 20+2 {
			t.Errorf("%v connections are open: max_connections is 20, and there are the backend and the operator", got)
		}
		refused := dial(t, n.public[0])
		refused.expectEnd("")
		closeAll(conns)
		eventually(t, "room for a subscriber", func() bool {
			p := dial(t, n.public[0])
			p.write(command("sub", "k", "30"))
			answer, _ := p.r.ReadString('\n')
			return answer == "+h\r\n"
		})
	})
}

// By default max_connections leaves descriptors for everything else, however few there are.
func TestMaxConnectionsFollowTheDescriptorLimit(t *testing.T) {
	t.Parallel()
	for _, descriptors := range []int{200, 400} {
		t.Run(fmt.Sprint(descriptors), func(t *testing.T) {
			n := serveLimited(t, descriptors, "--first-packet-timeout", "1h")
			w := newWitness(n)
			w.check(t)
			flood(t, n.public[0], descriptors+20)
			n.expectClosed("max_connections", 20)
			if got := n.count("gopush_accept_failures_total"); got != 0 {
				t.Errorf("accepting failed %v times, want never", got)
			}
			w.check(t)
		})
	}
}
