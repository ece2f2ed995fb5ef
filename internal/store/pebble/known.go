package pebble

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"gopush/internal/channel"
)

// The idempotency keys of the last window are in two or three generations. One takes what comes for as long as a window; when the last of it is
// out of its window, all of it is removed by one range of keys, which costs the same however many there were. To find a
// key each generation is asked; what is new is in none, which pebble's filters know without reading tables. In memory
// are the generations alone.

// generation is the idempotency keys that were stored within a window of time.
type generation struct {
	number uint32
	began  int64 // in ms
	window int64 // in ms: how long each of them is known
}

// maxKnown is about what an idempotency key takes beside its key.
const maxKnown = 64

// takes tells whether what is stored at now is to be in g.
func (g *generation) takes(now, window int64) bool {
	return g.window == window && g.began-window <= now && now < g.began+window
}

// over returns when nothing of g is known any more.
func (g *generation) over() int64 { return g.began + 2*g.window }

func (g *generation) prefix() []byte {
	return binary.BigEndian.AppendUint32([]byte{idemPrefix}, g.number)
}

// name returns the name of an idempotency key of key in g.
func (g *generation) name(key string, id channel.IdemName) []byte {
	b := make([]byte, 0, 1+4+len(key)+1+len(id))
	b = binary.BigEndian.AppendUint32(append(b, idemPrefix), g.number)
	b = append(b, key...)
	b = append(b, 0)
	return append(b, id[:]...)
}

// generations is what an instance knows of them.
type generations struct {
	all  []generation // the oldest first; of who commits; never changed, but replaced
	next atomic.Int64 // in ms: when the first of them is over; never if there is none
}

func (g *generations) set(all []generation) {
	g.all = all
	next := int64(never)
	for i := range all {
		next = min(next, all[i].over())
	}
	g.next.Store(next)
}

// findGenerations finds those that db has.
func findGenerations(db *pebbledb.DB) (all []generation, err error) {
	iter, err := db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{idemPrefix}, UpperBound: []byte{idemPrefix + 1}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for ok := iter.First(); ok; ok = iter.SeekGE(after(all[len(all)-1].prefix())) {
		name := iter.Key()
		if len(name) != 5 {
			return nil, errCorrupt
		}
		g := generation{number: binary.BigEndian.Uint32(name[1:])}
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, err
		}
		if _, err := readVarints(value, &g.began, &g.window); err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, iter.Error()
}

// SetIdempotencyWindow changes Config.IdempotencyWindow for what is stored from now on.
func (s *Store) SetIdempotencyWindow(d time.Duration) { s.window.Store(d.Milliseconds()) }

// firstOf returns the mid that the idempotency key id of key was stored with, 0: it is new.
func (c *commit) firstOf(key string, id channel.IdemName) (mid int64, err error) {
	now := c.now.UnixMilli()
	for i := range slices.Backward(c.generations) {
		value, err := c.lookup(c.generations[i].name(key, id))
		if err != nil {
			return 0, err
		}
		if value == nil {
			continue
		}
		expires := int64(0)
		if _, err := readVarints(value, &mid, &expires); err != nil {
			return 0, err
		}
		if expires > now {
			return mid, nil
		}
	}
	return 0, nil
}

// know has e's idempotency key id, which is new, known for a window of so many ms.
func (c *commit) know(e *channel.Entry, id channel.IdemName, window int64) error {
	g, err := c.generation(window)
	if err != nil {
		return err
	}
	value := binary.AppendVarint(binary.AppendVarint(nil, e.Mid), c.now.UnixMilli()+window)
	return c.put(g.name(e.Key, id), value)
}

// generation returns the one that takes what is stored now, which may begin with it.
func (c *commit) generation(window int64) (*generation, error) {
	now, n := c.now.UnixMilli(), len(c.generations)
	if n > 0 && c.generations[n-1].takes(now, window) {
		return &c.generations[n-1], nil
	}
	g := generation{began: now, window: window}
	if n > 0 {
		g.number = c.generations[n-1].number + 1
	}
	c.generations = append(slices.Clip(c.generations), g)
	c.turned = true
	return &c.generations[n], c.put(g.prefix(), binary.AppendVarint(binary.AppendVarint(nil, g.began), g.window))
}

// dropGenerations removes those that are over.
func (c *commit) dropGenerations() error {
	var left []generation
	for _, g := range c.generations {
		if g.over() > c.now.UnixMilli() {
			left = append(left, g)
			continue
		}
		c.turned = true
		if err := c.deleteAllOf(g.prefix()); err != nil {
			return err
		}
	}
	c.generations = left
	return nil
}
