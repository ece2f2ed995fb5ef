package redis

import (
	"context"
	"errors"

	"gopush/internal/message"
)

// xreadgroup is XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...].
func xreadgroup(c *call) {
	o, problem := parseReading(c.args, true)
	if problem != "" {
		c.error(problem)
		return
	}
	groups, ok := c.cursors(o.group, o.consumer)
	if !ok {
		return
	}
	l := &delivery{
		groups: groups, maxBytes: c.maxReplyBytes(),
		read: message.GroupRead{Group: string(o.group), Consumer: string(o.consumer), Count: o.count, NoAck: o.noAck},
	}
	l.positions(o)
	if o.blocks && l.fresh() {
		c.wait(l.waiting(o, c))
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		if !l.reply(ctx, r) {
			r.nullArray()
		}
	})
}

// delivery is what an XREADGROUP looks for.
type delivery struct {
	groups   Groups
	read     message.GroupRead // but for its Key and MaxBytes
	streams  []cursorPosition
	maxBytes int    // in all
	problem  string // "", or the error that stands where streams end
}

// cursorPosition is what is wanted of a stream: what was not delivered yet, or what is pending above a mid.
type cursorPosition struct {
	key   string
	fresh bool
	after int64
}

// positions takes the keys and ids, up to the first id that is bad.
func (l *delivery) positions(o reading) {
	for i, key := range o.keys {
		p := cursorPosition{key: string(key)}
		switch string(o.ids[i]) {
		case ">":
			p.fresh = true
		case "$":
			l.problem = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by " +
				"specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
		default:
			id, ok := parseOneID(o.ids[i])
			if !ok {
				l.problem = textBadID
			}
			p.fresh = id == lastID() // which is how Redis writes > to itself
			p.after = id.position()
		}
		l.streams = append(l.streams, p)
		if l.problem != "" {
			return
		}
	}
}

// fresh tells whether only what was not delivered yet is wanted.
func (l *delivery) fresh() bool {
	for _, p := range l.streams {
		if !p.fresh {
			return false
		}
	}
	return l.problem == ""
}

// waiting returns how it is waited for.
func (l *delivery) waiting(o reading, c *call) *Waiting {
	w := &Waiting{Group: l.read.Group, Block: o.block, None: nothing(c.three), Keys: make([]string, 0, len(l.streams))}
	seen := seenKeys(len(l.streams))
	for _, p := range l.streams {
		if !seen.again(p.key) {
			w.Keys = append(w.Keys, p.key)
		}
	}
	three, stats := c.three, &c.server.Stats
	w.Try = func(ctx context.Context, dst []byte, _ []int64) ([]byte, bool) {
		r := reply{dst: dst, three: three}
		ok := l.reply(ctx, &r)
		stats.countReply(r.dst[len(dst):])
		return r.dst, ok
	}
	return w
}

// reply replies what there is, and tells whether there was anything, errors included. What is pending of a stream is there
// even if it is nothing.
func (l *delivery) reply(ctx context.Context, r *reply) bool {
	if len(l.streams) > 1 || l.problem != "" {
		if !l.check(ctx, r) {
			return true
		}
	}
	all, err := l.deliver(ctx)
	switch {
	case len(all) > 0: // delivered is delivered, whatever came then
	case errors.As(err, new(*noGroup)):
		r.error(err.Error())
		return true
	case err != nil:
		r.failed(err)
		return true
	default:
		return false
	}
	r.streams(len(all))
	for _, d := range all {
		r.stream(d.key)
		d.entries(r)
	}
	return true
}

// noGroup is the error of a read whose group is missing.
type noGroup struct{ key, group string }

func (e *noGroup) Error() string {
	return "NOGROUP No such key '" + e.key + "' or consumer group '" + e.group + "' in XREADGROUP with GROUP option"
}

// check tells whether all groups are there and all ids are good, before anything is delivered. Otherwise it has replied.
func (l *delivery) check(ctx context.Context, r *reply) bool {
	for _, p := range l.streams {
		g := cursor{groups: l.groups, key: p.key, group: l.read.Group}
		err := g.look(ctx)
		switch {
		case missing(err):
			r.error((&noGroup{p.key, l.read.Group}).Error())
		case err != nil:
			r.failed(err)
		default:
			continue
		}
		return false
	}
	if l.problem != "" {
		r.error(l.problem)
		return false
	}
	return true
}

// delivered is what a stream delivers.
type delivered struct {
	key     string
	fresh   []message.Message
	pending []message.Delivery // if fresh is nil
}

// entries is an array of them. A message that is gone has no fields.
func (d *delivered) entries(r *reply) {
	if d.fresh != nil {
		r.entries(d.fresh)
		return
	}
	r.array(len(d.pending))
	for i := range d.pending {
		p := &d.pending[i]
		if !p.Gone {
			r.entry(&p.Message)
			continue
		}
		r.array(2)
		r.id(p.Mid)
		r.nullArray()
	}
}

// deliver reads the streams one by one, until one fails or the reply is full.
func (l *delivery) deliver(ctx context.Context) (all []delivered, err error) {
	room := l.maxBytes
	for _, p := range l.streams {
		if room <= 0 {
			break
		}
		d := delivered{key: p.key}
		if p.fresh {
			read := l.read
			read.Key, read.MaxBytes = p.key, room
			d.fresh, err = l.groups.ReadGroup(ctx, read)
			room -= size(d.fresh)
		} else {
			d.pending, err = l.groups.ReadPending(ctx, p.key, l.read.Group, l.read.Consumer, p.after, l.read.Count, room)
			for i := range d.pending {
				room -= len(d.pending[i].Payload)
			}
		}
		switch {
		case missing(err):
			return all, &noGroup{p.key, l.read.Group}
		case err != nil:
			return all, err
		case !p.fresh || len(d.fresh) > 0:
			all = append(all, d)
		}
	}
	return all, nil
}
