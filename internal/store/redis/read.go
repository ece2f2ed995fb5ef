package redis

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// How many entries are asked for at once: at first, and at most.
const (
	firstPage = 32
	mostPage  = 512
)

// Range implements channel.Store. It asks for some messages at a time, by how large those were that came, so that what does not
// fit is not sent for long. What is removed meanwhile may be missing between two that are there.
func (s *Store) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	r := reading{s: s, key: key, from: max(from, 0), to: to, reverse: reverse, limit: limit, maxBytes: maxBytes}
	return r.all(ctx)
}

// RangeFirm implements channel.Firm: with Config.WaitReplicas what is read is on so many replicas.
func (s *Store) RangeFirm(ctx context.Context, key string, from int64, maxBytes int) ([]message.Message, error) {
	r := reading{s: s, key: key, from: max(from, 0), to: math.MaxInt64, maxBytes: maxBytes, firm: s.cfg.WaitReplicas > 0}
	return r.all(ctx)
}

// all reads page after page.
func (r *reading) all(ctx context.Context) ([]message.Message, error) {
	r.now, r.page = r.s.cfg.Now(), firstPage
	if r.limit > 0 {
		r.page = min(r.limit, mostPage)
	}
	for r.from <= r.to && !r.done {
		if err := r.next(ctx); err != nil {
			return nil, fmt.Errorf("read %q: %w", r.key, err)
		}
	}
	return r.found, nil
}

// reading is what is left to read for a Range.
type reading struct {
	s               *Store
	key             string
	from, to        int64
	reverse         bool
	limit, maxBytes int
	firm            bool
	now             time.Time

	page  int // how many entries are asked for next
	found []message.Message
	bytes int // of payload found
	done  bool
}

// next reads a page.
func (r *reading) next(ctx context.Context) error {
	entries, err := r.readPage(ctx)
	if err != nil {
		return err
	}
	r.done = len(entries) < r.page
	for i := range entries {
		m, err := parseEntry(r.key, &entries[i])
		if err != nil {
			return err
		}
		if r.reverse {
			r.to = m.Mid - 1
		} else {
			r.from = m.Mid + 1
		}
		if m.Expires.After(r.now) && !r.take(&m) {
			r.done = true
			break
		}
	}
	r.page = min(2*r.page, mostPage)
	if r.maxBytes > 0 && r.bytes > 0 {
		r.page = max(1, min(r.page, (r.maxBytes-r.bytes)*len(r.found)/r.bytes+1))
	}
	return nil
}

// take adds m to what is found, and tells whether it fit.
func (r *reading) take(m *message.Message) bool {
	if r.limit > 0 && len(r.found) == r.limit || r.maxBytes > 0 && r.bytes+len(m.Payload) > r.maxBytes && len(r.found) > 0 {
		return false
	}
	r.bytes += len(m.Payload)
	r.found = append(r.found, *m)
	if r.limit > 0 && len(r.found) == r.limit {
		r.done = true
	}
	return true
}

// readPage returns at most r.page entries of the stream.
func (r *reading) readPage(ctx context.Context) ([]rueidis.RedisMessage, error) {
	stream := r.s.name(streamKind, r.key)
	reply, err := rueidis.RedisMessage{}, error(nil)
	if r.firm {
		reply, err = r.s.readKept(ctx, r.key, r.command(r.s.client.B(), stream))
	} else {
		reply, err = r.s.read(ctx, stream, r.command)
	}
	if err != nil {
		return nil, err
	}
	return reply.ToArray()
}

func (r *reading) command(b rueidis.Builder, stream string) rueidis.Completed {
	if r.reverse {
		return b.Xrevrange().Key(stream).End(formatID(r.to)).Start(formatID(r.from)).Count(int64(r.page)).Build()
	}
	return b.Xrange().Key(stream).Start(formatID(r.from)).End(formatID(r.to)).Count(int64(r.page)).Build()
}

// Info implements channel.Store.
func (s *Store) Info(ctx context.Context, key string) (channel.Info, error) {
	reply, err := s.runKey(ctx, infoScript, key)
	if err != nil {
		return channel.Info{}, fmt.Errorf("info of %q: %w", key, err)
	}
	info, err := parseInfo(reply)
	if err != nil {
		return channel.Info{}, fmt.Errorf("info of %q: %w", key, err)
	}
	return info, nil
}

// parseInfo reads what info.lua replies.
func parseInfo(reply rueidis.RedisMessage) (info channel.Info, err error) {
	values, err := reply.AsIntSlice()
	switch {
	case err != nil:
		return info, err
	case len(values) == 1:
		return channel.Info{Since: values[0]}, nil
	case len(values) != 6:
		return info, fmt.Errorf("info.lua replied %d values", len(values))
	}
	return channel.Info{
		Last: values[0], Added: values[1], Since: values[2], Exists: values[3] == 1, Length: int(values[4]), First: values[5],
	}, nil
}
