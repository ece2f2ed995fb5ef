package redis

import (
	"crypto/sha256"

	"gopush/internal/message"
)

// Session is what a connection has said so far. It is owned by whoever has the connection, who reads and counts Subscriptions.
// There are millions of them: what few have said stands in more.
type Session struct {
	id   int64
	more *more // nil: nothing of that

	Subscriptions Subscriptions // kept by who carries steps out

	state state
	last  uint16 // number of the command that it ran last, from 1 on
}

// state is what a session is and was told, as bits.
type state uint16

const (
	admin      state = 1 << iota // came to an admin listener
	open                         // an admin who needs no API key
	apiKey                       // an admin who showed one
	tokens                       // not an admin, who needs tokens
	resp3                        //
	attributes                   // deliveries carry their id
	noEvict                      // CLIENT NO-EVICT, which changes nothing but how CLIENT LIST shows it
	noTouch                      // likewise
	muted                        // CLIENT REPLY OFF
	mutedOnce                    // CLIENT REPLY SKIP: so is the reply of the next command
	mutesNext                    // this is the command that said so
	approached                   // the keys of the next command, which is the last one again, were approached
)

// more is what few sessions have.
type more struct {
	name, library, version string // as the client calls itself
	shown                  shownKey
	opened                 keyring
	moved                  *message.WrongNode // why the command that comes again is refused; nil: it is not
}

// shownKey is the API key that an admin showed.
type shownKey struct {
	name       string
	hash       [sha256.Size]byte
	generation any // of the API keys when it was checked
}

// NewSession returns the session of a connection that said nothing yet. id is its own on the node, above 0.
func (s *Server) NewSession(id int64, trust Trust) *Session {
	c := &Session{id: id}
	c.set(admin, trust.Admin)
	c.set(open, trust.Open)
	c.set(tokens, !trust.Admin && s.cfg.Authorize != nil)
	return c
}

// ID returns the id that NewSession was given.
func (c *Session) ID() int64 { return c.id }

// RESP3 tells how replies and deliveries look to c.
func (c *Session) RESP3() bool { return c.is(resp3) }

// Attributes tells whether deliveries to c carry their id as an attribute: RESP3, and the client said CLIENT CAPA attributes.
func (c *Session) Attributes() bool { return c.is(resp3 | attributes) }

func (c *Session) is(what state) bool { return c.state&what == what }

func (c *Session) set(what state, on bool) {
	c.state &^= what
	if on {
		c.state |= what
	}
}

// also returns what few sessions have, for something to be put there.
func (c *Session) also() *more {
	if c.more == nil {
		c.more = &more{}
	}
	return c.more
}

// Anonymous tells whether c, which needs an API key or a token to do anything, showed none yet.
func (c *Session) Anonymous() bool {
	if c.is(admin) {
		return !c.is(open) && !c.is(apiKey)
	}
	return c.is(tokens) && len(c.keyring()) == 0
}

// AppendSubscribed appends the confirmation of one subscription or, with off, of its end. c.Subscriptions counts it already.
// A nil name says that there was none to end.
func (c *Session) AppendSubscribed(dst []byte, how How, off bool, name []byte) []byte {
	r := reply{dst: dst, three: c.RESP3()}
	r.push(3)
	count := c.Subscriptions.Channels + c.Subscriptions.Patterns
	if how == Shard {
		count = c.Subscriptions.Shards
	}
	r.text(how.word(off))
	if name == nil {
		r.null()
	} else {
		r.bulk(name)
	}
	r.int(int64(count))
	return r.dst
}

// ran remembers which command c ran last.
func (c *Session) ran(command *command) { c.last = command.number }

// mutes tells whether the reply of the command that ran is to be left out, and goes on to the next.
func (c *Session) mutes() bool {
	once := c.is(mutedOnce)
	c.set(mutedOnce, c.is(mutesNext))
	c.set(mutesNext, false)
	return once || c.is(muted)
}
