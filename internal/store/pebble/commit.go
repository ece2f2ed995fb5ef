package pebble

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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
	done  chan error  // buffered: nil if it is durable, or lazy and written
	taken atomic.Bool // by who commits it, or by its caller, who does not want it committed any more
}

// take makes o the caller's to commit, or to leave, unless it was taken.
func (o *op) take() bool { return o.taken.CompareAndSwap(false, true) }

// do has the committer write o, and returns nil when it is durable (or lazy, and written), channel.ErrUnavailable if
// nothing was written, or channel.ErrUnknown.
func (s *Store) do(ctx context.Context, o *op) error {
	if began, err := s.ask(ctx, o); !began {
		return err
	}
	return fmt.Errorf("%w: %w", channel.ErrUnknown, ctx.Err())
}

// ask has the committer write o, and returns what became of it. If ctx ended and o had begun, the outcome is still to come, to o.done.
func (s *Store) ask(ctx context.Context, o *op) (began bool, err error) {
	if err := s.refusal(ctx, o.grows); err != nil {
		return false, unavailable(err)
	}
	o.done = make(chan error, 1)
	select {
	case s.ops <- o:
	case <-ctx.Done():
		return false, unavailable(ctx.Err())
	case <-s.stop:
		return false, unavailable(errClosed)
	}
	select {
	case err := <-o.done:
		return false, err
	case <-ctx.Done():
	}
	if o.take() {
		return false, unavailable(ctx.Err())
	}
	return true, nil
}

// doHere is do, but returns when the disk does once o has begun: who asks before what becomes of it is not told that it is not there. And where nobody
// commits the caller does: to hand o to the committer, and it back, costs two changes of goroutines, and often of threads.
func (s *Store) doHere(ctx context.Context, o *op) error {
	select {
	case s.turn <- struct{}{}:
	default:
		if began, err := s.ask(ctx, o); !began {
			return err
		}
		return <-o.done
	}
	defer func() { <-s.turn }()
	if err := s.refusal(ctx, o.grows); err != nil {
		return unavailable(err)
	}
	o.done = make(chan error, 1)
	s.commit(s.db.Load(), s.gather(o))
	return <-o.done
}

// refusal returns why an op is not to be tried.
func (s *Store) refusal(ctx context.Context, grows bool) error {
	if low := s.low.Load(); low != nil && grows {
		return *low
	}
	return errors.Join(ctx.Err(), s.trouble())
}

// runCommitter writes what comes until the store is closed, when nobody else does.
func (s *Store) runCommitter() {
	for {
		in := s.db.Load()
		select {
		case <-s.stop:
			s.turn <- struct{}{} // nobody has it after this
			s.close()
			return
		case <-in.failed:
			s.turn <- struct{}{}
			if !s.recover(in) {
				return
			}
			<-s.turn
		case o := <-s.ops:
			s.turn <- struct{}{}
			s.commit(in, s.gather(o))
			<-s.turn
		}
	}
}

// gather takes o and what else waits.
func (s *Store) gather(o *op) (ops []*op) {
	entries, bytes := 0, 0
	add := func(o *op) {
		if o.take() {
			ops = append(ops, o)
			entries += o.entries
			bytes += o.bytes
		}
	}
	add(o)
	for entries < batchEntries && bytes < batchBytes {
		select {
		case o := <-s.ops:
			add(o)
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
	if len(ops) == 0 {
		return nil
	}
	c := &commit{in: in, batch: in.db.NewBatch(), cache: s.cache, now: s.cfg.Now(), generations: in.known.all}
	defer c.close()
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
	err := c.commit()
	if cause := in.cause(); cause != nil {
		err = cause // pebble was not told
	}
	if err != nil {
		return fmt.Errorf("%w: %w", channel.ErrUnknown, err)
	}
	if c.turned {
		in.known.set(c.generations)
	}
	if c.durable {
		s.backoff = 0
	}
	s.trimCache()
	return nil
}

// commit has the batch written: first where it survives.
func (c *commit) commit() error {
	switch {
	case c.later != nil:
		c.in.journal.write(c.durable, c.batch.Repr(), c.later.Repr())
	case c.batch.Empty():
		return nil
	default:
		c.in.journal.write(c.durable, c.batch.Repr())
	}
	if err := c.in.cause(); err != nil {
		return err
	}
	if err := c.in.db.Apply(c.batch, pebbledb.NoSync); err != nil {
		return err
	}
	c.in.hot.put(c.hot, c.forgot)
	if err := c.in.journal.turn(c.in.db, &c.in.hot); err != nil {
		c.in.fail(err)
	}
	return nil
}

// close lets the batches go.
func (c *commit) close() {
	c.batch.Close()
	if c.later != nil {
		c.later.Close()
	}
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
	cache   map[string]*record // the store's
	changed []*record          // to be written, unless forgotten since
	forgot  map[string]bool    // keys whose records the batch removes
	later   *pebbledb.Batch    // records that are not put into pebble yet; nil: none
	hot     []*record          // those in later
	written map[string][]byte  // what put and delete wrote, by name; nil: nothing is there any more
	ranged  bool               // the batch removes all of some prefix: written does not know of that
	durable bool               // it is to be synced

	generations []generation // of idempotency keys, as they will be
	turned      bool         // they are not as they were
	now         time.Time
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
	r, err := c.storedRecord(key)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return &record{key: key, since: c.in.since(c.now), earliest: never}, nil
	}
	c.cache[key] = r
	return r, nil
}

// storedRecord returns the record of key, nil if there is none. Records are put into the batch at its end, so it
// need not be read.
func (c *commit) storedRecord(key string) (*record, error) {
	if c.forgot[key] {
		return nil, nil
	}
	if r, found := c.in.hot.get(key); found {
		return &r, nil
	}
	value, err := get(c.in.db, recordKey(key))
	if value == nil || err != nil {
		return nil, err
	}
	r := &record{key: key}
	return r, r.decode(value)
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
	if !c.in.hot.take(r.key, len(c.hot)) {
		return setRecord(c.batch, r)
	}
	if c.later == nil {
		c.later = c.in.db.NewBatch()
	}
	c.hot = append(c.hot, r)
	return setRecord(c.later, r)
}

// setRecord puts r into batch.
func setRecord(batch *pebbledb.Batch, r *record) error {
	var buf [maxRecord]byte
	value := r.encode(buf[:0])
	o := batch.SetDeferred(keyedLen(r.key), len(value))
	appendKeyed(o.Key[:0], recordPrefix, r.key)
	copy(o.Value, value)
	return o.Finish()
}

// forget removes r.
func (c *commit) forget(r *record) error {
	delete(c.cache, r.key)
	r.changed = false
	if c.forgot == nil {
		c.forgot = map[string]bool{}
	}
	c.forgot[r.key] = true
	return c.batch.Delete(recordKey(r.key), nil)
}
