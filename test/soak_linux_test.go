package test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// soakTime is how long TestSoak lets peers come and go: make soak has minutes.
var soakTime = flag.Duration("soak", 6*time.Second, "how long peers come and go in TestSoak")

// soakCrowd is how many devices TestSoak has at a time.
var soakCrowd = flag.Int("soak-devices", 0, "devices at a time in TestSoak; 0: 100, or 1000 where it takes more than a minute")

// soakRest is how long everybody of TestSoak does nothing between two things that he does.
var soakRest = flag.Duration("soak-rest", 0, "how long everybody in TestSoak rests at most between two visits or the like: a soak beside other work")

// Peers come and go under load, well and badly behaved. No device misses a message, gets one twice or
// out of order, and when all have left nothing is left of them: the node is what it was when the
// first had come and gone.
func TestSoak(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"auto", "net"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			n := serve(t, "--engine", engine, "--cache-bytes", "1MiB", "--max-pending-bytes", "256KiB", "--first-packet-timeout", patience.String())
			s := newSoak(n, soakDevices())
			s.rest = *soakRest
			s.run(min(*soakTime/2, time.Minute))
			time.Sleep(min(*soakTime/20, 15*time.Second)) // memory goes back to the system in the node's own time
			before := n.footprint()
			t.Logf("after the first:  %+v", before)
			s.run(*soakTime)
			s.check(t)
			slow, kicked := n.closed("slow"), n.closed("kicked")
			if t.Logf("%v were closed as slow and %v kicked", slow, kicked); min(slow, kicked) == 0 && alone() {
				t.Error("want some of both")
			}
			n.expectFootprint(before)
		})
	}
}

// alone tells whether TestSoak has the machine for itself.
func alone() bool { return *soakTime > time.Minute }

// soakDevices is how many devices there are at a time.
func soakDevices() int {
	if *soakCrowd > 0 {
		return *soakCrowd
	}
	if alone() {
		return 1000
	}
	return 100
}

// run has all come and go for so long, then has everyone read what is left and leave. It logs what
// the node takes meanwhile.
func (s *soak) run(d time.Duration) {
	s.n.t.Helper()
	ctx, cancel := context.WithTimeout(s.n.t.Context(), d)
	defer cancel()
	began := time.Now()
	ended := s.start(ctx)
	look := time.NewTicker(max(d/10, time.Second))
	defer look.Stop()
	for {
		select {
		case <-look.C:
			s.n.t.Logf("%4.0f s: %d visits, %d messages, %+v", time.Since(began).Seconds(), s.visits.Load(), s.messages.Load(), s.n.footprint())
		case <-ended:
			s.finish()
			return
		}
	}
}

// footprint is what a node takes, garbage left out.
type footprint struct {
	RSS, Heap, Goroutines, Sockets, Keys, Connections int
}

func (n *node) footprint() footprint {
	n.t.Helper()
	do(n.t, "GET", n.opsURL("/debug/pprof/heap?gc=1"), "")
	number := func(kind, name string) int { return int(n.stat(kind)[name].(float64)) }
	return footprint{
		RSS: n.memory(), Heap: number("memory", "heap_alloc"), Goroutines: number("golang", "goroutine_num"),
		Sockets: n.sockets(), Keys: number("channel", "current"), Connections: number("connection", "current"),
	}
}

// sockets returns how many descriptors of the process are sockets.
func (n *node) sockets() (count int) {
	n.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", n.cmd.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range files {
		if to, _ := os.Readlink(dir + "/" + f.Name()); strings.HasPrefix(to, "socket:") {
			count++
		}
	}
	return count
}

// caches is what the store's caches hold at most with cache_bytes = 1MiB, what is to be written included: they may have been empty before.
const caches = 1<<20 + 16<<20

// garbage is how much of a small heap is garbage at most that waits for the next collection: Go collects none below 4 MiB.
const garbage = 4 << 20

// expectFootprint waits until n takes hardly more than before: of what is counted nothing but the
// test's own requests, of memory what the store's caches may take besides. A leak of a few bytes for each visit shows in
// the heap, once there were many.
func (n *node) expectFootprint(before footprint) {
	n.t.Helper()
	most := footprint{
		RSS: before.RSS + before.RSS/10 + caches + garbage, Heap: before.Heap + before.Heap/10 + garbage,
		Goroutines: before.Goroutines + 3, Sockets: before.Sockets + 1, Keys: 0, Connections: before.Connections + 1,
	}
	var now footprint
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if now = n.footprint(); now.within(most) {
			n.t.Logf("when all had left: %+v", now)
			return
		}
	}
	n.t.Errorf("when all had left, the node took %+v; after the first %+v, want at most %+v", now, before, most)
}

func (f footprint) within(most footprint) bool {
	return f.RSS <= most.RSS && f.Heap <= most.Heap && f.Goroutines <= most.Goroutines &&
		f.Sockets <= most.Sockets && f.Keys <= most.Keys && f.Connections <= most.Connections
}
