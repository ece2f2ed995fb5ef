package redis

import (
	"context"
	"crypto/sha256"
	"time"
)

// Trust says what a connection may do.
type Trust struct {
	Admin bool // it came to an admin listener: push, delete, see others
	Open  bool // an admin needs no API key: a local program
}

// Config has what a Server needs.
type Config struct {
	Keys    Keys
	Far     Far     // nil: every key is near
	Groups  Groups  // nil: this node's store keeps none
	Clients Clients // may be set later, before the first command

	// Authorize checks the token that somebody shows for key. It may block. Errors wrap message.ErrUnknownKey or
	// message.ErrToken; others mean that it could not be checked. nil: every key is open to all.
	Authorize   func(ctx context.Context, key, token string) (tag uint64, err error)
	Revocations func() uint64 // moves whenever a token was revoked; needed with Authorize

	// APIKey tells whether secret is that of the API key with name, or of any if name is "" or "default". It does not block.
	APIKey func(name, secret string) bool
	// APIKeyHash is APIKey for the SHA-256 of the secret: an admin who showed a key is checked again when APIKeys moved.
	// nil: then it has to show one again.
	APIKeyHash func(name string, hash [sha256.Size]byte) bool
	APIKeys    func() (generation any) // another one, comparable, when the API keys may have changed

	Limits func() Limits
	Facts  func() Facts // for INFO and CONFIG GET
	Now    func() time.Time
}

// Limits are those of the settings of the same name.
type Limits struct {
	MaxKeyBytes     int
	MaxMessageBytes int
	MaxReplyBytes   [2]int // payload in one reply: to public connections, to admin ones
}

// Facts are what INFO shows beside what Keys and Clients know.
type Facts struct {
	Version     string // gopush's
	Node        string
	Started     time.Time
	Addr        string // of the listener, first one
	Connections int    // open ones, all protocols
	Blocked     int64  // of these, those that wait for what is stored
	Subscribers int64  // subscriptions
	Commands    int64
	Accepted    int64
	Pushed      int64
	Stored      int64
	Durable     bool // stored messages survive kill -9
}
