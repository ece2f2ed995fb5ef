package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"gopush/internal/message"
)

// instance is a pebble database from one opening to its closing.
type instance struct {
	*fence
	db      *pebbledb.DB
	journal *journal // of who commits
	hot     hotRecords
	known   generations
	created int64 // mid of when the store was made

	using  sync.RWMutex // held for reading by whoever reads; by shut for good
	closed bool         // guarded by using
}

// indexBlock is so large that a table has one block of index instead of two levels: a block less to read.
const indexBlock = 256 << 10

// The newest tables lie over each other, mergeDepth deep before they are merged into the levels below, where most of what is
// written is written again: with pebble's 2 more than twice as much as with 8, for nearly half more CPU per message. A reader
// pays: a new key's record is not found in 13 µs instead of 8 (with 4); pages of messages take about as long. Writers wait where
// merging has fallen behind to stopDepth.
const (
	mergeDepth = 8
	stopDepth  = 4 * mergeDepth
)

// journalTables is how many memtables a journal has room for, about: when it ends, the one that is being filled is written before it
// is full.
const journalTables = 4

// openInstance opens the database in cfg.Dir, which lock holds, or makes it.
func openInstance(cfg *Config, lock *pebbledb.Lock) (*instance, error) {
	in := &instance{fence: newFence(cfg.FS, journalTables*int64(cfg.MemTableBytes))}
	opts := in.options(cfg)
	opts.Lock = lock
	opts.Cache = pebbledb.NewCache(cfg.CacheBytes + 2*int64(cfg.MemTableBytes)) // what is in use of memtables is taken from it
	defer opts.Cache.Unref()
	db, err := pebbledb.Open(cfg.Dir, opts)
	if err == nil {
		in.db = db
		err = in.checkFormat(message.MidAt(cfg.Now()))
	}
	if err == nil {
		in.journal, err = openJournal(in.fence, cfg.Dir, journalTables*int64(cfg.MemTableBytes), db)
	}
	if err == nil {
		err = in.findKnown()
	}
	if cause := in.cause(); cause != nil {
		err = cause // what went wrong first
	}
	if err != nil {
		in.shut()
		return nil, fmt.Errorf("open the store in %s: %w", cfg.Dir, err)
	}
	in.serve()
	return in, nil
}

// findKnown finds out what generations of idempotency keys there are.
func (in *instance) findKnown() error {
	all, err := findGenerations(in.db)
	in.known.set(remembered(all))
	return err
}

func (in *instance) options(cfg *Config) *pebbledb.Options {
	logger := logger{cfg.Log, in.fence}
	opts := &pebbledb.Options{
		FS:                          in.fence,
		DisableWAL:                  true,
		FormatMajorVersion:          pebbledb.FormatTableFormatV6,
		MemTableSize:                uint64(cfg.MemTableBytes),
		MemTableStopWritesThreshold: memTables,
		L0CompactionThreshold:       2 * mergeDepth, // pebble merges at half of it
		L0StopWritesThreshold:       stopDepth,
		MaxOpenFiles:                256,
		Logger:                      logger,
		EventListener: &pebbledb.EventListener{
			BackgroundError: func(err error) { logger.Errorf("background: %v", err) },
			DataCorruption:  func(info pebbledb.DataCorruptionInfo) { logger.Errorf("%s", info) },
			WriteStallBegin: func(pebbledb.WriteStallBeginInfo) { in.stall(true) },
			WriteStallEnd:   func() { in.stall(false) },
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].IndexBlockSize = indexBlock
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // a new key's record is looked for in vain
	}
	return opts
}

// checkFormat refuses what a later version wrote, takes over what an earlier one did, and marks an empty database as
// ours, made at now. What is written from then on is in our format: an earlier version refuses it.
func (in *instance) checkFormat(now int64) error {
	value, err := get(in.db, formatKey())
	if err == nil && value == nil {
		if err := in.checkEmpty(); err != nil {
			return err
		}
		value = binary.AppendVarint(binary.AppendVarint(nil, formatVersion), now)
		err = in.setFormat(value)
	}
	if err != nil {
		return err
	}
	var version int64
	rest, err := readVarints(value, &version)
	if err != nil {
		return err
	}
	if version < oldestFormat || version > formatVersion {
		return fmt.Errorf("it has format %d, this gopush knows formats %d to %d: use the gopush that wrote it, or another directory", version, oldestFormat, formatVersion)
	}
	if _, err = readVarints(rest, &in.created); err != nil || version == formatVersion {
		return err
	}
	return in.setFormat(append(binary.AppendVarint(nil, formatVersion), rest...))
}

// setFormat writes the format where it is found before there is a journal.
func (in *instance) setFormat(value []byte) error {
	return errors.Join(in.db.Set(formatKey(), value, pebbledb.NoSync), in.db.Flush())
}

func (in *instance) checkEmpty() error {
	iter, err := in.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer iter.Close()
	if iter.First() {
		return errors.New("it is a pebble database, but not gopush's: use another directory")
	}
	return iter.Error()
}

// use begins reading, if in can be read; the caller ends it with in.using.RUnlock.
func (in *instance) use() bool {
	if !in.readable() || !in.using.TryRLock() {
		return false
	}
	if in.closed {
		in.using.RUnlock()
		return false
	}
	return true
}

// shut waits for the readers and closes the database.
func (in *instance) shut() error {
	in.release()
	in.using.Lock()
	defer in.using.Unlock()
	in.closed = true
	if in.db == nil {
		return nil
	}
	var err error
	if in.journal != nil {
		err = in.journal.close(in.db, &in.hot)
	}
	return errors.Join(err, in.db.Close())
}

// get returns a copy of the value of key, or nil if there is none.
func get(r pebbledb.Reader, key []byte) ([]byte, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebbledb.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return append([]byte{}, value...), nil
}

// logger takes what pebble logs.
type logger struct {
	log   *slog.Logger
	fence *fence
}

func (l logger) Infof(format string, args ...any) {
	l.log.Debug("pebble", "message", lazy{format, args})
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("pebble", "message", lazy{format, args})
}

// Fatalf fails the instance. It returns, which pebble does not expect: whoever uses the instance
// looks at its cause after every commit.
func (l logger) Fatalf(format string, args ...any) {
	l.fence.fail(fmt.Errorf("pebble: "+format, args...))
}

// lazy is formatted if it is logged.
type lazy struct {
	format string
	args   []any
}

func (l lazy) String() string       { return fmt.Sprintf(l.format, l.args...) }
func (l lazy) LogValue() slog.Value { return slog.StringValue(l.String()) }
