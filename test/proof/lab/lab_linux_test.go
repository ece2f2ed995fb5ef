package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopush/test/proof/lab"
)

// patience bounds what must happen; moment is how long tests look that something does not.
const (
	patience = 20 * time.Second
	moment   = 150 * time.Millisecond
)

// newLab returns a lab with hosts.
func newLab(t *testing.T, names ...string) (l *lab.Lab, hosts []*lab.Host) {
	t.Helper()
	if err := lab.Missing(); err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	l, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	for _, name := range names {
		h, err := l.Host(name)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	return l, hosts
}

// inject has a fault in force until heal is called.
func inject(t *testing.T, f *lab.Fault) (heal func()) {
	t.Helper()
	if err := f.Inject(t.Context()); err != nil {
		t.Fatalf("inject %s: %v", f.Name(), err)
	}
	return func() {
		t.Helper()
		if err := f.Heal(t.Context()); err != nil {
			t.Fatalf("heal %s: %v", f.Name(), err)
		}
	}
}

// connect returns both ends of a connection between two hosts.
func connect(t *testing.T, from, to *lab.Host) (a, b net.Conn) {
	t.Helper()
	l, err := to.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if a, err = from.DialContext(ctx, "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

// arrives tells whether what is written at one end comes at the other within some time.
func arrives(t *testing.T, from, to net.Conn, text string, within time.Duration) bool {
	t.Helper()
	if text != "" {
		if _, err := io.WriteString(from, text); err != nil {
			t.Fatal(err)
		}
	}
	_ = to.SetReadDeadline(time.Now().Add(within))
	_, err := to.Read(make([]byte, 100))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return err == nil
}

func TestHostsReachEachOther(t *testing.T) {
	t.Parallel()
	_, hosts := newLab(t, "n1", "n2", "n3")
	for _, from := range hosts {
		for _, to := range hosts {
			a, b := connect(t, from, to)
			if got, _, _ := net.SplitHostPort(b.RemoteAddr().String()); got != from.IP {
				t.Errorf("%s is seen by %s as %s, want %s", from.Name, to.Name, got, from.IP)
			}
			if !arrives(t, a, b, "text", patience) {
				t.Errorf("nothing came from %s to %s", from.Name, to.Name)
			}
		}
	}
}

func TestProcessesOfAHostHaveItsAddress(t *testing.T) {
	t.Parallel()
	_, hosts := newLab(t, "n1", "n2")
	out, err := hosts[1].Command("ip", "-4", "-o", "addr", "show", "dev", "eth0").CombinedOutput()
	if err != nil || !strings.Contains(string(out), hosts[1].IP+"/24") {
		t.Errorf("its addresses: %q, %v, want %s", out, err, hosts[1].IP)
	}
}

func TestTwoLabsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	_, one := newLab(t, "a", "b")
	_, other := newLab(t, "a", "b")
	l, err := one[1].Listen(7)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if c, err := other[0].DialContext(ctx, "tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial %v of the other lab: %v, %v, want it to be refused", l.Addr(), c, err)
	}
}

func TestACutHoldsBackOpenConnectionsUntilItIsHealed(t *testing.T) {
	t.Parallel()
	l, hosts := newLab(t, "n1", "n2", "n3")
	a, b := connect(t, hosts[0], hosts[1])
	c, d := connect(t, hosts[0], hosts[2])
	heal := inject(t, l.Fault("cut", lab.Each(hosts[:1], hosts[1:2], lab.Rule{Drop: 1})...))
	if arrives(t, a, b, "one", moment) || arrives(t, b, a, "two", moment) {
		t.Error("something came through a cut")
	}
	if !arrives(t, c, d, "three", patience) {
		t.Error("a cut between n1 and n2 is one between n1 and n3")
	}
	heal()
	if !arrives(t, a, b, "", patience) || !arrives(t, b, a, "", patience) {
		t.Error("what was sent during a cut does not come when it is healed")
	}
}

func TestFaultsThatOverlapAreHealedOneByOne(t *testing.T) {
	t.Parallel()
	l, hosts := newLab(t, "n1", "n2")
	a, b := connect(t, hosts[0], hosts[1])
	rules := func() []*lab.Rule { return lab.OneWay(hosts[:1], hosts[1:], lab.Rule{Drop: 1}) }
	first, second := inject(t, l.Fault("cut", rules()...)), inject(t, l.Fault("cut", rules()...))
	first()
	if arrives(t, a, b, "one", moment) {
		t.Error("something came though one of two cuts holds")
	}
	second()
	if !arrives(t, a, b, "", patience) {
		t.Error("nothing comes when both cuts are healed")
	}
}

func TestAOneWayCutLetsTheOtherWayPass(t *testing.T) {
	t.Parallel()
	l, hosts := newLab(t, "n1", "n2")
	one, two := packets(t, hosts[0]), packets(t, hosts[1])
	heal := inject(t, l.Fault("one-way cut", lab.OneWay(hosts[:1], hosts[1:], lab.Rule{Drop: 1})...))
	if n := datagrams(t, one, two, 10); n != 0 {
		t.Errorf("%d of 10 came the way that is cut, want none", n)
	}
	if n := datagrams(t, two, one, 10); n != 10 {
		t.Errorf("%d of 10 came the way that is not cut, want all", n)
	}
	heal()
	if n := datagrams(t, one, two, 10); n != 10 {
		t.Errorf("%d of 10 came when it was healed, want all", n)
	}
}

func TestSomeIsLost(t *testing.T) {
	t.Parallel()
	l, hosts := newLab(t, "n1", "n2")
	one, two := packets(t, hosts[0]), packets(t, hosts[1])
	inject(t, l.Fault("loss", lab.OneWay(hosts[:1], hosts[1:], lab.Rule{Drop: 0.5})...))
	const sent = 400 // the chance of less than 100 or more than 300 is below 1e-22
	if n := datagrams(t, one, two, sent); n < sent/4 || n > sent*3/4 {
		t.Errorf("%d of %d came though each is lost with 50 %%", n, sent)
	}
}

func packets(t *testing.T, h *lab.Host) net.PacketConn {
	t.Helper()
	p, err := h.ListenPacket(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// datagrams returns how many of n come. They are sent one after the other, so that none is lost for want of room.
func datagrams(t *testing.T, from, to net.PacketConn, n int) (came int) {
	t.Helper()
	for range n {
		if _, err := from.WriteTo([]byte("datagram"), to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	for buffer := make([]byte, 100); ; came++ {
		_ = to.SetReadDeadline(time.Now().Add(moment))
		if _, _, err := to.ReadFrom(buffer); err != nil {
			return came
		}
	}
}

func TestWhatIsLateComesInOrder(t *testing.T) {
	t.Parallel()
	const late = 200 * time.Millisecond
	l, hosts := newLab(t, "n1", "n2", "n3")
	a, b := connect(t, hosts[0], hosts[1])
	heal := inject(t, l.Fault("delay", lab.OneWay(hosts[:1], hosts[1:], lab.Rule{Late: late})...))
	text := strings.Repeat("0123456789", 100_000)
	began := time.Now()
	go func() { _, _ = io.WriteString(a, text) }()
	first := make([]byte, 1)
	_ = b.SetReadDeadline(began.Add(patience))
	if _, err := io.ReadFull(b, first); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < late {
		t.Errorf("the first byte came after %v, want %v at least", took, late)
	}
	rest := make([]byte, len(text)-1)
	if _, err := io.ReadFull(b, rest); err != nil || string(first)+string(rest) != text {
		t.Errorf("what came is not what was sent: %v", err)
	}
	heal()
	if !arrives(t, a, b, "and on", patience) {
		t.Error("nothing comes when the delay is over")
	}
}

// TestNothingIsLeftWhenTheTestIsKilled makes a lab in a process that is killed.
func TestNothingIsLeftWhenTheTestIsKilled(t *testing.T) {
	if os.Getenv("GOPUSH_LAB_TEST") != "" {
		beKilled(t)
	}
	t.Parallel()
	newLab(t) // or skip
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "GOPUSH_LAB_TEST=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var inode uint64
	for lines := bufio.NewScanner(out); inode == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "namespace %d", &inode)
	}
	if !namespaceIsThere(inode) {
		t.Fatalf("no process has the namespace %d", inode)
	}
	cmd.Process.Kill()
	for deadline := time.Now().Add(patience); namespaceIsThere(inode); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a process of the lab lives on though the test was killed")
		}
	}
}

// beKilled makes a lab with a process on a host, says which namespace that is in, and waits for the end.
func beKilled(t *testing.T) {
	_, hosts := newLab(t, "n1")
	cmd := hosts[0].Command("sh", "-c", "stat -L -c 'namespace %i' /proc/self/ns/net; exec sleep 1000")
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Fatal(cmd.Wait())
}

// namespaceIsThere tells whether some process is in a network namespace.
func namespaceIsThere(inode uint64) bool {
	processes, _ := os.ReadDir("/proc")
	for _, p := range processes {
		if ns, err := os.Readlink("/proc/" + p.Name() + "/ns/net"); err == nil && ns == fmt.Sprintf("net:[%d]", inode) {
			return true
		}
	}
	return false
}
