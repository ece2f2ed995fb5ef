package link

import (
	"time"

	"gopush/internal/message"
)

// call is one Publish without an answer.
type call struct {
	done     func([]message.Receipt) // nil: it was told
	receipts []message.Receipt       // made when the first of them comes
	pushes   int
	got      int // receipts, so far
	bytes    int
	since    time.Time
}

// calls are those that were sent, or wait for it, in the order of their numbers, which the peer counts too.
type calls struct {
	list  []call // from head on
	head  int
	first uint64 // number of list[head]
	next  uint64 // number of the next one
	taken uint64 // those below were written, or are being
	bytes int    // of all
}

// callBytes is about what a push without an answer takes beside its payload.
const callBytes = 128

// cost returns what pushes count for while they have no answer.
func cost(pushes []message.Push) (bytes int) {
	for i := range pushes {
		bytes += len(pushes[i].Payload) + len(pushes[i].Key) + callBytes
	}
	return bytes
}

func (c *calls) add(one call) {
	c.list = append(c.list, one)
	c.bytes += one.bytes
	c.next++
}

// at returns a call by its number; nil if it was never made, or is forgotten.
func (c *calls) at(number uint64) *call {
	if number < c.first || number >= c.next {
		return nil
	}
	return &c.list[c.head+int(number-c.first)]
}

// take returns what to tell of a call that is over.
func (c *calls) take(one *call) (done func([]message.Receipt)) {
	done = one.done
	c.bytes -= one.bytes
	*one = call{}
	for c.head < len(c.list) && c.list[c.head].done == nil {
		c.head++
		c.first++
	}
	switch {
	case c.head == len(c.list):
		c.list, c.head = c.list[:0], 0
	case c.head > 1024 && c.head > len(c.list)/2:
		n := copy(c.list, c.list[c.head:])
		clear(c.list[n:])
		c.list, c.head = c.list[:n], 0
	}
	return done
}

// Publish has the peer carry out pushes, marked as forwarded: it does not pass them on. Those of one link to one key keep the order
// in which Publish was called; as with channel.Hub, after one failed the later ones to its key in the same call are skipped. done is told
// of a receipt for each exactly once: by anybody, perhaps before Publish returns; it must not block. An Err of a receipt wraps one of
// package message's: ErrUnavailable where the link is down, breaks before the call was written, or has MaxQueueBytes under way (any one call is taken where nothing is);
// ErrUnknown where it breaks later or no answer comes for twice store_timeout; else what the peer said.
// The slice may be used again when Publish has returned; payloads are never changed.
// Handler.Flush follows done, or several of them, by the same goroutine.
func (l *Link) Publish(pushes []message.Push, done func([]message.Receipt)) {
	if d := l.start(pushes, done); d != nil {
		d.queue.mu.Lock()
		d.queue.unlock()
	}
}

// Start is Publish for who starts several, and then flushes the sink that Links have attached to Keys: what was started is
// written together then.
func (l *Link) Start(pushes []message.Push, done func([]message.Receipt)) {
	if d := l.start(pushes, done); d != nil {
		l.links.sink.soil(&d.queue)
	}
}

// start queues pushes, and returns for what connection; nil: done was told.
func (l *Link) start(pushes []message.Push, done func([]message.Receipt)) *dialled {
	err := error(nil)
	d := l.current.Load()
	if d != nil {
		err = d.publish(pushes, done)
	} else {
		err = l.unreachable(l.Err())
	}
	if err == nil {
		return d
	}
	l.tellFailed(done, len(pushes), err)
	l.links.cfg.Handler.Flush()
	return nil
}

// unreachable is what a push fails with that was not sent.
func (l *Link) unreachable(why error) error {
	return fails(message.ErrUnreachable, "node %s cannot be reached: %v", l.name, why)
}

// tellFailed tells of n receipts with an error.
func (l *Link) tellFailed(done func([]message.Receipt), n int, err error) {
	l.links.Stats.ForwardFailed.Add(int64(n))
	receipts := make([]message.Receipt, n)
	for i := range receipts {
		receipts[i].Err = err
	}
	done(receipts)
}

// publish queues pushes, or returns why not.
func (d *dialled) publish(pushes []message.Push, done func([]message.Receipt)) error {
	if len(pushes) == 0 {
		done(nil)
		return nil
	}
	most := d.largest()
	for i := range pushes {
		if p := &pushes[i]; len(p.Payload) > most || len(p.Key)+len(p.IdemKey) > slackBytes/2 {
			return fails(message.ErrTooLarge, "%v: %d bytes, node %s takes %d", message.ErrTooLarge, len(p.Payload), d.link.name, most)
		}
	}
	bytes, now := cost(pushes), time.Now()
	d.queue.mu.Lock()
	if err := d.refuses(bytes); err != nil {
		d.queue.mu.Unlock()
		return err
	}
	for i := range pushes {
		d.addPush(&pushes[i], i < len(pushes)-1)
	}
	d.calls.add(call{done: done, pushes: len(pushes), bytes: bytes, since: now})
	d.queue.mu.Unlock()
	d.link.links.Stats.Forwarded.Add(int64(len(pushes)))
	return nil
}

// refuses tells why pushes of so many bytes are not taken. queue.mu is locked.
func (d *dialled) refuses(bytes int) error {
	most := d.link.links.cfg.MaxQueueBytes
	switch {
	case d.closed != nil:
		return d.link.unreachable(d.closed)
	case d.calls.bytes > 0 && d.calls.bytes+bytes > most || d.queue.size > 2*most:
		return fails(message.ErrUnavailable, "node %s does not keep up: %d bytes of pushes wait for its answer", d.link.name, d.calls.bytes)
	}
	return nil
}

// receipts takes the words CALL FROM (MID STORED SUBSCRIBERS)…
func (d *dialled) receipts(args [][]byte) error {
	var number, from int64
	if !numbers(args, &number, &from) || (len(args)-2)%3 != 0 {
		return malformed("receipts")
	}
	args = args[2:]
	d.queue.mu.Lock()
	c := d.calls.at(uint64(number))
	if c == nil && uint64(number) >= d.calls.next || c != nil && c.done != nil && (int(from) != c.got || c.got+len(args)/3 > c.pushes) {
		d.queue.mu.Unlock()
		return malformed("receipts of no call")
	}
	if c == nil || c.done == nil { // it was late
		d.queue.mu.Unlock()
		return nil
	}
	if c.receipts == nil {
		c.receipts = make([]message.Receipt, c.pushes)
	}
	for ; len(args) > 0; args = args[3:] {
		if !parseReceipt(&c.receipts[c.got], args) {
			d.queue.mu.Unlock()
			return malformed("a receipt")
		}
		c.got++
	}
	var done func([]message.Receipt)
	receipts := c.receipts
	if c.got == c.pushes {
		done = d.calls.take(c)
	}
	d.queue.mu.Unlock()
	if done != nil {
		done(receipts)
		d.posted = true
	}
	return nil
}

func parseReceipt(r *message.Receipt, args [][]byte) bool {
	if len(args[0]) > 0 && args[0][0] == '-' {
		r.Err = wordError(string(args[0]))
		return true
	}
	var stored, subscribers int64
	ok := numbers(args, &r.Mid, &stored, &subscribers)
	r.Stored, r.Duplicate, r.Subscribers = stored != notStored, stored == storedBefore, int(subscribers)
	return ok
}

// failLate fails calls that have no answer for too long. It looks now and then.
func (d *dialled) failLate() {
	now := time.Now()
	if now.Sub(d.looked) < d.in.beat/perBeat {
		return
	}
	d.looked = now
	after := 2 * d.link.links.cfg.StoreTimeout
	for {
		d.queue.mu.Lock()
		if d.calls.head == len(d.calls.list) || now.Sub(d.calls.list[d.calls.head].since) < after {
			d.queue.mu.Unlock()
			d.flush()
			return
		}
		n := d.calls.list[d.calls.head].pushes
		done := d.calls.take(&d.calls.list[d.calls.head])
		d.queue.mu.Unlock()
		d.posted = true
		d.link.tellFailed(done, n, fails(message.ErrUnknown, "node %s has not answered for %v", d.link.name, after))
	}
}

// fail ends all calls and asks, since the connection has with err. Nothing is taken from now on.
func (d *dialled) fail(err error) {
	d.queue.mu.Lock()
	d.closed = err
	c := d.calls
	asks := d.asks
	d.calls, d.asks = calls{first: c.next, next: c.next}, nil
	d.queue.mu.Unlock()
	for i := range c.list[c.head:] {
		one := &c.list[c.head+i]
		switch {
		case one.done == nil:
		case c.first+uint64(i) < c.taken:
			d.link.tellFailed(one.done, one.pushes, fails(message.ErrUnknown, "the link to node %s broke: %v", d.link.name, err))
		default:
			d.link.tellFailed(one.done, one.pushes, d.link.unreachable(err))
		}
	}
	d.link.links.cfg.Handler.Flush()
	for _, a := range asks {
		a.end(d.link.unreachable(err))
	}
}
