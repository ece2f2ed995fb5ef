package legacyrpc

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// What a connection is closed for. The text is for who reads a trace: net/rpc tells it nobody.
var (
	errTooLong = errors.New("message too long")
	errTypes   = errors.New("definitions of types that no call has")
	ErrStopped = errors.New("the node stops")
)

const (
	// maxHeaderBytes is the longest header of a call, in bytes.
	maxHeaderBytes = 4 << 10
	// keptBytes is the largest buffer that a connection keeps between messages.
	keptBytes = 16 << 10
)

// frames reads the messages of gob off a connection, and gives gob those that may be read: no longer than they may be, as their first bytes
// say, and of a known grammar. One goroutine reads.
type frames struct {
	conn  net.Conn
	idle  time.Duration // for a call to begin
	stall time.Duration // for a message to be whole
	in    *bufio.Reader

	most    int    // bytes of the next message
	begins  bool   // the next message begins a call
	message []byte // what gob has not taken of it; part of buf
	buf     []byte
	taken   int // bytes of messages
	grammar grammar
	err     error  // why there are no more
	why     Reason // the same, for metrics; BadValue while there is no err, since gob may have one

	stopped atomic.Bool
}

func newFrames(conn net.Conn, idle, stall time.Duration) *frames {
	return &frames{conn: conn, idle: idle, stall: stall, in: bufio.NewReaderSize(conn, 4<<10), grammar: newGrammar(), why: BadValue}
}

// Read gives gob what it asks for of a message, or of the next one.
func (f *frames) Read(p []byte) (int, error) {
	if len(f.message) == 0 && !f.next() {
		return 0, f.err
	}
	n := copy(p, f.message)
	f.message = f.message[n:]
	return n, nil
}

// ReadByte is there because gob would read ahead of a reader without it.
func (f *frames) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(f, b[:])
	return b[0], err
}

// next reads a message into buf, its length first, as gob wants it.
func (f *frames) next() bool {
	if f.err != nil {
		return false
	}
	if f.err = f.read(); f.err != nil {
		f.why = f.reason()
		return false
	}
	f.message = f.buf
	return true
}

func (f *frames) read() error {
	if cap(f.buf) > keptBytes {
		f.buf = nil
	}
	size, err := f.length()
	if err != nil {
		return err
	}
	head := len(f.buf)
	if err := f.body(size); err != nil {
		return unexpected(err)
	}
	f.taken += len(f.buf)
	if !f.grammar.admit(f.buf[head:]) {
		return errTypes
	}
	return nil
}

// length reads how long the next message is, and keeps the bytes that say so.
func (f *frames) length() (int, error) {
	first, err := f.firstByte()
	if err != nil {
		return 0, err
	}
	more := uintBytes(first)
	if more > maxUintBytes {
		return 0, errTooLong
	}
	f.buf = append(f.buf[:0], first)
	for range more {
		b, err := f.in.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		f.buf = append(f.buf, b)
	}
	s := scanner{rest: f.buf}
	if size := s.uint(); size <= uint64(f.most) {
		return int(size), nil
	}
	return 0, errTooLong
}

// firstByte waits for a message to begin, and gives the peer time for the rest.
func (f *frames) firstByte() (byte, error) {
	wait := f.stall
	if f.begins {
		wait = f.idle
	}
	if err := f.allow(wait); err != nil {
		return 0, err
	}
	first, err := f.in.ReadByte()
	switch {
	case err == nil:
		f.begins = false
		return first, f.allow(f.stall)
	case f.begins:
		return 0, err
	}
	return 0, unexpected(err)
}

// body appends size bytes to buf, which grows with what comes and not with what is announced.
func (f *frames) body(size int) error {
	for size > 0 {
		at := len(f.buf)
		n := min(size, max(keptBytes, at))
		if cap(f.buf)-at < n {
			f.buf = append(make([]byte, 0, at+n), f.buf...)
		}
		f.buf = f.buf[:at+n]
		if _, err := io.ReadFull(f.in, f.buf[at:]); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// allow gives the peer time for what is read next.
func (f *frames) allow(wait time.Duration) error {
	if err := f.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if f.stopped.Load() {
		return ErrStopped
	}
	return nil
}

// stop has nothing more read. Anybody may call it.
func (f *frames) stop() {
	f.stopped.Store(true)
	f.conn.SetReadDeadline(time.Unix(1, 0))
}

// unexpected is err for who is in the middle of a message.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// reason returns what metrics call err, which is new.
func (f *frames) reason() Reason {
	switch {
	case f.stopped.Load():
		return Shutdown
	case f.err == io.EOF:
		return PeerClosed
	case errors.Is(f.err, errTooLong):
		return TooLong
	case errors.Is(f.err, errTypes):
		return BadTypes
	case errors.Is(f.err, os.ErrDeadlineExceeded) && f.begins:
		return Idle
	case errors.Is(f.err, os.ErrDeadlineExceeded):
		return Stalled
	}
	return Failed
}
