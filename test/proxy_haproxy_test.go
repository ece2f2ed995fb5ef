package test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// haproxy forwards on ports of its own: backends by name, each a line "mode, server options".
func haproxy(t *testing.T, servers map[string][3]string) map[string]string {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if program = "/usr/sbin/haproxy"; !exists(program) {
			t.Fatal("haproxy is missing: make deps")
		}
	}
	var text strings.Builder
	text.WriteString("defaults\n  timeout connect 20s\n  timeout client 60s\n  timeout server 60s\n  option forwardfor\n")
	addrs := make(map[string]string)
	for name, s := range servers {
		mode, addr, options := s[0], s[1], s[2]
		addrs[name] = freeAddress(t)
		fmt.Fprintf(&text, "listen %s\n  mode %s\n  bind %s\n  server s %s %s\n", name, mode, addrs[name], addr, options)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	writeFile(t, file, []byte(text.String()))
	cmd := exec.Command(program, "-db", "-f", file)
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for _, addr := range addrs {
		eventually(t, "haproxy listens; "+out.String(), func() bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return addrs
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// dialFrom connects from an address of this machine.
func dialFrom(t *testing.T, from, addr string) *peer {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return peerOn(t, c)
}

func peerOn(t *testing.T, c net.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{t, c, bufio.NewReader(c)}
}

// A real haproxy tells where devices come from, by every way it has, and in every dialect messages arrive behind it.
func TestDevicesBehindHAProxy(t *testing.T) {
	cert, key, pool := selfSigned(t, t.TempDir())
	secure := "127.0.0.1:0?tls_cert=" + url.QueryEscape(cert) + "&tls_key=" + url.QueryEscape(key)
	onEngines(t, []string{"--trusted-proxies", "127.0.0.1/32", "--public", "127.0.0.1:0", "--public", secure, "--log-level", "debug"}, func(t *testing.T, n *node) {
		plain, sealed := n.public[len(n.public)-2], n.public[len(n.public)-1]
		at := haproxy(t, map[string][3]string{
			"v1":     {"tcp", plain, "send-proxy"},
			"v2":     {"tcp", plain, "send-proxy-v2 proxy-v2-options crc32c,unique-id check check-send-proxy inter 100ms"},
			"tls":    {"tcp", sealed, "send-proxy-v2"},
			"http":   {"http", plain, ""},
			"httpv2": {"http", plain, "send-proxy-v2"},
		})
		from := func(i int) string { return fmt.Sprintf("127.0.77.%d", i+1) }
		var redis []*peer
		for i, name := range []string{"v1", "v2"} {
			p := dialFrom(t, from(i), at[name])
			p.send(command("SUBSCRIBE", "k"))
			p.expect("*3\r\n$9\r\nsubscribe\r\n$1\r\nk\r\n:1\r\n")
			redis = append(redis, p)
			legacy := dialFrom(t, from(i), at[name])
			legacy.send(command("sub", "k", "60", "", "1"))
			legacy.expect("+h\r\n")
			redis = append(redis, legacy)
		}
		d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from(2))}}, Config: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}}
		c, err := d.Dial("tcp", at["tls"])
		if err != nil {
			t.Fatal(err)
		}
		over := peerOn(t, c)
		over.send(command("SUBSCRIBE", "k"))
		over.expect("*3\r\n$9\r\nsubscribe\r\n$1\r\nk\r\n:1\r\n")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for _, name := range []string{"http", "httpv2"} {
			ws, _, err := websocket.Dial(ctx, "ws://"+at[name]+"/sub?key=k&heartbeat=60", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.CloseNow()
			if _, b, err := ws.Read(ctx); err != nil || string(b) != "+h\r\n" {
				t.Fatalf("%s: %q, %v", name, b, err)
			}
			if !strings.HasPrefix(name, "httpv2") {
				n.push("k", `"first"`, "?expire=0")
				if _, b, err := ws.Read(ctx); err != nil || !strings.Contains(string(b), "first") {
					t.Fatalf("%s: %q, %v", name, b, err)
				}
				for i, p := range append(redis, over) {
					if i%2 == 1 {
						p.message()
					} else {
						p.expect("*3\r\n$7\r\nmessage\r\n$1\r\nk\r\n$7\r\n\"first\"\r\n")
					}
				}
			}
		}
		admin := dial(t, n.admin[len(n.admin)-1])
		admin.send(command("CLIENT", "LIST"))
		admin.send(command("QUIT"))
		rest, _ := io.ReadAll(admin.r)
		list := string(rest)
		for i := range 3 {
			if !strings.Contains(list, " addr="+from(i)+":") {
				t.Errorf("CLIENT LIST does not tell of a client from %s:\n%s", from(i), list)
			}
		}
		if bad := n.closed("bad_proxy_header"); bad != 0 {
			t.Errorf("%v headers are said to be bad", bad)
		}
	})
}

// Who comes from elsewhere through a proxy of this machine is no local program: on a loopback admin listener he needs an API key, whatever he
// speaks. Who only claims to is not believed.
func TestForwardedIsNotLocal(t *testing.T) {
	onEngines(t, []string{"--trusted-proxies", "127.0.0.1/32", "--api-keys", "web:a-secret-of-web"}, func(t *testing.T, n *node) {
		const (
			push  = "POST /v1/push/k?expire=0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n%s\r\n1"
			plain = "POST /v1/push/k?expire=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n%s\r\n1"
			far   = "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n"
			near  = "PROXY TCP4 127.0.0.5 127.0.0.1 4711 80\r\n"
		)
		for _, tt := range []struct{ what, sent, want string }{
			{"a local program", fmt.Sprintf(push, ""), "HTTP/1.1 200"},
			{"a stranger", far + fmt.Sprintf(push, ""), "HTTP/1.1 401"},
			{"a stranger, on the loop's way", far + fmt.Sprintf(plain, ""), "HTTP/1.1 401"},
			{"a stranger who shows a key", far + fmt.Sprintf(plain, "X-API-Key: a-secret-of-web\r\n"), "HTTP/1.1 200"},
			{"a local program through the proxy", near + fmt.Sprintf(push, ""), "HTTP/1.1 200"},
			{"somebody hidden", "PROXY UNKNOWN\r\n" + fmt.Sprintf(plain, ""), "HTTP/1.1 401"},
			{"the proxy itself", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" + fmt.Sprintf(plain, ""), "HTTP/1.1 200"},
			{"a stranger by X-Forwarded-For", fmt.Sprintf(push, "X-Forwarded-For: 203.0.113.7\r\n"), "HTTP/1.1 401"},
			{"a stranger by X-Forwarded-For, on the loop's way", fmt.Sprintf(plain, "X-Forwarded-For: 203.0.113.7\r\n"), "HTTP/1.1 401"},
			{"a stranger who adds one", fmt.Sprintf(plain, "X-Forwarded-For: 127.0.0.1, 203.0.113.7\r\n"), "HTTP/1.1 401"},
			{"a stranger who adds one, behind the PROXY protocol", far + fmt.Sprintf(plain, "X-Forwarded-For: 127.0.0.1\r\n"), "HTTP/1.1 401"},
			{"Redis", command("PUBLISH", "k", "1"), ":0"},
			{"Redis of a stranger", far + command("PUBLISH", "k", "1"), "-NOAUTH"},
			{"Redis of a stranger who shows a key", far + command("AUTH", "a-secret-of-web"), "+OK"},
			{"Redis of somebody hidden", "PROXY UNKNOWN\r\n" + command("PUBLISH", "k", "1"), "-NOAUTH"},
		} {
			p := dial(t, n.admin[len(n.admin)-1])
			p.send(tt.sent)
			p.expect(tt.want)
		}
	})
}

// Behind a balancer devices are told apart, and one address with too many connections keeps nobody else out.
func TestLimitsOfAnAddressBehindHAProxy(t *testing.T) {
	t.Parallel()
	n := serve(t, "--trusted-proxies", "127.0.0.1/32", "--max-connections-per-address", "3")
	one := func(source string) (*peer, bool) {
		p := dial(t, n.public[0])
		p.send("PROXY TCP4 " + source + " 10.0.0.1 4711 80\r\n" + command("sub", "k", "60", "", "1"))
		line, _ := p.r.ReadString('\n')
		return p, line == "+h\r\n"
	}
	var in []*peer
	for i := range 10 {
		p, ok := one("203.0.113.7")
		if ok != (i < 3) {
			t.Fatalf("connection %d of an address is let in: %v", i, ok)
		}
		in = append(in, p)
	}
	p, ok := one("203.0.113.8")
	if !ok {
		t.Fatal("another address is not let in")
	}
	n.push("k", `"1"`, "?expire=0")
	for _, p := range append(in[:3], p) {
		p.message()
	}
	n.expectClosed("max_connections_per_address", 7)
	for _, p := range in[:3] {
		p.Close()
	}
	eventually(t, "the address has room again", func() bool {
		_, ok := one("203.0.113.7")
		return ok
	})
}
