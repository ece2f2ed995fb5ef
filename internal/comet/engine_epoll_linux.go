package comet

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The epoll engine: a loop watches its sockets itself and reads and writes them without
// waiting. An idle connection has no goroutine, no buffer and no timer.
//
// The loop's goroutine is parked in Go's own poller on the epoll descriptor, which costs half
// the context switches of a thread blocked in epoll_wait.

const haveEpoll = true

const (
	maxEvents  = 256
	maxAccepts = 16 // in a row, before other events
	maxIovecs  = 64 // in one writev
)

// epoll watches the sockets of one loop.
type epoll struct {
	file *os.File        // of the epoll descriptor, in Go's poller
	raw  syscall.RawConn // of file
	fd   int             // the same descriptor

	rung    atomic.Bool // bell was written to and not read yet
	ringing sync.Mutex  // guards bell against its end
	bell    int         // eventfd that wake writes to; -1: there is none any more

	events  [maxEvents]unix.EpollEvent
	found   int                // events in use
	resting []*epollListener   // out of the set until the next tick, since accepting failed, or a moment, since enough join
	paused  bool               // some are for a moment
	next    time.Time          // the next tick
	ticked  bool               // a tick has passed since the last dispatch
	look    func(uintptr) bool // poll, for raw

	ring  *ring // nil: sends leave one by one
	log   *slog.Logger
	rings *atomic.Int64 // counts the rings of all loops

	listeners map[uint32]*epollListener // by how events name them
	iovecs    [][]byte                  // scratch of flushing
}

func newPoller(cfg *Config, rings *atomic.Int64) (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	e := &epoll{fd: fd, bell: bell, file: os.NewFile(uintptr(fd), "epoll"), listeners: make(map[uint32]*epollListener), log: cfg.Log, rings: rings}
	e.look = func(uintptr) bool { return e.poll() }
	if e.raw, err = e.file.SyscallConn(); err == nil {
		err = e.control(unix.EPOLL_CTL_ADD, bell, unix.EPOLLIN, id{})
	}
	if err == nil {
		err = e.openRing(cfg.Engine)
	}
	if err != nil {
		e.end()
		return nil, fmt.Errorf("event loop: %w", err)
	}
	return e, nil
}

// Events carry an id: of a connection, or with index 0 the number of a listener in gen, where
// 0 is the bell.
func (e *epoll) control(op, fd int, events uint32, id id) error {
	return unix.EpollCtl(e.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(id.index), Pad: int32(id.gen)})
}

func (e *epoll) wait(block bool) {
	if now := time.Now(); !now.Before(e.next) {
		e.next, e.ticked, block = now.Add(tick), true, false
		e.file.SetReadDeadline(e.next)
	}
	if !block {
		e.poll()
		return
	}
	_ = e.raw.Read(e.look) // its only error is the deadline, the next tick
}

// poll looks for events without waiting.
func (e *epoll) poll() bool {
	e.found = happened(e.fd, e.events[:])
	return e.found > 0
}

func (e *epoll) dispatch(l *loop) {
	if e.ticked || e.paused && l.g.mayAccept(Public) {
		e.ticked = false
		e.resume()
	} else if e.paused {
		l.wakeAt(time.Now().Add(acceptPause))
	}
	for i := range e.found {
		ev := &e.events[i]
		if ev.Fd != 0 {
			if c := l.find(id{uint32(ev.Fd), uint32(ev.Pad)}); c != nil {
				l.socketReady(c, e, ev.Events)
			}
		} else if ev.Pad != 0 {
			e.accept(l, e.listeners[uint32(ev.Pad)])
		} else {
			e.silence()
		}
	}
	e.found = 0
}

func (e *epoll) wake() {
	if e.rung.Swap(true) {
		return
	}
	e.ringing.Lock()
	defer e.ringing.Unlock()
	if e.bell >= 0 {
		unix.Write(e.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// silence reads the bell before it lets it be rung again: the other way round it could take a
// ring away that rung still tells of, and then nobody would ever ring again. Who finds the bell
// rung in between is in time: the loop looks at its inbox after this.
func (e *epoll) silence() {
	var count [8]byte
	unix.Read(e.bell, count[:])
	e.rung.Store(false)
}

// openRing has sends leave through an io_uring, if the kernel lets us; if not, that is an error only
// where nothing else will do.
func (e *epoll) openRing(engine Engine) (err error) {
	if engine != EngineAuto && engine != EngineRing {
		return nil
	}
	if e.ring, err = openRing(maxBatch); err == nil {
		e.rings.Add(1)
		return nil
	}
	if engine == EngineRing {
		return fmt.Errorf("engine = io_uring: %w; engine = auto does without where it must", err)
	}
	e.log.Info("no io_uring: sends leave one by one", "err", err)
	return nil
}

// end closes the bell under its lock: by then its number may be somebody else's file.
func (e *epoll) end() {
	e.file.Close()
	if e.ring != nil {
		e.ring.close()
	}
	e.ringing.Lock()
	defer e.ringing.Unlock()
	unix.Close(e.bell)
	e.bell = -1
}

// addEpoll makes fd, a non-blocking socket counted as open, a connection of l; nil if the
// loop takes no more or the kernel does not let it be watched.
func (l *loop) addEpoll(from *Listener, fd int) *conn {
	c := l.add(from, int32(fd))
	if l.closed {
		l.close(c, Shutdown)
		return nil
	}
	if err := l.poll.(*epoll).control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, c.id); err != nil {
		l.close(c, Failed)
		return nil
	}
	return c
}

// socketReady writes what waits for c, if there is room, and reads once.
func (l *loop) socketReady(c *conn, e *epoll, events uint32) {
	id := c.id
	if events&unix.EPOLLOUT != 0 && c.out != nil {
		e.writeOut(l, c)
	}
	if events&^unix.EPOLLOUT == 0 || l.find(id) == nil {
		return
	}
	if c.flags&paused != 0 {
		if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			l.close(c, Failed)
		}
		return
	}
	n, err := receive(c.fd, l.buf[:readAtOnce(c)])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		l.close(c, Failed)
	case n == 0:
		l.comesNoMore(c)
	case c.state != lingering:
		l.comes(c, l.buf[:n])
	}
}

// readAtOnce returns how much is read of c in a turn. What it asks for is done in the same turn.
func readAtOnce(c *conn) int {
	if c.state == served || c.flags&secured != 0 {
		return pushBuffer
	}
	return readBuffer
}

// sendAll sends through the ring, if there is one and it pays.
func (e *epoll) sendAll(sends []sending) {
	if e.ring != nil && len(sends) > 1 {
		n, err := e.ring.send(sends)
		if err != nil {
			e.ringFailed(err)
		}
		sends = sends[n:]
	}
	for i := range sends {
		sends[i].result = sendOne(sends[i].fd, sends[i].bytes)
	}
}

// ringFailed goes on without the ring.
func (e *epoll) ringFailed(err error) {
	e.log.Warn("io_uring failed: sends leave one by one from now on", "err", err)
	e.ring.close()
	e.ring = nil
	e.rings.Add(-1)
}

// flush waits for room: c.out is what the socket did not take.
func (e *epoll) flush(l *loop, c *conn) {
	if c.flags&watched == 0 {
		c.flags |= watched
		e.rewatch(c)
	}
}

func (e *epoll) read(c *conn) { e.rewatch(c) }

// rewatch has the kernel tell what c's flags say. It cannot fail: the socket is in the set.
func (e *epoll) rewatch(c *conn) {
	var events uint32
	if c.flags&paused == 0 {
		events |= unix.EPOLLIN
	}
	if c.flags&watched != 0 {
		events |= unix.EPOLLOUT
	}
	e.control(unix.EPOLL_CTL_MOD, int(c.fd), events, c.id)
}

// writeOut writes what waits for c, as much as there is room for.
func (e *epoll) writeOut(l *loop, c *conn) {
	e.iovecs = e.iovecs[:0]
	for i := range c.out.chunks[:min(len(c.out.chunks), maxIovecs)] {
		e.iovecs = append(e.iovecs, c.out.chunks[i].bytes)
	}
	n, err := unix.Writev(int(c.fd), e.iovecs)
	clear(e.iovecs)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	id := c.id
	l.written(c, n, err)
	if l.find(id) != nil && c.out == nil {
		c.flags &^= watched
		e.rewatch(c)
	}
}

func (e *epoll) shutdown(_ *loop, c *conn) { unix.Shutdown(int(c.fd), unix.SHUT_WR) }

func (e *epoll) close(_ *loop, c *conn) { unix.Close(int(c.fd)) }

func (e *epoll) detach(_ *loop, c *conn) (net.Conn, error) {
	e.control(unix.EPOLL_CTL_DEL, int(c.fd), 0, c.id)
	f := os.NewFile(uintptr(c.fd), "socket")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return nc, nil
}

// How long a peer may be silent before the kernel asks whether it is there, how long it waits for an answer, and how
// often it asks.
const (
	keepAliveIdle     = 300 // seconds
	keepAliveInterval = 30  // seconds
	keepAliveProbes   = 4
)

// keepAlive cannot fail on a TCP socket.
func (e *epoll) keepAlive(c *conn) {
	unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
	unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval)
	unix.SetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes)
	unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}

func (e *epoll) peer(c *conn) string {
	sa, err := unix.Getpeername(int(c.fd))
	if err != nil {
		return "gone"
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return (&net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}).String()
	case *unix.SockaddrInet6:
		return (&net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}).String()
	}
	return "unknown"
}

// takeDescriptor takes the socket of nc out of Go's poller, or returns -1 if nc is not a plain
// socket that the epoll engine is to have.
func (g *Gateway) takeDescriptor(nc net.Conn) (int, error) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || !g.usesEpoll() {
		return -1, nil
	}
	defer tcp.Close()
	return duplicate(tcp)
}

// duplicate returns a second descriptor of s, which outlives it.
func duplicate(s syscall.Conn) (fd int, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(orig uintptr) {
		fd, err = unix.FcntlInt(orig, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(controlErr, err); err != nil {
		return -1, err
	}
	return fd, nil
}
