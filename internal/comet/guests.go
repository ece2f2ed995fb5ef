package comet

import (
	"bytes"
	"net"
	"sync/atomic"
)

// Guests are connections that only come in here: others speak with them, each on goroutines of its own. Once it is
// given away a guest is no connection of the gateway any more, and whoever got it closes it.

// guests is how a listener tells guests, and who gets them.
type guests struct {
	links atomic.Pointer[linkService] // nil: none come
	rpc   atomic.Pointer[rpcService]  // likewise
}

type linkService struct {
	command string
	serve   func(conn net.Conn, unread []byte)
}

type rpcService struct {
	first func(b []byte) (yes, undecided bool)
	serve func(conn net.Conn, unread []byte)
}

// ServeLinks gives those connections of ln, an admin listener that serves Redis, to serve whose first command, in RESP, is command, in
// any case. unread is what was read of the connection, from that command on. serve does not block.
func (ln *Listener) ServeLinks(command string, serve func(conn net.Conn, unread []byte)) {
	ln.guests.links.Store(&linkService{command, serve})
}

// ServeRPC gives those connections of ln, an admin listener, to serve that begin as first knows. It is asked with what
// has come so far, and again with more as long as it is undecided. serve is as that of ServeLinks.
func (ln *Listener) ServeRPC(first func(b []byte) (yes, undecided bool), serve func(conn net.Conn, unread []byte)) {
	ln.guests.rpc.Store(&rpcService{first, serve})
}

// speaksRPC gives c away if it begins as RPC does, and tells whether it did, or may yet turn out to.
func (l *loop) speaksRPC(c *conn, b []byte) bool {
	service := l.g.all()[c.from].guests.rpc.Load()
	if service == nil {
		return false
	}
	yes, undecided := service.first(b)
	if yes {
		l.giveAway(c, b, &l.g.Stats.HandedToRPC, service.serve)
	}
	return yes || undecided
}

// isLink gives c away if the first command on it, name, says that it is a link, and tells whether it did. b begins with that command.
func (l *loop) isLink(c *conn, name, b []byte) bool {
	service := l.g.all()[c.from].guests.links.Load()
	if service == nil || c.kind != Admin || b[0] != '*' || !bytes.EqualFold(name, []byte(service.command)) {
		return false
	}
	l.giveAway(c, b, &l.g.Stats.HandedToLinks, service.serve)
	return true
}

func (l *loop) giveAway(c *conn, unread []byte, count *atomic.Int64, serve func(net.Conn, []byte)) {
	nc, o := l.detach(c)
	if nc == nil {
		return
	}
	l.g.discount(&o)
	if o.forwarded {
		nc = &guest{nc, o}
	}
	l.g.open.Add(-1)
	count.Add(1)
	serve(nc, bytes.Clone(unread))
}
