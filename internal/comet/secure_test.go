package comet_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/comet"
)

// startTLS starts a gateway that speaks TLS and returns where.
func startTLS(t *testing.T, set func(*comet.Config)) (g *gateway, addr string) {
	t.Helper()
	g = start(t, comet.EngineAuto, set)
	ln, err := g.Listen(t.Context(), comet.Public, "127.0.0.1:0", selfSigned(t))
	if err != nil {
		t.Fatal(err)
	}
	return g, ln.Addr().String()
}

// versions runs test over all versions of TLS that are spoken.
func versions(t *testing.T, test func(t *testing.T, client *tls.Config)) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		})
	}
}

// pieces is a connection that sends so many bytes at a time.
type pieces struct {
	net.Conn
	size int
}

func (c pieces) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		k := 0
		k, err = c.Conn.Write(p[n:min(n+c.size, len(p))])
		n += k
	}
	return n, err
}

func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

const subK = "*5\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n60\r\n$0\r\n\r\n$1\r\n1\r\n"

// A handshake, and what follows, that comes byte by byte, or in any pieces, is understood.
func TestTLSThatComesInPieces(t *testing.T) {
	g, addr := startTLS(t, nil)
	versions(t, func(t *testing.T, client *tls.Config) {
		for _, size := range []int{1, 2, 5, 6, 37, 1 << 20} {
			c := tls.Client(pieces{dialTCP(t, addr), size}, client)
			for _, b := range []byte(subK) { // a record each
				if _, err := c.Write([]byte{b}); err != nil {
					t.Fatalf("in pieces of %d: %v", size, err)
				}
			}
			io.WriteString(c, "hhh")
			wantBytes(t, c, strings.Repeat("+h\r\n", 4))
			if g.push(t, "k", `"x"`, 0); size > 0 {
				wantBytes(t, c, `$`)
			}
			c.Close()
		}
	})
}

func wantBytes(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got[:n], err, want)
	}
}

// Records of any size, in any pieces, both ways at once, over connections that are also sent to from elsewhere: each
// heartbeat is answered, and every message comes once, in order.
func TestTLSAgainstAModel(t *testing.T) {
	g, addr := startTLS(t, func(cfg *comet.Config) { cfg.Limits.MaxPendingMessages, cfg.Limits.MaxPendingBytes = 1<<20, 1<<30 })
	versions(t, func(t *testing.T, client *tls.Config) {
		const devices, messages = 5, 300
		key := "k" + t.Name()[len(t.Name())-1:]
		var running sync.WaitGroup
		var ready sync.WaitGroup
		ready.Add(devices)
		for range devices {
			running.Go(func() {
				c := tls.Client(chopped{dialTCP(t, addr)}, client)
				defer c.Close()
				io.WriteString(c, strings.Replace(subK, "$1\r\nk", "$2\r\n"+key, 1))
				r := bufio.NewReaderSize(c, 1+rand.IntN(1<<16))
				line, err := r.ReadString('\n')
				if ready.Done(); line != "+h\r\n" {
					t.Errorf("subscribed with %q, %v", line, err)
					return
				}
				beats := 0
				running.Go(func() {
					for range 50 {
						io.WriteString(c, strings.Repeat("h", 1+rand.IntN(20)))
					}
					io.WriteString(c, strings.Repeat("h", 1<<15)) // of several records
				})
				for next := 0; next < messages; {
					line, err := r.ReadString('\n')
					switch {
					case err != nil:
						t.Errorf("after %d messages: %v", next, err)
						return
					case line == "+h\r\n":
						beats++
					case strings.HasPrefix(line, "{"):
						if want := fmt.Sprintf(`{"msg":"%d-`, next); !strings.HasPrefix(line, want) {
							t.Errorf("got %.40q, want %q", line, want)
							return
						}
						next++
					}
				}
			})
		}
		ready.Wait()
		for i := range messages {
			g.push(t, key, fmt.Sprintf(`"%d-%s"`, i, strings.Repeat("x", rand.IntN(1<<rand.IntN(17)))), 0)
		}
		running.Wait()
	})
}

// Who sends anything that is no TLS, before, inside or after the handshake, is closed, and nobody else notices.
func TestGarbageOverTLS(t *testing.T) {
	g, addr := startTLS(t, func(cfg *comet.Config) { cfg.Limits.FirstPacketTimeout = time.Second })
	other, err := subscribe(relayTLS(t, addr, &tls.Config{InsecureSkipVerify: true}), "other", -1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var rounds sync.WaitGroup
	for round := range 60 {
		c := dialTCP(t, addr)
		rounds.Go(func() { sendGarbage(t, c, round) })
	}
	rounds.Wait()
	g.push(t, "other", `"still"`, 0)
	if _, _, text, _, err := other.next(); text != "still" {
		t.Fatalf("another connection got %q, %v", text, err)
	}
	eventuallyConnections(t, g, 1)
}

func sendGarbage(t *testing.T, c net.Conn, round int) {
	damaged := &damaging{Conn: c, after: rand.IntN(6), version: uint16(tls.VersionTLS12 + round%2)}
	if round%3 == 0 {
		io.WriteString(c, randomBytes(1+rand.IntN(400)))
	} else {
		sent := tls.Client(damaged, &tls.Config{InsecureSkipVerify: true, MaxVersion: damaged.version})
		sent.Handshake()
		for range 6 {
			io.WriteString(sent, "h")
		}
	}
	c.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, c); err != nil && isTimeout(err) {
		t.Errorf("round %d, damaged after %d writes: not closed", round, damaged.after)
	}
	c.Close()
}

func randomBytes(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	if rand.IntN(2) == 0 {
		copy(b, "\x16\x03\x01")
	}
	return string(b)
}

// damaging is a connection that changes a bit, or adds or drops a byte, in one of its writes.
type damaging struct {
	net.Conn
	after   int // writes
	version uint16
}

func (c *damaging) Write(p []byte) (int, error) {
	if c.after--; c.after == -1 {
		b := bytes.Clone(p)
		switch at := rand.IntN(len(b)); rand.IntN(3) {
		case 0:
			b[at] ^= 1 << rand.IntN(8)
		case 1:
			b = append(b[:at], b[at+1:]...)
		default:
			b = append(b[:at], append([]byte{byte(rand.Uint32())}, b[at:]...)...)
		}
		c.Conn.Write(b)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

func eventuallyConnections(t *testing.T, g *gateway, want int) {
	t.Helper()
	for deadline := time.Now().Add(patience); g.Connections() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, want %d", g.Connections(), want)
		}
	}
}

// Who says nothing, or stops in the middle of the handshake, is closed in time and leaves nothing.
func TestAHandshakeThatStops(t *testing.T) {
	g, addr := startTLS(t, func(cfg *comet.Config) { cfg.Limits.FirstPacketTimeout = time.Second })
	hello := clientHello(t)
	sent := []string{"", hello[:3], hello[:len(hello)-1], hello}
	var all []net.Conn
	for _, b := range sent {
		c := dialTCP(t, addr)
		io.WriteString(c, b)
		all = append(all, c)
	}
	for i, c := range all {
		if _, err := io.Copy(io.Discard, c); err != nil && isTimeout(err) {
			t.Errorf("who sent %d bytes of the handshake was not closed", len(sent[i]))
		}
	}
	eventuallyConnections(t, g, 0)
	if n := g.Stats.Closed[comet.HandshakeFailed].Load(); n != int64(len(sent)) {
		t.Errorf("%d handshakes failed, want %d", n, len(sent))
	}
}

// clientHello returns what a client says first.
func clientHello(t *testing.T) string {
	ours, theirs := net.Pipe()
	go tls.Client(theirs, &tls.Config{InsecureSkipVerify: true}).Handshake()
	defer theirs.Close()
	defer ours.Close()
	b := make([]byte, 16<<10)
	n, err := ours.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// Whose connection ends politely is told so by TLS, too: close_notify comes last.
func TestGoodbyeOverTLS(t *testing.T) {
	g, addr := startTLS(t, nil)
	for name, end := range map[string]func(c *tls.Conn){
		"refused": func(c *tls.Conn) { io.WriteString(c, "*1\r\n$3\r\nfoo\r\n") },
		"kicked": func(c *tls.Conn) {
			io.WriteString(c, subK)
			wantBytes(t, c, "+h\r\n")
			g.hub.Kick(t.Context(), "k")
		},
		"peer left": func(c *tls.Conn) {
			c.Handshake()
			c.CloseWrite()
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := &seeing{Conn: dialTCP(t, addr)}
			c := tls.Client(seen, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}) // whose alerts can be told from the rest
			end(c)
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Fatal(err)
			}
			const alert, alertSize = 21, 5 + 8 + 2 + 16
			if b := seen.all; len(b) < alertSize || b[len(b)-alertSize] != alert {
				t.Errorf("the last of %d bytes are no alert", len(b))
			}
		})
	}
}

// seeing is a connection that remembers what it read.
type seeing struct {
	net.Conn
	all []byte
}

func (c *seeing) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.all = append(c.all, p[:n]...)
	return n, err
}

// An idle TLS connection has no goroutine.
func TestAnIdleTLSConnectionHasNoGoroutine(t *testing.T) {
	const connections = 200
	g, addr := startTLS(t, nil)
	before := runtime.NumGoroutine()
	for range connections {
		c := tls.Client(dialTCP(t, addr), &tls.Config{InsecureSkipVerify: true})
		io.WriteString(c, subK)
		wantBytes(t, c, "+h\r\n")
	}
	deadline := time.Now().Add(patience)
	for n := runtime.NumGoroutine(); n > before+connections/4; n = runtime.NumGoroutine() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines for %d connections, and %d before them", n, connections, before)
		}
		time.Sleep(time.Millisecond)
	}
	if got := g.Stats.Handshakes.Load(); got != connections {
		t.Errorf("%d handshakes, want %d", got, connections)
	}
}

// Who comes again resumes the session.
func TestSessionsAreResumed(t *testing.T) {
	g, addr := startTLS(t, nil)
	versions(t, func(t *testing.T, client *tls.Config) {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for i := range 2 {
			c := tls.Client(dialTCP(t, addr), client)
			io.WriteString(c, subK)
			wantBytes(t, c, "+h\r\n")
			if got := c.ConnectionState().DidResume; got != (i == 1) {
				t.Errorf("connection %d resumed: %v", i+1, got)
			}
			c.Close()
		}
	})
	t.Cleanup(func() {
		if n := g.Stats.HandshakesResumed.Load(); n != 2 {
			t.Errorf("%d handshakes resumed, want 2", n)
		}
	})
}

// Who says all, and that it was all, while its handshake is still being looked at is answered.
func TestTheEndMayComeWithTheHandshake(t *testing.T) {
	_, addr := startTLS(t, nil)
	versions(t, func(t *testing.T, client *tls.Config) {
		var rounds sync.WaitGroup
		for range 100 {
			socket := dialTCP(t, addr)
			rounds.Go(func() {
				c := tls.Client(socket, client)
				io.WriteString(c, "*1\r\n$3\r\nfoo\r\n")
				c.CloseWrite()
				socket.(*net.TCPConn).CloseWrite()
				if got, err := io.ReadAll(c); err != nil || string(got) != "-p\r\n" {
					t.Errorf("answered %q, %v", got, err)
				}
			})
		}
		rounds.Wait()
	})
}
