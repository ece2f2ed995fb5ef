package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"gopush/internal/message"
)

// group is what is kept of a device's cursor beside its consumers and what is pending. Nothing of it is held in memory.
type group struct {
	key, name string

	last      int64 // mid that was delivered last
	read      int64 // see message.Group
	pending   int64 // messages that are
	consumers int64
	low       int64 // nothing pending is below; never if nothing is
	top       int64 // nothing pending is above
	used      int64 // in ms: when it was last used, or up to usedStep before

	changed bool // since it was read from disk, where this is not
}

// usedStep is how exactly it is known when a group was last used: its key lives that much longer.
const usedStep = time.Hour

func (g *group) encode() []byte {
	var b []byte
	for _, v := range [...]int64{g.last, g.read, g.pending, g.consumers, g.low, g.top, g.used} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func (g *group) decode(b []byte) error {
	_, err := readVarints(b, &g.last, &g.read, &g.pending, &g.consumers, &g.low, &g.top, &g.used)
	return err
}

func groupKey(key, name string) []byte { return append(appendKeyed(nil, groupPrefix, key), name...) }

// ofGroup returns what begins all with prefix that belongs to a group.
func ofGroup(prefix byte, key, name string) []byte {
	b := make([]byte, 0, keyedLen(key)+binary.MaxVarintLen16+len(name)+midLen)
	b = binary.AppendUvarint(appendKeyed(b, prefix, key), uint64(len(name)))
	return append(b, name...)
}

func (g *group) consumerKey(consumer string) []byte {
	return append(ofGroup(consumerPrefix, g.key, g.name), consumer...)
}

func (g *group) pendingKey(mid int64) []byte {
	return binary.BigEndian.AppendUint64(ofGroup(pendingPrefix, g.key, g.name), uint64(max(mid, 0)))
}

// pending is what is kept of a message that was delivered and not acknowledged.
type pending struct {
	delivered int64 // in ms, last
	count     int64
	consumer  string
}

func (p *pending) encode() []byte {
	b := binary.AppendVarint(make([]byte, 0, 2*binary.MaxVarintLen64+len(p.consumer)), p.delivered)
	return append(binary.AppendVarint(b, p.count), p.consumer...)
}

// decode reads what encode wrote; the consumer is b's.
func (p *pending) decode(b []byte) (consumer []byte, err error) {
	return readVarints(b, &p.delivered, &p.count)
}

// idle tells whether p was delivered at least d before now.
func (p *pending) idle(now time.Time, d time.Duration) bool {
	return d <= 0 || now.Sub(time.UnixMilli(p.delivered)) >= d
}

// group returns a group of key, or message.ErrNoKey or message.ErrNoGroup.
func (in *instance) group(key, name string) (*group, error) {
	value, err := get(in.db, groupKey(key, name))
	if err != nil {
		return nil, unavailable(err)
	}
	if value == nil {
		return nil, in.missing(key)
	}
	g := &group{key: key, name: name}
	if err := g.decode(value); err != nil {
		return nil, unavailable(err)
	}
	return g, nil
}

// missing returns why key has not the group that was asked for.
func (in *instance) missing(key string) error {
	r, _, err := in.record(key)
	if err != nil {
		return err
	}
	if r.exists == 0 {
		return message.ErrNoKey
	}
	return message.ErrNoGroup
}

// readGroup calls read with a group that is there.
func (s *Store) readGroup(ctx context.Context, key, name string, read func(*instance, *group) error) error {
	in, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer in.using.RUnlock()
	g, err := in.group(key, name)
	if err != nil {
		return err
	}
	return read(in, g)
}

// scan calls f with what is pending in g from one mid to another, by mid, until it returns false. consumer is valid
// until f returns.
func (g *group) scan(r pebbledb.Reader, from, to int64, f func(mid int64, p pending, consumer []byte) bool) error {
	if g.pending == 0 || max(from, g.low) > min(to, g.top) {
		return nil
	}
	iter, err := r.NewIter(&pebbledb.IterOptions{LowerBound: g.pendingKey(max(from, g.low)), UpperBound: g.pendingKey(min(to, g.top, math.MaxInt64-1) + 1)})
	if err != nil {
		return err
	}
	defer iter.Close()
	for ok := iter.First(); ok; ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return err
		}
		var p pending
		consumer, err := p.decode(value)
		if err != nil {
			return err
		}
		if !f(midOf(iter.Key()), p, consumer) {
			return nil
		}
	}
	return iter.Error()
}

// errMoved says that a group is no longer as it was when what is to be delivered was read.
var errMoved = errors.New("the group moved")

// refuses tells whether err is what the caller of a command about groups is to know, and not a failure to read.
func refuses(err error) bool {
	for _, refusal := range []error{message.ErrNoKey, message.ErrNoGroup, message.ErrGroupExists, message.ErrTooManyGroups, errMoved} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// doRefusable is do for an op that may turn out to be one that is not to be carried out: then o.apply returns why, and has
// put nothing into the commit.
func (s *Store) doRefusable(ctx context.Context, o *op) error {
	var refusal error
	apply := o.apply
	o.apply = func(c *commit) error {
		refusal = apply(c)
		if refuses(refusal) {
			return nil
		}
		err := refusal
		refusal = nil
		return err
	}
	if err := s.do(ctx, o); err != nil {
		return err // whoever reads refusal now may do so while it is written
	}
	return refusal
}

// doGroup has the committer call f with a group that is there, and write it if f changed it.
func (s *Store) doGroup(ctx context.Context, key, name string, o *op, f func(*commit, *group) error) error {
	o.entries++
	o.apply = func(c *commit) error {
		g, err := c.group(key, name)
		if err != nil {
			return err
		}
		if err := f(c, g); err != nil {
			return err
		}
		return c.putGroup(g)
	}
	return s.doRefusable(ctx, o)
}

// group is like instance.group.
func (c *commit) group(key, name string) (*group, error) {
	value, err := c.lookup(groupKey(key, name))
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, c.missing(key)
	}
	g := &group{key: key, name: name}
	return g, g.decode(value)
}

func (c *commit) missing(key string) error {
	r, err := c.record(key)
	if err != nil {
		return err
	}
	if r.exists == 0 {
		return message.ErrNoKey
	}
	return message.ErrNoGroup
}

// putGroup writes g if it changed.
func (c *commit) putGroup(g *group) error {
	if !g.changed {
		return nil
	}
	return c.put(groupKey(g.key, g.name), g.encode())
}

// use notes that g is used.
func (c *commit) use(g *group) error {
	now := c.now.UnixMilli()
	if now-g.used < usedStep.Milliseconds() {
		return nil
	}
	g.used, g.changed = now, true
	r, err := c.record(g.key)
	if err != nil {
		return err
	}
	r.used = max(r.used, now)
	c.change(r)
	return nil
}

// pendingAt returns what is pending in g with mid, nil if nothing is.
func (c *commit) pendingAt(g *group, mid int64) (*pending, error) {
	if g.pending == 0 || mid < g.low || mid > g.top {
		return nil, nil
	}
	value, err := c.lookup(g.pendingKey(mid))
	if value == nil || err != nil {
		return nil, err
	}
	var p pending
	consumer, err := p.decode(value)
	p.consumer = string(consumer)
	return &p, err
}

// putPending makes p pending in g with mid; was tells whether something is already.
func (c *commit) putPending(g *group, mid int64, p *pending, was bool) error {
	if !was {
		if g.pending == 0 {
			g.low, g.top = never, 0
		}
		g.pending++
		g.low, g.top = min(g.low, mid), max(g.top, mid)
		g.changed = true
	}
	return c.put(g.pendingKey(mid), p.encode())
}

// endPending ends what is pending in g with mid. Something is.
func (c *commit) endPending(g *group, mid int64) error {
	g.pending--
	if mid == g.low {
		g.low++
	}
	g.changed = true
	return c.delete(g.pendingKey(mid))
}
