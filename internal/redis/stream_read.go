package redis

import (
	"context"
	"math"

	"gopush/internal/message"
)

// xread is XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...].
func xread(c *call) {
	o, problem := parseReading(c.args, false)
	if problem != "" {
		c.error(problem)
		return
	}
	l := &look{store: c.server.cfg.Keys, count: o.count, maxBytes: c.maxReplyBytes()}
	if problem := l.positions(o); problem != "" {
		c.error(problem)
		return
	}
	if o.blocks {
		c.wait(l.waiting(o, c))
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		if !l.reply(ctx, r, nil) {
			r.nullArray()
		}
	})
}

// look is what an XREAD looks for.
type look struct {
	store    Keys
	streams  []position
	count    int // of each stream; 0: no limit
	maxBytes int // in all
}

// position is where the messages begin that are wanted of a stream.
type position struct {
	key    string
	after  int64 // message.LastMid: none of those that are there now
	newest bool  // the last one that is there; after is 0
	again  bool  // the key was there before: only its first position is waited at
}

// positions takes the keys and ids.
func (l *look) positions(o reading) (problem string) {
	l.streams = make([]position, len(o.keys))
	for i, key := range o.keys {
		p := &l.streams[i]
		p.key = string(key)
		switch string(o.ids[i]) {
		case "$":
			p.after = message.LastMid
		case "+":
			p.newest = true
		case ">":
			return "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
		default:
			id, ok := parseOneID(o.ids[i])
			if !ok {
				return textBadID
			}
			p.after = id.floor()
		}
	}
	return ""
}

// found is messages of a stream.
type found struct {
	key      string
	messages []message.Message
}

// reply replies what there is, and tells whether there was anything, errors included. after, if not nil, is where those that are not
// there again begin; the last mid replaces message.LastMid in it, and 0 where the last message is wanted and there is none.
func (l *look) reply(ctx context.Context, r *reply, after []int64) bool {
	var all []found
	room := l.maxBytes
	for i, p := range l.streams {
		if room <= 0 {
			break
		}
		var at *int64
		if after != nil && !p.again {
			at, after = &after[0], after[1:]
		}
		messages, err := l.read(ctx, &l.streams[i], at, room)
		if err != nil {
			r.failed(err)
			return true
		}
		if len(messages) > 0 {
			all = append(all, found{key: p.key, messages: messages})
			room -= size(messages)
		}
	}
	if len(all) == 0 {
		return false
	}
	r.streams(len(all))
	for _, f := range all {
		r.stream(f.key)
		r.entries(f.messages)
	}
	return true
}

// size is how many bytes of payload messages have.
func size(messages []message.Message) int {
	n := 0
	for i := range messages {
		n += len(messages[i].Payload)
	}
	return n
}

// read returns at most maxBytes of what is wanted of a stream. at is as an element of after in reply, or nil.
func (l *look) read(ctx context.Context, p *position, at *int64, maxBytes int) ([]message.Message, error) {
	after := p.after
	if at != nil {
		after = *at
	}
	switch {
	case p.newest && after == 0:
		messages, err := l.store.Range(ctx, p.key, 0, math.MaxInt64, true, 1, maxBytes)
		if err != nil || len(messages) > 0 || at == nil {
			return messages, err
		}
	case after != message.LastMid:
		if after == math.MaxInt64 {
			return nil, nil
		}
		return l.store.Range(ctx, p.key, after+1, math.MaxInt64, false, l.count, maxBytes)
	case at == nil:
		return nil, nil
	}
	info, err := l.store.Info(ctx, p.key)
	if err == nil {
		*at = info.Last
	}
	return nil, err
}
