// Package web is the HTTP of a node: the paths of gopush-cluster, byte for byte, the v1 API,
// and what operators look at.
//
//	public  devices   -> /1/server/get /2/server/get /1/msg/get /1/time/get and the old ones, /sub
//	admin   backends  -> /1/admin/… and the old ones, /v1/…
//	ops     operators -> /livez /readyz /metrics /stat /debug/pprof /loglevel
//
// Each kind of listener is an http.Handler over one Config. Paths are taken as they were sent,
// so that every key can stand in one, percent-encoded. The package promises that a refusal
// says what is wrong and what to do, that what it reads and answers is bounded, and that it
// writes no token and no query into a log. It reaches keys through Keys alone: it knows
// neither channels nor stores nor connections.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"gopush/internal/auth"
	"gopush/internal/message"
)

// What one call may hold, besides the limits that are settings.
const (
	// MaxBatchItems is the most that one POST /v1/push may push: messages times their keys.
	MaxBatchItems = 1000
	// MaxBatchBytes is the largest body of one POST /v1/push, or twice max_message_bytes if
	// that is more.
	MaxBatchBytes = 8 << 20
	// MaxPageItems is the most messages that one GET of messages answers.
	MaxPageItems = 1000

	// pageBytes is how much payload is read from the store at a time (or one message).
	pageBytes = 256 << 10
	// workTimeout ends what a request began, whether or not its caller still waits.
	workTimeout = 30 * time.Second
)

// Keys is what the paths do, as channels or a cluster of them do it.
type Keys interface {
	// Publish answers a receipt for each push, in order. Pushes of one key apply in order;
	// after one failed the later ones of that key get message.ErrSkipped.
	Publish(ctx context.Context, pushes []message.Push) []message.Receipt
	// Range returns unexpired messages with from <= mid <= to, oldest first (newest first if
	// reverse), at most limit (0: any number) and maxBytes of payload, but one if there is one.
	Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error)
	Info(ctx context.Context, key string) (message.KeyInfo, error)
	// Delete removes stored messages, or all when no mid is given, and returns how many were there.
	Delete(ctx context.Context, key string, mids ...int64) (int, error)
	// Position returns a mid below all that are pushed from now on, whatever the key.
	Position() int64
	// Kick closes the connections of key that were opened with the tokens of tags, or all when
	// none is given, and returns how many there were.
	Kick(ctx context.Context, key string, tags ...uint64) (int, error)
}

// Config is what the handlers of all listeners share. What is not marked as required may be nil.
type Config struct {
	Keys      Keys                                  // required
	Settings  func() *Settings                      // required: the current ones, never nil
	Tokens    *auth.Tokens                          // nil: auth = none
	Cluster   Cluster                               // nil: the node is in none
	Drain     Drain                                 // nil: there is none
	Addresses func(key string, p Protocol) []string // where clients of key connect, as /1/server/get tells them; none: no node
	Subscribe http.Handler                          // GET /sub: the upgrade to WebSocket

	Ready      []Check
	Stats      Stats
	Started    time.Time      // of the process, for /stat
	Exposition http.Handler   // GET /metrics
	Level      *slog.LevelVar // what /loglevel reads and sets

	Metrics *Metrics
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger
}

// Settings are what a reload may change: it swaps them whole. Nobody changes them.
type Settings struct {
	MaxKeyBytes     int
	MaxMessageBytes int
	DefaultExpire   time.Duration // of a v1 push that does not say
	OpenHistory     bool          // legacy_history = open: /1/msg/get needs no token

	APIKeys         *auth.APIKeys
	TrustedNetworks []netip.Prefix // stand in for an API key on legacy admin paths
	TrustedProxies  []netip.Prefix // what they say of whom they forward is believed
	AllowedHosts    []string       // names besides loopback ones under which a loopback listener is asked
	AdminOrigins    []string       // origins whose pages may ask an admin or ops listener
}

// batchBytes is the largest body that carries more than one payload.
func (s *Settings) batchBytes() int { return max(MaxBatchBytes, 2*s.MaxMessageBytes) }

// Trust is what the address of a listener says of its callers.
type Trust struct {
	Loopback bool // only processes of this machine reach it
}

// Protocol of a client listener, by its number in gopush-cluster.
type Protocol int

const (
	WebSocket Protocol = 1
	TCP       Protocol = 2
)

func (cfg *Config) setDefaults() {
	if cfg.Addresses == nil {
		cfg.Addresses = func(string, Protocol) []string { return nil }
	}
	if cfg.Subscribe == nil {
		cfg.Subscribe = http.NotFoundHandler()
	}
	if cfg.Exposition == nil {
		cfg.Exposition = http.NotFoundHandler()
	}
	if cfg.Level == nil {
		cfg.Level = new(slog.LevelVar)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}
