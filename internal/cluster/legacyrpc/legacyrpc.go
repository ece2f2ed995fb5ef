// Package legacyrpc speaks to backends of gopush-cluster: its net/rpc services CometRPC and
// MessageRPC (docs/protocol.md, "Legacy net/rpc"), so that an original web process that watches the same
// ZooKeeper pushes through our nodes and reads what they stored.
//
//	conn ─> frames: lengths, types ─> gob ─> net/rpc ─> comet, messages ─> Keys, Tokens
//	conn <─ codec: definitions once <─ gob <─ net/rpc <─┘
//
// It promises that a stranger's bytes cost no more than were sent, close at most the connection
// that they came on, and are looked at from trusted networks only. It knows no store and no ring: it
// reaches keys through Keys alone.
package legacyrpc

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"gopush/internal/message"
)

// Keys is what the services do, as channels or a cluster of them do it.
type Keys interface {
	// Publish answers a receipt for each push, in order.
	Publish(ctx context.Context, pushes []message.Push) []message.Receipt
	// Range returns unexpired messages with from <= mid <= to, oldest first (newest first if
	// reverse), at most limit (0: any number) and maxBytes of payload, but one if there is one.
	Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error)
	// Delete removes stored messages, or all when no mid is given, and returns how many were there.
	Delete(ctx context.Context, key string, mids ...int64) (int, error)
	// Kick closes the connections of key that were opened with the tokens of tags, or all when
	// none is given, and returns how many there were.
	Kick(ctx context.Context, key string, tags ...uint64) (int, error)
}

// Tokens is what subscribers show to be let in.
type Tokens interface {
	// Check fails with message.ErrUnknownKey or message.ErrToken for a token that is not good.
	Check(ctx context.Context, key, token string) (tag uint64, err error)
	// Register lets token in until it was not used for lifetime (0: the default one).
	Register(ctx context.Context, key, token string, lifetime time.Duration) (string, time.Time, error)
	// Revoke forgets tokens of key, or all when none is given.
	Revoke(ctx context.Context, key string, tokens ...string) (tags []uint64, n int, err error)
}

// Settings are what a reload may change: it swaps them whole.
type Settings struct {
	MaxKeyBytes     int
	MaxMessageBytes int
	TrustedNetworks []netip.Prefix // of peers, where the listener is not on loopback
}

// Config has what a server needs.
type Config struct {
	Keys     Keys            // required
	Tokens   Tokens          // nil: subscribers need none
	Settings func() Settings // required

	MaxConnections int           // at a time; 0: 256
	IdleTimeout    time.Duration // of a connection that asks for nothing; 0: an hour
	StallTimeout   time.Duration // for a message to be whole that has begun, and for an answer to be taken; 0: a minute

	MaxHistory int64 // bytes of payload that GetPrivate answers, since gob has an answer in one piece, and a quarter of what all of them hold; 0: 32 MiB

	Metrics *Metrics     // nil: none
	Log     *slog.Logger // nil: none
}

// What one connection may ask for at a time. More waits, unread.
const (
	// maxCalls are under way.
	maxCalls = 256
	// maxUnderWay is how many bytes of requests are, and one request more.
	maxUnderWay = 4 << 20
)

// What one call may hold.
const (
	// slack is what a request may have besides one message of max_message_bytes, in bytes: its keys.
	slack = 1 << 20
	// pageBytes is how much payload is read from the store at a time (or one message).
	pageBytes = 256 << 10
	// maxPushes is how many keys are pushed to at a time.
	maxPushes = 1000
	// workTimeout ends what a call began, whether or not its caller still waits.
	workTimeout = 30 * time.Second
)

func (cfg *Config) setDefaults() {
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 256
	}
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = time.Hour
	}
	if cfg.StallTimeout == 0 {
		cfg.StallTimeout = time.Minute
	}
	if cfg.MaxHistory == 0 {
		cfg.MaxHistory = 32 << 20
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}
