package link

import (
	"time"

	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// push takes the words KEY PAYLOAD and what may follow them.
func (a *accepted) push(args [][]byte) error {
	p, more, ok := parsePush(args)
	if !ok {
		return malformed("PUSH")
	}
	if more || a.call != nil {
		a.call = append(a.call, p)
		if a.held += len(p.Payload) + callBytes; a.held > 2*a.links.cfg.MaxQueueBytes {
			return malformed("a call of %d bytes", a.held)
		}
		if more {
			return nil
		}
	}
	c := &carried{to: a, number: a.calls, pushes: a.call}
	if c.pushes == nil {
		c.one[0] = p
		c.pushes = c.one[:]
	}
	a.call, a.held = nil, 0
	a.calls++
	a.start(c)
	return nil
}

// carried is a call of the peer that is being carried out.
type carried struct {
	to     *accepted
	number uint64
	pushes []message.Push
	one    [1]message.Push // most calls have one
}

// start begins a call. It waits for room first.
func (a *accepted) start(c *carried) {
	keys := a.links.cfg.Keys
	if keys.Crowded() {
		a.flush()
		keys.Admit()
	}
	a.links.Stats.Carried.Add(int64(len(c.pushes)))
	receipts, posted := keys.Start(a.sink.id, c.pushes, c.done)
	a.posted |= posted
	if receipts != nil {
		c.done(receipts)
	}
}

// done queues the receipts. Locks may be held; the sink is flushed later.
func (c *carried) done(receipts []message.Receipt) {
	q := &c.to.queue
	q.mu.Lock()
	for from := 0; from < len(receipts); from += maxBatch {
		some := receipts[from:min(from+maxBatch, len(receipts))]
		b := resp.AppendPush(q.room(frameBytes+len(some)*(60+bulkBytes)), 3+3*len(some))
		b = append(b, "$8\r\nreceipts\r\n"...)
		b = appendInt(b, int64(c.number))
		b = appendInt(b, int64(from))
		for i := range some {
			b = appendReceipt(b, &some[i])
		}
		q.keep(b)
	}
	q.mu.Unlock()
	c.to.sink.soil(q)
}

// What a receipt says of its message.
const (
	notStored    = 0
	storedNow    = 1
	storedBefore = 2 // with the same idempotency key
)

func appendReceipt(b []byte, r *message.Receipt) []byte {
	if r.Err != nil {
		b = resp.AppendBulk(b, errorWord(r.Err))
		return append(b, "$1\r\n0\r\n$1\r\n0\r\n"...)
	}
	b = appendInt(b, r.Mid)
	stored := int64(notStored)
	switch {
	case r.Duplicate:
		stored = storedBefore
	case r.Stored:
		stored = storedNow
	}
	return appendInt(appendInt(b, stored), int64(r.Subscribers))
}

// parsePush takes the words KEY PAYLOAD [EXPIRE [FORM [GID [MORE [IDEM [FIRST [LAST [KEEP [MINMID]]]]]]]]].
func parsePush(args [][]byte) (p message.Push, more, ok bool) {
	if len(args) < 2 || len(args) > 11 {
		return p, false, false
	}
	p.Key, p.Payload = string(args[0]), append([]byte(nil), args[1]...)
	var v [9]int64
	for i, word := range args[2:] {
		if i == 4 {
			p.IdemKey = append([]byte(nil), word...) // nil if it is empty
			continue
		}
		if v[i], ok = number(word); !ok {
			return p, false, false
		}
	}
	p.Expire, p.Form, p.GID = time.Duration(v[0]), message.Form(v[1]), int(v[2])
	p.Mids, p.Trim = message.Span{First: v[5], Last: v[6]}, message.Trim{Keep: int(v[7]), MinMid: v[8]}
	return p, v[3] != 0, v[0] >= 0 && v[1]>>8 == 0
}
