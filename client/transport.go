package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"
)

const (
	version      = "1" // asks for payloads as JSON values
	readBytes    = 4 << 10
	writeTimeout = 10 * time.Second
)

// transport is a connection that carries the legacy dialect, over RESP or WebSocket.
// Only the goroutine of Subscribe calls next; beat and Close may be called beside it.
type transport interface {
	// next waits for the server's next reply and returns its kind, '+', '-' or '$', and what
	// follows, which is valid until the next call.
	next() (kind byte, data []byte, err error)
	// beat sends a heartbeat.
	beat() error
	// patience sets how long next waits for bytes.
	patience(time.Duration)
	Close() error
}

// dial connects and subscribes after the last position.
func (s *subscription) dial(ctx context.Context) (transport, error) {
	conn, err := s.addr().dial(ctx, &s.cfg)
	if err != nil {
		return nil, err
	}
	t, err := s.open(conn)
	if err == nil {
		err = welcome(t)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe at %s: %w", s.addr().host, err)
	}
	t.patience(s.cfg.Heartbeat + replyGrace)
	return t, nil
}

func (s *subscription) open(conn net.Conn) (transport, error) {
	if s.addr().webSocket {
		return s.openWebSocket(conn)
	}
	return s.openRESP(conn)
}

// welcome takes the server's first reply.
func welcome(t transport) error {
	kind, data, err := t.next()
	switch {
	case err != nil:
		return err
	case kind == '-':
		return refusal(data)
	case kind == '+' && retryNotice(data) != nil:
		return retryNotice(data)
	case kind != '+' || string(data) != "h":
		return fmt.Errorf("%w: first reply %c%.64q", errProtocol, kind, data)
	}
	return nil
}

// stream is a connection with what was read from it and not used yet.
type stream struct {
	net.Conn
	wait time.Duration // for bytes, in fill; 0: until the deadline that was set on dialling
	buf  []byte        // bounded by who parses it, by Config.MaxMessageBytes
	used int           // bytes of buf that are done with
}

func (s *stream) patience(d time.Duration) { s.wait = d }

// unused is what was read and not used. It is valid until the next fill.
func (s *stream) unused() []byte { return s.buf[s.used:] }

// fill waits for bytes and adds them to unused.
func (s *stream) fill() error {
	s.buf = append(s.buf[:0], s.unused()...)
	s.used = 0
	if s.wait > 0 {
		if err := s.SetReadDeadline(time.Now().Add(s.wait)); err != nil {
			return err
		}
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = slices.Grow(s.buf, readBytes)
	}
	n, err := s.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// send writes p, in one piece beside other writes.
func (s *stream) send(p []byte) error {
	if err := s.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.Write(p)
	return err
}
