package pebble

import (
	"context"
	"errors"
	"fmt"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"gopush/internal/channel"
)

// What goes into one batch: ops until either is reached, one at least.
const (
	batchEntries = 1024
	batchBytes   = 1 << 20
)

const cachedRecords = 4096 // at most so many records are kept in memory

// op is something to write.
type op struct {
	entries, bytes int
	grows          bool // it makes the store larger: refused when there is little room left
	lazy           bool // a crash may undo it, unless apply says commit.durable: it does not wait for the disk, but for who does

	// apply puts the op's writes into a commit. It may be called again for another commit, when
	// nothing of the first was written. Its error means that the records could not be read.
	apply func(*commit) error
	done  chan error // buffered: nil if it is durable, or lazy and written
}

// do has the committer write o, and returns nil when it is durable (or lazy, and written), channel.ErrUnavailable if
// nothing was written, or channel.ErrUnknown.
func (s *Store) do(ctx context.Context, o *op) error {
	if err := s.refusal(ctx, o.grows); err != nil {
		return unavailable(err)
	}
	o.done = make(chan error, 1)
	select {
	case s.ops <- o:
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-s.stop:
		return unavailable(errClosed)
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", channel.ErrUnknown, ctx.Err())
	}
}

// refusal returns why an op is not to be tried.
func (s *Store) refusal(ctx context.Context, grows bool) error {
	if low := s.low.Load(); low != nil && grows {
		return *low
	}
	return errors.Join(ctx.Err(), s.trouble())
}

// runCommitter writes what comes until the store is closed.
func (s *Store) runCommitter() {
	for {
		in := s.db.Load()
		select {
		case <-s.stop:
			s.close()
			return
		case <-in.failed:
			if !s.recover(in) {
				return
			}
		case o := <-s.ops:
			s.commit(in, s.gather(o))
		}
	}
}

// gather returns o and what else waits.
func (s *Store) gather(o *op) []*op {
	ops := []*op{o}
	entries, bytes := o.entries, o.bytes
	for entries < batchEntries && bytes < batchBytes {
		select {
		case o := <-s.ops:
			ops = append(ops, o)
			entries += o.entries
			bytes += o.bytes
		default:
			return ops
		}
	}
	return ops
}

// commit writes ops and answers them. If the records of one cannot be read, the others are
// written without it.
func (s *Store) commit(in *instance, ops []*op) {
	err := s.write(in, ops)
	if err != nil {
		clear(s.cache) // it knows what was not written
	}
	if errors.Is(err, channel.ErrUnavailable) && len(ops) > 1 && in.cause() == nil {
		for _, o := range ops {
			s.commit(in, []*op{o})
		}
		return
	}
	for _, o := range ops {
		o.done <- err
	}
}

// write writes ops in one batch.
func (s *Store) write(in *instance, ops []*op) error {
	c := &commit{in: in, batch: in.db.NewBatch(), cache: s.cache, now: s.cfg.Now()}
	defer func() { c.batch.Close() }()
	for _, o := range ops {
		if err := o.apply(c); err != nil {
			return unavailable(err)
		}
		c.durable = c.durable || !o.lazy
	}
	for _, r := range c.changed {
		if err := c.putRecord(r); err != nil {
			return unavailable(err)
		}
	}
	if err := in.cause(); err != nil {
		return unavailable(err)
	}
	err := in.db.Apply(c.batch, &pebbledb.WriteOptions{Sync: c.durable})
	if cause := in.cause(); cause != nil {
		err = cause // pebble was not told
	}
	if err != nil {
		return fmt.Errorf("%w: %w", channel.ErrUnknown, err)
	}
	if c.durable {
		s.backoff = 0
	}
	s.trimCache()
	return nil
}

// trimCache forgets records, any ones, until few enough are left.
func (s *Store) trimCache() {
	for key := range s.cache {
		if len(s.cache) <= cachedRecords {
			return
		}
		delete(s.cache, key)
	}
}

// commit is a batch that is being put together.
type commit struct {
	in      *instance
	batch   *pebbledb.Batch    // indexed once it was read
	cache   map[string]*record // the committer's
	changed []*record          // to be written, unless forgotten since
	forgot  bool               // the batch removes records
	written map[string][]byte  // what put and delete wrote, by name; nil: nothing is there any more
	ranged  bool               // the batch removes all of some prefix: written does not know of that
	durable bool               // it is to be synced
	now     time.Time
}

// read returns what tells what will be there. Few commits read more than cached records: an index
// of what is written is made for the first that does.
func (c *commit) read() (pebbledb.Reader, error) {
	if c.batch.Empty() {
		return c.in.db, nil
	}
	if !c.batch.Indexed() {
		indexed := c.in.db.NewIndexedBatch()
		if err := indexed.Apply(c.batch, nil); err != nil {
			return nil, err
		}
		c.batch.Close()
		c.batch = indexed
	}
	return c.batch, nil
}

// get returns a copy of the value of name, or nil if there will be none.
func (c *commit) get(name []byte) ([]byte, error) {
	from, err := c.read()
	if err != nil {
		return nil, err
	}
	return get(from, name)
}

// lookup is get for a name that is written by put, delete and deleteAllOf only: it needs no index. The value is not
// the caller's.
func (c *commit) lookup(name []byte) ([]byte, error) {
	if c.ranged {
		return c.get(name)
	}
	if value, found := c.written[string(name)]; found {
		return value, nil
	}
	return get(c.in.db, name)
}

// put sets the value of name; both are the commit's from now on.
func (c *commit) put(name, value []byte) error {
	c.note(name, value)
	return c.batch.Set(name, value, nil)
}

// delete removes name.
func (c *commit) delete(name []byte) error {
	c.note(name, nil)
	return c.batch.Delete(name, nil)
}

func (c *commit) note(name, value []byte) {
	if c.written == nil {
		c.written = map[string][]byte{}
	}
	c.written[string(name)] = value
}

// deleteAllOf removes all that begins with prefix.
func (c *commit) deleteAllOf(prefix []byte) error {
	c.ranged = true
	return c.batch.DeleteRange(prefix, after(prefix), nil)
}

// record returns the record of key, a new one if there is none. Who changes it calls change.
func (c *commit) record(key string) (*record, error) {
	if r := c.cache[key]; r != nil {
		return r, nil
	}
	value, err := c.storedRecord(key)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return &record{key: key, since: c.in.since(c.now), earliest: never}, nil
	}
	r := &record{key: key}
	if err := r.decode(value); err != nil {
		return nil, err
	}
	c.cache[key] = r
	return r, nil
}

// storedRecord returns the value of the record of key. Records are put into the batch at its end, so it
// need not be read unless some were removed.
func (c *commit) storedRecord(key string) ([]byte, error) {
	if c.forgot {
		return c.get(recordKey(key))
	}
	return get(c.in.db, recordKey(key))
}

// change has r written.
func (c *commit) change(r *record) {
	if !r.changed {
		r.changed = true
		c.cache[r.key] = r
		c.changed = append(c.changed, r)
	}
}

// putRecord writes r, if it was changed and not forgotten.
func (c *commit) putRecord(r *record) error {
	if !r.changed {
		return nil
	}
	r.changed = false
	var buf [maxRecord]byte
	value := r.encode(buf[:0])
	o := c.batch.SetDeferred(keyedLen(r.key), len(value))
	appendKeyed(o.Key[:0], recordPrefix, r.key)
	copy(o.Value, value)
	return o.Finish()
}

// forget removes r.
func (c *commit) forget(r *record) error {
	delete(c.cache, r.key)
	r.changed = false
	c.forgot = true
	return c.batch.Delete(recordKey(r.key), nil)
}
