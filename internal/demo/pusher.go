package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	history string // URL of the node's keys
	lines   [][]byte
	next    []int // of each room: the first line that is not known to be stored
	journal *journal

	done atomic.Int64 // lines pushed to every room, for the progress line
}

func newPusher(admin string, lines [][]byte, j *journal) (*pusher, error) {
	api, err := client.NewPublisher(client.PublisherConfig{Addr: "http://" + admin, RetryFor: -1})
	return &pusher{
		api: api, history: "http://" + admin + "/v1/keys/",
		lines: lines, next: make([]int, len(j.at)), journal: j,
	}, err
}

// roomKey is the key of a room.
func roomKey(room int) string { return fmt.Sprintf("room-%d", room) }

// push pushes a line, in one call, to all rooms that are not known to have it. After an error
// that is uncertain, ask tells which those are.
func (p *pusher) push(ctx context.Context, line int) error {
	var rooms []int
	var pushes []client.Push
	for room, next := range p.next {
		if next <= line {
			rooms = append(rooms, room)
			pushes = append(pushes, client.Push{Key: roomKey(room), Payload: p.lines[line]})
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
		err = errors.Join(err, result.Err)
	}
	if err == nil {
		p.done.Store(int64(line + 1))
	}
	return err
}

// uncertain tells that what failed with err may have been done all the same: any error but
// the node's own refusal.
func uncertain(err error) bool {
	refused, ok := errors.AsType[*client.Error](err)
	return !ok || refused.Unknown()
}

// ask finds out which rooms have a line whose push had no answer, and returns how many. To
// push it again without asking could double it, to go on without it could lose it: the last
// stored message of each room says which. This is how a backend makes sure as long as a push
// cannot name itself, so that the node would know it when it comes again. It needs that
// nobody else pushes to the key, and that the push has ended for certain, as with its node.
func (p *pusher) ask(ctx context.Context, line int) (stored int, err error) {
	for room := range p.next {
		last, err := p.lastStored(ctx, room)
		if err != nil {
			return 0, fmt.Errorf("ask for the last message of %s: %w", roomKey(room), err)
		}
		// What was acknowledged is never pushed again, whatever the node says now: devices
		// that have not got it count it as lost.
		p.next[room] = max(p.next[room], last+1)
		if p.next[room] > line {
			stored++
		}
	}
	return stored, nil
}

// lastStored returns the line that is the last stored message of a room, -1 if it has none.
func (p *pusher) lastStored(ctx context.Context, room int) (line int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.history+roomKey(room)+"/messages?reverse=1&limit=1", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("HTTP status %s: %s", resp.Status, body)
	}
	var page struct {
		Messages []struct{ Payload json.RawMessage }
	}
	if err := json.Unmarshal(body, &page); err != nil || len(page.Messages) == 0 {
		return -1, err
	}
	line, ok := lineOf(page.Messages[0].Payload)
	if !ok {
		return 0, fmt.Errorf("%.100q is no line of ours", page.Messages[0].Payload)
	}
	return line, nil
}
