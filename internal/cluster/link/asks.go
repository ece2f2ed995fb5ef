package link

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"gopush/internal/wire/resp"
)

// Follow asks for all messages of key that are released from now on. mid is the last one that was released here. Handler.Followed
// or Refused answers it. To follow again what is followed is no mistake: it is answered again.
func (l *Link) Follow(key string, mid int64) { l.tell("FOLLOW", key, strconv.FormatInt(mid, 10)) }

// Unfollow takes back Follow. Messages that are on their way still come.
func (l *Link) Unfollow(key string) { l.tell("UNFOLLOW", key) }

// Count tells how many connections here subscribe to a key that is followed: the peer counts them as subscribers of its own. It may be
// told as often as that changes: what was not written yet is replaced. The peer forgets it with the follow, and a follow begins with 0:
// so it is told after Followed, each time.
func (l *Link) Count(key string, n int) { l.count("COUNT", key, n) }

// FollowPattern asks for all messages, of keys that the peer owns, that match. Handler.FollowedPattern answers it.
func (l *Link) FollowPattern(pattern string) { l.tell("PFOLLOW", pattern) }

// UnfollowPattern takes back FollowPattern. Messages that are on their way still come.
func (l *Link) UnfollowPattern(pattern string) { l.tell("PUNFOLLOW", pattern) }

// CountPattern is Count of a pattern.
func (l *Link) CountPattern(pattern string, n int) { l.count("PCOUNT", pattern, n) }

// Look has the peer look into the store for what another node stored for its keys.
func (l *Link) Look(keys ...string) {
	for some := range slices.Chunk(keys, maxBatch) {
		l.tell("LOOK", some...)
	}
}

// Revoked tells that tokens of key were deleted: those with the tags, or all if there are none.
func (l *Link) Revoked(key string, tags []uint64) {
	for _, words := range withTags(key, tags) {
		l.tell("REVOKED", words...)
	}
}

// withTags returns the words KEY TAG… of as many commands as it takes.
func withTags(key string, tags []uint64) (commands [][]string) {
	if len(tags) == 0 {
		return [][]string{{key}}
	}
	for some := range slices.Chunk(tags, maxBatch) {
		words := []string{key}
		for _, tag := range some {
			words = append(words, strconv.FormatUint(tag, 10))
		}
		commands = append(commands, words)
	}
	return commands
}

// tell sends a command without an answer, if the link is up.
func (l *Link) tell(name string, words ...string) {
	if d := l.current.Load(); d != nil {
		d.tell(name, words)
	}
}

func (d *dialled) tell(name string, words []string) {
	if !d.lock() {
		return
	}
	if len(words) > 0 {
		delete(d.counts, counted{name[0] == 'P', words[0]}) // a later count belongs to what this asks for
	}
	d.queue.addWords(command, append([]string{name}, words...)...)
	d.queue.unlock()
}

// lock locks queue.mu for a command that is not refused. Where too much waits already, it ends the connection: then all is asked
// again on another one.
func (d *dialled) lock() bool {
	d.queue.mu.Lock()
	if d.queue.size <= 3*d.link.links.cfg.MaxQueueBytes {
		return true
	}
	d.queue.mu.Unlock()
	d.close(errOverfull)
	return false
}

// counted is what a count is of.
type counted struct {
	pattern bool
	key     string
}

// countDigits is how many digits a count has on the wire, so that it can be replaced where it stands.
const countDigits = 10

func (l *Link) count(name, key string, n int) {
	if d := l.current.Load(); d != nil {
		d.count(name, key, n)
	}
}

func (d *dialled) count(name, key string, n int) {
	digits := fmt.Sprintf("%0*d", countDigits, min(max(n, 0), 9_999_999_999))
	if !d.lock() {
		return
	}
	defer d.queue.unlock()
	of := counted{name[0] == 'P', key}
	if at := d.counts[of]; at != nil {
		copy(at, digits)
		return
	}
	d.queue.addWords(command, name, key, digits)
	end := len(d.queue.tail.bytes) - len(crlf)
	d.counts[of] = d.queue.tail.bytes[end-countDigits : end]
}

// ask is a question without an answer yet.
type ask struct {
	values []string
	err    error
	ended  chan struct{} // closed when it has one
}

func (a *ask) end(err error) {
	a.err = err
	close(a.ended)
}

// ask asks the peer and waits for its answer.
func (l *Link) ask(ctx context.Context, name string, words ...string) ([]string, error) {
	d := l.current.Load()
	if d == nil {
		return nil, l.unreachable(l.Err())
	}
	id, a, err := d.ask(name, words)
	if err != nil {
		return nil, err
	}
	select {
	case <-a.ended:
		return a.values, a.err
	case <-ctx.Done():
		d.queue.mu.Lock()
		delete(d.asks, id)
		d.queue.mu.Unlock()
		return nil, fmt.Errorf("node %s has not answered: %w", l.name, ctx.Err())
	}
}

func (d *dialled) ask(name string, words []string) (id string, a *ask, err error) {
	if !d.lock() {
		return "", nil, d.link.unreachable(errOverfull)
	}
	defer d.queue.unlock()
	if d.closed != nil {
		return "", nil, d.link.unreachable(d.closed)
	}
	d.asked++
	id, a = strconv.FormatUint(d.asked, 10), &ask{ended: make(chan struct{})}
	d.asks[id] = a
	d.queue.addWords(command, append([]string{name, id}, words...)...)
	return id, a, nil
}

// answered takes the words ID MORE VALUE…, and tells whether they are that.
func (d *dialled) answered(args [][]byte) bool {
	if len(args) < 2 {
		return false
	}
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	a := d.asks[string(args[0])]
	if a == nil {
		return true // nobody waits any more
	}
	for _, value := range args[2:] {
		a.values = append(a.values, string(value))
	}
	if string(args[1]) == "0" {
		delete(d.asks, string(args[0]))
		a.end(nil)
	}
	return true
}

// askFailed ends a question with the peer's error, and tells whether it is one.
func (d *dialled) askFailed(id string, err error) bool {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	if a := d.asks[id]; a != nil {
		delete(d.asks, id)
		a.end(err)
	}
	return err != nil
}

// askNumbers asks for n numbers.
func (l *Link) askNumbers(ctx context.Context, n int, name string, words ...string) ([]int, error) {
	values, err := l.ask(ctx, name, words...)
	if err != nil {
		return nil, err
	}
	out := make([]int, len(values))
	for i, v := range values {
		if out[i], err = strconv.Atoi(v); err != nil {
			return nil, fmt.Errorf("what node %s answers to %s: %w", l.name, name, err)
		}
	}
	if len(out) != n {
		return nil, fmt.Errorf("node %s answers %s with %d numbers instead of %d", l.name, name, len(out), n)
	}
	return out, nil
}

// Kick closes the peer's own connections that subscribe to key, as channel.Hub's does, and returns how many there were.
func (l *Link) Kick(ctx context.Context, key string, tags ...uint64) (int, error) {
	sum := 0
	for _, words := range withTags(key, tags) {
		n, err := l.askNumbers(ctx, 1, "KICK", words...)
		if err != nil {
			return sum, err
		}
		sum += n[0]
	}
	return sum, nil
}

// Subscribers returns how many of the peer's own connections subscribe to each of keys.
func (l *Link) Subscribers(ctx context.Context, keys []string) (counts []int, err error) {
	for some := range slices.Chunk(keys, maxBatch) {
		n, err := l.askNumbers(ctx, len(some), "SUBSCRIBERS", some...)
		if err != nil {
			return nil, err
		}
		counts = append(counts, n...)
	}
	return counts, nil
}

// Subscribed returns at most limit keys (0: any number) that match pattern and that the peer's own connections subscribe to, in no order.
func (l *Link) Subscribed(ctx context.Context, pattern string, limit int) ([]string, error) {
	return l.ask(ctx, "SUBSCRIBED", pattern, strconv.Itoa(limit))
}

// Stats returns what the peer tells of itself.
func (l *Link) Stats(ctx context.Context) (s NodeStats, err error) {
	values, err := l.ask(ctx, "STATS")
	if err != nil {
		return NodeStats{}, err
	}
	if len(values) == 1 {
		err = json.Unmarshal([]byte(values[0]), &s)
	}
	return s, err
}

// beatFrame returns what is sent when nothing else is.
func beatFrame(kind byte, word string) []byte { return resp.AppendBulk(appendHead(nil, kind, 1), word) }
