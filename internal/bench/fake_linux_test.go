package bench_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/bench"
	"gopush/internal/message"
	"gopush/internal/wire"
	"gopush/internal/wire/ws"
)

// fake is a node of a few lines that can be told to do wrong.
type fake struct {
	bench.Target
	t *testing.T

	// change returns what subscriber number i gets instead of message number n of its key, both
	// from 0. nil closes the connection.
	change func(i, n int, frame []byte) []byte
	// resume returns what a subscriber that resumes gets instead of stored message number n of
	// its key, from 0.
	resume func(n int, frame []byte) []byte

	tls *tls.Config // for subscribers that begin with a handshake

	// slow is how long a push takes before anything happens.
	slow time.Duration
	// mute tells which pushes of a key are carried out and never answered.
	mute func(n int) bool

	mu          sync.Mutex
	subscribers map[string][]net.Conn
	protocol    wire.Variant
	encoder     wire.Encoder
	pushed      map[string]int
	mid         int64
	stored      map[string][]message.Message
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		t: t, subscribers: map[string][]net.Conn{}, pushed: map[string]int{}, stored: map[string][]message.Message{},
		change: func(_, _ int, frame []byte) []byte { return frame },
		mute:   func(int) bool { return false },
		resume: func(_ int, frame []byte) []byte { return frame },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/push/{key}", f.pushOne)
	mux.HandleFunc("POST /v1/push", f.pushBatch)
	mux.HandleFunc("GET /stat", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"mallocs": 1000}`) })
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	certified := httptest.NewTLSServer(nil)
	f.tls = certified.TLS
	certified.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() { f.accept(listener) })
	t.Cleanup(func() {
		listener.Close()
		accepting.Wait()
		for _, conns := range f.subscribers {
			for _, c := range conns {
				c.Close()
			}
		}
	})
	at := web.Listener.Addr().String()
	f.Target = bench.Target{Public: listener.Addr().String(), Admin: at, Ops: at, PID: os.Getpid()}
	return f
}

// accept takes subscribers, one after the other.
func (f *fake) accept(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		r := bufio.NewReader(c)
		if first, _ := r.Peek(1); string(first) == "\x16" { // of a TLS handshake
			c = tls.Server(peeked{c, r}, f.tls)
			r = bufio.NewReader(c)
		}
		if first, _ := r.Peek(1); string(first) == "G" {
			f.upgrade(c, r)
		} else {
			f.subscribe(c, r)
		}
	}
}

// peeked is a connection of which some was read.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// subscribe reads *N, and a length and a text for each of "sub KEY HEARTBEAT TOKEN VERSION [MID]".
func (f *fake) subscribe(c net.Conn, r *bufio.Reader) {
	var args []string
	for n := 1; len(args) < n; {
		line, err := r.ReadString('\n')
		if err != nil {
			f.t.Errorf("read a subscription: %v", err)
			return
		}
		if len(args) == 0 {
			n, _ = strconv.Atoi(strings.TrimSpace(line[1:]))
			n = 1 + 2*n
		}
		args = append(args, strings.TrimSpace(line))
	}
	mid := ""
	if len(args) == 13 {
		mid = args[12]
	}
	f.add(args[4], mid, c, 0)
}

func (f *fake) upgrade(c net.Conn, r *bufio.Reader) {
	req, err := http.ReadRequest(r)
	if err != nil {
		f.t.Errorf("read a handshake: %v", err)
		return
	}
	reply, _, err := ws.Accept(req)
	if err != nil {
		f.t.Errorf("accept a handshake: %v", err)
		return
	}
	c.Write(reply)
	f.add(req.URL.Query().Get("key"), req.URL.Query().Get("mid"), c, wire.WebSocket)
}

// add subscribes c. With a mid it takes the place of who was there and gets what is stored.
func (f *fake) add(key, mid string, c net.Conn, v wire.Variant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.protocol = v
	c.Write(wire.AppendText(nil, v, wire.TextHeartbeat))
	if mid == "" {
		f.subscribers[key] = append(f.subscribers[key], c)
		return
	}
	for _, gone := range f.subscribers[key] {
		gone.Close()
	}
	f.subscribers[key] = []net.Conn{c}
	after, err := strconv.ParseInt(mid, 10, 64)
	if err != nil {
		f.t.Errorf("resume after %q: %v", mid, err)
	}
	for n, m := range f.stored[key] {
		if m.Mid > after {
			c.Write(f.resume(n, f.encoder.Frame(v|wire.Prev, &m)))
		}
	}
}

func (f *fake) pushOne(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("read a push: %v", err)
	}
	time.Sleep(f.slow)
	n := f.push(r.PathValue("key"), payload, r.URL.Query().Get("expire") != "0")
	if f.mute(n) {
		<-r.Context().Done()
	}
	io.WriteString(w, "{}")
}

func (f *fake) pushBatch(w http.ResponseWriter, r *http.Request) {
	var batch struct {
		Messages []struct {
			Key     string
			Payload json.RawMessage
			Expire  int
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		f.t.Errorf("read a batch: %v", err)
	}
	for _, m := range batch.Messages {
		f.push(m.Key, m.Payload, m.Expire > 0)
	}
	io.WriteString(w, "{}")
}

// push carries out a push and returns its number among those of its key, from 0.
func (f *fake) push(key string, payload []byte, stored bool) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = f.pushed[key]
	f.pushed[key]++
	f.mid += message.MidStep
	m := message.Message{Mid: f.mid, Payload: payload}
	for i, c := range f.subscribers[key] {
		if out := f.change(i, n, f.encoder.Frame(f.protocol, &m)); out != nil {
			c.Write(out)
		} else {
			c.Close()
		}
	}
	if stored {
		f.stored[key] = append(f.stored[key], m)
	}
	return n
}
