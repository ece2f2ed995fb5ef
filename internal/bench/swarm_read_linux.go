package bench

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

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
		if event.Fd == wakeUp {
			s.wake.Read(s.buf)
			if err := s.shook(); err != nil {
				return n, err
			}
		} else if err := s.serve(int(event.Fd), event.Events); err != nil {
			return n, err
		}
	}
	return n, nil
}

// serve does what connection i is ready for. A connection that the server ends is counted; one
// that says what it must not is an error.
func (s *swarm) serve(i int, ready uint32) error {
	c := &s.subscribers[i]
	if c.fd < 0 {
		return nil // it left while this was on its way
	}
	if c.hello != nil && ready&unix.EPOLLOUT != 0 {
		if s.secure {
			return s.shake(i)
		}
		return s.greet(i)
	}
	for more := true; more && c.fd >= 0; {
		var err error
		if more, err = s.take(i, c); err != nil {
			return err
		}
	}
	return nil
}

// take takes some of what has come to connection i, and tells whether there may be more.
func (s *swarm) take(i int, c *subscriber) (more bool, err error) {
	n, more, err := c.read(s.buf)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false, nil
	case n <= 0 && len(s.later) > 0:
		s.move(i)
		return false, nil
	case n <= 0 && c.subscribed == 0:
		return false, fmt.Errorf("connection %d: ended before it was subscribed: %w", s.number(i)+1, errors.Join(err, net.ErrClosed))
	case n <= 0:
		s.tally.Closed++
		s.hangUp(c)
		return false, nil
	}
	s.reads++
	s.bytes += n
	if err := s.feed(i, s.buf[:n]); err != nil {
		if len(s.later) > 0 && c.subscribed == 0 {
			s.move(i) // refused: elsewhere it may not be
			return false, nil
		}
		return false, fmt.Errorf("connection %d: %w", s.number(i)+1, err)
	}
	return more, nil
}

// move has connection i, which its server has ended or refused, come back at another one: at once, or a moment later where it was not subscribed.
func (s *swarm) move(i int) {
	const again = 50 * time.Millisecond
	c := &s.subscribers[i]
	lost := absence{i: i, due: s.now()}
	if c.subscribed == 0 {
		lost.due += again
	}
	s.hangUp(c)
	c.moved++
	s.moves++
	s.absent = append(s.absent, lost)
}

// greet sends the hello of connection i, which is connected now, and asks for input only.
func (s *swarm) greet(i int) error {
	c := &s.subscribers[i]
	if n, err := unix.Write(c.fd, c.hello); n != len(c.hello) {
		if len(s.later) > 0 {
			s.move(i)
			return nil
		}
		return fmt.Errorf("connection %d to %s: %w", s.number(i)+1, s.serverOf(i), err)
	}
	c.hello = nil
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}

// feed takes all that is complete of what the server has sent to connection i.
func (s *swarm) feed(i int, data []byte) error {
	c := &s.subscribers[i]
	if len(c.part) > 0 {
		c.part = append(c.part, data...)
		data = c.part
	}
	now := s.now()
	for len(data) > 0 {
		it, n, err := s.dialect.next(data)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := s.item(i, it, now); err != nil {
			return err
		}
		data = data[n:]
	}
	c.part = append(c.part[:0], data...)
	return nil
}

// item takes an item that connection i has read at now.
func (s *swarm) item(i int, it item, now time.Duration) error {
	c := &s.subscribers[i]
	switch it.kind {
	case subscribed:
		if c.subscribed == 0 {
			c.subscribed, c.returns = now, true
			s.opening--
			record(s.subscribed, now-c.due)
		}
	case delivery:
		if err := s.message(i, it, now); err != nil {
			return err
		}
		for _, behind := range it.more {
			if err := s.message(i, behind, now); err != nil {
				return err
			}
		}
		return s.askAgain(i)
	}
	return nil
}

// message takes a message that connection i has read at now.
func (s *swarm) message(i int, it item, now time.Duration) error {
	a, err := parsePayload(it.payload)
	if err != nil {
		return err
	}
	if key := s.keyNumber(i); a.key != key {
		return fmt.Errorf("%w: it is for key %d, and came to one of key %d", errMessage, a.key, key)
	}
	a.mid = it.mid
	if c := &s.subscribers[i]; c.take(a, &s.tally) {
		s.took(c, a, now)
	}
	return nil
}

// askAgain lets connection i ask for what comes behind all that it has seen, if it has to ask.
func (s *swarm) askAgain(i int) error {
	if s.asker == nil {
		return nil
	}
	c := &s.subscribers[i]
	s.out = s.asker.ask(s.out[:0], s.keyOf(s.number(i)), c.mid)
	if n, err := unix.Write(c.fd, s.out); n != len(s.out) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return fmt.Errorf("ask for more: %w", err) // one whose end was closed is seen when it is read
	}
	return nil
}

// took notes a message that came to c for the first time.
func (s *swarm) took(c *subscriber, a arrival, now time.Duration) {
	s.arrived++
	if a.sent < c.subscribed {
		record(s.resumed, now-c.due)
	} else {
		record(s.latency, now-a.sent)
	}
	if !s.Shared {
		s.through++
		return
	}
	if more := int(a.seq) + 1 - len(s.came); more > 0 {
		s.came = slices.Grow(s.came, more)[:len(s.came)+more]
	}
	s.came[a.seq]++
	if s.came[a.seq] == len(s.subscribers) {
		s.through++
	}
}

// end counts what never came of the messages that each connection had to get: last has their
// number for each key, or one number for the one key. nil: nothing had to come.
func (s *swarm) end(last []int64) {
	if last == nil {
		return
	}
	for i := range s.subscribers {
		s.subscribers[i].end(last[s.keyNumber(i)], &s.tally)
	}
}

// keyNumber returns the number of the key that connection i subscribes to.
func (s *swarm) keyNumber(i int) int {
	if s.Shared {
		return 0
	}
	return s.number(i)
}

// leave closes all connections.
func (s *swarm) leave() {
	for i := range s.subscribers {
		s.hangUp(&s.subscribers[i])
	}
}

// comeBack lets all connections that are closed come back now.
func (s *swarm) comeBack() {
	now := s.now()
	s.absent = nil
	for i := range s.subscribers {
		if s.subscribers[i].fd < 0 {
			s.absent = append(s.absent, absence{i: i, due: now})
		}
	}
}

// forget makes all connections as if they had seen nothing, and all counts zero. They are closed.
func (s *swarm) forget() {
	s.leave()
	for i := range s.subscribers {
		s.subscribers[i].track = track{}
	}
	s.tally, s.arrived, s.through, s.came = Tally{}, 0, 0, nil
	s.tare()
}
