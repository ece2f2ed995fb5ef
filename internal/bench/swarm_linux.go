package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"gopush/internal/ring"
)

const (
	maxConnecting = 256     // connections that are being opened at a time
	perSource     = 10_000  // connections from one loopback address, well below the ephemeral ports
	readBytes     = 1 << 16 // read at a time

	wakeUp = -1 // the number that epoll knows the eventfd by
)

// plan is what a swarm is told of its run. It goes over a pipe to workers in other processes.
type plan struct {
	Subject string // whose dialect is spoken
	Target  Target
	Shared  bool     // all connections subscribe to one key
	Key     string   // that key, or what the keys of all connections begin with
	Servers []string // public addresses: connection number i is made to the i-th of them, in turn
	Later   []string // where a connection that a server ends comes back to, in turn; none: it does not
	Owners  []string // names of the nodes of a cluster of which the first owns all keys; none: it does not matter
	Part    int      // the connections of this swarm are numbers Part, Part + Parts, …
	Parts   int      // of all

	ring *ring.Ring // of Owners; nil: not made yet
}

// keyOf is the key of connection number i of all swarms.
func (p *plan) keyOf(i int) string {
	if p.Shared {
		return p.owned(p.Key)
	}
	return p.owned(fmt.Sprintf("%s-%06d", p.Key, i))
}

// owned is key, or the first of key.1, key.2, … that the first of Owners owns.
func (p *plan) owned(key string) string {
	if len(p.Owners) == 0 {
		return key
	}
	if p.ring == nil {
		p.ring = ringOf(p.Owners)
	}
	name := key
	for i := 1; p.ring.Owner(name) != p.Owners[0]; i++ {
		name = fmt.Sprintf("%s.%d", key, i)
	}
	return name
}

// number is that of connection i of this swarm among those of all swarms.
func (p *plan) number(i int) int { return p.Part + i*p.Parts }

// swarm is many subscribers on one epoll set. One goroutine does all of their work.
type swarm struct {
	plan
	clock
	epoll       int
	wake        *os.File         // an eventfd in it
	servers     []netip.AddrPort // Servers
	later       []netip.AddrPort // Later
	dialect     dialect
	asker       asker        // the dialect, if it is one
	subscribers []subscriber // by the number that epoll knows them by
	absent      []absence    // connections to be opened, in the order they are due
	opening     int          // connections that are not subscribed yet

	came    []int // Shared: by sequence number, how many connections have it
	through int   // messages that have come to all that had to get them
	arrived int   // messages that came for the first time, at all connections
	secure  bool  // TLS is spoken
	shaken  chan shaken
	moves   int // connections that a server ended or refused, and that came back at another
	outcome

	buf    []byte // of what is read
	out    []byte // of what is asked
	events []unix.EpollEvent
}

// absence is a connection to be opened.
type absence struct {
	i   int
	due time.Duration // when; what it waits longer counts as latency; 0: at once
}

type subscriber struct {
	fd         int           // -1: closed
	returns    bool          // it was here before: it resumes
	moved      int           // how often it lost its server, where there are later ones
	hello      []byte        // to be sent as soon as the socket is connected; nil: sent
	secure     *tls.Conn     // nil: plain, or not connected yet
	due        time.Duration // when it had to be opened
	subscribed time.Duration // when it was; 0: it is not
	part       []byte        // of an item that came in part
	track
}

func newSwarm(p plan) (*swarm, error) {
	servers, err := resolve(p.Servers)
	if err != nil {
		return nil, err
	}
	later, err := resolve(p.Later)
	if err != nil {
		return nil, err
	}
	subject, err := new(Config).subject(p.Subject)
	if err != nil {
		return nil, err
	}
	clock, err := newClock()
	if err != nil {
		return nil, err
	}
	epoll, wake, err := newEpoll()
	if err != nil {
		return nil, err
	}
	d := subject.dialect(&p.Target)
	a, _ := d.(asker)
	return &swarm{
		plan: p, clock: clock, epoll: epoll, wake: wake,
		servers: servers, later: later, dialect: d, asker: a,
		secure: isSecure(subject), shaken: make(chan shaken, maxConnecting),
		outcome: newOutcome(), buf: make([]byte, readBytes), events: make([]unix.EpollEvent, 512),
	}, nil
}

// resolve returns addresses as sockets take them.
func resolve(addrs []string) (all []netip.AddrPort, err error) {
	for _, text := range addrs {
		addr, err := net.ResolveTCPAddr("tcp4", text)
		if err != nil {
			return nil, err
		}
		at := addr.AddrPort()
		all = append(all, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	}
	return all, nil
}

// serverOf is where connection i connects to: its own server, and the later ones when it has lost that.
func (s *swarm) serverOf(i int) netip.AddrPort {
	if moved := s.subscribers[i].moved; moved > 0 {
		return s.later[(s.number(i)+moved)%len(s.later)]
	}
	return s.servers[s.number(i)%len(s.servers)]
}

// newEpoll makes an epoll set with an eventfd in it.
func newEpoll() (epoll int, wake *os.File, err error) {
	if epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return -1, nil, fmt.Errorf("epoll_create: %w", err)
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeUp})
	}
	if err != nil {
		unix.Close(epoll)
		return -1, nil, fmt.Errorf("eventfd: %w", err)
	}
	return epoll, os.NewFile(uintptr(fd), "eventfd"), nil
}

// awake ends the pump that is waiting, or the next one, from any goroutine.
func (s *swarm) awake() { s.wake.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// close closes all connections.
func (s *swarm) close() {
	for i := range s.subscribers {
		s.hangUp(&s.subscribers[i])
	}
	s.wake.Close()
	unix.Close(s.epoll)
}

// hangUp closes a connection by reset: a swarm must not leave thousands of ports behind that
// nobody can use for a minute.
func (s *swarm) hangUp(c *subscriber) {
	if c.fd < 0 {
		return
	}
	unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(c.fd)
	if c.subscribed == 0 {
		s.opening--
	}
	c.fd, c.subscribed, c.part, c.hello, c.secure = -1, 0, nil, nil, nil
}

// grow adds connections until there are n, at most rate a second; 0: as fast as they can.
func (s *swarm) grow(n int, rate float64) {
	began, have := s.now(), len(s.subscribers)
	for i := have; i < n; i++ {
		s.subscribers = append(s.subscribers, subscriber{fd: -1})
		away := absence{i: i}
		if rate > 0 {
			away.due = began + time.Duration(float64(i-have)/rate*float64(time.Second))
		}
		s.absent = append(s.absent, away)
	}
}

// fill opens connections that are due.
func (s *swarm) fill() error {
	for len(s.absent) > 0 && s.opening < maxConnecting {
		now := s.now()
		next := s.absent[0]
		if next.due > now {
			return nil
		}
		if next.due == 0 {
			next.due = now
		}
		s.absent = s.absent[1:]
		if err := s.open(next.i, next.due); err != nil {
			return fmt.Errorf("connection %d to %s: %w", s.number(next.i)+1, s.serverOf(next.i), err)
		}
	}
	return nil
}

// complete tells whether every connection that has to be there is subscribed, or was closed by
// the server.
func (s *swarm) complete() bool { return s.opening == 0 && len(s.absent) == 0 }

// open opens connection i. If it has been there before it resumes.
func (s *swarm) open(i int, due time.Duration) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w (more --processes have more descriptors than ulimit -n gives one)", err)
	}
	c := &s.subscribers[i]
	c.fd, c.due = fd, due
	c.hello = s.helloOf(c, s.keyOf(s.number(i)))
	s.opening++
	at := s.serverOf(i)
	if err := s.bind(fd, i, at); err != nil {
		return err
	}
	server := &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	if err := unix.Connect(fd, server); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT, Fd: int32(i)}
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event)
}

// helloOf is what a connection says first: after its first time, that it resumes.
func (s *swarm) helloOf(c *subscriber, key string) []byte {
	if r, ok := s.dialect.(resumer); ok && c.returns {
		return r.resume(key, c.mid)
	}
	return s.dialect.hello(key)
}

// bind gives connection i a loopback address of its own range, 127.0.0.1, 127.0.0.2, …, so that
// ports do not run short; the port is chosen by connect.
func (s *swarm) bind(fd, i int, server netip.AddrPort) error {
	if !server.Addr().IsLoopback() {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	source := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + s.number(i)/perSource)}}
	if err := unix.Bind(fd, source); err != nil {
		return fmt.Errorf("bind to %v: %w", source.Addr, err)
	}
	return nil
}
