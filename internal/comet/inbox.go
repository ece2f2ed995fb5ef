package comet

import (
	"sync"
	"sync/atomic"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// inboxBytes bounds the payload that waits in a loop's inbox and in its walks. Above it
// publishers wait in Admit until the loop has caught up; who is admitted already may pass it
// by one message.
const inboxBytes = 8 << 20

// item is one thing for the holder of the loop's lock to do: a message to deliver, or do.
type item struct {
	channel *channel.Channel
	message *message.Message
	ref     uint32
	do      func(*loop)
}

// inbox is the way into a loop for everybody else. Items leave in the order they came.
type inbox struct {
	mu    sync.Mutex
	room  sync.Cond
	items []item // guarded by mu
	spare []item // the slice that was drained last, for the next turn; guarded by mu

	waiting atomic.Int64 // items; written under mu, read by anyone
	bytes   atomic.Int64 // of payload not yet delivered
}

func (b *inbox) init() { b.room.L = &b.mu }

func (b *inbox) put(it item) {
	b.mu.Lock()
	b.items = append(b.items, it)
	b.waiting.Add(1)
	b.mu.Unlock()
}

func (b *inbox) putMessage(c *channel.Channel, ref uint32, m *message.Message) {
	b.bytes.Add(cost(m))
	b.put(item{channel: c, ref: ref, message: m})
}

// take returns all items and empties the inbox. They are the caller's until giveBack.
func (b *inbox) take() []item {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items, b.spare = b.spare[:0], nil
	b.waiting.Store(0)
	return items
}

// giveBack returns the slice that take gave, to be filled again.
func (b *inbox) giveBack(items []item) {
	clear(items)
	b.mu.Lock()
	if cap(items) <= maxSpareItems {
		b.spare = items[:0]
	}
	b.mu.Unlock()
}

// maxSpareItems bounds what a burst leaves behind.
const maxSpareItems = 4096

// delivered takes messages off the account and lets publishers in.
func (b *inbox) delivered(bytes int64) {
	if now := b.bytes.Add(-bytes); now <= inboxBytes && now+bytes > inboxBytes {
		b.mu.Lock()
		b.room.Broadcast()
		b.mu.Unlock()
	}
}

// crowded tells whether too much is under way.
func (b *inbox) crowded() bool { return b.bytes.Load() > inboxBytes }

// admit waits while too much is under way.
func (b *inbox) admit() {
	if !b.crowded() {
		return
	}
	b.mu.Lock()
	for b.crowded() {
		b.room.Wait()
	}
	b.mu.Unlock()
}

// cost is what a message counts for while it waits: its payload and about what else it takes.
func cost(m *message.Message) int64 { return int64(len(m.Payload)) + 64 }
