// Package memory is a store without a disk: for tests, and for nodes whose messages need not
// outlive the process.
//
// It promises all that store/storetest asks for but durability.
package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

const (
	remember   = 30 * 24 * time.Hour // what is known of a key outlives its newest message, when that came, and the last use of its groups by this
	sweepEvery = time.Minute
)

// Config of a Store; the zero value works.
type Config struct {
	MaxStoredPerKey  int // messages kept of a key; expired ones go first, then the oldest; 0: no limit
	MaxDevicesPerKey int // groups of a key, and consumers of a group; 0: no limit

	IdempotencyWindow time.Duration    // for how long a push that is repeated is known; 0: channel.IdempotencyWindow
	Now               func() time.Time // nil: time.Now
}

// Store implements channel.Store, channel.Groups, channel.Tokens and channel.Epochs.
type Store struct {
	cfg     Config
	created int64 // mid

	mu     sync.Mutex // guards all below
	closed bool
	swept  time.Time
	keys   map[string]*record
	known  known
	tokens map[string]map[[32]byte]token
	limits map[string]int64 // by node
	epoch  channel.Epoch    // Number 0: none was begun
	owners map[string]owned // by key
}

// record is what is kept of a key.
type record struct {
	kept
	last   int64
	added  int64
	since  int64
	exists bool              // see channel.Info
	groups map[string]*group // by name
	used   time.Time         // when something was appended, or one of groups was used, last
}

var errClosed = fmt.Errorf("%w: memory store is closed", channel.ErrUnavailable)

// New returns an empty store.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.IdempotencyWindow == 0 {
		cfg.IdempotencyWindow = channel.IdempotencyWindow
	}
	now := cfg.Now()
	return &Store{
		cfg: cfg, created: message.MidAt(now), swept: now,
		keys: map[string]*record{}, tokens: map[string]map[[32]byte]token{}, limits: map[string]int64{},
		owners: map[string]owned{},
	}
}

// SetMaxStoredPerKey changes Config.MaxStoredPerKey. A key that has more than n loses them when
// it is next appended to.
func (s *Store) SetMaxStoredPerKey(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.MaxStoredPerKey = n
}

// SetMaxDevicesPerKey changes Config.MaxDevicesPerKey. What there is beyond n stays.
func (s *Store) SetMaxDevicesPerKey(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.MaxDevicesPerKey = n
}

// SetIdempotencyWindow changes Config.IdempotencyWindow for what is stored from now on.
func (s *Store) SetIdempotencyWindow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.IdempotencyWindow = d
}

// Append implements channel.Store. It never fails with channel.ErrUnknown.
func (s *Store) Append(ctx context.Context, entries []channel.Entry) []error {
	results := make([]error, len(entries))
	if err := s.lock(ctx); err != nil {
		for i := range results {
			results[i] = err
		}
		return results
	}
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.sweep(now)
	refused := map[string]error{}
	for i := range entries {
		e := &entries[i]
		if results[i] = s.append(e, refused[e.Key], now); results[i] != nil && refused[e.Key] == nil {
			refused[e.Key] = fmt.Errorf("append %d to %q, after one that was not stored: %w", e.Mid, e.Key, channel.ErrOrder)
		}
	}
	return results
}

// append appends e, unless another one owns its key, its idempotency key was stored before, or one before it was refused.
func (s *Store) append(e *channel.Entry, refused error, now time.Time) error {
	if e.Owner != nil {
		if err := s.mayOwn(e.Key, e.Owner); err != nil {
			return fmt.Errorf("append %d to %q: %w", e.Mid, e.Key, err)
		}
	}
	if len(e.IdemKey) == 0 {
		return s.put(e, now, refused)
	}
	id := idemID{e.Key, e.IdemName()}
	if first := s.known.find(id, now); first != 0 {
		return &channel.Duplicate{Mid: first}
	}
	err := s.put(e, now, refused)
	if err == nil {
		s.known.add(id, e.Mid, now, s.cfg.IdempotencyWindow)
	}
	return err
}

// put appends e, whose idempotency key is new, unless one before it was refused.
func (s *Store) put(e *channel.Entry, now time.Time, refused error) error {
	if refused != nil {
		return refused
	}
	r := s.keys[e.Key]
	if r == nil {
		r = &record{since: s.since(now)}
	}
	if e.Prev != r.last || e.Mid <= r.last {
		return fmt.Errorf("append %d after %d to %q, whose last is %d: %w", e.Mid, e.Prev, e.Key, r.last, channel.ErrOrder)
	}
	s.keys[e.Key] = r
	r.add(&e.Message)
	r.last = e.Mid
	r.added++
	r.exists = true
	r.used = now // its mid may be one of long ago
	if s.cfg.MaxStoredPerKey > 0 {
		r.cap(s.cfg.MaxStoredPerKey, now)
	}
	if e.Trim.Keep != 0 { // below 0: nothing is kept
		r.cap(max(e.Trim.Keep, 0), now)
	}
	r.dropBelow(e.Trim.MinMid)
	return nil
}

// Range implements channel.Store.
func (s *Store) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []message.Message
	bytes := 0
	for m := range s.between(key, from, to, reverse) {
		bytes += len(m.Payload)
		if limit > 0 && len(found) == limit || maxBytes > 0 && bytes > maxBytes && len(found) > 0 {
			break
		}
		m.Payload = slices.Clone(m.Payload)
		found = append(found, m)
	}
	return found, nil
}

// between yields the living messages of key from one mid to another.
func (s *Store) between(key string, from, to int64, reverse bool) iter.Seq[message.Message] {
	return func(yield func(message.Message) bool) {
		r := s.keys[key]
		if r == nil {
			return
		}
		now := s.cfg.Now()
		first, end := r.from(from), r.from(to)
		if end < len(r.messages) && r.messages[end].Mid == to {
			end++
		}
		for n := range max(0, end-first) {
			m := &r.messages[first+n]
			if reverse {
				m = &r.messages[end-1-n]
			}
			if m.Expires.After(now) && !yield(*m) {
				return
			}
		}
	}
}

// Info implements channel.Store.
func (s *Store) Info(ctx context.Context, key string) (channel.Info, error) {
	if err := s.lock(ctx); err != nil {
		return channel.Info{}, err
	}
	defer s.mu.Unlock()
	return s.info(key), nil
}

// info is what Info answers.
func (s *Store) info(key string) channel.Info {
	r := s.keys[key]
	if r == nil {
		return channel.Info{Since: s.since(s.cfg.Now())}
	}
	info := channel.Info{Last: r.last, Length: len(r.messages), Added: r.added, Since: r.since, Exists: r.exists}
	if len(r.messages) > 0 {
		info.First = r.messages[0].Mid
	}
	return info
}

// Delete implements channel.Store.
func (s *Store) Delete(ctx context.Context, key string, mids ...int64) (int, error) {
	return s.remove(ctx, key, func(r *record) {
		if len(mids) == 0 {
			r.dropAll()
			r.exists, r.groups = false, nil
			return
		}
		r.dropIf(func(m *message.Message) bool { return slices.Contains(mids, m.Mid) })
	})
}

// Trim implements channel.Store.
func (s *Store) Trim(ctx context.Context, key string, keep int, minMid int64) (int, error) {
	return s.remove(ctx, key, func(r *record) {
		r.dropBelow(minMid)
		if keep >= 0 {
			r.dropOldest(keep)
		}
	})
}

// remove calls f with the record of key after dropping what is expired, and returns how many
// messages f removed.
func (s *Store) remove(ctx context.Context, key string, f func(*record)) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	r := s.keys[key]
	if r == nil {
		return 0, nil
	}
	r.dropExpired(s.cfg.Now())
	before := len(r.messages)
	f(r)
	return before - len(r.messages), nil
}

// Keys implements channel.Store. The order is that of the bytes of the keys.
func (s *Store) Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	for key, r := range s.keys {
		if key > cursor && r.exists {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, cmp.Compare[string])
	if len(keys) > limit {
		keys = keys[:limit]
		next = keys[limit-1]
	}
	return keys, next, nil
}

// Close implements channel.Store: everything is forgotten.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.keys, s.tokens, s.limits, s.owners, s.known = nil, nil, nil, nil, known{}
	return nil
}

// lock locks s for a call, unless the call is too late.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return errors.Join(channel.ErrUnavailable, err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	return nil
}

// since is what Info.Since is for a key without a record.
func (s *Store) since(now time.Time) int64 {
	return max(s.created, message.MidAt(now.Add(-remember)))
}

// sweep forgets, once in a while, what is expired and what has been remembered for long enough.
func (s *Store) sweep(now time.Time) {
	if now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = now
	horizon := message.MidAt(now.Add(-remember))
	maps.DeleteFunc(s.keys, func(_ string, r *record) bool {
		r.dropExpired(now)
		return len(r.messages) == 0 && r.last < horizon && message.MidAt(r.used) < horizon
	})
	s.sweepTokens(now)
	s.sweepOwners(now)
	s.known.turn(now)
}
