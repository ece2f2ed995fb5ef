package comet_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gopush/internal/comet"
)

// trusting is a gateway that trusts proxies of this machine.
func trusting(t *testing.T, engine comet.Engine, set func(*comet.Limits)) *gateway {
	t.Helper()
	return start(t, engine, func(cfg *comet.Config) {
		cfg.Limits.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		if set != nil {
			set(&cfg.Limits)
		}
	})
}

// bare runs test over all engines, without TLS: a header comes before it.
func bare(t *testing.T, test func(*testing.T, comet.Engine)) {
	for name, engine := range map[string]comet.Engine{"io_uring": comet.EngineRing, "epoll": comet.EngineEpoll, "net": comet.EngineNet} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

// headers are such as proxies send, and the addresses that they tell.
var headers = map[string]string{
	"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n":                                                        "203.0.113.7:4711",
	"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n":                                                     "[2001:db8::7]:4711",
	"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0f\xcb\x00\x71\x07\x0a\x00\x00\x01\x12\x67\x00\x50\x04\x00\x00": "203.0.113.7:4711",
	"PROXY UNKNOWN\r\n":                      "unknown",
	"":                                       "127.0.0.1",
	"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00": "127.0.0.1",
}

// Wherever the bytes are cut, and whatever is spoken behind it, a header tells where a connection comes from.
func TestWhereAConnectionComesFrom(t *testing.T) {
	both := func(t *testing.T, engine comet.Engine) {
		for _, secure := range []*tls.Config{nil, selfSigned(t)} {
			whereFrom(t, engine, secure)
		}
	}
	bare(t, both)
}

func whereFrom(t *testing.T, engine comet.Engine, secure *tls.Config) {
	g, links, _ := startHost(t, engine, secure)
	g.SetLimits(comet.Limits{
		MaxKeyBytes: 255, MaxCommandBytes: [3]int{64 << 10, 64 << 10}, MaxHeadBytes: 8 << 10, MaxArguments: 100, MaxConnections: 1000,
		MaxPendingBytes: 1 << 20, MaxPendingMessages: 1024, FirstPacketTimeout: patience,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	for header, want := range headers {
		for _, cut := range []int{0, 1, len(header) / 2, len(header) - 1} {
			if cut < 0 || cut > 0 && header == "" {
				continue
			}
			c, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			fmt.Fprint(c, header[:cut])
			time.Sleep(time.Millisecond)
			peer := c
			if secure != nil {
				fmt.Fprint(c, header[cut:])
				peer = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				fmt.Fprint(peer, "*1\r\n$11\r\nGOPUSH.LINK\r\n")
			} else {
				fmt.Fprint(c, header[cut:]+"*1\r\n$11\r\nGOPUSH.LINK\r\n")
			}
			select {
			case guest := <-links:
				got := guest.RemoteAddr().String()
				if got != want && !(want == "127.0.0.1" && strings.HasPrefix(got, want)) {
					t.Errorf("%q, cut after %d: comes from %s, want %s", header, cut, got, want)
				}
				if far := comet.Forwarded(guest.Conn); far != (want != "127.0.0.1") {
					t.Errorf("%q: is forwarded from far: %v", header, far)
				}
				guest.Close()
			case <-time.After(patience):
				t.Fatalf("%q, cut after %d: nobody came", header, cut)
			}
		}
	}
}

// What is no header, or a broken one, closes the connection where it must be one, and is counted.
func TestBadProxyHeaders(t *testing.T) {
	bare(t, func(t *testing.T, engine comet.Engine) {
		g := trusting(t, engine, func(l *comet.Limits) { l.RequireProxyHeader = true })
		bad := []string{
			"*3\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n60\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", "GET / HTTP/1.1\r\n\r\n", "PROXX",
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x01x",
		}
		for _, first := range bad {
			c, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			fmt.Fprint(c, first)
			if answer, err := io.ReadAll(c); len(answer) > 0 {
				t.Errorf("%q is answered with %q, %v", first, answer, err)
			}
		}
		if got := g.Stats.Closed[comet.BadProxyHeader].Load(); got != int64(len(bad)) {
			t.Errorf("%d connections are counted as without a good header, want %d", got, len(bad))
		}
	})
}

// Before TLS it is the same: also where nothing comes at all, as when a balancer looks whether somebody listens.
func TestBadProxyHeadersBeforeTLS(t *testing.T) {
	bare(t, func(t *testing.T, engine comet.Engine) {
		g := trusting(t, engine, func(l *comet.Limits) {
			l.RequireProxyHeader, l.FirstPacketTimeout = true, 100*time.Millisecond
		})
		ln, err := g.Listen(t.Context(), comet.Public, "127.0.0.1:0", selfSigned(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, first := range []string{"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", "\x16\x03\x01", "PROXY ", ""} {
			for _, closes := range []bool{false, true} {
				c, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				if fmt.Fprint(c, first); closes {
					c.(*net.TCPConn).CloseWrite()
				}
				if answer, err := io.ReadAll(c); len(answer) > 0 {
					t.Errorf("%q is answered with %q, %v", first, answer, err)
				}
			}
		}
		for deadline := time.Now().Add(patience); g.Connections() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d connections are counted that are closed", g.Connections())
			}
		}
	})
}

// Nobody but trusted proxies says where a connection comes from.
func TestStrangersDoNotSayWhereTheyComeFrom(t *testing.T) {
	bare(t, func(t *testing.T, engine comet.Engine) {
		g := trusting(t, engine, func(l *comet.Limits) { l.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
		c, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprint(c, "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n*3\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n60\r\n")
		if answer, _ := io.ReadAll(c); string(answer) != "-p\r\n" {
			t.Errorf("answer %q, want -p", answer)
		}
	})
}

// via connects a subscriber through a proxy that tells source.
func via(addr, source string) (*device, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	family := "TCP4"
	if strings.Contains(source, ":") {
		family = "TCP6"
	}
	fmt.Fprintf(c, "PROXY %s %s %[2]s 4711 80\r\n*3\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n60\r\n", family, source)
	d := &device{c, bufio.NewReader(c)}
	if line, err := d.r.ReadString('\n'); line != "+h\r\n" {
		c.Close()
		return nil, fmt.Errorf("got %q, %w", line, err)
	}
	return d, nil
}

// An address has its limit, others have theirs, and who has gone does not count.
func TestConnectionsOfAnAddressHaveALimit(t *testing.T) {
	bare(t, func(t *testing.T, engine comet.Engine) {
		g := trusting(t, engine, func(l *comet.Limits) { l.MaxPerAddress = 2 })
		var first *device
		for i, c := range []struct {
			source string
			in     bool
		}{
			{"203.0.113.7", true},
			{"203.0.113.7", true},
			{"203.0.113.7", false},
			{"203.0.113.8", true},
			{"2001:db8::1", true},
			{"2001:db8::2", true},
			{"2001:db8::3", false},
			{"2001:db8:0:1::3", true},
			{"127.0.0.1", true},
			{"127.0.0.1", true},
			{"127.0.0.1", true},
		} {
			d, err := via(g.addr, c.source)
			if (err == nil) != c.in {
				t.Fatalf("connection %d from %s: %v, want it in: %v", i, c.source, err, c.in)
			}
			if d != nil {
				defer d.Close()
			}
			if i == 0 {
				first = d
			}
		}
		if got := g.Stats.Closed[comet.AddressLimit].Load(); got != 2 {
			t.Errorf("%d are counted as refused, want 2", got)
		}
		first.Close()
		for deadline := time.Now().Add(patience); ; {
			d, err := via(g.addr, "203.0.113.7")
			if err == nil {
				d.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("after one has gone: %v", err)
			}
		}
	})
}

// Over WebSocket the proxy's X-Forwarded-For counts, on the loop's way and on net/http's, and is told so.
func TestWebSocketsOfAnAddressHaveALimit(t *testing.T) {
	bare(t, func(t *testing.T, engine comet.Engine) {
		g := trusting(t, engine, func(l *comet.Limits) { l.MaxPerAddress = 2 })
		ln, err := g.Listen(t.Context(), comet.Public, "127.0.0.1:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/sub", ln.Subscribe())
		mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
		server := &http.Server{Handler: mux}
		go server.Serve(ln)
		t.Cleanup(func() { server.Close() })
		const upgrade = "GET /sub?key=k&heartbeat=60 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		handshake := func(kept bool, fields string) (status string, c net.Conn) {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			r := bufio.NewReader(c)
			if kept {
				fmt.Fprint(c, "GET /who HTTP/1.1\r\nHost: h\r\n\r\n")
				answer, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, answer.Body)
			}
			fmt.Fprint(c, upgrade+fields+"\r\n")
			line, _ := r.ReadString('\n')
			_, status, _ = strings.Cut(strings.TrimSpace(line), " ")
			return status, c
		}
		const switching, refused = "101 Switching Protocols", "429 Too Many Requests"
		for i, c := range []struct {
			kept           bool
			fields, status string
		}{
			{false, "X-Forwarded-For: 203.0.113.7\r\n", switching},
			{true, "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n", switching},
			{false, "X-Forwarded-For: 6.6.6.7, 203.0.113.7\r\n", refused},
			{true, "Forwarded: for=203.0.113.7\r\n", refused},
			{true, "Forwarded: for=203.0.113.8\r\n", switching},
			{false, "Forwarded: for=203.0.113.9\r\nX-Forwarded-For: 203.0.113.8\r\n", "400 Bad Request"},
			{true, "Forwarded: for=203.0.113.9\r\nX-Forwarded-For: 203.0.113.8\r\n", "400 Bad Request"},
			{false, "", switching},
			{false, "", switching},
			{true, "", switching},
		} {
			status, conn := handshake(c.kept, c.fields)
			defer conn.Close()
			if status != c.status {
				t.Errorf("handshake %d with %q: %q, want %q", i, c.fields, status, c.status)
			}
		}
	})
}

// A connection that net/http has counts until it is closed, and is known by the address that the proxy told.
func TestPlainHTTPCountsForItsAddress(t *testing.T) {
	bare(t, func(t *testing.T, engine comet.Engine) {
		g := trusting(t, engine, func(l *comet.Limits) { l.MaxPerAddress = 1 })
		ln, err := g.Listen(t.Context(), comet.Public, "127.0.0.1:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })}
		go server.Serve(ln)
		t.Cleanup(func() { server.Close() })
		ask := func() (net.Conn, string) {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			fmt.Fprint(c, "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return c, ""
			}
			body, _ := io.ReadAll(answer.Body)
			return c, string(body)
		}
		first, got := ask()
		if got != "203.0.113.7:4711" {
			t.Errorf("net/http sees a connection from %q", got)
		}
		second, got := ask()
		if second.Close(); got != "" {
			t.Errorf("a second connection is let in")
		}
		first.Close()
		for deadline := time.Now().Add(patience); ; {
			c, got := ask()
			if c.Close(); got != "" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no other connection is let in after the first has gone")
			}
		}
	})
}
