// Package message has the vocabulary that every other package shares: messages, their
// ids, the keys that they are pushed to, and the request and the answer of a push.
//
// It promises that ids of a key only ever grow, and that a key that passed CheckKey can
// stand in a log line, a URL and a stored record. It knows no wire, no store and no clock.
package message

import (
	"errors"
	"time"
)

// Form says how a payload is to be read.
type Form uint8

const (
	Opaque Form = 0 // bytes as the backend pushed them
	Fields Form = 1 // a list of fields and values, kept as its RESP array
)

// Gid of a message: who it was meant for. Clients of gopush-cluster see it.
const (
	Private = 0
	Public  = 1
)

// Message is one message of one key. It is made once, when it is released or read from a
// store, and then shared by everything that sends it: nobody changes it or its payload.
type Message struct {
	Key     string    // it was pushed to
	Mid     int64     // strictly increasing within a key, see NextMid
	Prev    int64     // mid of the last stored message of the key before this one; 0: none
	GID     int       // Private or Public
	Expires time.Time // when the store forgets it; zero: live only, never stored
	Form    Form
	Payload []byte // shared, never changed
}

// Stored tells whether m was kept for devices that are away.
func (m *Message) Stored() bool { return !m.Expires.IsZero() }

// Never is the Expires of a stored message that is kept until it is trimmed.
var Never = time.Unix(1<<40, 0)

// Push asks to push Payload to Key.
type Push struct {
	Key     string
	Payload []byte // the receiver's from now on; never changed
	Form    Form
	GID     int
	Expire  time.Duration // how long it is kept for devices that are away; 0: live only, never stored
	IdemKey []byte        // a repeated push to Key with the same one is answered with the first mid; empty: none
	Mids    Span          // what the mid is to be chosen from; zero: the next one
	Trim    Trim          // what is removed in the commit that stores it; zero: nothing
}

// MaxIdemKeyBytes is how long an idempotency key may be.
const MaxIdemKeyBytes = 255

// Span is the mids from First to Last, both included. The zero value is all of them.
type Span struct{ First, Last int64 }

// Trim says which of a key's stored messages, oldest first, are not to be kept.
type Trim struct {
	Keep   int   // all but so many, when positive; -1: all, the new one too
	MinMid int64 // those below
}

// Receipt answers a Push.
type Receipt struct {
	Mid         int64 // of the message; meaningless with Err
	Stored      bool  // durable: it survives kill -9
	Duplicate   bool  // a push with the same idempotency key was stored before: Mid is its, nothing was done now
	Subscribers int   // connections that it was posted to
	Err         error // nil, or one of the errors below, wrapped
}

// KeyInfo is what is known of a key at one moment.
type KeyInfo struct {
	Subscribers int   // connections of this node that are subscribed
	Last        int64 // mid of the last stored message, also when it is gone by now; 0: none known
	Stored      int   // messages that can still be read
	First       int64 // mid of the oldest message that can still be read; 0: none. May lag behind expiry.
	Added       int64 // messages ever stored
	Exists      bool  // something was stored, or a device's cursor made, since the key was last deleted whole
}

// What a push or a read can fail with, for the caller to decide on.
var (
	// ErrTooLarge: the payload is larger than max_message_bytes.
	ErrTooLarge = errors.New("message too large")
	// ErrIdemKey: the idempotency key is too long, or the push is live only, so that nothing remembers it.
	ErrIdemKey = errors.New("bad idempotency key")
	// ErrMid: no mid of Push.Mids may be given any more: the key's last one is not below.
	ErrMid = errors.New("mid not above the last one")
	// ErrMidAhead: the mid asked for is too far ahead of the clock.
	ErrMidAhead = errors.New("mid too far ahead of the clock")
	// ErrUnavailable: the store cannot take or read it now; nothing was stored; try again later.
	ErrUnavailable = errors.New("store unavailable")
	// ErrUnreachable is an ErrUnavailable: the node that owns the key cannot be asked now.
	ErrUnreachable error = unreachable{}
	// ErrUnknown: the store did not answer in time; the message may or may not be stored.
	ErrUnknown = errors.New("outcome unknown")
	// ErrSkipped: an earlier push of the same call to the same key failed, so this one was not tried.
	ErrSkipped = errors.New("skipped")
)

// What a subscriber can be refused with.
var (
	// ErrUnknownKey: tokens are required and none was ever registered for the key.
	ErrUnknownKey = errors.New("unknown key")
	// ErrToken: the token is empty, wrong, expired or revoked.
	ErrToken = errors.New("token refused")
	// ErrWrongNode: another node owns the key, and this one is not to relay. A *WrongNode is one, and says where to go.
	ErrWrongNode = errors.New("the key belongs to another node")
)

// WrongNode is an ErrWrongNode that knows who owns the key.
type WrongNode struct {
	Key   string
	TCP   string // HOST:PORT where devices reach its owner; "": not known
	Admin string // HOST:PORT where backends do; "": not known
}

func (e *WrongNode) Error() string { return ErrWrongNode.Error() + ": " + e.TCP }

// Unwrap returns ErrWrongNode.
func (e *WrongNode) Unwrap() error { return ErrWrongNode }

type unreachable struct{}

func (unreachable) Error() string { return "the node that owns the key cannot be reached" }
func (unreachable) Unwrap() error { return ErrUnavailable }
