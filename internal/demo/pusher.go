package demo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gopush/client"
)

// callTimeout bounds one call to the node.
const callTimeout = 20 * time.Second

// pusher is the backend: it pushes each line to every room, in order. Only the goroutine of
// Run touches it, but for done.
type pusher struct {
	api     *client.Publisher
	lines   [][]byte
	next    []int // of each room: the first line that is not known to be stored
	journal *journal

	done atomic.Int64 // lines pushed to every room, for the progress line
}

func newPusher(admin string, lines [][]byte, j *journal) (*pusher, error) {
	api, err := client.NewPublisher(client.PublisherConfig{Addr: "http://" + admin, RetryFor: -1})
	return &pusher{
		api: api, lines: lines, next: make([]int, len(j.at)), journal: j,
	}, err
}

// roomKey is the key of a room.
func roomKey(room int) string { return fmt.Sprintf("room-%d", room) }

// push pushes a line, in one call, to all rooms that are not known to have it, and returns how many had it. After an error
// that is uncertain it may be called again: the node knows each push by its idempotency key.
func (p *pusher) push(ctx context.Context, line int) (had int, err error) {
	var rooms []int
	var pushes []client.Push
	for room, next := range p.next {
		if next <= line {
			rooms = append(rooms, room)
			pushes = append(pushes, client.Push{Key: roomKey(room), Payload: p.lines[line], IdempotencyKey: fmt.Sprint("line ", line)})
			p.journal.note(room, line)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	results, err := p.api.PushAll(ctx, pushes)
	for i, result := range results {
		if result.Err == nil {
			p.next[rooms[i]] = line + 1
		}
		if result.Duplicate {
			had++
		}
		err = errors.Join(err, result.Err)
	}
	if err == nil {
		p.done.Store(int64(line + 1))
	}
	return had, err
}

// uncertain tells that what failed with err may have been done all the same: any error but
// the node's own refusal.
func uncertain(err error) bool {
	refused, ok := errors.AsType[*client.Error](err)
	return !ok || refused.Unknown()
}
