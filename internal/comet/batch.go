package comet

import (
	"bytes"
	"slices"
	"syscall"
)

// What a loop sends to its sockets within a turn leaves in batches: the engine may have a cheaper
// way for many than one system call each.
//
//	send ─> batch ─┬─ full, or the turn ends, or something must come after ─> sendAll ─> sent
//	               └─ a connection whose socket is full: its queue
//
// A connection is in the batch at most once, and then nothing waits in its queue.

// maxBatch is how many sends leave together, at most those of a turn: they keep a processor in the kernel for some
// milliseconds. A broadcast to 10,000 cost 0.96 of the C floor with 64, 0.90 with 256, 0.87 with 512.
const maxBatch = slice

// sending is one send of a batch.
type sending struct {
	bytes    []byte  // not changed until it has been sent
	frames   *frames // that bytes are of, and that may be reused when they have been sent; nil: nobody changes them
	conn     uint32  // its place in the loop
	fd       int32
	messages int32 // that end in bytes
	result   int32 // how much the socket took, or below 0 the number of an error; set by sendAll
}

// outcome returns how much was sent. A socket that takes nothing now is no error.
func (s *sending) outcome() (n int, err error) {
	switch errno := syscall.Errno(-s.result); {
	case s.result >= 0:
		return int(s.result), nil
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
		return 0, nil
	default:
		return 0, errno
	}
}

// send sends b, in which so many messages end, to c behind what waits for it already; with 0
// it counts as nothing that waits, and is bounded by whoever sends it. b must not be changed any more.
// It leaves when the batch does: only then a connection that has failed is closed.
func (l *loop) send(c *conn, b []byte, messages int) { l.sendFrames(c, b, messages, nil) }

// sendFrames is send for bytes of f, which is told if they are held on to.
func (l *loop) sendFrames(c *conn, b []byte, messages int, f *frames) {
	if c.flags&secured != 0 {
		l.seal(c, b, messages)
	} else {
		l.sendPlain(c, b, messages, f)
	}
}

// sendPlain sends b as it is.
func (l *loop) sendPlain(c *conn, b []byte, messages int, f *frames) {
	if f == nil && l.joined(c, b, messages) {
		return
	}
	l.settle(c)
	switch {
	case c.state == free:
	case c.out != nil && l.overfull(c, len(b), messages):
		l.close(c, Slow)
	case c.out != nil || c.fd < 0:
		l.wait(c, b, messages, f)
	default:
		l.enterBatch(c, b, messages, f)
	}
}

// enterBatch has b leave with the batch, which has nothing of c.
func (l *loop) enterBatch(c *conn, b []byte, messages int, f *frames) {
	c.flags |= batched
	l.batch = append(l.batch, sending{bytes: b, frames: f, conn: c.index, fd: c.fd, messages: int32(messages)})
	if len(l.batch) == maxBatch {
		l.sendBatch()
	}
}

// joined adds b to a copy of what the batch has for c, if that came last and is no part of frames.
func (l *loop) joined(c *conn, b []byte, messages int) bool {
	if c.flags&batched == 0 {
		return false
	}
	last := &l.batch[len(l.batch)-1]
	if last.conn != c.index || last.frames != nil {
		return false
	}
	last.bytes = append(slices.Clip(last.bytes), b...)
	last.messages += int32(messages)
	return true
}

// settle has c out of the batch: whatever comes next comes after it. c may be closed by it.
func (l *loop) settle(c *conn) {
	if c.flags&batched != 0 {
		l.sendBatch()
	}
}

// sendBatch sends what is in the batch, and gives walks back whose frames were in it.
func (l *loop) sendBatch() {
	if len(l.batch) > 0 {
		l.poll.sendAll(l.batch)
		for i := range l.batch {
			l.sent(&l.batch[i])
		}
		clear(l.batch)
		l.batch = l.batch[:0]
	}
	l.calls.answers.reset(maxSpareAnswers)
	l.sealed.reset(maxSpareSealed)
	l.recycle()
}

// sent has the rest of s wait until its socket has room, if it did not take all.
func (l *loop) sent(s *sending) {
	c := l.conns.at(s.conn)
	c.flags &^= batched
	n, err := s.outcome()
	if err != nil {
		l.close(c, Failed)
	} else if n < len(s.bytes) {
		l.wait(c, s.bytes[n:], int(s.messages), s.frames)
	}
}

// wait queues b for c.
func (l *loop) wait(c *conn, b []byte, messages int, f *frames) {
	if c.out == nil {
		c.out = new(queue)
	}
	if f == &l.sealed { // a few bytes are not to hold what was encrypted for all
		b, f = bytes.Clone(b), nil
	}
	piece := chunk{bytes: b, messages: int32(messages)}
	if f != nil {
		piece.of = f.hold()
	} else {
		piece.own = uint32(cap(b))
	}
	c.out.put(&l.scales, piece)
	l.weigh(c)
	l.engine(c).flush(l, c)
}
