package comet

import (
	"gopush/internal/wire"
	"gopush/internal/wire/ws"
)

// conn is one connection of a loop. It is small because there are very many, and nearly all of
// them idle: what few need at a time is behind out and aux. Everything is owned by the loop.
type conn struct {
	id                   // where it is in the loop
	fd      int32        // of the epoll engine; -1: aux.net moves its bytes
	state   state        //
	kind    Kind         // of its listener
	from    uint8        // the listener's number
	variant wire.Variant // how messages are encoded for it
	flags   flags        //
	why     Reason       // it is being closed; 0: it is not
	in      *[]byte      // input that is not a whole command or frame yet; nil: none
	out     *queue       // output that could not be written at once; nil: none
	aux     *aux         // nil: nothing of it
	timer                // when to look at it again

	heartbeat uint32 // seconds that it may be silent once subscribed
	ref       uint32 // of its group; 0: it does not subscribe
	seen      int64  // messages up to this mid have been queued for it, or are not for it
	tag       uint64 // of the token it came with; 0: none
}

// id finds a connection again, or finds that it has gone.
type id struct {
	index uint32 // in the loop's slab; 0 is never used
	gen   uint32 // which of all that the loop ever had
}

// state says what the next byte of a connection means.
type state uint8

const (
	free        state = iota // not a connection now
	announced                // a PROXY header may come first
	handshaking              // TLS
	sniffing                 // nothing decided
	inRESP                   // the first command
	inHead                   // an HTTP head
	checking                 // its token is being checked, or its key approached; input waits
	subRESP                  // subscribed, legacy RESP: heartbeats
	subWS                    // subscribed, legacy WebSocket: frames
	served                   // requests are carried out: aux.serving
	flushing                 // closing: what waits in out leaves first
	lingering                // closing: the peer reads our last bytes, its own are dropped
)

type flags uint8

const (
	deflates  flags = 1 << iota // permessage-deflate was negotiated
	watched                     // the epoll engine tells when there is room to write
	closeSent                   // a WebSocket close frame is queued or gone
	batched                     // something for it is in the loop's batch
	paused                      // it is not read
	secured                     // it speaks TLS: aux.secure; set when the handshake has ended
)

// aux is what few connections have at a time.
type aux struct {
	net     *netConn     // net.Conn engine: what moves its bytes
	part    *ws.Assembly // the fragments of a WebSocket message so far
	resume  *resume      // what it missed is being read
	serving *serving     // its requests are carried out here
	latest  *latest      // waits beside out
	weight  weight       // what all of it holds
	secure  *secure      // epoll engine: its TLS
}

func (c *conn) more() *aux {
	if c.aux == nil {
		c.aux = new(aux)
	}
	return c.aux
}

// tidy forgets aux when nothing is in it.
func (c *conn) tidy() {
	if c.aux != nil && *c.aux == (aux{}) {
		c.aux = nil
	}
}

func (c *conn) resuming() *resume {
	if c.aux == nil {
		return nil
	}
	return c.aux.resume
}

// webSocket tells whether c is a WebSocket connection: with wire.Redis the bit means something else.
func (c *conn) webSocket() bool { return c.variant&(wire.WebSocket|wire.Redis) == wire.WebSocket }

// closing tells whether nothing more is to be sent to c than what waits.
func (c *conn) closing() bool { return c.state == flushing || c.state == lingering || c.state == free }
