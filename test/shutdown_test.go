package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// SIGTERM lets out what waits for a subscriber that is slow to read, then tells it to go.
func TestShutdownLetsQueuesOut(t *testing.T) {
	onEngines(t, []string{"--max-pending-bytes", "64MiB", "--shutdown-timeout", "20s"}, func(t *testing.T, n *node) {
		const count, size = 16, 512 << 10 // more than the system takes for a peer that does not read
		p, web, quick := n.subscribe("k", "", "1"), n.subscribeWS("k", "&ver=1"), n.subscribeWS("other", "")
		n.pushLarge("k", count, size)
		ended := make(chan error, 1)
		go func() { ended <- n.terminate() }()
		quick.expectClose(1001) // so it is stopping, and the others have read nothing yet
		quick.Close()
		for i := range count {
			expectNumber(t, p.next(), i)
			expectNumber(t, web.next(), i)
		}
		p.expectEnd("")
		web.expectClose(1001)
		p.Close()
		web.Close()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v, want 0\n%s", err, n.stderr)
		}
	})
}

// pushLarge pushes numbered messages of more than size bytes, live only.
func (n *node) pushLarge(key string, count, size int) {
	n.t.Helper()
	payload := strings.Repeat("x", size)
	for i := range count {
		n.push(key, fmt.Sprintf(`"%d %s"`, i, payload), "?expire=0")
	}
}

func expectNumber(t *testing.T, m legacyMessage, number int) {
	t.Helper()
	if want := fmt.Sprintf(`"%d x`, number); !strings.HasPrefix(string(m.Msg), want) {
		t.Fatalf("got %.20s, want %s…", m.Msg, want)
	}
}

// A subscriber that reads on has all of shutdown_timeout.
func TestShutdownWaitsForWhoReads(t *testing.T) {
	t.Parallel()
	n := serve(t, "--max-pending-bytes", "64MiB", "--shutdown-timeout", "20s")
	const count, size, pace = 30, 1000 << 10, 250 * time.Millisecond
	p, quick := n.subscribe("k", "", "1"), n.subscribeWS("other", "")
	if err := p.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil { // so that the rest waits in the node
		t.Fatal(err)
	}
	n.pushLarge("k", count, size)
	ended := make(chan error, 1)
	go func() { ended <- n.terminate() }()
	quick.expectClose(1001)
	quick.Close()
	slow := time.NewTicker(pace)
	defer slow.Stop()
	for i := range count {
		<-slow.C
		expectNumber(t, p.next(), i)
	}
	p.expectEnd("")
	p.Close()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v, want 0\n%s", err, n.stderr)
	}
}

// Who does not read does not keep a node: it ends in time, and with 0.
func TestShutdownEndsInTime(t *testing.T) {
	onEngines(t, []string{"--max-pending-bytes", "64MiB", "--shutdown-timeout", "1s"}, func(t *testing.T, n *node) {
		stuck, web := n.subscribe("k"), n.subscribeWS("other", "")
		n.pushLarge("k", 24, 512<<10)
		silent, half := dial(t, n.public[0]), dial(t, n.admin[0])
		half.send("POST /v1/push/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
		eventually(t, "all connections are open", func() bool { return n.count("gopush_connections") >= 3 })
		begin := time.Now()
		if err := n.stop(); err != nil {
			t.Errorf("ended with %v, want 0\n%s", err, n.stderr)
		}
		if took := time.Since(begin); took > patience/2 {
			t.Errorf("ended after %v with shutdown_timeout = 1s", took)
		}
		web.expectClose(1001)
		for _, p := range []*peer{stuck, silent, half} {
			if _, err := io.Copy(io.Discard, p); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Errorf("a connection outlives the node: %v", err)
			}
		}
	})
}

// A push under way when SIGTERM comes is answered, and so are those that come while subscribers are told to go. Each subscriber has
// all until it is told, and what is stored is there after the next start.
func TestShutdownWhilePushing(t *testing.T) {
	t.Parallel()
	flags := []string{"--max-stored-per-key", "100000"}
	l, n := newLedger("a", "b"), serve(t, flags...)
	watched := l.watch(n, "a")
	var pushing sync.WaitGroup
	for p := range 4 {
		pushing.Go(func() {
			for i := p; l.push(n, p, i) == nil; i++ {
			}
		})
	}
	eventually(t, "pushes are stored", func() bool { return n.count("gopush_pushes_stored_total") > 50 })
	if err := n.stop(); err != nil {
		t.Errorf("ended with %v, want 0\n%s", err, n.stderr)
	}
	pushing.Wait()
	got := <-watched
	if len(got) == 0 {
		t.Fatal("the subscriber got nothing")
	}
	for _, mid := range l.acked["a"] {
		if mid <= got[len(got)-1] && !slices.Contains(got, mid) {
			t.Errorf("mid %d was acknowledged, and did not reach the subscriber, who got later ones", mid)
		}
	}
	l.restarted()
	n = serveIn(t, n.dir, flags...)
	l.check(t, n)
	if count := l.uncertain(n); count > 0 {
		t.Errorf("%d messages are stored whose pushes were not answered", count)
	}
	mid, err := n.pushMid("a", `"9 999999"`, "600")
	if err != nil || mid <= l.floor["a"] {
		t.Errorf("a push after the restart got mid %d, %v, want one above %d", mid, err, l.floor["a"])
	}
}

// A second node on the same address or the same data does not start, says why, and disturbs
// the first in nothing.
func TestSecondNode(t *testing.T) {
	t.Parallel()
	n := serve(t)
	w := newWitness(n)
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"the same public address", n.public[0], []string{"--public", n.public[0], "--store", "memory"}},
		{"the same admin address", n.admin[0], []string{"--admin", n.admin[0], "--store", "memory"}},
		{"a public address as ops", n.public[0], []string{"--ops", n.public[0], "--store", "memory"}},
		{"the same data", "no other process may use it: stop that one, or use another directory", []string{"--data", n.dir + "/data"}},
		{"the same data by another name", "no other process may use it: stop that one, or use another directory", []string{"--data", n.dir + "/./data/../data"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"serve"}, tt.args...)
			for _, kind := range []string{"--public", "--admin", "--ops"} {
				if tt.args[0] != kind {
					args = append(args, kind, "127.0.0.1:0")
				}
			}
			stdout, stderr, code := runCommand(t, "", args...)
			if code != 1 || !strings.Contains(stderr, tt.want) || strings.Contains(stdout, "ready") {
				t.Errorf("gopush %v ended with %d and said %s%s, want 1 and %q", args, code, stdout, stderr, tt.want)
			}
			w.check(t)
		})
	}
	n.push("k", "1", "?expire=60")
	if a := do(t, "GET", n.opsURL("/readyz"), ""); a.status != http.StatusOK {
		t.Errorf("/readyz answers %d %s, want 200", a.status, a.body)
	}
}
