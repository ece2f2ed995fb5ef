package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/client"
)

// script is a server: what it does with its connections, in order.
type script []func(*peer)

// dial is a client.Config.Dial whose connections the script serves. A connection past its end
// fails the test.
func (s script) dial(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	next := 0
	var peers sync.WaitGroup
	t.Cleanup(peers.Wait)
	return func(context.Context, string, string) (net.Conn, error) {
		if next == len(s) {
			t.Fatalf("client made connection %d, the script has %d", next+1, len(s))
		}
		ours, theirs := net.Pipe()
		serve := s[next]
		next++
		peers.Go(func() {
			defer ours.Close()
			serve(&peer{t, ours, bufio.NewReader(ours)})
		})
		return theirs, nil
	}
}

// peer is the server's end of one connection.
type peer struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// want reads what the client sends next, which must be text.
func (p *peer) want(text string) {
	p.t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(p.in, got)
	if string(got[:n]) != text {
		p.t.Errorf("client sent %q (%v), want %q", got[:n], err, text)
	}
}

// wantSub reads a subscription to key "k" that resumes after mid.
func (p *peer) wantSub(mid int64) {
	p.t.Helper()
	p.want(sub("k", "30", "", mid))
}

func sub(key, heartbeat, token string, mid int64) string {
	var b strings.Builder
	b.WriteString("*6\r\n")
	for _, arg := range []string{"sub", key, heartbeat, token, "1", strconv.FormatInt(mid, 10)} {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b.String()
}

// send writes text. The client may have gone.
func (p *peer) send(text string) { io.WriteString(p.Conn, text) }

// sendMessages writes a message for each mid, each with the one before as prev.
func (p *peer) sendMessages(prev int64, mids ...int64) {
	for _, mid := range mids {
		p.send(bulk(body(`"m"`, mid, prev)))
		prev = mid
	}
}

func body(msg string, mid, prev int64) string {
	return fmt.Sprintf(`{"msg":%s,"mid":%d,"gid":0,"prev":%d}`, msg, mid, prev)
}

func bulk(data string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(data), data) }

// answerTime answers the question for the time.
func (p *peer) answerTime(timeid int64) {
	req, err := http.ReadRequest(p.in)
	if err != nil || req.Method != "GET" || req.URL.Path != "/1/time/get" {
		p.t.Errorf("client asked %+v (%v), want the time", req, err)
	}
	text := fmt.Sprintf(`{"data":{"timeid":%d},"ret":0}`, timeid)
	p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
}

// drain reads until the client closes, and returns what came.
func (p *peer) drain() string {
	rest, _ := io.ReadAll(p.in)
	return string(rest)
}

// noPause reconnects at once.
func noPause(int) time.Duration { return 0 }

// errDone is what callbacks end a subscription with.
var errDone = errors.New("done")

// config subscribes to "k" at the script, after mid 0 and without pauses.
func config(t *testing.T, s script) client.Config {
	return client.Config{Addr: "tcp://server", Key: "k", After: "0", Dial: s.dial(t), Backoff: noPause}
}

// collect subscribes until a message with the mid last came, and returns all mids.
func collect(t *testing.T, cfg client.Config, last int64) (mids []int64) {
	t.Helper()
	err := client.Subscribe(t.Context(), cfg, func(m client.Message) error {
		mids = append(mids, m.Mid)
		if m.Mid == last {
			return errDone
		}
		return nil
	})
	if err != errDone {
		t.Errorf("Subscribe = %v, want the callback's %v", err, errDone)
	}
	return mids
}
