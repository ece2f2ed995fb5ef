package channel

import (
	"slices"
	"sync"
)

// readyQueue has the channels that wait for a loader or the appender, each once: with pushes under way, or
// since the store is to be read for those who subscribe.
type readyQueue struct {
	mu     sync.Mutex
	filled sync.Cond
	queue  []*Channel
	closed bool
}

func (q *readyQueue) init() { q.filled.L = &q.mu }

// put adds c, or returns false once the queue is closed. Who puts calls wake when it has put all: so that
// the pushes of a call are taken together.
func (q *readyQueue) put(c *Channel) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.queue = append(q.queue, c)
	}
	return !q.closed
}

// wake has what was put taken.
func (q *readyQueue) wake() { q.filled.Signal() }

// again adds c also when the queue is closed: by who has it to whom will take until the queue is empty.
func (q *readyQueue) again(c *Channel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, c)
	q.filled.Signal()
}

// take waits for channels and returns at most so many; none once the queue is closed and empty.
func (q *readyQueue) take(dst []*Channel, most int) []*Channel {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) == 0 && !q.closed {
		q.filled.Wait()
	}
	n := min(len(q.queue), most)
	dst = append(dst[:0], q.queue[:n]...)
	q.queue = slices.Delete(q.queue, 0, n)
	if len(q.queue) > 0 {
		q.filled.Signal()
	}
	return dst
}

// takeNow returns at most so many channels without waiting.
func (q *readyQueue) takeNow(dst []*Channel, most int) []*Channel {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.queue), most)
	dst = append(dst[:0], q.queue[:n]...)
	q.queue = slices.Delete(q.queue, 0, n)
	return dst
}

// close ends the appenders when nothing waits any more.
func (q *readyQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.filled.Broadcast()
}
