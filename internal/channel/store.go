package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gopush/internal/message"
)

// Entry is one message on its way into a store.
type Entry struct {
	Key string
	message.Message
	IdemKey []byte // nil: none
}

// Info is what a store knows of a key without reading its messages.
type Info struct {
	First  int64 // mid of the oldest message that can still be read; 0: none. May lag behind expiry.
	Last   int64 // mid of the newest message ever stored, kept 30 days after it; 0: no record
	Length int   // messages that are there, expired ones that were not swept yet included
	Added  int64 // messages ever stored
	Since  int64 // the store has the record of all that was stored for the key after this mid
}

// What Append and the reads answer besides nil. They wrap what a push fails with, so that a
// caller of the channel sees one set of errors.
var (
	// ErrOrder: Prev is not the key's last stored mid; someone else appended.
	ErrOrder = errors.New("not the key's last mid")
	// ErrUnavailable: nothing was stored.
	ErrUnavailable = message.ErrUnavailable
	// ErrUnknown: the entry may or may not be there.
	ErrUnknown = message.ErrUnknown
)

// Duplicate is the answer for an entry whose IdemKey was stored before.
type Duplicate struct{ Mid int64 }

func (d *Duplicate) Error() string { return fmt.Sprintf("already stored as %d", d.Mid) }

// Store keeps messages for devices that are away. All methods may be called concurrently.
// docs/design.md, "Store"; store/storetest is the contract as a test.
type Store interface {
	// Append makes entries durable and answers one result for each, in order: nil, ErrOrder
	// (Prev is not the key's last stored mid), a *Duplicate with the first mid of the same
	// IdemKey, ErrUnavailable (not stored) or ErrUnknown (it may or may not be there). Entries of
	// one key stand in order and chain their Prev. It returns by ctx's deadline. The entries are
	// the store's until then, and for good when one is ErrUnknown; payloads are never changed.
	Append(ctx context.Context, entries []Entry) []error

	// Range returns unexpired messages of key with from <= mid <= to, oldest first (newest
	// first if reverse), at most limit (0: no limit) and at most maxBytes of payload (0: no
	// limit), but always one if there is one. The slice and the payloads are the caller's.
	// An unknown key has no messages: that is not an error.
	Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error)

	// Info answers from the key's record alone. An unknown key has the zero Info but for Since.
	Info(ctx context.Context, key string) (Info, error)

	// Delete removes the messages mids of key, or all when none is given, and returns how many
	// were there. The key's last mid stays known.
	Delete(ctx context.Context, key string, mids ...int64) (int, error)

	// Trim removes the oldest messages of key until at most keep are left (keep < 0: any number)
	// and none below minMid, and returns how many it removed.
	Trim(ctx context.Context, key string, keep int, minMid int64) (int, error)

	// Keys returns at most limit keys that have a record, in an order of the store's own, and the
	// cursor for the next call; "" begins and ends.
	Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error)

	Close() error
}

// Limits keeps the mid limit of a node: it mints no mid above the limit that it wrote last.
// A store that does not have it is not shared and does not outlive the process.
type Limits interface {
	// MidLimit returns the highest limit that any node wrote; 0: none.
	MidLimit(ctx context.Context) (int64, error)
	// SetMidLimit makes node's limit durable; a lower one than before is ignored.
	SetMidLimit(ctx context.Context, node string, limit int64) error
}

// Tokens keeps the tokens of keys, by hash, for package auth.
type Tokens interface {
	// PutToken registers a token, or renews it. It is durable when it returns.
	PutToken(ctx context.Context, key string, hash [32]byte, lifetime time.Duration, expires time.Time) error
	// Token returns the token's lifetime and expiry, and whether it is there (expired or not).
	Token(ctx context.Context, key string, hash [32]byte) (lifetime time.Duration, expires time.Time, found bool, err error)
	// HasTokens tells whether any token was registered for key and not deleted or swept.
	HasTokens(ctx context.Context, key string) (bool, error)
	// DeleteTokens removes the tokens of key with the given hashes, or all when none is given,
	// durably, and returns how many were there.
	DeleteTokens(ctx context.Context, key string, hashes ...[32]byte) (int, error)
}

// Health is a store that can tell why it refuses pushes.
type Health interface {
	// Healthy returns nil, or why stored pushes are refused now.
	Healthy() error
}
