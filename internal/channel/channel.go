// Package channel is the heart of a node: who subscribes to which key, which message of a
// key comes after which, and when a push is done.
//
//	Publish ─> bucket ─> channel ── live only ──────────────────────┐
//	                        │                                       ├─> release in mid order ─> Sink.Post
//	                        └─ stored: wait ─> appender ─> Store ───┘
//	Subscribe ─> bucket ─> channel: from this mid on, everything is posted
//
// It promises: messages of a key are released in mid order; a stored push is answered after
// its commit; whoever subscribes is posted every message above the barrier it was given; a
// channel that nobody subscribes to and that has nothing under way costs nothing, but for a few thousand that were
// stored to last. It knows
// no sockets and no wire: subscribers are a number each that a Sink understands.
package channel

import "gopush/internal/message"

// SinkID numbers the sinks of a hub, in the order they were attached.
type SinkID uint16

// MaxSinks is how many sinks a hub can have: they are remembered in a 64-bit set, beside one bit more.
const MaxSinks = 63

// Sink is where released messages go: an event loop with connections in it.
type Sink interface {
	// Post queues a released message for the subscribers of ch that the sink knows as ref. It is
	// called with the channel locked, in mid order for each channel: it must not block and not
	// call back. ch tells whether ref still means the same.
	Post(ch *Channel, ref uint32, m *message.Message)
	// Kick queues the closing of those subscribers of ch, all or only the ones opened with
	// a token of tags, and later sends how many there were to closed, which has room. Called as Post is.
	Kick(ch *Channel, ref uint32, tags []uint64, closed chan<- int)
	// Flush lets go what was posted. It is called without locks after one or more Posts.
	Flush()
	// Crowded tells whether the queue of posted messages has no room.
	Crowded() bool
	// Admit returns when it has. It is how a publisher waits.
	Admit()
}

// Channel is the server's object for one key, while somebody subscribes to it or something
// of it is under way; or for a pattern of keys, while somebody subscribes to that. Its fields are guarded by the lock of its bucket; a Sink holds on to
// it only as a name.
type Channel struct {
	key  string   // set when made, never changed, like pattern
	next *Channel // the next one in the bucket with the same hash

	released int64 // mid of the last released message, or a mid that was not below it
	stored   int64 // mid of the last stored message; valid once loaded
	extra    *extra

	slot        // the first sink's subscribers; count 0: none
	state state // bits

	pattern bool // key is one; guarded by the lock of the patterns, in no bucket
}

type state uint16

const (
	loaded    state = 1 << iota // stored is known
	scheduled                   // a loader or the appender has it or will have it
	used                        // something was released
	staying                     // it is among those that its bucket keeps
	doubtful                    // the store may hold what was not released: look before the next append
	relayed                     // another node gives its messages their order: they come by Feed. It stays until Unrelay
	placed                      // with relayed: released is a place in that order
	behind                      // the store may hold what was not released, and nobody will say so: read on from released
	unowned                     // others may give the key's messages their order: the store is to be asked first
)

// certain tells whether what is known of the store holds.
func (s state) certain() bool { return s&(loaded|doubtful|relayed|behind) == loaded }

// minting tells whether messages can be given their order.
func (s state) minting() bool { return s.certain() && s&unowned == 0 }

// withoutPlace takes away what is known of what was released and stored.
const withoutPlace = ^(loaded | used | doubtful | placed | behind)

// slot is what a channel knows of one sink's subscribers.
type slot struct {
	count uint32 // how many
	ref   uint32 // what the sink calls them
	sink  SinkID
}

// extra is what few channels need at a time.
type extra struct {
	slots []slot     // of all sinks but the first
	queue []*pending // pushes that wait for a loader or the appender, in order

	followers int // of those that the slots count, who only waits for stored messages
	links     int // of those that the slots count, other nodes that follow
	afar      int // likewise, connections of those nodes

	doubt int64 // valid while doubtful: the first mid of those of which nobody knows whether they are stored

	held  []*message.Message // by mid: what was fed while nothing could be released
	bytes int                // of held
	looks bool               // a timer will have the store read again
	again bool               // the store is to be read to its end once more: who reads it now may have passed what is missing here
}

// Key returns the key of c, or the text of the pattern, which never changes.
func (c *Channel) Key() string { return c.key }

// Pattern tells whether c is of a pattern, which never changes: what it is posted are messages of
// keys that match.
func (c *Channel) Pattern() bool { return c.pattern }

// more returns c's extra, made if need be.
func (c *Channel) more() *extra {
	if c.extra == nil {
		c.extra = new(extra)
	}
	return c.extra
}

// waits tells whether pushes wait in c.
func (c *Channel) waits() bool { return c.extra != nil && len(c.extra.queue) > 0 }

// idle tells whether nothing of c is under way, so that a live-only message may be released at once.
func (c *Channel) idle() bool { return c.state&scheduled == 0 && !c.waits() }

// tidy drops c's extra if there is nothing in it.
func (c *Channel) tidy() {
	if x := c.extra; x != nil && len(x.slots) == 0 && len(x.queue) == 0 && x.followers == 0 && x.links == 0 && len(x.held) == 0 && !x.again && !x.looks && c.state&doubtful == 0 {
		c.extra = nil
	}
}

// unused tells whether c can be forgotten.
func (c *Channel) unused() bool { return c.listeners() == 0 && c.idle() && c.state&relayed == 0 }

// own counts the subscribers that are connections of this node.
func (c *Channel) own() int {
	if c.extra == nil {
		return int(c.count)
	}
	return c.receivers() - c.extra.afar
}

// receivers counts the subscribers, those of other nodes included.
func (c *Channel) receivers() int {
	if c.extra == nil {
		return int(c.count)
	}
	return c.subscribers() - c.extra.links
}

// subscribers counts the subscribers and the nodes that follow.
func (c *Channel) subscribers() int {
	if c.extra == nil {
		return int(c.count)
	}
	return c.listeners() - c.extra.followers
}

// listeners counts subscribers and followers.
func (c *Channel) listeners() int {
	n := int(c.count)
	if c.extra != nil {
		for i := range c.extra.slots {
			n += int(c.extra.slots[i].count)
		}
	}
	return n
}

// find returns the slot of sink, or nil.
func (c *Channel) find(sink SinkID) *slot {
	if c.count > 0 && c.sink == sink {
		return &c.slot
	}
	if c.extra != nil {
		for i := range c.extra.slots {
			if c.extra.slots[i].sink == sink {
				return &c.extra.slots[i]
			}
		}
	}
	return nil
}

// join counts one more subscriber, or follower, of sink and returns what the sink calls them: spare if they
// are its first here.
func (c *Channel) join(sink SinkID, spare uint32) (ref uint32) {
	s := c.find(sink)
	switch {
	case s != nil:
	case c.count == 0:
		c.slot = slot{ref: spare, sink: sink}
		s = &c.slot
	default:
		x := c.more()
		x.slots = append(x.slots, slot{ref: spare, sink: sink})
		s = &x.slots[len(x.slots)-1]
	}
	s.count++
	return s.ref
}

// leave counts one less.
func (c *Channel) leave(sink SinkID) {
	s := c.find(sink)
	if s == nil {
		panic("channel: leave without join")
	}
	if s.count--; s.count == 0 && s != &c.slot {
		x := c.extra
		*s = x.slots[len(x.slots)-1]
		x.slots = x.slots[:len(x.slots)-1]
	}
	c.tidy()
}

// each calls f for every sink with subscribers or followers.
func (c *Channel) each(f func(slot)) {
	if c.count > 0 {
		f(c.slot)
	}
	if c.extra != nil {
		for _, s := range c.extra.slots {
			f(s)
		}
	}
}
