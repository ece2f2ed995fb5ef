package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soak is a crowd that comes to a node and goes, again and again. The messages of each key are numbered
// from 1, so that every device can tell what it misses.
type soak struct {
	n       *node
	devices []*device
	rest    time.Duration            // of everyone between two visits or the like, at most
	pushed  map[string]*atomic.Int64 // by key: the last number

	visits, messages atomic.Int64

	mu       sync.Mutex
	problems []string // guarded by mu; the first few
}

// Keys of a soak besides those of the devices.
const (
	toAll   = "everybody" // watchers get what is broadcast
	toSlack = "slack"     // more is pushed than its subscribers read
)

// device is a reader of a key of its own, who comes back for what it missed.
type device struct {
	key  string
	mid  int64 // of the last message that it has read
	last int64 // its number

	got map[int64]bool // nil: it keeps its place itself; else the node does, in a consumer group, and these are the numbers that came
}

func newSoak(n *node, devices int) *soak {
	s := &soak{n: n, pushed: map[string]*atomic.Int64{toAll: new(atomic.Int64)}}
	for i := range devices / 2 {
		d := &device{key: fmt.Sprint("device", i)}
		if i%5 == 4 {
			d.got = map[int64]bool{}
		}
		s.devices = append(s.devices, d)
		s.pushed[d.key] = new(atomic.Int64)
	}
	return s
}

// start has everyone come and go until ctx ends, and closes ended when all have left.
func (s *soak) start(ctx context.Context) (ended chan struct{}) {
	var all sync.WaitGroup
	again := func(f func(ctx context.Context) error) {
		all.Go(func() {
			for ctx.Err() == nil {
				s.note(f(ctx))
				pause(ctx, time.Duration(rand.Float64()*float64(s.rest)))
			}
		})
	}
	for _, d := range s.devices {
		again(func(ctx context.Context) error { return s.visit(ctx, d) })
		again(func(ctx context.Context) error { return s.visit(ctx, &device{key: toAll, mid: -1}) })
	}
	const publishers = 4
	for p := range publishers {
		again(func(ctx context.Context) error { return s.publish(ctx, p, publishers) })
	}
	again(s.broadcast)
	again(s.flood)
	again(s.kick)
	for range 4 {
		again(s.stare)
		again(s.babble)
	}
	ended = make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	return ended
}

// note keeps what went wrong.
func (s *soak) note(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) < 20 {
		s.problems = append(s.problems, err.Error())
	}
}

func (s *soak) check(t *testing.T) {
	t.Helper()
	for _, p := range s.problems {
		t.Error(p)
	}
	if s.visits.Load() == 0 || s.messages.Load() == 0 {
		t.Errorf("%d visits and %d messages, want many", s.visits.Load(), s.messages.Load())
	}
}

// finish has every device read what is left for it, when nothing is pushed any more.
func (s *soak) finish() {
	for _, d := range s.devices {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		last := s.pushed[d.key].Load()
		s.note(s.readUpTo(ctx, d, last))
		cancel()
		if d.last != last {
			s.note(fmt.Errorf("%s has read up to message %d in the end, want %d", d.key, d.last, last))
		}
	}
}

// visit has d come in one dialect or the other, read for a while, and go in one way or the other.
func (s *soak) visit(ctx context.Context, d *device) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(1000))*time.Millisecond)
	defer cancel()
	return s.readUpTo(ctx, d, 1<<62)
}

// readUpTo has d read until it has message last, the node ends the connection, or ctx ends.
func (s *soak) readUpTo(ctx context.Context, d *device, last int64) error {
	switch {
	case d.got != nil:
		return s.readGroup(ctx, d, last)
	case d.key != toAll && rand.IntN(4) == 0:
		return s.readStream(ctx, d, last)
	case d.key == toAll && rand.IntN(4) == 0:
		return s.watch(ctx)
	}
	r, err := s.open(d)
	if err != nil {
		return err
	}
	defer r.leave()
	defer context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Unix(1, 0)) })()
	s.visits.Add(1)
	for d.last < last {
		text, err := r.next()
		if err != nil {
			return nil // whether it should have come the numbers tell
		}
		if err := s.take(d, text); err != nil {
			return err
		}
	}
	return nil
}

// take checks a message against what d has read.
func (s *soak) take(d *device, text string) error {
	if text == "+h\r\n" {
		return nil
	}
	var m legacyMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return fmt.Errorf("%s was told %.60q", d.key, text)
	}
	number, err := strconv.ParseInt(string(m.Msg), 10, 64)
	if err != nil || m.Mid <= d.mid || number != d.last+1 && d.last > 0 || number != 1 && d.last == 0 && d.key != toAll {
		return fmt.Errorf("%s got message %s with mid %d after message %d with mid %d", d.key, m.Msg, m.Mid, d.last, d.mid)
	}
	d.mid, d.last = m.Mid, number
	s.messages.Add(1)
	return nil
}

// reader is a subscriber's end of a connection.
type reader struct {
	*net.TCPConn
	r  *bufio.Reader
	ws bool
}

// open subscribes to d's key, in one of the dialects. A device that has a mid, or 0, resumes after it.
func (s *soak) open(d *device) (*reader, error) {
	c, err := net.DialTimeout("tcp", s.n.public[0], patience)
	if err != nil {
		return nil, err
	}
	r := &reader{c.(*net.TCPConn), bufio.NewReader(c), rand.IntN(2) == 0}
	resume := d.key != toAll
	switch mid := strconv.FormatInt(d.mid, 10); {
	case r.ws && resume:
		io.WriteString(c, handshake(d.key, "&ver=1&mid="+mid))
	case r.ws:
		io.WriteString(c, handshake(d.key, "&ver=1"))
	case resume:
		io.WriteString(c, command("sub", d.key, "60", "", "1", mid))
	default:
		io.WriteString(c, command("sub", d.key, "60", "", "1"))
	}
	if !r.ws {
		return r, nil
	}
	r.SetReadDeadline(time.Now().Add(patience))
	if resp, err := http.ReadResponse(r.r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(fmt.Errorf("handshake for %s: %v", d.key, resp), err, c.Close())
	}
	return r, r.SetReadDeadline(time.Time{})
}

// next returns the next message or text, or why there is none.
func (r *reader) next() (string, error) {
	if r.ws {
		return r.frame()
	}
	line, err := r.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "$") {
		return line, err
	}
	size, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil {
		return line, nil
	}
	return r.bytes(size, len("\r\n"))
}

// frame returns the payload of a short text frame; any other ends the connection.
func (r *reader) frame() (string, error) {
	head, err := r.bytes(2, 0)
	if err != nil {
		return "", err
	}
	if head[0] != fin|opText || head[1] > 125 {
		return "", io.EOF
	}
	return r.bytes(int(head[1]), 0)
}

// bytes returns the next n bytes and skips so many after them.
func (r *reader) bytes(n, skip int) (string, error) {
	b := make([]byte, n+skip)
	_, err := io.ReadFull(r.r, b)
	return string(b[:n]), err
}

// leave ends the connection in one of the ways in which connections end.
func (r *reader) leave() {
	switch rand.IntN(4) {
	case 0:
		r.SetLinger(0) // by a reset
	case 1:
		r.CloseWrite()
	case 2:
		if r.ws {
			io.WriteString(r, closeFrame(1000, ""))
		}
	}
	r.Close()
}
