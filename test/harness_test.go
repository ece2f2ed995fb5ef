package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience bounds every wait of these tests: long enough for a loaded machine, short enough
// to end. Nothing is measured by it.
const patience = 20 * time.Second

var gopush string // the binary, built by TestMain

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if addr := os.Getenv(comersVariable); addr != "" {
		return comeFrom(addr)
	}
	dir, err := os.MkdirTemp("", "gopush-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	gopush = filepath.Join(dir, "gopush")
	args := []string{"build", "-o", gopush}
	if raceEnabled {
		args = append(args, "-race")
		os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // a process ends without waiting for a second
	}
	os.Setenv("MALLOC_ARENA_MAX", "1") // where cgo is, the store's caches are malloc's: many arenas keep nearly three times as much
	build := exec.Command("go", append(args, "gopush/cmd/gopush")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build gopush: %v\n%s", err, out)
		return 1
	}
	redis.SetLogger(silence{}) // nodes that are gone are what some tests are about
	return m.Run()
}

// silence is go-redis's log.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// node is a running gopush process.
type node struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	stderr *lockedBuffer
	exited chan struct{} // closed when the process has ended
	err    error         // how; valid once exited is closed

	public, admin, ops []string // addresses it listens on
}

// lockedBuffer collects what a process says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a node on free ports with a store in a directory of its own, waits until it
// says that it is ready, and ends it with the test. Flags may override anything.
func serve(t *testing.T, flags ...string) *node {
	t.Helper()
	return serveIn(t, t.TempDir(), flags...)
}

// serveIn is serve with the store in dir.
func serveIn(t *testing.T, dir string, flags ...string) *node {
	t.Helper()
	return start(t, dir, []string{gopush}, flags...)
}

// serveLimited is serve with so many descriptors for the process.
func serveLimited(t *testing.T, descriptors int, flags ...string) *node {
	t.Helper()
	limited := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, descriptors)
	return start(t, t.TempDir(), []string{"sh", "-c", limited, gopush}, flags...)
}

// start runs program, which is gopush or becomes it, on a store in dir, and waits until it is ready.
func start(t *testing.T, dir string, program []string, flags ...string) *node {
	t.Helper()
	args := append([]string{
		"--data", filepath.Join(dir, "data"), "--min-free-bytes", "0",
		"--public", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ops", "127.0.0.1:0",
	}, flags...)
	n, ready := launch(t, dir, program, args...)
	if err := ready(); err != nil {
		t.Fatal(err)
	}
	return n
}

// launch is start with all flags of the node, and without waiting: ready does, and returns why the node is not.
func launch(t *testing.T, dir string, program []string, flags ...string) (n *node, ready func() error) {
	t.Helper()
	n = &node{t: t, dir: dir, stderr: new(lockedBuffer), exited: make(chan struct{})}
	args := append([]string{"serve"}, flags...)
	n.cmd = exec.Command(program[0], append(program[1:], args...)...)
	n.cmd.Stderr = n.stderr
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go n.read(stdout, told)
	t.Cleanup(n.end)
	return n, func() error {
		select {
		case err := <-told:
			if err != nil {
				err = fmt.Errorf("gopush %s: %w\n%s", strings.Join(args, " "), err, n.stderr)
			}
			return err
		case <-time.After(patience):
			return fmt.Errorf("gopush %s: not ready after %v\n%s", strings.Join(args, " "), patience, n.stderr)
		}
	}
}

// read takes the addresses from what the node prints, then waits for its end.
func (n *node) read(stdout io.Reader, ready chan<- error) {
	lines := bufio.NewScanner(stdout)
	told := false
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) > 1 && fields[0] == "public":
			n.public = append(n.public, fields[1])
		case len(fields) > 1 && fields[0] == "admin":
			n.admin = append(n.admin, fields[1])
		case len(fields) > 1 && fields[0] == "ops":
			n.ops = append(n.ops, fields[1])
		case !told && strings.HasPrefix(lines.Text(), "Try in another terminal"):
			told = true
			ready <- nil
		}
	}
	n.err = n.cmd.Wait()
	close(n.exited)
	if !told {
		ready <- fmt.Errorf("ended: %v", n.err)
	}
}

// kill ends the node at once, as kill -9 does.
func (n *node) kill() {
	n.cmd.Process.Kill()
	<-n.exited
}

// end kills the node with its test, which fails if the node has met a bug.
func (n *node) end() {
	n.kill()
	for _, bug := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if strings.Contains(n.stderr.String(), bug) {
			n.t.Errorf("the node said:\n%s", n.stderr)
			return
		}
	}
}

// stop ends the node with SIGTERM and returns how it ended.
func (n *node) stop() error {
	n.t.Helper()
	err := n.terminate()
	if errors.Is(err, errStays) {
		n.t.Fatalf("%v\n%s", err, n.stderr)
	}
	return err
}

var errStays = fmt.Errorf("still there %v after SIGTERM", patience)

// terminate is stop for any goroutine.
func (n *node) terminate() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-n.exited:
		return n.err
	case <-time.After(patience):
		return errStays
	}
}

// restart ends the node with kill -9 and starts one on the same store; addresses change.
func (n *node) restart(flags ...string) *node {
	n.t.Helper()
	n.kill()
	return serveIn(n.t, n.dir, flags...)
}

// Status and body of an HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends an HTTP request to url with body and alternating names and values of headers.
func do(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

func (n *node) publicURL(path string) string { return "http://" + n.public[0] + path }
func (n *node) adminURL(path string) string  { return "http://" + n.admin[0] + path }
func (n *node) opsURL(path string) string    { return "http://" + n.ops[0] + path }

// push pushes payload to key and fails the test unless it is accepted.
func (n *node) push(key, payload, query string) {
	n.t.Helper()
	if a := do(n.t, "POST", n.adminURL("/v1/push/"+key+query), payload); a.status != 200 {
		n.t.Fatalf("push %q to %q: %d %s", payload, key, a.status, a.body)
	}
}

// tryPush is push for any goroutine.
func (n *node) tryPush(key, payload, query string) error {
	resp, err := http.Post(n.adminURL("/v1/push/"+key+query), "", strings.NewReader(payload))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("push %.60q to %q: %s", payload, key, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// metric returns the value of a line of /metrics, as text; "" if there is none.
func (n *node) metric(name string) string {
	n.t.Helper()
	for line := range strings.Lines(do(n.t, "GET", n.opsURL("/metrics"), "").body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// count returns the value of a counter or gauge of /metrics; 0 if there is none.
func (n *node) count(name string) float64 {
	n.t.Helper()
	text := n.metric(name)
	if text == "" {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		n.t.Fatalf("metric %s is %q, want a number", name, text)
	}
	return v
}

// closed returns how many connections were closed for a reason.
func (n *node) closed(reason string) float64 {
	n.t.Helper()
	return n.count(`gopush_connections_closed_total{reason="` + reason + `"}`)
}

// expectClosed waits until so many connections were closed for a reason.
func (n *node) expectClosed(reason string, want float64) {
	n.t.Helper()
	eventually(n.t, fmt.Sprintf("%v connections closed with reason %q", want, reason), func() bool {
		return n.closed(reason) >= want
	})
}

// in is n for a subtest: its failures are t's.
func (n *node) in(t *testing.T) *node {
	m := *n
	m.t = t
	return &m
}

// onEngines runs test on a node of each connection engine: both are held to the same rules.
func onEngines(t *testing.T, flags []string, test func(t *testing.T, n *node)) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, serve(t, append([]string{"--engine", engine}, flags...)...))
		})
	}
}

// eventually polls until ok, for what a node does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !poll(ok) {
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// poll asks until ok, for as long as tests wait, and returns whether it was.
func poll(ok func() bool) bool {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// peer is a raw connection.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{t, c, bufio.NewReader(c)}
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatalf("send %.60q: %v", s, err)
	}
}

// expect reads exactly want.
func (p *peer) expect(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.r, got)
	if string(got) != want {
		p.t.Fatalf("got %.200q (%v), want %.200q", got[:n], err, want)
	}
}

// expectEnd reads what is left, which must be want, until the other side closes.
func (p *peer) expectEnd(want string) {
	p.t.Helper()
	got, err := io.ReadAll(p.r)
	if string(got) != want || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("got %.200q and then %v, want %.200q and the end", got, err, want)
	}
}

// message reads one legacy RESP message and returns its JSON.
func (p *peer) message() string {
	p.t.Helper()
	head, err := p.r.ReadString('\n')
	var size int
	if _, scanErr := fmt.Sscanf(head, "$%d\r\n", &size); scanErr != nil {
		p.t.Fatalf("got %q (%v), want a message", head, err)
	}
	body := make([]byte, size+2)
	if _, err := io.ReadFull(p.r, body); err != nil {
		p.t.Fatal(err)
	}
	return string(body[:size])
}

// command is a RESP array of bulk strings.
func command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// subscribe connects a legacy RESP subscriber of key; more are TOKEN, VERSION and MID.
func (n *node) subscribe(key string, more ...string) *peer {
	n.t.Helper()
	p := dial(n.t, n.public[0])
	p.send(command(append([]string{"sub", key, "60"}, more...)...))
	p.expect("+h\r\n")
	return p
}

// write sends s to a node that may close meanwhile: what matters is its answer.
func (p *peer) write(s string) { _, _ = io.WriteString(p, s) }

// sendBytewise sends s byte by byte.
func (p *peer) sendBytewise(s string) {
	p.t.Helper()
	for i := range len(s) {
		p.send(s[i : i+1])
	}
}

// closeWrite half-closes the connection.
func (p *peer) closeWrite() {
	p.t.Helper()
	if err := p.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		p.t.Fatal(err)
	}
}
