package test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a file system of its own, of so many MiB.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Skipf("a disk that can be filled is a tmpfs, and to mount one needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill writes a file until it has size bytes, or the disk is full.
func fill(t *testing.T, name string, size int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, piece := range []int{1 << 20, 4 << 10} { // all of the disk
		for err = nil; err == nil && size > 0; size -= piece {
			_, err = f.Write(make([]byte, piece))
		}
	}
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
}

// A full disk refuses what is to be stored and nothing else, and says so. When there is room
// again all goes on by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 48)
	n := serveIn(t, dir)
	file := filepath.Join(dir, "fill")
	refusesWhileFull(t, n, "no space left on device",
		func() { fill(t, file, 1<<30) },
		func() { os.Remove(file) })
}

// So does one with less than min_free_bytes, before it is full.
func TestMinFreeBytes(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 64)
	n := serveIn(t, dir, "--min-free-bytes", "16MiB")
	file := filepath.Join(dir, "fill")
	refusesWhileFull(t, n, "min_free_bytes is 16777216",
		func() { fill(t, file, 40<<20) },
		func() { os.Remove(file) })
}

// refusesWhileFull has n work, meet a full disk, and recover.
func refusesWhileFull(t *testing.T, n *node, reason string, fill, free func()) {
	d := &diskTest{n: n, subscriber: n.subscribe("k", "", "1", "0")}
	for range 20 {
		if a := d.store(t); a.status != http.StatusOK {
			t.Fatalf("refused with room on the disk: %d %s", a.status, a.body)
		}
	}
	fill()
	var refused answer
	eventually(t, "a push is refused because of the disk", func() bool { // the first may have an unknown outcome
		refused = d.store(t)
		return refused.status == http.StatusServiceUnavailable && strings.Contains(refused.body, reason)
	})
	if !strings.Contains(refused.body, `"code":"unavailable"`) {
		t.Errorf("refused with %s, want the code unavailable", refused.body)
	}
	if a := do(t, "POST", n.adminURL("/1/admin/push/private?key=k&expire=600"), "1"); a.body != `{"ret":65535}` {
		t.Errorf("the legacy push is answered %d %s, want ret 65535", a.status, a.body)
	}
	if got := n.xadd("k", "x"); !strings.HasPrefix(got, "-ERR nothing was done, try again later") {
		t.Errorf("XADD is answered %q, want an error that says that nothing was done", got)
	}
	expectReady(t, n, http.StatusServiceUnavailable, reason)
	if a := do(t, "GET", n.opsURL("/livez"), ""); a.status != http.StatusOK {
		t.Errorf("/livez answers %d %s, want 200: a restart mends nothing", a.status, a.body)
	}
	n.push("k", `"live"`, "?expire=0")
	d.expect(t, `"live"`)
	d.check(t, n)

	free()
	eventually(t, "a push is stored again", func() bool { return d.store(t).status == http.StatusOK })
	eventually(t, "the node is ready again", func() bool { return do(t, "GET", n.opsURL("/readyz"), "").status == http.StatusOK })
	d.check(t, n)
	d.check(t, n.restart())
}

// xadd stores a message as clients of Redis do, and returns the first line of the answer.
func (n *node) xadd(key, payload string) string {
	n.t.Helper()
	p := dial(n.t, n.admin[0])
	defer p.Close()
	p.send(command("XADD", key, "*", "msg", payload))
	line, err := p.r.ReadString('\n')
	if err != nil {
		n.t.Fatalf("XADD: %v", err)
	}
	return strings.TrimSpace(line)
}

// diskTest pushes, and knows what was acknowledged.
type diskTest struct {
	n          *node
	subscriber *peer
	pushed     int
	kept       []string
}

// store pushes a message to be stored; if that is acknowledged the subscriber gets it.
func (d *diskTest) store(t *testing.T) answer {
	t.Helper()
	d.pushed++
	payload := fmt.Sprintf(`"%d %s"`, d.pushed, strings.Repeat("x", 20_000))
	a := do(t, "POST", d.n.adminURL("/v1/push/k?expire=600"), payload)
	if a.status == http.StatusOK {
		d.kept = append(d.kept, payload)
		d.expect(t, payload)
	}
	return a
}

// expect reads what the subscriber gets up to payload. Before it may be what was not
// acknowledged and is there all the same.
func (d *diskTest) expect(t *testing.T, payload string) {
	t.Helper()
	for {
		m := d.subscriber.next()
		if string(m.Msg) == payload {
			return
		}
		if slices.Contains(d.kept, string(m.Msg)) {
			t.Fatalf("got %.10s… again, want %.10s…", m.Msg, payload)
		}
	}
}

// check has all that was acknowledged read back, in order.
func (d *diskTest) check(t *testing.T, n *node) {
	t.Helper()
	left := d.kept
	for _, m := range n.storedV1("k") {
		if len(left) > 0 && m.payload == left[0] {
			left = left[1:]
		}
	}
	if len(left) > 0 {
		t.Errorf("%d of %d messages that were acknowledged cannot be read, the first %.10s…", len(left), len(d.kept), left[0])
	}
}

// expectReady checks the answer of /readyz.
func expectReady(t *testing.T, n *node, status int, reason string) {
	t.Helper()
	if a := do(t, "GET", n.opsURL("/readyz"), ""); a.status != status || !strings.Contains(a.body, reason) {
		t.Errorf("/readyz answers %d %s, want %d and %q", a.status, a.body, status, reason)
	}
}
