package demo

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gopush/client"
)

// retryPause is how long a pusher waits after a refusal.
const retryPause = 50 * time.Millisecond

// pushers are the backends of a cluster: one for each room. Each pushes its lines in order, the next when the last was answered, and each
// line at another node, whichever owns the room. What a node certainly did not take is pushed again, at the next node; what
// nobody answered for is not: it may have been taken.
type pushers struct {
	nodes   []*client.Publisher
	rooms   []*roomPusher
	lines   [][]byte
	journal *journal

	acknowledged, refused atomic.Int64 // pushes, for the progress line and the report
	fell                  atomic.Int64 // journal's time of the kill; 0: nothing was killed yet
}

// roomPusher pushes to one room.
type roomPusher struct {
	room  int
	lines chan int // to be pushed, in order

	unanswered []int        // lines; owned by its goroutine until that has ended
	again      atomic.Int64 // journal's time of the first acknowledgement of a push that was begun after the kill; 0: none
}

func newPushers(admins []string, rooms int, lines [][]byte, j *journal) (*pushers, error) {
	p := &pushers{lines: lines, journal: j}
	for _, addr := range admins {
		node, err := client.NewPublisher(client.PublisherConfig{Addr: "http://" + addr, RetryFor: -1})
		if err != nil {
			return nil, err
		}
		p.nodes = append(p.nodes, node)
	}
	for room := range rooms {
		p.rooms = append(p.rooms, &roomPusher{room: room})
	}
	return p, nil
}

// run starts a pusher for each room. The channel is closed when all have ended: at the end of ctx, or when all is pushed after
// end. With a rate lines wait for a pusher that is held up; without, push waits for it.
func (p *pushers) run(ctx context.Context, rate int) (ended <-chan struct{}) {
	waiting := 0
	if rate > 0 {
		waiting = len(p.lines)
	}
	var working sync.WaitGroup
	for _, r := range p.rooms {
		r.lines = make(chan int, waiting)
		working.Go(func() { p.work(ctx, r) })
	}
	done := make(chan struct{})
	go func() {
		working.Wait()
		close(done)
	}()
	return done
}

// push hands a line to all pushers.
func (p *pushers) push(ctx context.Context, line int) error {
	for _, r := range p.rooms {
		select {
		case r.lines <- line:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// end says that there are no more lines.
func (p *pushers) end() {
	for _, r := range p.rooms {
		close(r.lines)
	}
}

// killed notes that a node is killed now.
func (p *pushers) killed() { p.fell.Store(int64(p.journal.now())) }

// recovered returns how long after the kill the last room had a push acknowledged again.
func (p *pushers) recovered() (longest time.Duration) {
	for _, r := range p.rooms {
		longest = max(longest, time.Duration(r.again.Load()-p.fell.Load()))
	}
	return longest
}

// work is the goroutine of one pusher.
func (p *pushers) work(ctx context.Context, r *roomPusher) {
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				return
			}
			p.carry(ctx, r, line)
		case <-ctx.Done():
			return
		}
	}
}

// carry pushes a line until it is acknowledged, or was not answered.
func (p *pushers) carry(ctx context.Context, r *roomPusher, line int) {
	p.journal.note(r.room, line)
	for turn := r.room + line; ctx.Err() == nil; turn++ {
		began := p.journal.now()
		err := p.once(ctx, p.nodes[turn%len(p.nodes)], r.room, line)
		switch {
		case err == nil:
			p.acknowledged.Add(1)
			if fell := p.fell.Load(); fell > 0 && int64(began) > fell && r.again.Load() == 0 {
				r.again.Store(int64(p.journal.now()))
			}
			return
		case ctx.Err() != nil:
			return
		case !refusedBeforeTaken(err):
			r.unanswered = append(r.unanswered, line)
			return
		}
		p.refused.Add(1)
		if sleep(ctx, retryPause) != nil {
			return
		}
	}
}

func (p *pushers) once(ctx context.Context, at *client.Publisher, room, line int) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := at.Push(ctx, roomKey(room), p.lines[line])
	return err
}

// refusedBeforeTaken tells that what failed with err was certainly not taken: a node said so, or none was reached.
func refusedBeforeTaken(err error) bool {
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return true
	}
	return !uncertain(err)
}
