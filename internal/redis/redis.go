// Package redis is what the Redis commands mean: pub/sub is live delivery, a stream has a key's stored messages,
// a stream id is a mid, a consumer group is the cursor of a device.
//
//	["XADD" "k" "*" "msg" "hi"] ── Server.Command ──> Step: push this ── receipt ──> Step.Answer ──> "$20\r\n1700000000000-0…"
//	["PING"]                    ── Server.Command ──> "+PONG\r\n"
//
// It promises that a command never blocks and does no I/O: what may wait is a Step, for whoever has the
// connection to carry out. Replies and errors are those of Redis 7.0 but where docs/protocol.md, "Redis",
// says otherwise. It knows neither sockets nor loops nor stores.
package redis

import (
	"context"
	"time"

	"gopush/internal/message"
)

// Keys is how commands reach keys; *channel.Hub is one. All may block.
type Keys interface {
	// Publish pushes and returns a receipt for each when all are done.
	Publish(ctx context.Context, pushes []message.Push) []message.Receipt
	Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error)
	Info(ctx context.Context, key string) (message.KeyInfo, error)
	Delete(ctx context.Context, key string, mids ...int64) (int, error)
	Trim(ctx context.Context, key string, keep int, minMid int64) (int, error)
	Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error)

	// CountSubscribers returns how many connections subscribe to each of keys.
	CountSubscribers(ctx context.Context, keys []string) ([]int, error)
	// FindSubscribed returns at most limit keys that match and somebody subscribes to, in no order.
	FindSubscribed(ctx context.Context, pattern string, limit int) ([]string, error)
	CountPatterns(ctx context.Context) (int, error) // different ones that somebody subscribes to
}

// Far is where keys may be that other nodes own. Who subscribes to one, or waits for its messages, has it near first.
type Far interface {
	// Near tells whether key is. It does not block.
	Near(key string) bool
	// Approach makes it so, and may block; when ctx has ended it still begins to. Its error is a *message.WrongNode, of who must
	// not subscribe here, or says why it is not near yet: it will be later, without a gap.
	Approach(ctx context.Context, key string) error
}

// Groups keeps the cursors of devices; a store is one. channel.Groups says what its methods promise. All may block.
type Groups interface {
	CreateGroup(ctx context.Context, key, group string, last int64, create bool) error
	SetGroup(ctx context.Context, key, group string, last int64) error
	DestroyGroup(ctx context.Context, key, group string) (bool, error)
	CreateConsumer(ctx context.Context, key, group, consumer string) (bool, error)
	DeleteConsumer(ctx context.Context, key, group, consumer string) (pending int, err error)
	ReadGroup(ctx context.Context, r message.GroupRead) ([]message.Message, error)
	ReadPending(ctx context.Context, key, group, consumer string, after int64, count, maxBytes int) ([]message.Delivery, error)
	Ack(ctx context.Context, key, group string, mids ...int64) (int, error)
	Pending(ctx context.Context, key, group string) (message.PendingSummary, error)
	PendingRange(ctx context.Context, key, group string, f message.PendingFilter) ([]message.Pending, error)
	Claim(ctx context.Context, c message.Claim, mids []int64) ([]message.Message, error)
	AutoClaim(ctx context.Context, c message.Claim, from int64, count int) (claimed []message.Message, gone []int64, next int64, err error)
	GroupsOf(ctx context.Context, key string) ([]message.Group, error)
	Consumers(ctx context.Context, key, group string) ([]message.Consumer, error)
}

// Clients is how commands reach the connections of a node that speak Redis. Both may block. What they are given is called with
// locks held, for one connection at a time: it does not block, and keeps nothing of the Client, whose session is another's.
type Clients interface {
	// VisitClients calls visit for each, in no order, until it returns false or ctx ends.
	VisitClients(ctx context.Context, visit func(*Client) (more bool))
	// KillClients closes those that match and returns how many there were.
	KillClients(ctx context.Context, match func(*Client) bool) int
}

// Client is a connection as CLIENT LIST shows it.
type Client struct {
	ID            int64
	Addr, LAddr   string // IP:PORT
	Session       *Session
	Age, Idle     time.Duration
	Blocked       bool
	Subscriptions Subscriptions
}

// Subscriptions counts what a connection subscribes to.
type Subscriptions struct{ Channels, Shards, Patterns int32 }

// How is one of the ways to subscribe.
type How uint8

const (
	Channel How = 1 << iota // SUBSCRIBE
	Shard                   // SSUBSCRIBE: the same, but for how deliveries look
	Pattern                 // PSUBSCRIBE
)

// Kind says what is to be done to carry a command out.
type Kind uint8

const (
	Done        Kind = iota // nothing: the reply is there
	Close                   // nothing more of the connection is read; it is closed when the reply has left
	Push                    // Step.Push; Step.Answer makes the reply of its receipt
	Work                    // Step.Work makes the reply, somewhere where it may block
	Check                   // Step.Work, which replies nothing; then the same command again
	Subscribe               // to Step.Names, Step.How; Session.AppendSubscribed replies for each
	Unsubscribe             // from Step.Names, or, if there are none, from all; likewise
	Reset                   // all subscriptions end and what is followed; the reply is there
	Wait                    // Step.Wait
)

// Step is what a command asks of whoever has the connection. It is used again for the next command.
type Step struct {
	Kind Kind
	Mute bool // whatever the reply is, it is not sent

	Push   message.Push
	Answer func(dst []byte, receipts []message.Receipt, last bool) []byte // last means nothing here

	// Work may block. It appends the reply to dst; then, if not nil, is told to the session afterwards, by who owns it.
	Work func(ctx context.Context, dst []byte) (reply []byte, then func(*Session))

	How   How
	Names [][]byte // alias the command

	Wait *Waiting

	call call // while Server.Command runs: a command costs no allocation
}

// Waiting is a read that waits for messages of keys: XREAD or XREADGROUP with BLOCK.
//
// Whoever has the connection first sees to it that it is told of what is stored for Keys from now on; then has Try look, and
// again whenever something was stored since the last look began, until there is a reply.
type Waiting struct {
	Keys  []string      // none twice
	After []int64       // for each key, what a message has to be above; message.LastMid until Try has resolved it; nil for a group
	Group string        // whose messages are waited for, each of which one of those who wait gets; "": of nobody's
	Block time.Duration // 0: there is no end

	// Try looks for messages and appends the reply, if there is one already. It may block. after is a copy of After, in
	// which it resolves message.LastMid.
	Try func(ctx context.Context, dst []byte, after []int64) (reply []byte, found bool)
	// Append appends the reply that consists of these stored messages of Keys[key], all above After[key] and none in between
	// missing, at least one. nil: Try has to look.
	Append func(dst []byte, key int, messages []*message.Message) []byte
	None   []byte // the reply when time is up
}
