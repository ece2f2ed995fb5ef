package link

import (
	"context"

	"gopush/internal/message"
)

// Link is the link to a peer: the end that asks. Its methods may be called by anybody at any time, with locks held too; those without a
// context wait for nothing. What has no answer (Follow, Count, Look …) is lost when the link is down, or breaks before it has been
// written: whoever asked is told by Handler.Down, and asks again after Handler.Up.
type Link struct{}

// Name returns the peer's.
func (l *Link) Name() string { return "" }

// Up tells whether the link is: the peer can be asked, as far as is known.
func (l *Link) Up() bool { return false }

// Hello returns what the peer said of itself last, and whether it ever did.
func (l *Link) Hello() (Hello, bool) { return Hello{}, false }

// Err returns why the link is down, or nil.
func (l *Link) Err() error { return nil }

// Publish has the peer carry out pushes, marked as forwarded: it does not pass them on. Those of one link to one key keep the order
// in which Publish was called; as with channel.Hub, after one failed the later ones to its key in the same call are skipped. done is told
// of a receipt for each exactly once: by anybody, perhaps before Publish returns; it must not block. An Err of a receipt wraps one of
// package message's: ErrUnavailable where the link is down, breaks before the call was written, or has MaxQueueBytes under way;
// ErrUnknown where it breaks later or no answer comes for twice store_timeout; else what the peer said.
// The pushes may be used again when Publish has returned.
func (l *Link) Publish(pushes []message.Push, done func([]message.Receipt)) {}

// Follow asks for all messages of key that are released from now on. mid is the last one that was released here. Handler.Followed
// or Refused answers it. To follow again what is followed is no mistake: it is answered again.
func (l *Link) Follow(key string, mid int64) {}

// Unfollow takes back Follow. Messages that are on their way still come.
func (l *Link) Unfollow(key string) {}

// Count tells how many connections here subscribe to a key that is followed: the peer counts them as subscribers of its own. It may be
// told as often as that changes: what was not written yet is replaced. The peer forgets it with the follow, and a follow begins with 0.
func (l *Link) Count(key string, n int) {}

// FollowPattern asks for all messages, of keys that the peer owns, that match. Handler.FollowedPattern answers it.
func (l *Link) FollowPattern(pattern string) {}

// UnfollowPattern takes back FollowPattern. Messages that are on their way still come.
func (l *Link) UnfollowPattern(pattern string) {}

// CountPattern is Count of a pattern.
func (l *Link) CountPattern(pattern string, n int) {}

// Look has the peer look into the store for what another node stored for its keys.
func (l *Link) Look(keys ...string) {}

// Revoked tells that tokens of key were deleted: those with the tags, or all if there are none.
func (l *Link) Revoked(key string, tags []uint64) {}

// Kick closes the peer's own connections that subscribe to key, as channel.Hub's does, and returns how many there were.
func (l *Link) Kick(ctx context.Context, key string, tags ...uint64) (int, error) { return 0, nil }

// Subscribers returns how many of the peer's own connections subscribe to each of keys.
func (l *Link) Subscribers(ctx context.Context, keys []string) ([]int, error) { return nil, nil }

// Subscribed returns at most limit keys (0: any number) that match pattern and that the peer's own connections subscribe to, in no order.
func (l *Link) Subscribed(ctx context.Context, pattern string, limit int) ([]string, error) {
	return nil, nil
}

// Stats returns what the peer tells of itself.
func (l *Link) Stats(ctx context.Context) (NodeStats, error) { return NodeStats{}, nil }
