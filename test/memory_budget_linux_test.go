package test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	budget = 16 << 20 // max_memory_bytes, the least there is
	// rest is what the process may have beside twice the budget, as it grows: inboxes (8 MiB of payload for each of the loops), bodies of pushes, the store.
	rest = 64 << 20
)

// hurt has do try to make a node with a small budget grow, while a device that reads gets everything, and returns the most that the process grew.
func hurt(t *testing.T, do func(n *node), flags ...string) {
	t.Helper()
	onEngines(t, append([]string{"--max-memory-bytes", "16MiB", "--loops", "2", "--store", "memory", "--first-packet-timeout", "1m"}, flags...), func(t *testing.T, n *node) {
		live := dial(t, n.public[len(n.public)-1])
		live.send(command("sub", "live", "60", "", "1"))
		live.expect("+h\r\n")
		before := n.memory()
		done := make(chan struct{})
		var pushing sync.WaitGroup
		pushed := 0
		pushing.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(5 * time.Millisecond):
					if n.tryPush("live", fmt.Sprint(pushed), "?expire=0") == nil {
						pushed++
					}
				}
			}
		})
		peak, held := 0, 0.0
		watched := make(chan struct{})
		pushing.Go(func() {
			defer close(watched)
			for {
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
					peak = max(peak, n.memory())
					held = max(held, n.count("gopush_memory_bytes"))
				}
			}
		})
		do(n)
		close(done)
		pushing.Wait()
		live.SetDeadline(time.Now().Add(patience))
		for i := range pushed {
			if m := live.message(); !strings.Contains(m, fmt.Sprintf(`"msg":%d,`, i)) {
				t.Fatalf("the device that reads got %s, want number %d", m, i)
			}
		}
		if pushed == 0 {
			t.Error("nothing was pushed to the device that reads")
		}
		t.Logf("%d messages to the device that reads; connections held %.1f MiB at most, the process had %d MiB, then %d at most",
			pushed, held/(1<<20), before>>20, peak>>20)
		if grown := peak - before; grown > 2*budget+rest {
			t.Errorf("the process grew by %d MiB, want at most twice the budget, %d MiB, and %d", grown>>20, budget>>20, rest>>20)
		}
	})
}

// deaf connects a peer that reads hardly anything, into a small buffer.
func deaf(t *testing.T, addr string) *peer {
	t.Helper()
	d := net.Dialer{Timeout: patience, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10) })
	}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return peerOn(t, c)
}

// Stalled readers, each with messages of its own that wait: together they would hold many times the budget.
func TestStalledReadersKeepWithinTheBudget(t *testing.T) {
	hurt(t, func(n *node) {
		const readers, messages = 40, 6
		for i := range readers {
			p := deaf(n.t, n.public[len(n.public)-1])
			p.send(command("sub", fmt.Sprint("deaf", i), "60", "", "1"))
			p.expect("+h\r\n")
		}
		payload := `"` + strings.Repeat("x", 900<<10) + `"`
		for range messages {
			for i := range readers {
				n.push(fmt.Sprint("deaf", i), payload, "?expire=0")
			}
		}
		if closed := n.closed("max_memory"); closed == 0 || closed == readers {
			n.t.Errorf("%v of %d stalled readers were closed for the budget", closed, readers)
		}
	}, "--max-pending-bytes", "16MiB")
}

// Parts of commands and of heads, from many connections: together five times the budget.
func TestPartialInputKeepsWithinTheBudget(t *testing.T) {
	hurt(t, func(n *node) {
		const peers = 1500
		part := strings.Repeat("x", 60<<10)
		for i := range peers {
			p := dial(n.t, n.public[len(n.public)-1])
			first := "*2\r\n$61441\r\n"
			if i%2 == 1 {
				first = "GET /sub HTTP/1.1\r\nX: "
			}
			io.WriteString(p, first+part) // it may be closed already
		}
		eventually(n.t, "the heaviest are closed", func() bool { return n.closed("max_memory") >= peers/2 })
		eventually(n.t, "connections hold no more than the budget", func() bool { return n.count("gopush_memory_bytes") <= budget })
	}, "--max-head-bytes", "64KiB")
}

// Devices that come back all at once, each to a backlog: they wait for room, and each gets all of it.
func TestResumesKeepWithinTheBudget(t *testing.T) {
	hurt(t, func(n *node) {
		const devices, messages = 220, 15
		payload := `"` + strings.Repeat("x", 60<<10) + `"`
		for range messages {
			n.push("backlog", payload, "?expire=60")
		}
		var reading sync.WaitGroup
		for range devices {
			p := deaf(n.t, n.public[len(n.public)-1])
			p.SetDeadline(time.Now().Add(4 * patience))
			reading.Go(func() {
				p.write(command("sub", "backlog", "60", "", "1", "0"))
				_, err := p.r.ReadString('\n') // +h
				for got := 0; err == nil && got < messages; {
					var line string
					if line, err = p.r.ReadString('\n'); strings.HasPrefix(line, `{"msg"`) {
						got++
					}
				}
				if err != nil {
					n.t.Errorf("a device: %v", err)
				}
			})
		}
		reading.Wait()
		if closed := n.closed("max_memory"); closed > 0 {
			n.t.Errorf("%v devices were closed for the budget though they read", closed)
		}
	})
}
