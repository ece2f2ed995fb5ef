// Package pebble is the store of a node that needs nothing else: a pebble database in a directory.
//
//	Append ─────────────────────────> op ─> what waits, in one batch ─> journal, one fsync ─> memtable ─> answers: by who appends,
//	Delete, Ack, PutToken … ────────> op ─>                                                              or by the committer
//	ReadGroup, Claim …              ─> pebble, then a lazy op: written in its turn, synced with the next that is not lazy
//	Range, Info, Token …            ─> pebble
//	sweeper                         ─> reads along the records, has the committer remove what is due
//
// It promises what channel.Store asks for (store/storetest), and that what was acknowledged
// survives kill -9, power loss, and a disk that is full or fails (fence.go): such a disk makes it
// refuse what is to be stored, and it recovers by itself. How long opening takes, and how much
// memory it uses, does not depend on how much is stored.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/message"
)

const (
	remember  = 30 * 24 * time.Hour // what is known of a key outlives its newest message, when that came, and the last use of its groups by this
	memTables = 3                   // at most so many memtables are being filled or written
)

// Config of a Store; all but Dir may be zero.
type Config struct {
	Dir              string // made if it is not there
	MaxStoredPerKey  int    // messages kept of a key; expired ones go first, then the oldest; 0: no limit
	MaxDevicesPerKey int    // groups of a key, and consumers of a group; 0: no limit
	MinFreeBytes     int64  // with less than this free on the disk, nothing more is stored; 0: not looked at

	IdempotencyWindow time.Duration // for how long a push that is repeated is known; 0: channel.IdempotencyWindow

	CacheBytes    int64         // for blocks read from disk; 0: 16 MiB
	MemTableBytes int           // of writes held in memory before they become a file, at most three times; 0: 8 MiB
	Tick          time.Duration // how often free space is looked at and the sweeper works, for a tenth of it; 0: a second

	FS  vfs.FS           // nil: the disk
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged
}

func (c *Config) setDefaults() {
	if c.CacheBytes == 0 {
		c.CacheBytes = 16 << 20
	}
	if c.MemTableBytes == 0 {
		c.MemTableBytes = 8 << 20
	}
	if c.Tick == 0 {
		c.Tick = time.Second
	}
	if c.IdempotencyWindow == 0 {
		c.IdempotencyWindow = channel.IdempotencyWindow
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Store implements channel.Store, channel.Groups, channel.Tokens, channel.Limits and channel.Health.
type Store struct {
	cfg  Config
	lock *pebbledb.Lock

	ops  chan *op      // unbuffered: of who has it committed, to who commits
	turn chan struct{} // who has put something into it commits
	stop chan struct{}
	done sync.WaitGroup // the committer and the sweeper
	end  sync.Once
	err  error // of closing, set by the committer

	db  atomic.Pointer[instance] // nil: closed; set by the committer
	why atomic.Pointer[error]    // why db is nil
	low atomic.Pointer[error]    // why there is not enough free space, nil if there is; set by the sweeper

	maxStored  atomic.Int64 // per key; 0: no limit
	maxDevices atomic.Int64 // per key, and consumers per group; 0: no limit
	window     atomic.Int64 // in ms: for how long idempotency keys are known

	cache   map[string]*record // of keys written lately; of who has the turn
	backoff time.Duration      // before the next attempt to open; of who has the turn
}

var errClosed = errors.New("the store is closed")

// Open opens the store in cfg.Dir, or makes it. It fails if another process has it open, or if
// another version of gopush wrote it in a format that this one does not know.
func Open(cfg Config) (*Store, error) {
	cfg.setDefaults()
	if err := makeDir(cfg.FS, cfg.Dir); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	lock, err := pebbledb.LockDirectory(cfg.Dir, cfg.FS)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w; it must be writable, and no other process may use it: stop that one, or use another directory", cfg.Dir, err)
	}
	in, err := openInstance(&cfg, lock)
	if err != nil {
		lock.Close()
		return nil, err
	}
	s := &Store{cfg: cfg, lock: lock, ops: make(chan *op), turn: make(chan struct{}, 1), stop: make(chan struct{}), cache: map[string]*record{}}
	s.db.Store(in)
	s.SetMaxStoredPerKey(cfg.MaxStoredPerKey)
	s.SetMaxDevicesPerKey(cfg.MaxDevicesPerKey)
	s.SetIdempotencyWindow(cfg.IdempotencyWindow)
	s.checkSpace()
	s.done.Go(s.runCommitter)
	s.done.Go(s.runSweeper)
	return s, nil
}

// SetMaxStoredPerKey changes Config.MaxStoredPerKey. A key that has more than n loses them when
// it is next appended to.
func (s *Store) SetMaxStoredPerKey(n int) { s.maxStored.Store(int64(n)) }

// SetMaxDevicesPerKey changes Config.MaxDevicesPerKey. What there is beyond n stays.
func (s *Store) SetMaxDevicesPerKey(n int) { s.maxDevices.Store(int64(n)) }

// Close refuses what comes, ends the commit under way, and returns when all that Open started
// has ended.
func (s *Store) Close() error {
	s.end.Do(func() { close(s.stop) })
	s.done.Wait()
	return s.err
}

// Healthy implements channel.Health.
func (s *Store) Healthy() error {
	if err := s.trouble(); err != nil {
		return err
	}
	if low := s.low.Load(); low != nil {
		return *low
	}
	return nil
}

// trouble returns why nothing can be written, nil if something can.
func (s *Store) trouble() error {
	in := s.db.Load()
	if in == nil {
		return *s.why.Load()
	}
	return in.cause()
}

// reader begins reading; the caller ends it with in.using.RUnlock.
func (s *Store) reader(ctx context.Context) (*instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable(err)
	}
	in := s.db.Load()
	if in != nil && in.use() {
		return in, nil
	}
	if err := s.trouble(); err != nil {
		return nil, unavailable(err)
	}
	return nil, unavailable(errors.New("the store is being opened again"))
}

// since is what Info.Since is for a key without a record.
func (in *instance) since(now time.Time) int64 {
	return max(in.created, message.MidAt(now.Add(-remember)))
}

// unavailable says that nothing was stored or read, because of err.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", channel.ErrUnavailable, err)
}

// makeDir makes dir and all above it, so that they survive a loss of power.
func makeDir(disk vfs.FS, dir string) error {
	if info, err := disk.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a directory", dir)
		}
		return nil
	}
	above := disk.PathDir(dir)
	if above != dir {
		if err := makeDir(disk, above); err != nil {
			return err
		}
	}
	if err := disk.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d, err := disk.OpenDir(above)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
