package comet

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// epollListener is an address whose one listening socket all loops watch; the kernel wakes one
// of them for each connection.
type epollListener struct {
	*Listener
	fd    int
	event uint32       // how events name it, from 1
	users atomic.Int32 // loops that watch it; the last one closes it
}

// listenEpoll has all loops accept from socket until stop.
func (g *Gateway) listenEpoll(ln *Listener, socket net.Listener) (stop func(), err error) {
	defer socket.Close()
	tcp, ok := socket.(*net.TCPListener)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	fd, err := duplicate(tcp)
	if err != nil {
		return nil, err
	}
	// What is accepted inherits this.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &epollListener{Listener: ln, fd: fd, event: uint32(ln.number) + 1}
	s.users.Store(int32(len(g.loops)))
	for _, l := range g.loops {
		l.do(func(l *loop) { l.poll.(*epoll).listen(s) })
	}
	return s.unlisten, nil
}

func (e *epoll) listen(s *epollListener) {
	e.listeners[s.event] = s
	e.watch(s)
}

func (e *epoll) watch(s *epollListener) {
	if err := e.control(unix.EPOLL_CTL_ADD, s.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, id{gen: s.event}); err != nil {
		s.g.acceptFailed(err)
		e.resting = append(e.resting, s)
	}
}

// unlisten ends the accepting: a loop at a time, so that none accepts on a descriptor that is
// somebody else's by then.
func (s *epollListener) unlisten() {
	for _, l := range s.g.loops {
		l.do(func(l *loop) { l.poll.(*epoll).unlisten(s) })
	}
}

func (e *epoll) unlisten(s *epollListener) {
	e.control(unix.EPOLL_CTL_DEL, s.fd, 0, id{})
	delete(e.listeners, s.event)
	for i, r := range e.resting {
		if r == s {
			e.resting = append(e.resting[:i], e.resting[i+1:]...)
			break
		}
	}
	if s.users.Add(-1) == 0 {
		unix.Close(s.fd)
	}
}

// resume watches the listeners again that were left alone.
func (e *epoll) resume() {
	e.paused = false
	resting := e.resting
	e.resting = nil
	for _, s := range resting {
		e.watch(s)
	}
}

// accept takes some connections, each for the loop with the fewest. Where it fails for want of
// descriptors or memory, the listener rests until the next tick: the connections wait in
// the kernel, and nothing spins.
func (e *epoll) accept(l *loop, s *epollListener) {
	if s == nil {
		return // closed after the event was found
	}
	for range maxAccepts {
		if !s.g.mayAccept(s.kind) {
			e.pauseAccepting(l, s)
			return
		}
		fd, from, err := unix.Accept4(s.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			s.place(l, fd, from)
		case err == unix.EAGAIN:
			return
		case err == unix.EINTR || err == unix.ECONNABORTED:
		default:
			s.g.acceptFailed(err)
			e.control(unix.EPOLL_CTL_DEL, s.fd, 0, id{})
			e.resting = append(e.resting, s)
			return
		}
	}
}

// pauseAccepting leaves s alone for a moment.
func (e *epoll) pauseAccepting(l *loop, s *epollListener) {
	s.g.Stats.AcceptPaused.Add(1)
	e.control(unix.EPOLL_CTL_DEL, s.fd, 0, id{})
	e.resting = append(e.resting, s)
	e.paused = true
	l.wakeAt(time.Now().Add(acceptPause))
}

// place gives an accepted socket to the loop with the fewest connections, l if that is as good.
func (s *epollListener) place(l *loop, fd int, from unix.Sockaddr) {
	o, first, ok := s.g.receive(s.kind, addrPortOf(from))
	if !ok {
		unix.Close(fd)
		return
	}
	best := s.g.lightest()
	if best.load.Load() >= l.load.Load() {
		s.begin(l, fd, o, first)
		return
	}
	best.do(func(l *loop) { s.begin(l, fd, o, first) })
}

// begin makes fd a connection of l that comes from o, and is in state first.
func (s *epollListener) begin(l *loop, fd int, o origin, first state) {
	if c := l.addEpoll(s.Listener, fd); c != nil {
		if c.state = first; first == sniffing {
			c.state = s.begins()
		}
		l.setOrigin(c, o)
	} else {
		s.g.discount(&o)
	}
}

// addrPortOf returns the address of a peer; not valid: it is no TCP.
func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
