package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// A connection over TLS has a goroutine while it shakes hands, which waits for its socket; then crypto/tls reads what epoll tells of, and
// gets a temporary error when that was all.

// line is the connection below crypto/tls.
type line struct {
	fd    int
	waits bool // for the socket: while it shakes hands
}

// shaken is a connection whose handshake has ended.
type shaken struct {
	i   int
	err error
}

// wouldWait is what a read gets when there is nothing more.
type wouldWait struct{}

func (wouldWait) Error() string   { return "nothing has come" }
func (wouldWait) Timeout() bool   { return true }
func (wouldWait) Temporary() bool { return true }

func (l *line) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(l.fd, p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN && !l.waits:
			return 0, wouldWait{}
		case err == unix.EAGAIN:
			if err := l.wait(unix.POLLIN); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (l *line) Write(p []byte) (n int, err error) {
	for n < len(p) {
		k, err := unix.Write(l.fd, p[n:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := l.wait(unix.POLLOUT); err != nil {
				return n, err
			}
		case err != nil:
			return n, err
		}
		n += max(k, 0)
	}
	return n, nil
}

func (l *line) wait(events int16) error {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(l.fd), Events: events}}, int(patience.Milliseconds()))
	if n == 0 && err == nil {
		return errors.New("no answer in a TLS handshake")
	}
	if err == unix.EINTR {
		return nil
	}
	return err
}

func (l *line) Close() error                     { return nil }
func (l *line) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (l *line) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (l *line) SetDeadline(time.Time) error      { return nil }
func (l *line) SetReadDeadline(time.Time) error  { return nil }
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// shake has connection i, which is connected now, shake hands and say what it says first. It is not watched meanwhile.
func (s *swarm) shake(i int) error {
	c := &s.subscribers[i]
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_DEL, c.fd, nil); err != nil {
		return err
	}
	hello, below := c.hello, &line{fd: c.fd, waits: true}
	c.hello = nil
	c.secure = tls.Client(below, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	conn := c.secure
	go func() {
		_, err := conn.Write(hello)
		below.waits = false
		s.shaken <- shaken{i, err}
		s.awake()
	}()
	return nil
}

// shook watches the connections whose handshakes have ended.
func (s *swarm) shook() error {
	for {
		select {
		case end := <-s.shaken:
			c := &s.subscribers[end.i]
			if end.err != nil {
				return fmt.Errorf("connection %d: TLS: %w", s.number(end.i)+1, end.err)
			}
			if c.fd < 0 {
				continue
			}
			if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(end.i)}); err != nil {
				return err
			}
			if err := s.serve(end.i, unix.EPOLLIN); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// read reads what has come to c: with TLS a record, which may not be the last.
func (c *subscriber) read(buf []byte) (n int, more bool, err error) {
	if c.secure == nil {
		n, err = unix.Read(c.fd, buf)
		return n, false, err
	}
	n, err = c.secure.Read(buf)
	switch {
	case errors.Is(err, wouldWait{}) && n == 0:
		return 0, false, unix.EAGAIN
	case n > 0:
		return n, err == nil, nil
	}
	return n, false, err
}
