package channel

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"gopush/internal/message"
)

// Entry is one message on its way into a store.
type Entry struct {
	message.Message
	IdemKey []byte       // empty: none
	Trim    message.Trim // of the key, in the same commit
	Owner   *Owner       // who appends; nil: it is not asked. Of one call all of a key have the same
}

// Info is what a store knows of a key without reading its messages.
type Info struct {
	First  int64 // mid of the oldest message that can still be read; 0: none. May lag behind expiry.
	Last   int64 // mid of the newest message ever stored, kept 30 days after it; 0: no record
	Length int   // messages that are there, expired ones that were not swept yet included
	Added  int64 // messages ever stored
	Since  int64 // the store has the record of all that was stored for the key after this mid
	Exists bool  // something was stored for the key, or a group made, since it was last deleted whole
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

// IdemName is what a store knows an idempotency key of a message key by: 16 bytes of its SHA-256, so that a long one costs
// no more than a short one.
type IdemName [16]byte

// IdemName returns the name of e's IdemKey, which is not empty.
func (e *Entry) IdemName() IdemName {
	sum := sha256.Sum256(e.IdemKey)
	return IdemName(sum[:16])
}

// IdempotencyWindow is for how long a store knows an IdemKey, if it is told nothing else.
const IdempotencyWindow = 24 * time.Hour

// Duplicate is the answer for an entry whose IdemKey was stored before.
type Duplicate struct{ Mid int64 }

func (d *Duplicate) Error() string { return fmt.Sprintf("already stored as %d", d.Mid) }

// Store keeps messages for devices that are away. All methods may be called concurrently.
// docs/design.md, "Store"; store/storetest is the contract as a test.
type Store interface {
	// Append makes entries durable and answers one result for each, in order: nil, a *Duplicate, ErrOrder
	// (Prev is not the key's last stored mid), ErrUnavailable (not stored) or ErrUnknown (it may or may not be there). Entries of
	// one key stand in order and chain their Prev: after one that was not stored no later one of its key is, even if somebody else's
	// last mid happens to be their Prev.
	//
	// An entry whose IdemKey was stored for its key within the idempotency window before is not stored, whatever its Prev and whatever became of those
	// before it: that is a *Duplicate with the first mid. It is so when the first is of the same call, and when its message was trimmed,
	// deleted or has expired since, also with all of its key. The IdemKey is stored in the commit of its message.
	// What has not begun when ctx ends is given up; whoever calls may be the one who waits for a disk
	// that hangs, so that it may come back later: a store that would not tell that what has begun is still to come must not come back before. The entries are the store's until it returns, and for good when one is ErrUnknown; payloads
	// are never changed. An entry's Trim is
	// carried out in the same commit, after it.
	Append(ctx context.Context, entries []Entry) []error

	// Range returns unexpired messages of key with from <= mid <= to, oldest first (newest
	// first if reverse), at most limit (0: no limit) and at most maxBytes of payload (0: no
	// limit), but always one if there is one. The slice and the payloads are the caller's.
	// An unknown key has no messages: that is not an error.
	Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error)

	// Info answers from the key's record alone. An unknown key has the zero Info but for Since.
	Info(ctx context.Context, key string) (Info, error)

	// Delete removes the messages mids of key, or all when none is given, and returns how many
	// were there. The key's last mid stays known; without mids the key does not exist any more, and its groups go too.
	Delete(ctx context.Context, key string, mids ...int64) (int, error)

	// Trim removes the oldest messages of key until at most keep are left (keep < 0: any number)
	// and none below minMid, and returns how many it removed.
	Trim(ctx context.Context, key string, keep int, minMid int64) (int, error)

	// Keys returns at most limit keys that have a record, in an order of the store's own, and the
	// cursor for the next call; "" begins and ends. Keys that do not exist any more (Info.Exists) are left out.
	Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error)

	Close() error
}

// Firm is a store of which what is read may change though nobody appends: one that loses what nobody was told of, since its servers copy what they
// have to others, which then take their places; or one that has failed, and may have more when it is opened again.
type Firm interface {
	// RangeFirm is Range, from a mid to the last message, for what is to be released: what it answers is as safe as what Append
	// acknowledged. Where what is there is not, the error is ErrUnavailable.
	RangeFirm(ctx context.Context, key string, from int64, maxBytes int) ([]message.Message, error)
}

// Limits keeps the mid limit of a node: it mints no mid above the limit that it wrote last.
// A store that does not have it is not shared and does not outlive the process.
type Limits interface {
	// MidLimit returns the highest limit that any node wrote; 0: none.
	MidLimit(ctx context.Context) (int64, error)
	// SetMidLimit makes node's limit durable; a lower one than before is ignored.
	SetMidLimit(ctx context.Context, node string, limit int64) error
}

// Owner is a process that gives the messages of keys their order, in an epoch.
type Owner struct {
	Name  string // of the process: another one never has it. No space is in it
	Epoch int64  // > 0
}

// Epoch is a time in which at most one process owns a key.
type Epoch struct {
	Number int64 // > 0; it only grows
	Floor  int64 // mid: no limit of an earlier epoch is above it, nor ever will be
}

// Owned is why an owner may not have a key: another one has it in the same epoch, or anybody in a later one.
type Owned struct{ Epoch int64 }

func (o *Owned) Error() string { return fmt.Sprintf("another node owns the key, in epoch %d", o.Epoch) }

// Unwrap has it be a push that was not stored.
func (o *Owned) Unwrap() error { return ErrUnavailable }

// Epochs is a store that several nodes share. It sees to it that a key has one owner at a time, for the sake of live-only messages, which it does not see:
// what one owner minted is below what the next one mints, since a limit is only moved in the epoch that is, and
// what one stored is known to the next one, since Append answers *Owned to all entries of a key (duplicates too) whose Owner may not have it any more.
type Epochs interface {
	Limits
	// BeginEpoch begins an epoch after known, and after all that were begun, and returns it.
	BeginEpoch(ctx context.Context, known int64) (Epoch, error)
	// SetLimitIn is SetMidLimit in an epoch, and returns the epoch that is: where that is a later one the limit is not set. After an epoch that the
	// store has lost another one begins, with a floor that is not below limit.
	SetLimitIn(ctx context.Context, epoch int64, node string, limit int64) (Epoch, error)
	// Own has owner own key from now on, unless the error is *Owned, and returns what Info does. It is durable when it returns. An owner is forgotten a week after
	// it came, or came again in the second half of it.
	Own(ctx context.Context, key string, owner Owner) (Info, error)
}

// Groups keeps the cursors of devices: the consumer groups of keys, with the semantics of Redis
// 7.0. Ack, and all but what is said otherwise below, is durable when it returns; what was acknowledged stays so
// together with the delivery that it acknowledges. Deliveries (ReadGroup, Claim, AutoClaim) may be lost in a crash:
// then they come again. A group that nobody uses costs no memory in a store that has a disk. What is pending in a group
// beyond max_stored_per_key is forgotten where its messages are gone, oldest first. Where a group or a key must be there and is
// not, the error is message.ErrNoKey, if it is the key, or message.ErrNoGroup. Who makes a group, or a consumer by naming it, beyond max_devices_per_key gets
// message.ErrTooManyGroups. Methods may be called concurrently.
type Groups interface {
	// CreateGroup makes a group at mid last (message.LastMid: the key's last). Without create a key that does not exist
	// is an error; with it the key exists from now on.
	CreateGroup(ctx context.Context, key, group string, last int64, create bool) error
	// SetGroup moves a group to mid last (message.LastMid: the key's last).
	SetGroup(ctx context.Context, key, group string, last int64) error
	// DestroyGroup removes a group, and tells whether it was there. The key must exist.
	DestroyGroup(ctx context.Context, key, group string) (bool, error)
	// CreateConsumer makes a consumer, and tells whether it is new.
	CreateConsumer(ctx context.Context, key, group, consumer string) (bool, error)
	// DeleteConsumer removes a consumer and what is pending with it, and returns how much that was.
	DeleteConsumer(ctx context.Context, key, group, consumer string) (pending int, err error)

	// ReadGroup delivers messages that the group has not seen, oldest first. Here, and in Claim and AutoClaim, a consumer that is
	// given none is not made, nor seen.
	ReadGroup(ctx context.Context, r message.GroupRead) ([]message.Message, error)
	// ReadPending delivers again what is pending with a consumer after a mid, oldest first: as in Redis, that
	// counts as one more delivery of what is not gone. count and maxBytes are as in message.GroupRead.
	ReadPending(ctx context.Context, key, group, consumer string, after int64, count, maxBytes int) ([]message.Delivery, error)
	// Ack takes mids off what is pending, and returns how many of them were. An unknown group is no error.
	Ack(ctx context.Context, key, group string, mids ...int64) (int, error)

	// Pending sums up what is pending.
	Pending(ctx context.Context, key, group string) (message.PendingSummary, error)
	// PendingRange lists what is pending, by mid.
	PendingRange(ctx context.Context, key, group string, f message.PendingFilter) ([]message.Pending, error)
	// Claim gives those of mids that are pending to c.Consumer, and returns them. Those whose messages are gone are
	// pending no more.
	Claim(ctx context.Context, c message.Claim, mids []int64) ([]message.Message, error)
	// AutoClaim does so with at most count that are pending from a mid on, looking at no more than ten times as many; next is where to go on,
	// 0: that was all. gone are those whose messages are gone: pending no more. c.Count, c.Force and c.Last mean nothing here.
	AutoClaim(ctx context.Context, c message.Claim, from int64, count int) (claimed []message.Message, gone []int64, next int64, err error)

	// GroupsOf lists the groups of a key, by name.
	GroupsOf(ctx context.Context, key string) ([]message.Group, error)
	// Consumers lists the consumers of a group, by name.
	Consumers(ctx context.Context, key, group string) ([]message.Consumer, error)
}

// Tokens keeps the tokens of keys, by hash, for package auth.
type Tokens interface {
	// PutToken registers a token, or replaces it. It is durable when it returns.
	PutToken(ctx context.Context, key string, hash [32]byte, lifetime time.Duration, expires time.Time) error
	// RenewToken has a token that is there (expired or not) live its lifetime from now on, and tells whether it is there: it
	// brings none back that is deleted meanwhile, here or by another node. It is durable when it returns.
	RenewToken(ctx context.Context, key string, hash [32]byte, now time.Time) (found bool, err error)
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
