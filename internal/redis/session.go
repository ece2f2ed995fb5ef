package redis

import (
	"context"
	"time"
)

// Session is what a connection has said so far. It is owned by whoever has the connection.
type Session struct {
	id    int64
	trust Trust
	three bool // RESP3

	Subscriptions Subscriptions // kept by who carries steps out
}

// Trust says what a connection may do.
type Trust struct {
	Admin bool // it came to an admin listener: push, delete, see others
	Open  bool // an admin needs no API key: a local program
}

// Config has what a Server needs.
type Config struct {
	Keys    Keys
	Groups  Groups  // nil: this node's store keeps none
	Clients Clients // may be set later, before the first command

	// Authorize checks the token that somebody shows for key. It may block. Errors wrap message.ErrUnknownKey or
	// message.ErrToken; others mean that it could not be checked. nil: every key is open to all.
	Authorize   func(ctx context.Context, key, token string) (tag uint64, err error)
	Revocations func() uint64 // moves whenever a token was revoked; needed with Authorize

	// APIKey tells whether secret is that of the API key with name, or of any if name is "" or "default". It does not block.
	APIKey  func(name, secret string) bool
	APIKeys func() (generation any) // another one, comparable, when the API keys may have changed

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
	Subscribers int64  // subscriptions
	Commands    int64
	Accepted    int64
	Pushed      int64
	Stored      int64
}

// NewSession returns the session of a connection that said nothing yet. id is its own on the node, above 0.
func (s *Server) NewSession(id int64, trust Trust) *Session {
	return &Session{id: id, trust: trust}
}

// ID returns the id that NewSession was given.
func (c *Session) ID() int64 { return c.id }

// RESP3 tells how replies and deliveries look to c.
func (c *Session) RESP3() bool { return c.three }

// Attributes tells whether deliveries to c carry their id as an attribute: RESP3, and the client said CLIENT CAPA attributes.
func (c *Session) Attributes() bool { return false }

// AppendSubscribed appends the confirmation of one subscription or, with off, of its end. c.Subscriptions counts it already.
// A nil name says that there was none to end.
func (c *Session) AppendSubscribed(dst []byte, how How, off bool, name []byte) []byte { return dst }

// AppendError appends what a client is told when err was met: by a push, a read, a subscription.
func (s *Server) AppendError(dst []byte, err error) []byte { return dst }
