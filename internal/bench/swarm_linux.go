package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxConnecting = 256     // connections that are being opened at a time
	perSource     = 10_000  // connections from one loopback address, well below the ephemeral ports
	readBytes     = 1 << 16 // read at a time
)

// swarm is many subscribers on one epoll set. Whoever calls grow and pump, one goroutine, does
// all of their work.
type swarm struct {
	epoll       int
	server      netip.AddrPort
	dialect     dialect
	subscribers []subscriber // by the number that epoll knows them by
	opening     int          // of them, those that are not subscribed yet
	took        func(arrival, time.Time)
	patience    time.Duration
	tally       Tally
	reads       int // system calls that brought something

	buf    []byte
	events []unix.EpollEvent
}

type subscriber struct {
	fd         int    // -1: closed
	hello      []byte // to be sent as soon as the socket is connected; nil: sent
	subscribed bool
	part       []byte // of an item that came in part
	track
}

// swarm makes a swarm without subscribers. took is told each message that comes for the first
// time, with the moment it was read.
func (c *Config) swarm(server string, d dialect, took func(arrival, time.Time)) (*swarm, error) {
	addr, err := net.ResolveTCPAddr("tcp4", server)
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	at := addr.AddrPort()
	return &swarm{
		epoll: epoll, server: netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), dialect: d,
		took: took, patience: cmp.Or(c.Patience, patience),
		buf: make([]byte, readBytes), events: make([]unix.EpollEvent, 512),
	}, nil
}

// close closes all connections, by reset: a swarm must not leave thousands of ports behind that
// nobody can use for a minute.
func (s *swarm) close() {
	for i := range s.subscribers {
		if fd := s.subscribers[i].fd; fd >= 0 {
			unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			unix.Close(fd)
		}
	}
	unix.Close(s.epoll)
}

// errStalled says that a swarm waited in vain.
var errStalled = errors.New("nothing comes any more")

// grow opens connections until there are n and all are subscribed, number i to key(i).
func (s *swarm) grow(ctx context.Context, n int, key func(i int) string) error {
	for len(s.subscribers) < n || s.opening > 0 {
		for len(s.subscribers) < n && s.opening < maxConnecting {
			if err := s.open(key(len(s.subscribers))); err != nil {
				return fmt.Errorf("connection %d to %s: %w", len(s.subscribers)+1, s.server, err)
			}
		}
		before := s.opening
		if err := s.until(ctx, func() bool { return s.opening < before }); err != nil {
			return fmt.Errorf("subscribe %d connections, %d did: %w", n, len(s.subscribers)-s.opening, err)
		}
	}
	return nil
}

// until pumps until done. It ends with errStalled if nothing comes for long, and with the cause
// of the end of ctx.
func (s *swarm) until(ctx context.Context, done func() bool) error {
	deadline := time.Now().Add(s.patience)
	for !done() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := s.pump(100 * time.Millisecond)
		if err != nil {
			return err
		}
		now := time.Now()
		if n > 0 {
			deadline = now.Add(s.patience)
		} else if now.After(deadline) {
			return errStalled
		}
	}
	return nil
}

func (s *swarm) open(key string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w (the limit of open files, ulimit -n, must exceed the connections)", err)
	}
	i := len(s.subscribers)
	s.subscribers = append(s.subscribers, subscriber{fd: fd, hello: s.dialect.hello(key)})
	s.opening++
	if err := s.bind(fd, i); err != nil {
		return err
	}
	server := &unix.SockaddrInet4{Addr: s.server.Addr().As4(), Port: int(s.server.Port())}
	if err := unix.Connect(fd, server); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT, Fd: int32(i)}
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event)
}

// bind gives connection i a loopback address of its own range, 127.0.0.1, 127.0.0.2, …, so that
// ports do not run short; the port is chosen by connect.
func (s *swarm) bind(fd, i int) error {
	if !s.server.Addr().IsLoopback() {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	source := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + i/perSource)}}
	if err := unix.Bind(fd, source); err != nil {
		return fmt.Errorf("bind to %v: %w", source.Addr, err)
	}
	return nil
}

// pump waits for at most timeout, reads what has come, and returns from how many connections.
func (s *swarm) pump(timeout time.Duration) (n int, err error) {
	n, err = unix.EpollWait(s.epoll, s.events, int(timeout.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("epoll_wait: %w", err)
	}
	for _, event := range s.events[:n] {
		if err := s.serve(int(event.Fd), event.Events); err != nil {
			return n, err
		}
	}
	return n, nil
}

// serve does what connection i is ready for. A connection that the server ends is counted; one
// that says what it must not is an error.
func (s *swarm) serve(i int, ready uint32) error {
	c := &s.subscribers[i]
	if c.hello != nil && ready&unix.EPOLLOUT != 0 {
		return s.greet(i)
	}
	n, err := unix.Read(c.fd, s.buf)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case n <= 0 && !c.subscribed:
		return fmt.Errorf("connection %d of %d: ended before it was subscribed: %w", i+1, len(s.subscribers), errors.Join(err, net.ErrClosed))
	case n <= 0:
		s.tally.Closed++
		unix.Close(c.fd)
		c.fd = -1
		return nil
	}
	s.reads++
	if err := s.feed(c, s.buf[:n]); err != nil {
		return fmt.Errorf("connection %d of %d: %w", i+1, len(s.subscribers), err)
	}
	return nil
}

// greet sends the hello of connection i, which is connected now, and asks for input only.
func (s *swarm) greet(i int) error {
	c := &s.subscribers[i]
	if n, err := unix.Write(c.fd, c.hello); n != len(c.hello) {
		return fmt.Errorf("connection %d to %s: %w", i+1, s.server, err)
	}
	c.hello = nil
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}

// feed takes all that is complete of what c has sent.
func (s *swarm) feed(c *subscriber, data []byte) error {
	if len(c.part) > 0 {
		c.part = append(c.part, data...)
		data = c.part
	}
	now := time.Now()
	for len(data) > 0 {
		it, n, err := s.dialect.next(data)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := s.item(c, it, now); err != nil {
			return err
		}
		data = data[n:]
	}
	c.part = append(c.part[:0], data...)
	return nil
}

func (s *swarm) item(c *subscriber, it item, now time.Time) error {
	switch it.kind {
	case nothing:
		return nil
	case subscribed:
		if !c.subscribed {
			c.subscribed = true
			s.opening--
		}
		return nil
	}
	a, err := parsePayload(it.payload)
	if err != nil {
		return err
	}
	a.mid = it.mid
	if c.take(a, &s.tally) {
		s.took(a, now)
	}
	return nil
}

// end counts what never came to connection i of the messages up to last(i), for all i.
func (s *swarm) end(last func(i int) int64) Tally {
	for i := range s.subscribers {
		s.subscribers[i].end(last(i), &s.tally)
	}
	return s.tally
}
