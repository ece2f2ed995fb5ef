package client_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"gopush/client"
	"gopush/internal/wire/ws"
)

// certified returns a server's certificate and what a client needs to trust it.
func certified(t *testing.T) (server, trusting *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS, s.Client().Transport.(*http.Transport).TLSClientConfig
}

// listen serves the connections of a loopback listener by script and returns its address.
func (s script) listen(t *testing.T, settings *tls.Config) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if settings != nil {
		l = tls.NewListener(l, settings)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for _, serve := range s {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(&peer{t, conn, bufio.NewReader(conn)})
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestOverRealSockets(t *testing.T) {
	t.Parallel()
	server, trusting := certified(t)
	for name, tc := range map[string]struct {
		scheme string
		server *tls.Config
	}{
		"no scheme": {"", nil},
		"TCP":       {"tcp://", nil},
		"TLS":       {"tls://", server},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := script{
				func(p *peer) { p.answerTime(1000) },
				func(p *peer) { p.want(sub("k", "30", "secret", 996)); p.send("+h\r\n"); p.sendMessages(0, 1004) },
				func(p *peer) {
					p.want(sub("k", "30", "secret", 1004))
					p.send("+h\r\n")
					p.sendMessages(1004, 1008)
					p.drain()
				},
			}.listen(t, tc.server)
			cfg := client.Config{Addr: tc.scheme + addr, Key: "k", Token: "secret", TLS: trusting, Backoff: noPause}
			wantMids(t, collect(t, cfg, 1008), 1004, 1008)
		})
	}
}

func TestRefusesAServerThatItDoesNotTrust(t *testing.T) {
	t.Parallel()
	server, _ := certified(t)
	addr := script{func(p *peer) { p.drain() }}.listen(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	var reason error
	client.Subscribe(ctx, client.Config{
		Addr: "tls://" + addr, Key: "k", After: "0",
		OnDisconnect: func(err error, _ time.Duration) { reason = err; cancel() },
	}, nil)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](reason); !ok {
		t.Errorf("OnDisconnect told %v, want that the certificate is not trusted", reason)
	}
}

// device is the server's end of a WebSocket, by another implementation of RFC 6455.
type device struct {
	t *testing.T
	*websocket.Conn
}

func (d device) send(texts ...string) {
	for _, text := range texts {
		d.Write(d.t.Context(), websocket.MessageText, []byte(text))
	}
}

// webSocketServer answers the time, and accepts WebSockets at /behind/sub that serve serves,
// with the query that came with each.
func webSocketServer(t *testing.T, start func(http.Handler) *httptest.Server, serve func(d device, query url.Values)) (host string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /behind/1/time/get", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"data":{"timeid":1000},"ret":0}`)
	})
	mux.HandleFunc("GET /behind/sub", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			t.Errorf("accept a WebSocket: %v", err)
			return
		}
		defer conn.CloseNow()
		serve(device{t, conn}, r.URL.Query())
	})
	server := start(mux)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.Listener.Addr().String(), "http://")
}

func TestOverWebSocket(t *testing.T) {
	t.Parallel()
	_, trusting := certified(t)
	for scheme, start := range map[string]func(http.Handler) *httptest.Server{
		"ws": httptest.NewServer, "wss": httptest.NewTLSServer,
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			next, conns := int64(1000), 0
			host := webSocketServer(t, start, func(d device, query url.Values) {
				want := url.Values{"key": {"a b&c"}, "heartbeat": {"30"}, "ver": {"1"}, "mid": {fmt.Sprint(next - 4)}, "token": {"se=cret"}}
				if query.Encode() != want.Encode() {
					t.Errorf("subscribed with %v, want %v", query, want)
				}
				d.send("+h\r\n", "+g 500\r\n", body(`"x"`, next, 0), body(`"y"`, next+4, next))
				if next, conns = next+8, conns+1; conns == 2 {
					d.Read(t.Context()) // until the client closes
				}
				d.Close(websocket.StatusGoingAway, "restart")
			})
			cfg := client.Config{Addr: scheme + "://" + host + "/behind", Key: "a b&c", Token: "se=cret", TLS: trusting, Backoff: noPause}
			var reasons []string
			cfg.OnDisconnect = func(err error, _ time.Duration) { reasons = append(reasons, err.Error()) }
			wantMids(t, collect(t, cfg, 1012), 1000, 1004, 1008, 1012)
			if want := []string{`closed by the server with code 1001, "restart": EOF`}; !slices.Equal(reasons, want) {
				t.Errorf("OnDisconnect told %q, want %q", reasons, want)
			}
		})
	}
}

func TestWebSocketAnswersPings(t *testing.T) {
	t.Parallel()
	host := webSocketServer(t, httptest.NewServer, func(d device, _ url.Values) {
		ctx := d.CloseRead(t.Context())
		d.send("+h\r\n")
		if err := d.Ping(ctx); err != nil {
			t.Errorf("ping: %v", err)
		}
		d.send(body(`"x"`, 1000, 0))
		<-ctx.Done()
	})
	wantMids(t, collect(t, client.Config{Addr: "ws://" + host + "/behind", Key: "k"}, 1000), 1000)
}

func TestWebSocketRefusals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{"-a\r\n": client.ErrToken, "-p\r\n": client.ErrRefused, "-c\r\n": client.ErrUnknownKey} {
		t.Run(text[:2], func(t *testing.T) {
			t.Parallel()
			host := webSocketServer(t, httptest.NewServer, func(d device, _ url.Values) {
				d.send(text)
				d.Close(websocket.StatusPolicyViolation, "refused")
			})
			err := client.Subscribe(t.Context(), client.Config{Addr: "ws://" + host + "/behind", Key: "k"}, nil)
			if !errors.Is(err, want) {
				t.Errorf("Subscribe = %v, want %v", err, want)
			}
		})
	}
}

func TestWebSocketHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		cfg := config(t, script{func(p *peer) {
			p.acceptWebSocket()
			p.send("\x81\x04+h\r\n")
			frame := make([]byte, 7)
			io.ReadFull(p.in, frame)
			if frame[0] != 0x81 || frame[1] != 0x81 || frame[2]^frame[6] != 'h' || time.Since(start) != 30*time.Second {
				t.Errorf("after %v came % x, want a masked text h after 30s", time.Since(start), frame)
			}
			message := body("1", 4, 0)
			p.send("\x81" + string(rune(len(message))) + message)
			p.drain()
		}})
		cfg.Addr = "ws://server"
		wantMids(t, collect(t, cfg, 4), 4)
	})
}

// acceptWebSocket does the server's half of a handshake.
func (p *peer) acceptWebSocket() {
	req, err := http.ReadRequest(p.in)
	if err != nil {
		p.t.Errorf("handshake: %v", err)
		return
	}
	p.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		ws.AcceptKey(req.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n")
}

func TestServerThatIsNoWebSocket(t *testing.T) {
	t.Parallel()
	accept := func(more string) func(*peer) {
		return func(p *peer) {
			req, _ := http.ReadRequest(p.in)
			p.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + more +
				"Sec-WebSocket-Accept: " + ws.AcceptKey(req.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n")
			p.drain()
		}
	}
	for name, serve := range map[string]func(*peer){
		"plain HTTP":       func(p *peer) { http.ReadRequest(p.in); p.send("HTTP/1.1 404 Not Found\r\n\r\n") },
		"no HTTP":          func(p *peer) { http.ReadRequest(p.in); p.send("+h\r\n") },
		"wrong key":        accept("Sec-WebSocket-Accept: x\r\n"),
		"not asked for":    accept("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
		"empty text":       func(p *peer) { p.acceptWebSocket(); go p.drain(); p.send("\x81\x00") },
		"masked":           func(p *peer) { p.acceptWebSocket(); go p.drain(); p.send("\x81\x81\x00\x00\x00\x00h") },
		"too large":        func(p *peer) { p.acceptWebSocket(); go p.drain(); p.send("\x81\x7e\xff\xff") },
		"cut off":          func(p *peer) { p.acceptWebSocket(); p.send("\x81\x04+h") },
		"closed at once":   func(p *peer) { p.acceptWebSocket(); go p.drain(); p.send("\x88\x00") },
		"welcome is wrong": func(p *peer) { p.acceptWebSocket(); p.send("\x81\x03abc") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, script{serve, func(p *peer) {
					p.acceptWebSocket()
					message := body("1", 4, 0)
					p.send("\x82\x01x\x81\x04+h\r\n\x81" + string(rune(len(message))) + message)
					p.drain()
				}})
				cfg.Addr, cfg.MaxMessageBytes = "ws://server", 1024
				start := time.Now()
				wantMids(t, collect(t, cfg, 4), 4)
				if took := time.Since(start); took != 0 {
					t.Errorf("connected again after %v, want at once", took)
				}
			})
		})
	}
}
