package pebble

import (
	"context"
	"errors"
	"slices"

	"gopush/internal/message"
)

// ReadGroup implements channel.Groups. Messages are read before the committer is asked to deliver them: where others
// have had them by then, it delivers the next ones that were read, and if there are none left, more are read.
func (s *Store) ReadGroup(ctx context.Context, q message.GroupRead) ([]message.Message, error) {
	for ahead := 1; ; ahead = min(2*ahead, maxAhead) {
		found, err := s.tryReadGroup(ctx, &q, ahead)
		if !errors.Is(err, errMoved) {
			return found, err
		}
	}
}

// maxAhead is how many times as much as is asked for is read where others read the same group.
const maxAhead = 64

func (s *Store) tryReadGroup(ctx context.Context, q *message.GroupRead, ahead int) (found []message.Message, err error) {
	var before int64
	err = s.readGroup(ctx, q.Key, q.Group, func(in *instance, g *group) error {
		before = g.last
		return in.warm(g.consumerKey(q.Consumer))
	})
	if err != nil {
		return nil, err
	}
	all, err := s.Range(ctx, q.Key, before+1, never, false, q.Count*ahead, q.MaxBytes*ahead)
	if err != nil {
		return nil, err
	}
	err = s.doGroup(ctx, q.Key, q.Group, &op{entries: len(all), lazy: true}, func(c *commit, g *group) error {
		r, err := c.record(q.Key)
		if err != nil {
			return err
		}
		found = choose(all, g.last, q.Count, q.MaxBytes)
		if g.last < before || len(found) == 0 && g.last != before && g.last < r.last {
			return errMoved
		}
		if err := s.room(c, g, q.Consumer); err != nil {
			return err
		}
		if err := s.deliver(c, r, g, q, found); err != nil {
			return err
		}
		return s.given(c, g, q.Consumer, len(found))
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// choose returns those of messages after a mid, as many as fit.
func choose(messages []message.Message, after int64, count, maxBytes int) []message.Message {
	first, bytes := 0, 0
	for i := range messages {
		if messages[i].Mid <= after {
			first = i + 1
			continue
		}
		bytes += len(messages[i].Payload)
		if count > 0 && i-first == count || maxBytes > 0 && bytes > maxBytes && i > first {
			return messages[first:i]
		}
	}
	return messages[first:]
}

// deliver gives messages of r's key to a consumer of g.
func (s *Store) deliver(c *commit, r *record, g *group, q *message.GroupRead, messages []message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	before := g.last
	g.last, g.changed = messages[len(messages)-1].Mid, true
	r.countRead(g, before, int64(len(messages)))
	if q.NoAck {
		return nil
	}
	p := pending{delivered: c.now.UnixMilli(), count: 1, consumer: q.Consumer}
	for i := range messages {
		was, err := c.pendingAt(g, messages[i].Mid)
		if err != nil {
			return err
		}
		if err := c.putPending(g, messages[i].Mid, &p, was != nil); err != nil {
			return err
		}
	}
	return c.forgetPending(r, g, s.maxStored.Load())
}

// countRead sets g.read after n messages were delivered, beginning after a mid.
func (r *record) countRead(g *group, after, n int64) {
	switch {
	case g.last >= r.last:
		g.read = r.added
	case g.read >= 0:
		g.read += n
	case after < r.first:
		g.read = r.added - r.count + n
	}
}

// forgetPending ends what is pending beyond most, where its messages are gone.
func (c *commit) forgetPending(r *record, g *group, most int64) error {
	excess := g.pending - most
	if most <= 0 || excess <= 0 {
		return nil
	}
	from, err := c.read()
	if err != nil {
		return err
	}
	var gone []int64
	var failed error
	err = g.scan(from, 0, never, func(mid int64, _ pending, _ []byte) bool {
		living := false
		if mid >= r.first && r.count > 0 {
			var expires int64
			expires, living, failed = c.expiry(messageKey(r.key, mid))
			living = living && expires > c.now.UnixMilli()
		}
		if !living {
			gone = append(gone, mid)
		}
		return failed == nil && int64(len(gone)) < excess
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	for _, mid := range gone {
		if err := c.endPending(g, mid); err != nil {
			return err
		}
	}
	return nil
}

// ReadPending implements channel.Groups.
func (s *Store) ReadPending(ctx context.Context, key, name, consumer string, after int64, count, maxBytes int) (found []message.Delivery, err error) {
	var read []message.Delivery
	err = s.readGroup(ctx, key, name, func(in *instance, g *group) (err error) {
		read, err = in.pendingWith(g, consumer, after, count, maxBytes, s.cfg.Now().UnixMilli())
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.doGroup(ctx, key, name, &op{entries: len(read), lazy: true}, func(c *commit, g *group) error {
		if err := s.see(c, g, consumer); err != nil {
			return err
		}
		found, err = c.deliverAgain(g, consumer, read)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// pendingWith returns what is pending with a consumer of g after a mid.
func (in *instance) pendingWith(g *group, consumer string, after int64, count, maxBytes int, now int64) (found []message.Delivery, err error) {
	if err := in.warm(g.consumerKey(consumer)); err != nil {
		return nil, err
	}
	bytes := 0
	var failed error
	err = g.scan(in.db, max(after, 0)+1, never, func(mid int64, _ pending, who []byte) bool {
		if string(who) != consumer {
			return true
		}
		if count > 0 && len(found) == count {
			return false
		}
		var m *message.Message
		if m, failed = in.message(g.key, mid, now); failed != nil {
			return false
		}
		d := message.Delivery{Message: message.Message{Key: g.key, Mid: mid}, Gone: m == nil}
		if m != nil {
			d.Message = *m
		}
		if bytes += len(d.Payload); maxBytes > 0 && bytes > maxBytes && len(found) > 0 {
			return false
		}
		found = append(found, d)
		return true
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

// deliverAgain counts deliveries to a consumer, and returns those of what is still pending with it.
func (c *commit) deliverAgain(g *group, consumer string, deliveries []message.Delivery) (found []message.Delivery, err error) {
	for _, d := range deliveries {
		p, err := c.pendingAt(g, d.Mid)
		if err != nil {
			return nil, err
		}
		if p == nil || p.consumer != consumer {
			continue
		}
		found = append(found, d)
		if d.Gone {
			continue
		}
		p.delivered = c.now.UnixMilli()
		p.count++
		if err := c.putPending(g, d.Mid, p, true); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Ack implements channel.Groups. It waits for the disk if it took something off what is pending.
func (s *Store) Ack(ctx context.Context, key, name string, mids ...int64) (n int, err error) {
	mids = slices.Clone(mids) // the committer may still look at them when the caller has them back
	err = s.readGroup(ctx, key, name, func(in *instance, g *group) error {
		for _, mid := range mids {
			if err := in.warm(g.pendingKey(mid)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.doGroup(ctx, key, name, &op{entries: len(mids), lazy: true}, func(c *commit, g *group) (err error) {
			n, err = c.ack(g, mids)
			return err
		})
	}
	switch {
	case errors.Is(err, message.ErrNoKey), errors.Is(err, message.ErrNoGroup):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return n, nil
}

// ack ends what is pending in g with mids, durably, and returns how many were.
func (c *commit) ack(g *group, mids []int64) (n int, err error) {
	for _, mid := range mids {
		p, err := c.pendingAt(g, mid)
		if err != nil {
			return 0, err
		}
		if p == nil {
			continue
		}
		if err := c.endPending(g, mid); err != nil {
			return 0, err
		}
		c.durable = true
		n++
	}
	return n, nil
}
