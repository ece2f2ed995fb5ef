// Package redis is the store that the nodes of a cluster share: a Redis of 7.0 or later, alone, behind Sentinels, or a Redis
// Cluster. docs/design.md, "Store".
//
//	Append ──> a call of append.lua for each key ──> one pipeline for each server ──> WAIT, if asked for ──> results
//
// What is kept of a key, and how, is told in lua/record.lua. Each method is one call of a script, so what it does is done at
// once and by whoever came first, whatever node asks. Redis keeps what it acknowledged as well as it is configured to: with
// appendfsync always through power loss, with everysec all but the last second.
package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
	"gopush/internal/message"
)

const (
	remember    = 30 * 24 * time.Hour  // what is known of a key outlives its newest message and the last use of its groups by this
	rememberUse = remember + time.Hour // as record.lua has it
	askTimeout  = 2 * time.Second      // Redis is away when it takes longer to answer
	askEvery    = 500 * time.Millisecond
)

// Config of a Store.
type Config struct {
	Addresses      []string // of a server, of some of a Redis Cluster, or, with SentinelMaster, of Sentinels
	SentinelMaster string   // what Sentinels call the master; "": there are none
	Username       string   // "": Redis's default user
	Password       string   // "": none is sent; without Username also that of the Sentinels, if they have one
	TLS            *tls.Config
	WaitReplicas   int    // replicas that must have a message before it is acknowledged
	Prefix         string // what all names in Redis begin with; no braces; "": gopush:

	MaxStoredPerKey  int // messages kept of a key; expired ones go first, then the oldest; 0: no limit
	MaxDevicesPerKey int // groups of a key, and consumers of a group; 0: no limit

	IdempotencyWindow time.Duration // for how long a push that is repeated is known; 0: channel.IdempotencyWindow

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged
}

// Store implements channel.Store, channel.Groups, channel.Tokens, channel.Epochs and channel.Health.
type Store struct {
	cfg    Config
	client rueidis.Client
	stop   context.CancelFunc // ends what runs in the background
	mu     sync.Mutex         // of starting something and of Close
	ended  sync.WaitGroup     // what runs in the background, calls that are not waited for any more too

	maxStored  atomic.Int64
	maxDevices atomic.Int64
	window     atomic.Int64           // in ms: for how long idempotency keys are known
	created    atomic.Int64           // mid: Redis knows of everything that was stored after it
	ill        atomic.Pointer[error]  // why Redis takes no stored pushes; nil: it does
	out        atomic.Pointer[outage] // of a Redis Cluster; nil: none
	closed     atomic.Bool
}

var errClosed = fmt.Errorf("%w: the store is closed", channel.ErrUnavailable)

// Open connects to Redis. It fails where Redis cannot be reached, is too old, or holds what a newer gopush wrote.
func Open(cfg Config) (*Store, error) {
	cfg.Prefix = cmp.Or(cfg.Prefix, "gopush:")
	if strings.ContainsAny(cfg.Prefix, "{}") {
		return nil, fmt.Errorf("prefix %q: braces would put all keys of a Redis Cluster on one server; leave them out", cfg.Prefix)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	client, err := connect(&cfg)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{cfg: cfg, client: client, stop: stop}
	s.maxStored.Store(int64(cfg.MaxStoredPerKey))
	s.maxDevices.Store(int64(cfg.MaxDevicesPerKey))
	s.SetIdempotencyWindow(cmp.Or(cfg.IdempotencyWindow, channel.IdempotencyWindow))
	if err := s.check(ctx); err != nil {
		stop()
		client.Close()
		return nil, err
	}
	s.ended.Go(func() { s.watch(ctx) })
	return s, nil
}

// SetMaxStoredPerKey changes Config.MaxStoredPerKey. A key that has more than n loses them when it is next appended to.
func (s *Store) SetMaxStoredPerKey(n int) { s.maxStored.Store(int64(n)) }

// SetMaxDevicesPerKey changes Config.MaxDevicesPerKey. What there is beyond n stays.
func (s *Store) SetMaxDevicesPerKey(n int) { s.maxDevices.Store(int64(n)) }

// SetIdempotencyWindow changes Config.IdempotencyWindow for what is stored from now on.
func (s *Store) SetIdempotencyWindow(d time.Duration) { s.window.Store(d.Milliseconds()) }

// Close implements channel.Store. What Redis has stays there.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed.Swap(true)
	s.mu.Unlock()
	if was {
		return nil
	}
	s.stop()
	s.client.Close()
	s.ended.Wait()
	return nil
}

// nowMS is the time for scripts.
func (s *Store) nowMS() int64 { return s.cfg.Now().UnixMilli() }

// since is what Info.Since is for a key without a record.
func (s *Store) since() int64 {
	return max(s.created.Load(), message.MidAt(s.cfg.Now().Add(-remember)))
}
