package link

import "sync"

// jobs are groups that have something to do, in order. They are bounded by the follows of all links, and by what links ask for
// beyond maxJobs: they are not read then.
type jobs struct {
	mu     sync.Mutex
	filled sync.Cond
	room   sync.Cond
	queue  []uint32
	closed bool
}

const maxJobs = 1 << 16

func (j *jobs) init() { j.filled.L, j.room.L = &j.mu, &j.mu }

func (j *jobs) put(ref uint32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = append(j.queue, ref)
	j.filled.Signal()
}

// admit waits while there are too many.
func (j *jobs) admit() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.queue) > maxJobs && !j.closed {
		j.room.Wait()
	}
}

// take waits for one; 0: there are none any more.
func (j *jobs) take() uint32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.queue) == 0 {
		if j.closed {
			return 0
		}
		j.filled.Wait()
	}
	ref := j.queue[0]
	if j.queue = j.queue[1:]; len(j.queue) == 0 {
		j.queue = nil
	}
	if len(j.queue) == maxJobs {
		j.room.Broadcast()
	}
	return ref
}

// close ends take when nothing waits any more.
func (j *jobs) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.filled.Broadcast()
	j.room.Broadcast()
}
