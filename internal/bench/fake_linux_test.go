package bench_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

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
	// forget tells which stored messages are not there when they are read.
	forget func(n int) bool

	mu          sync.Mutex
	subscribers map[string][]net.Conn
	protocol    wire.Variant
	encoder     wire.Encoder
	pushed      map[string]int
	mid         int64
	stored      map[string][]json.RawMessage
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		t: t, subscribers: map[string][]net.Conn{}, pushed: map[string]int{}, stored: map[string][]json.RawMessage{},
		change: func(_, _ int, frame []byte) []byte { return frame },
		forget: func(int) bool { return false },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/push/{key}", f.pushOne)
	mux.HandleFunc("POST /v1/push", f.pushBatch)
	mux.HandleFunc("GET /1/msg/get", f.read)
	mux.HandleFunc("GET /stat", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"mallocs": 1000}`) })
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() { f.accept(listener, web.Listener.Addr().String()) })
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

// accept takes subscribers, one after the other. What is no subscription is asked of the web.
func (f *fake) accept(listener net.Listener, web string) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		r := bufio.NewReader(c)
		first, _ := r.Peek(8)
		switch {
		case bytes.HasPrefix(first, []byte("GET /sub")):
			f.upgrade(c, r)
		case bytes.HasPrefix(first, []byte("GET ")):
			f.forward(c, r, web)
		default:
			f.subscribe(c, r)
		}
	}
}

func (f *fake) subscribe(c net.Conn, r *bufio.Reader) {
	var args []string
	for range 11 { // *5 and five times a length and a text
		line, err := r.ReadString('\n')
		if err != nil {
			f.t.Errorf("read a subscription: %v", err)
			return
		}
		args = append(args, strings.TrimSpace(line))
	}
	f.add(args[4], c, 0)
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
	f.add(req.URL.Query().Get("key"), c, wire.WebSocket)
}

func (f *fake) add(key string, c net.Conn, v wire.Variant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.Write(wire.AppendText(nil, v, wire.TextHeartbeat))
	f.subscribers[key] = append(f.subscribers[key], c)
	f.protocol = v
}

func (f *fake) forward(c net.Conn, r *bufio.Reader, web string) {
	defer c.Close()
	req, err := http.ReadRequest(r)
	if err != nil {
		f.t.Errorf("read a request: %v", err)
		return
	}
	resp, err := http.Get("http://" + web + req.URL.RequestURI())
	if err != nil {
		f.t.Errorf("ask the web: %v", err)
		return
	}
	defer resp.Body.Close()
	resp.Write(c)
}

func (f *fake) pushOne(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("read a push: %v", err)
	}
	f.push(r.PathValue("key"), payload, r.URL.Query().Get("expire") != "0")
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

func (f *fake) push(key string, payload []byte, stored bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.pushed[key]
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
	if stored && !f.forget(n) {
		f.stored[key] = append(f.stored[key], m.AppendJSON(nil, false, false))
	}
}

func (f *fake) read(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer, err := json.Marshal(map[string]any{"ret": 0, "data": map[string]any{"msgs": f.stored[r.URL.Query().Get("k")]}})
	if err != nil {
		f.t.Errorf("write stored messages: %v", err)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	fmt.Fprintf(w, "%s", answer)
}
