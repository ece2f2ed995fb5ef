package link

import (
	"context"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// Handler is told of what comes over the links to this node's peers. name is the peer's. Its methods are called by the goroutine that reads the
// link, in the order in which things came, for different peers at the same time. They must not block for long: what the peer
// sends waits meanwhile, also its answers, and whether it is silent is not seen.
type Handler interface {
	// Up tells that a link is up: nothing is followed on it yet. The next that is told of it is Down.
	Up(l *Link, h Hello)
	// Down tells that a link that was up is not any more; all that was followed on it is not any more. Other peers are tried again by Links.
	Down(name string, err error)
	// Missed tells that nothing came for n beats; after three the link is down. It is told for each beat of a peer that cannot be reached, too,
	// with n growing on: who counts on pings need not ask Up.
	Missed(name string, n int)
	// Greeted tells that what the peer says of itself has changed.
	Greeted(name string, h Hello)
	// Left tells that the peer leaves: it owns nothing from now on.
	Left(name string)

	// Followed answers Link.Follow: released is the mid of the last message that the peer had released for key; all
	// above it will come.
	Followed(name, key string, released int64)
	// Refused answers Link.Follow with an error that wraps one of package message's or channel's where the peer's did: the key is not followed.
	Refused(name, key string, err error)
	// Message has a message of a key that is followed, above what Followed told; a key's come in mid order. The handler keeps it. Where several
	// come together, one Flush follows them; before anything else is told of the link.
	Message(name string, m *message.Message)
	// Dropped tells that the peer has ended the follow of key, because too much waited for the link or because it owns key no more: messages are
	// missing from here on, until it is followed again.
	Dropped(name, key string)

	// FollowedPattern answers Link.FollowPattern: with an error it is not followed.
	FollowedPattern(name, pattern string, err error)
	// PatternMessage is Message for a pattern that is followed. A message that matches several comes once for each, and once more if its key is
	// followed.
	PatternMessage(name, pattern string, m *message.Message)
	// DroppedPattern is Dropped for a pattern.
	DroppedPattern(name, pattern string)

	// Flush follows one or more of Message, PatternMessage, and of what Link.Publish was given as done.
	Flush()
}

// Keys is this node as other nodes reach it: what it does itself, never what it asks others to. All who follow are
// one sink of its channels.
type Keys interface {
	Attach(s channel.Sink) channel.SinkID

	// Start, Flush, Crowded and Admit are channel.Hub's. The pushes were forwarded to this node, which carries them out whether or not
	// it owns their keys.
	Start(from channel.SinkID, pushes []message.Push, done func([]message.Receipt)) ([]message.Receipt, channel.SinkSet)
	Flush(posted channel.SinkSet)
	Crowded() bool
	Admit()

	// FollowFor makes another node, whose last released message of key is mid, a subscriber of sink. All messages above released will be posted; all others
	// of the key are in the store by now, or were live only. It may block while it reads the store, until ctx ends. ref and spare are as in
	// channel.Hub's Subscribe. Each is taken back by one UnfollowFor. The error may wrap one of package message's or channel's.
	// Posts may come before it returns. It counts as no subscriber: Weigh tells how many it stands for.
	FollowFor(ctx context.Context, sink channel.SinkID, key string, mid int64, spare uint32) (c *channel.Channel, ref uint32, released int64, err error)
	// UnfollowFor takes back one FollowFor.
	UnfollowFor(sink channel.SinkID, c *channel.Channel)
	// SubscribePattern and UnsubscribePattern are channel.Hub's: one for each node that follows the pattern.
	SubscribePattern(sink channel.SinkID, pattern string, spare uint32) (c *channel.Channel, ref uint32, err error)
	UnsubscribePattern(sink channel.SinkID, c *channel.Channel)
	// Weigh tells how many connections of other nodes subscribe to c, a key's or a pattern's, through sink, in all.
	Weigh(sink channel.SinkID, c *channel.Channel, n int)

	// Kick closes this node's own connections that subscribe to key, and returns how many there were. channel.Hub's does.
	Kick(ctx context.Context, key string, tags ...uint64) (int, error)
	// Look has the store looked into for what another node stored for keys. It does not block.
	Look(keys []string)
	// Revoked tells that tokens of key were deleted: those with the tags, or all if there are none. It does not block.
	Revoked(key string, tags []uint64)
	// OwnSubscribers returns how many of this node's own connections subscribe to key.
	OwnSubscribers(key string) int
	// OwnSubscribed returns at most limit keys (0: any number) that match pattern and that this node's own connections subscribe to.
	OwnSubscribed(pattern string, limit int) []string
	// Stats returns what this node tells of itself.
	Stats() NodeStats
}
