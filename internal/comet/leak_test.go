package comet

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// visitor is the peer's end of a connection, with the socket under TLS.
type visitor struct {
	net.Conn
	socket *net.TCPConn
}

// visits are what peers do to a node, good and bad, each over a connection of its own.
func visits() map[string]func(c visitor, key string) {
	return map[string]func(c visitor, key string){
		"goes away":                  func(c visitor, key string) {},
		"talks nonsense on the wire": func(c visitor, key string) { fmt.Fprint(c.socket, "*3\r\n\x00"); wait(c) },
		"says nothing to TLS":        func(c visitor, key string) { c.socket.CloseWrite(); wait(c) },
		"talks nonsense":             func(c visitor, key string) { fmt.Fprint(c, "\x00\xff*3\r\n"); wait(c) },
		"begins and leaves": func(c visitor, key string) {
			fmt.Fprint(c, "*3\r\n$3\r\nsub\r\n$9\r\nk")
		},
		"subscribes and resets": func(c visitor, key string) {
			subscribe(c, key, "")
			c.socket.SetLinger(0)
		},
		"resumes and never reads": func(c visitor, key string) { subscribe(c, key, "0") },
		"half-closes": func(c visitor, key string) {
			subscribe(c, key, "0")
			c.Conn.(interface{ CloseWrite() error }).CloseWrite()
			io.Copy(io.Discard, c)
		},
		"sends a wrong heartbeat": func(c visitor, key string) {
			subscribe(c, key, "")
			fmt.Fprint(c, "hhx")
			io.Copy(io.Discard, c)
		},
		"asks over HTTP": func(c visitor, key string) { get(c, "/") },
		"upgrades": func(c visitor, key string) {
			upgrade(c, key)
			c.Write([]byte{0x81, 0x81, 0, 0, 0, 0, 'h'})
			wait(c)
		},
		"upgrades a kept-alive connection": func(c visitor, key string) {
			get(c, "/")
			upgrade(c, key)
			c.Write([]byte{0x88, 0x80, 0, 0, 0, 0})
			io.Copy(io.Discard, c)
		},
	}
}

func subscribe(c net.Conn, key, mid string) {
	fmt.Fprintf(c, "*6\r\n$3\r\nsub\r\n$%d\r\n%s\r\n$2\r\n60\r\n$0\r\n\r\n$1\r\n1\r\n$%d\r\n%s\r\n", len(key), key, len(mid), mid)
	wait(c)
}

func upgrade(c net.Conn, key string) {
	fmt.Fprintf(c, "GET /sub?key=%s&heartbeat=60&mid=0 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", key)
	wait(c)
}

func get(c net.Conn, path string) {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path)
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

// wait reads what comes next, or the end.
func wait(c net.Conn) { c.Read(make([]byte, 512)) }

// Whatever peers do, when they have gone nothing is left of them: no place in a loop, no goroutine,
// no descriptor.
func TestNothingIsLeftOfConnections(t *testing.T) {
	for _, tt := range engineRows(t) {
		t.Run(tt.name, func(t *testing.T) {
			goroutines, files := runtime.NumGoroutine(), openFiles(t)
			visitAll(t, tt.engine, tt.tls)
			eventually(t, "goroutines", func() (int, bool) { n := runtime.NumGoroutine(); return n, n <= goroutines })
			eventually(t, "open files", func() (int, bool) { n := openFiles(t); return n, n <= files })
		})
	}
}

// visitAll runs a gateway until all visits have been made, many at once, while messages are pushed.
func visitAll(t *testing.T, engine Engine, secure *tls.Config) {
	g, hub, ln := newTestGateway(t, engine)
	if secure != nil {
		var err error
		if ln, err = g.Listen(t.Context(), Public, "127.0.0.1:0", secure); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/sub", ln.Subscribe())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	server := http.Server{Handler: mux}
	var running, visiting sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	running.Go(func() { g.Run(ctx) })
	running.Go(func() { server.Serve(ln) })

	for range 8 {
		visiting.Go(func() {
			for range 6 {
				for name, visit := range visits() {
					c, err := net.DialTimeout("tcp", ln.Addr().String(), 10*time.Second)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					v := visitor{c, c.(*net.TCPConn)}
					if secure != nil {
						v.Conn = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
					}
					v.SetDeadline(time.Now().Add(10 * time.Second))
					visit(v, fmt.Sprint("k", rand.IntN(3)))
					v.Close()
				}
			}
		})
	}
	stop := make(chan struct{})
	running.Go(func() { pushUntil(hub, stop) })
	visiting.Wait()
	close(stop)
	eventually(t, "connections", func() (int, bool) { n := g.Connections(); return n, n == 0 })
	checkEmpty(t, g.loops[0])
	server.Close()
	cancel()
	running.Wait()
}

func pushUntil(hub *channel.Hub, stop chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		hub.Publish(context.Background(), []message.Push{{
			Key: fmt.Sprint("k", i%3), Payload: make([]byte, rand.IntN(2000)), Expire: time.Duration(i%2) * time.Minute,
		}})
	}
}

// checkEmpty checks that a loop without connections remembers none.
func checkEmpty(t *testing.T, l *loop) {
	t.Helper()
	eventually(t, "messages to deliver", func() (int, bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.walks), len(l.walks) == 0 && l.inbox.bytes.Load() == 0
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.conns.inUse(); n != 0 {
		t.Errorf("%d connections are in use, want 0", n)
	}
	if n := l.groups.inUse(); n != 1 {
		t.Errorf("%d groups are in use, want 1, the fresh one", n)
	}
	if l.wheel.slots != [wheelSlots]uint32{} {
		t.Error("somebody is left in the wheel")
	}
}

type engineRow struct {
	name   string
	engine Engine
	tls    *tls.Config // nil: none
}

// engineRows are the ways in which a gateway moves bytes.
func engineRows(t *testing.T) []engineRow {
	t.Helper()
	return []engineRow{{"io_uring", EngineRing, nil}, {"epoll", EngineEpoll, nil}, {"net", EngineNet, nil}, {"tls", EngineAuto, testTLS(t)}}
}

// testTLS returns how TLS is spoken with a certificate that nobody trusts.
func testTLS(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(cryptorand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	return len(all)
}

// eventually waits for what has no event to wait for.
func eventually(t *testing.T, what string, done func() (int, bool)) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		n, ok := done()
		switch {
		case ok:
			return
		case time.Now().After(deadline):
			t.Errorf("%d %s are left", n, what)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
