package redis

import (
	"context"

	"gopush/internal/message"
)

// waiting returns how what is looked for is waited for.
func (l *look) waiting(o reading, c *call) *Waiting {
	w := &Waiting{Block: o.block, None: nothing(c.three), Keys: make([]string, 0, len(l.streams)), After: make([]int64, 0, len(l.streams))}
	seen := seenKeys(len(l.streams))
	for i := range l.streams {
		p := &l.streams[i]
		if p.again = seen.again(p.key); !p.again {
			w.Keys, w.After = append(w.Keys, p.key), append(w.After, p.after)
		}
	}
	three, stats := c.three, &c.server.Stats
	w.Try = func(ctx context.Context, dst []byte, after []int64) ([]byte, bool) {
		r := reply{dst: dst, three: three}
		ok := l.reply(ctx, &r, after)
		stats.countReply(r.dst[len(dst):])
		return r.dst, ok
	}
	keys := w.Keys
	w.Append = func(dst []byte, key int, messages []*message.Message) []byte {
		r := reply{dst: dst, three: three}
		messages = l.some(messages)
		r.streams(1)
		r.stream(keys[key])
		r.array(len(messages))
		for _, m := range messages {
			r.entry(m)
		}
		return r.dst
	}
	return w
}

// some returns as many of messages, the first ones, as one reply may have, and at least one.
func (l *look) some(messages []*message.Message) []*message.Message {
	if l.count > 0 && len(messages) > l.count {
		messages = messages[:l.count]
	}
	room := l.maxBytes
	for i, m := range messages {
		if room -= len(m.Payload); room < 0 && i > 0 {
			return messages[:i]
		}
	}
	return messages
}

// nothing is the reply of a read that found nothing.
func nothing(three bool) []byte {
	r := reply{three: three}
	r.nullArray()
	return r.dst
}

// keySet has the keys that a command named so far.
type keySet map[string]struct{}

// seenKeys returns an empty set for a command that names n keys; a single one is never there again.
func seenKeys(n int) keySet {
	if n < 2 {
		return nil
	}
	return make(keySet, n)
}

// again tells whether key was there before, and remembers it.
func (s keySet) again(key string) bool {
	if s == nil {
		return false
	}
	_, again := s[key]
	s[key] = struct{}{}
	return again
}
