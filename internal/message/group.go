package message

import (
	"errors"
	"time"
)

// LastMid stands for the mid of the key's last stored message where a position is asked for.
const LastMid = -1

// What a command about a device's cursor can fail with.
var (
	// ErrNoKey: the key has no stream: nothing was ever stored for it, or it was deleted.
	ErrNoKey = errors.New("no such key")
	// ErrNoGroup: the key has no such group, or there is no such key.
	ErrNoGroup = errors.New("no such group")
	// ErrGroupExists: the key has a group of this name.
	ErrGroupExists = errors.New("group exists")
	// ErrTooManyGroups: the key has max_devices_per_key groups, or the group as many consumers.
	ErrTooManyGroups = errors.New("max_devices_per_key reached: remove groups or consumers that nobody needs, or raise the setting")
)

// Group is a device's cursor: what Redis calls a consumer group of a stream.
type Group struct {
	Name      string
	Last      int64 // mid that was delivered last; 0: none
	Read      int64 // messages that were delivered, as Redis counts "entries-read"; -1: not known
	Lag       int64 // stored messages after Last, living ones; -1: not known
	Consumers int
	Pending   int // delivered and not acknowledged
}

// Consumer is one of those who read a group's messages.
type Consumer struct {
	Name    string
	Pending int
	Seen    time.Time // when it last asked for something
}

// Pending is a message of a group that was delivered and not acknowledged.
type Pending struct {
	Mid       int64
	Consumer  string
	Delivered time.Time // when it was last
	Count     int64     // how often
}

// PendingSummary is what is pending in a group, in all.
type PendingSummary struct {
	Count       int
	First, Last int64      // mids; 0: nothing is pending
	Consumers   []Consumer // those who have something pending, by name; Seen is not set
}

// Delivery is a message that a group gives to a consumer.
type Delivery struct {
	Message      // with Gone: the mid alone
	Gone    bool // it is pending, but no longer stored
}

// GroupRead asks for what no consumer of a group was given yet.
type GroupRead struct {
	Key, Group, Consumer string
	Count                int  // at most so many; 0: no limit
	MaxBytes             int  // at most so many bytes of payload, but one message; 0: no limit
	NoAck                bool // what is delivered is not pending
}

// PendingFilter chooses pending messages.
type PendingFilter struct {
	From, To int64         // mids, both included
	Count    int           // at most so many
	Consumer string        // "": of all
	MinIdle  time.Duration // delivered at least so long ago
}

// Claim gives pending messages to another consumer.
type Claim struct {
	Key, Group, Consumer string
	MinIdle              time.Duration // delivered at least so long ago
	Delivered            time.Time     // becomes the time of delivery; zero: now
	Count                int64         // becomes the count of deliveries; -1: one more than before, or as before with JustID
	JustID               bool          // messages are not read, and the count of deliveries stays
	Force                bool          // mids that are stored and not pending become so
	Last                 int64         // the group's last delivered mid becomes at least this; 0: stays
	MaxBytes             int           // at most so many bytes of payload, but one message; what does not fit is not claimed; 0: no limit
}
