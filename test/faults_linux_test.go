package test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// breakable is the path of a binary that can be broken from inside (CONTRIBUTING.md, "Breaking a node from inside").
var breakable = sync.OnceValues(func() (string, error) { return buildTagged("proof") })

// careless is the same for one that acknowledges what is not synced.
var careless = sync.OnceValues(func() (string, error) { return buildTagged("proof", "broken_fsync") })

func buildTagged(tags ...string) (string, error) {
	binary := gopush + "-" + strings.Join(tags, "-")
	args := []string{"build", "-o", binary, "-tags", strings.Join(tags, ",")}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "gopush/cmd/gopush")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", filepath.Base(binary), err, out)
	}
	return binary, nil
}

// broken is a node that can be broken.
type broken struct {
	*node
	socket string
}

// serveBroken starts one on a store in dir. With losesPower what is not synced does not survive its end.
func serveBroken(t *testing.T, binary func() (string, error), dir string, losesPower bool, flags ...string) broken {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "faults")
	program := []string{"env", "PROOF_FAULTS=" + socket}
	if losesPower {
		program = append(program, "PROOF_POWER_LOSS=1")
	}
	return broken{start(t, dir, append(program, path), flags...), socket}
}

// order has the node do what breaks it, or mends it. Told to lose its power it has ended then.
func (b broken) order(order string) {
	b.t.Helper()
	c, err := net.Dial("unix", b.socket)
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	fmt.Fprintln(c, order)
	if answer, err := bufio.NewReader(c).ReadString('\n'); answer != "ok\n" && !strings.HasPrefix(order, "power") {
		b.t.Fatalf("%s: answered %q, %v", order, answer, err)
	}
	if strings.HasPrefix(order, "power") {
		<-b.exited
	}
}

// A disk that fails has what is to be stored refused, with its reason, and nothing else; when it works all goes on by itself.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ order, reason string }{
		{"fail write EIO", "input/output error"},
		{"fail sync EIO", "input/output error"},
		{"fail write,sync ENOSPC", "no space left on device"},
	} {
		t.Run(c.order, func(t *testing.T) {
			t.Parallel()
			b := serveBroken(t, breakable, t.TempDir(), false)
			refusesWhileFull(t, b.node, c.reason, func() { b.order(c.order) }, func() { b.order("fail none") })
		})
	}
}

// Errors that come and go while pushes are under way lose none of those that were acknowledged.
func TestDiskErrorsThatComeAndGo(t *testing.T) {
	t.Parallel()
	b := serveBroken(t, breakable, t.TempDir(), true, "--max-stored-per-key", "100000")
	d := &diskTest{n: b.node, subscriber: b.subscribe("k", "", "1", "0")}
	for i := range 30 {
		b.order([]string{"fail sync EIO", "fail write EIO", "fail read,write,sync EIO", "fail write ENOSPC", "slow 20ms"}[i%5])
		d.store(t)
		d.store(t)
		b.order("fail none")
		eventually(t, "a push is stored again", func() bool { return d.store(t).status == http.StatusOK })
	}
	d.check(t, b.node)
	b.order("power 50")
	d.check(t, serveIn(t, b.dir))
}

// While the disk stalls what is live only is delivered, and what is to be stored waits; past store_timeout it is refused.
func TestADiskThatStalls(t *testing.T) {
	t.Parallel()
	t.Run("for less than store_timeout", func(t *testing.T) {
		t.Parallel()
		b := serveBroken(t, breakable, t.TempDir(), false, "--store-timeout", "5m")
		d := &diskTest{n: b.node, subscriber: b.subscribe("k", "", "1", "0")}
		d.store(t)
		b.order("stall on")
		stored := make(chan error, 1)
		go func() { stored <- b.tryPush("other", `"stored"`, "?expire=600") }()
		for i := range 20 {
			live := fmt.Sprintf(`"live %d"`, i)
			b.push("k", live, "?expire=0")
			d.expect(t, live)
		}
		select {
		case err := <-stored:
			t.Errorf("a push that is to be stored was answered while the disk stalled: %v", err)
		default:
		}
		b.order("stall off")
		if err := <-stored; err != nil {
			t.Errorf("a push that waited for the disk: %v", err)
		}
		b.expectInfo("other", 1, 0)
		d.check(t, b.node)
	})
	t.Run("for longer", func(t *testing.T) {
		t.Parallel()
		b := serveBroken(t, breakable, t.TempDir(), false, "--store-timeout", "200ms")
		d := &diskTest{n: b.node, subscriber: b.subscribe("k", "", "1", "0")}
		d.store(t)
		b.order("stall on")
		for range 5 {
			if a := d.store(t); a.status != http.StatusServiceUnavailable && a.status != http.StatusGatewayTimeout {
				t.Errorf("a push past store_timeout is answered %d %s, want 503, or 504 where its outcome is not known", a.status, a.body)
			}
		}
		b.push("other", `"live"`, "?expire=0")
		b.order("stall off")
		eventually(t, "a push is stored again", func() bool { return d.store(t).status == http.StatusOK })
		d.check(t, b.node)
		d.check(t, b.restart())
	})
}

// Whatever was acknowledged is there after the power was lost, whatever else of what was written survives, once and in order; and
// no mid is given again, also where the clock comes back wrong.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	flags := []string{"--max-stored-per-key", "100000"}
	l, dir := newLedger("shared", "a", "b"), t.TempDir()
	for i, loss := range []string{"", "power 50", "power 0", "power 100", "", "power 20"} {
		b := serveBroken(t, breakable, dir, true, flags...)
		b.order(fmt.Sprint("clock ", []string{"0s", "2m", "-2m"}[i%3]))
		ended := l.watch(b.node, "shared")
		l.publishUntil(b.node, 6, 100, func() {
			if b.order("clock 0s"); loss == "" {
				b.kill()
			} else {
				b.order(loss)
			}
		})
		<-ended
		n := serveIn(t, dir, flags...)
		l.check(t, n)
		n.kill()
	}
}

// A node that acknowledges before it has synced loses what was acknowledged, and that is found.
func TestADroppedSyncIsFound(t *testing.T) {
	t.Parallel()
	l, dir := newLedger("shared", "a", "b"), t.TempDir()
	b := serveBroken(t, careless, dir, true)
	l.publish(b.node, 6, 100)
	if lost := l.lost(serveIn(t, dir)); lost == 0 {
		t.Errorf("a node that does not sync lost nothing of %d pushes when the power was: this test finds nothing", l.pushed)
	}
}

// A clock that is set disorders nothing: mids grow, what has expired is not read, and what has not is.
func TestTheClockIsSet(t *testing.T) {
	t.Parallel()
	b := serveBroken(t, breakable, t.TempDir(), false)
	p := b.subscribe("k", "", "1", "0")
	last := int64(0)
	var mids []int64
	for i, ahead := range []string{"0s", "2m", "-1h", "-2h", "3m", "0s"} {
		b.order("clock " + ahead)
		for _, expire := range []string{"100000", "0"} {
			mid, err := b.pushMid("k", fmt.Sprint(i), expire)
			if err != nil {
				t.Fatalf("push with the clock %s ahead: %v", ahead, err)
			}
			if m := p.next(); mid <= last || m.Mid != mid {
				t.Errorf("with the clock %s ahead mid %d came after %d, and the subscriber got %d", ahead, mid, last, m.Mid)
			}
			if last = mid; expire != "0" {
				mids = append(mids, mid)
			}
		}
	}
	b.expectMids("k", mids...)
	b.push("brief", `"x"`, "?expire=60")
	b.expectInfo("brief", 1, 0)
	b.order("clock 2m")
	if got := b.storedV1("brief"); len(got) != 0 {
		t.Errorf("%v are read after they have expired", got)
	}
	b.expectMids("k", mids...)
	n := b.restart() // with the machine's clock
	n.expectMids("k", mids...)
	if mid, err := n.pushMid("k", "1", "600"); err != nil || mid <= last {
		t.Errorf("after a restart mid %d, %v, came after %d", mid, err, last)
	}
}

// expectMids checks what is stored for key.
func (n *node) expectMids(key string, want ...int64) {
	n.t.Helper()
	var got []int64
	for _, m := range n.storedV1(key) {
		got = append(got, m.mid)
	}
	if !slices.Equal(got, want) {
		n.t.Errorf("%s has the messages %d, want %d", key, got, want)
	}
}

// Without descriptors connections that are there go on, others wait, and what is to be stored is refused where files are needed for it. When there
// are some again all goes on by itself, and nothing that was acknowledged is lost.
func TestDescriptorsAreExhausted(t *testing.T) {
	t.Parallel()
	n := serve(t, "--max-stored-per-key", "100000")
	subscriber, pusher := n.subscribe("k", "", "1"), dial(t, n.admin[0])
	pusher.send(command("PUBLISH", "k", "1"))
	pusher.expect(":1\r\n")
	subscriber.next()
	limit := func(most uint64) (was uint64) {
		var l unix.Rlimit
		if err := unix.Prlimit(n.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &l); err != nil {
			t.Fatal(err)
		}
		l.Cur, was = most, l.Cur
		if err := unix.Prlimit(n.cmd.Process.Pid, unix.RLIMIT_NOFILE, &l, nil); err != nil {
			t.Fatal(err)
		}
		return was
	}
	was := limit(8)
	waiting := dial(t, n.public[0])
	waiting.send(command("sub", "late", "60"))

	payload, kept, refusal := strings.Repeat("x", 64<<10), 0, ""
	for i := 0; refusal == "" && i < 2000; i++ { // until a memtable is to become a table
		pusher.send(command("XADD", "stored", "*", "msg", payload))
		line, err := pusher.r.ReadString('\n')
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.HasPrefix(line, "-"):
			refusal = line
		default:
			kept++
			if _, err := pusher.r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !strings.HasPrefix(refusal, "-ERR ") || !strings.Contains(n.stderr.String(), "too many open files") {
		t.Errorf("after %d messages were stored without a descriptor one is refused with %q, want an error, and too many open files in the log:\n%s", kept, refusal, n.stderr)
	}
	for range 10 {
		pusher.send(command("PUBLISH", "k", "2"))
		pusher.expect(":1\r\n")
		subscriber.next()
	}

	limit(was)
	waiting.expect("+h\r\n")
	if lines := strings.Count(n.stderr.String(), "accept failed"); lines < 1 {
		t.Errorf("nothing is said of accepts that failed:\n%s", n.stderr)
	}
	eventually(t, "a push is stored again", func() bool { return strings.HasPrefix(n.xadd("stored", payload), "$") })
	expectReady(t, n, http.StatusOK, "")
	if got := len(n.storedV1("stored")); got < kept+1 || got > kept+2 {
		t.Errorf("%d messages are stored, %d were acknowledged, and one was refused", got, kept+1)
	}
	if got := len(n.restart("--max-stored-per-key", "100000").storedV1("stored")); got < kept+1 {
		t.Errorf("%d messages are stored after a restart, %d were acknowledged", got, kept+1)
	}
}
