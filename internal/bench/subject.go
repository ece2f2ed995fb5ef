package bench

import (
	"context"
	"fmt"
)

// subject is a server that can be measured: how it is started, and what its subscribers and its
// publishers say. All else is the same for every subject, so that figures can be compared.
type subject interface {
	// name is what tables call it and what Config.Subjects asks for: "gopush tcp".
	name() string
	// start starts it on free loopback ports and returns when it takes connections.
	start(ctx context.Context, need needs) (*process, error)
	// dialect returns what the subscribers of t say and hear.
	dialect(t *Target) dialect
	// backend returns what one publisher to t says and hears. Messages are kept for expire
	// seconds, 0: not at all.
	backend(t *Target, expire int) backend
}

// needs is what a run asks of the server.
type needs struct {
	stored int   // messages kept for a key; 0: it does not matter
	store  Store // where
}

// dialect is the subscriber's side of a protocol. It keeps nothing of a connection: one serves all.
type dialect interface {
	// hello returns what a subscriber of key sends when it is connected.
	hello(key string) []byte
	// next takes one item from the start of buf, which it may change. n is 0 if it is not
	// complete; err says why the server, or what it sent, is refused.
	next(buf []byte) (it item, n int, err error)
}

// resumer is a dialect in which a subscriber can ask for what it has missed.
type resumer interface {
	// resume returns what a subscriber of key sends that has seen messages up to mid; 0: none.
	resume(key string, mid int64) []byte
}

// asker is a resumer whose subscribers hear nothing but answers: after each that has messages they
// ask again.
type asker interface {
	resumer
	// ask appends what a subscriber of key sends that has seen messages up to mid; 0: none.
	ask(dst []byte, key string, mid int64) []byte
}

// item is what a subscriber hears.
type item struct {
	kind    itemKind
	payload []byte // of a message, as it was pushed; part of the buffer it was read from
	mid     int64  // of a message; 0 where the protocol has none
	more    []item // messages behind this one in the same answer
}

type itemKind uint8

const (
	nothing    itemKind = iota // means nothing to a measurement
	subscribed                 // from now on messages come
	delivery                   // is a message
)

// backend is the publisher's side of a protocol, for one connection.
type backend interface {
	// hello returns what a publisher sends first; nil: nothing.
	hello() []byte
	// pushes appends what pushes all of batch, and says how many answers will come to it; 0
	// where the protocol has none.
	pushes(dst []byte, batch []push) (out []byte, answers int)
	// answer takes one item from the start of buf. n is 0 if it is not complete; answered is
	// false for what answers no push; err is what a push was refused with.
	answer(buf []byte) (n int, answered bool, err error)
}

// reader is a backend that can also read what is stored.
type reader interface {
	backend
	// count appends a question for the number of messages that key has.
	count(dst []byte, key string) []byte
	// counted takes the answer from the start of buf. n is 0 if it is not complete.
	counted(buf []byte) (count, n int, err error)
	// page appends a question for at most limit messages of key above mid, oldest first.
	page(dst []byte, key string, mid int64, limit int) []byte
	// paged takes the answer from the start of buf. n is 0 if it is not complete.
	paged(buf []byte) (messages []item, n int, err error)
}

// push is a message to a key. Keys need no escaping in any protocol.
type push struct {
	key     string
	payload []byte
}

// subject returns the one with the given name: that of Target, unless it is the floor, if there
// is a Target.
func (c *Config) subject(name string) (subject, error) {
	for _, s := range []subject{
		&gopush{binary: c.Binary, protocol: TCP},
		&gopush{binary: c.Binary, protocol: WebSocket},
		&gopush{binary: c.Binary, protocol: TLS},
		&gopush{binary: c.Binary, protocol: WSS},
		&gopush{binary: c.Binary, protocol: Redis},
		&gopush{binary: c.Binary, protocol: Streams},
		&cluster{binary: c.Binary, protocol: TCP, nodes: c.nodes()},
		&cluster{binary: c.Binary, protocol: WebSocket, nodes: c.nodes()},
		&cluster{binary: c.Binary, protocol: Redis, nodes: c.nodes()},
		&cluster{binary: c.Binary, protocol: TCP, nodes: c.nodes(), wrong: true},
		&cluster{binary: c.Binary, protocol: WebSocket, nodes: c.nodes(), wrong: true},
		&cluster{binary: c.Binary, protocol: Redis, nodes: c.nodes(), wrong: true},
		&floor{program: c.Floor},
		redis(), redisStreams(), nats(), mosquitto(), nchan(),
	} {
		switch {
		case s.name() != name:
		case c.Target != nil && name != floorName:
			return running{s, *c.Target}, nil
		default:
			return s, nil
		}
	}
	return nil, fmt.Errorf("there is no subject %q to measure", name)
}

// running is a subject that somebody else has started.
type running struct {
	subject
	at Target
}

func (r running) start(context.Context, needs) (*process, error) {
	return &process{Target: r.at, stop: func() {}}, nil
}
