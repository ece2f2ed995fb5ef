package comet

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"gopush/internal/wire/proxy"
	"gopush/internal/wire/ws"
)

// Where a connection comes from is its peer's address, or, behind a proxy of trusted_proxies, what that says:
//
//	accept ─┬─ from a trusted proxy: announced ─> PROXY header ─┐
//	        └─ from anybody else ───────────────────────────────┴─> limits of its address ─> its first bytes
//	WebSocket handshake, from a trusted proxy ─> X-Forwarded-For or Forwarded ─> limits of its address
//
// It is remembered for those connections only where it is not simply their peer's, or counts.

// origin is what is remembered of where a connection comes from.
type origin struct {
	addr      netip.AddrPort // not valid: its peer's, or, if it is forwarded, not known
	forwarded bool           // somebody else stands behind the peer: it is not trusted for being near
	counted   bool           // by Gateway.addresses, under client
	client    address        //
}

// String returns the address, for logs and clients.
func (o *origin) String() string {
	if !o.addr.IsValid() {
		return "unknown"
	}
	return o.addr.String()
}

// far tells whether a connection is forwarded for somebody who is not of this machine, for all that is known.
func (o *origin) far() bool { return o.forwarded && !o.addr.Addr().IsLoopback() }

// trustsProxy tells whether what the peer at a says of whom it forwards is believed.
func (l *Limits) trustsProxy(a netip.Addr) bool {
	return slices.ContainsFunc(l.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// receive judges a connection that has been accepted from the address from; ok: it may come in.
func (g *Gateway) receive(kind Kind, from netip.AddrPort) (o origin, s state, ok bool) {
	limits := g.limits.Load()
	if len(limits.TrustedProxies) > 0 && limits.trustsProxy(from.Addr()) {
		return o, announced, g.admit(kind)
	}
	if why := g.countAddress(&o, kind, from.Addr()); why != 0 {
		g.Stats.Accepted.Add(1)
		g.Stats.Closed[why].Add(1)
		return o, 0, false
	}
	if ok = g.admit(kind); !ok {
		g.discount(&o)
	}
	return o, sniffing, ok
}

// countAddress counts a connection from a, or returns why it is refused. Those from this machine, and those to admin and ops listeners, are not limited.
func (g *Gateway) countAddress(o *origin, kind Kind, a netip.Addr) Reason {
	limits := g.limits.Load()
	if kind != Public || !a.IsValid() || a.IsLoopback() || limits.MaxPerAddress == 0 && limits.MaxHandshakesPerAddress == 0 {
		return 0
	}
	client := addressOf(a)
	why := g.addresses.enter(client, limits.MaxPerAddress, limits.MaxHandshakesPerAddress, time.Now())
	if why == 0 {
		o.counted, o.client = true, client
	}
	return why
}

// discount is told that a connection of o has gone.
func (g *Gateway) discount(o *origin) {
	if o.counted {
		g.addresses.leave(o.client)
		o.counted = false
	}
}

// setOrigin remembers where c comes from, if there is anything to remember.
func (l *loop) setOrigin(c *conn, o origin) {
	if o == (origin{}) {
		return
	}
	if l.origins == nil {
		l.origins = make(map[uint32]origin)
	}
	l.origins[c.index] = o
}

// takeOrigin forgets where c comes from, and returns it: it counts still.
func (l *loop) takeOrigin(c *conn) origin {
	if len(l.origins) == 0 {
		return origin{}
	}
	o := l.origins[c.index]
	delete(l.origins, c.index)
	return o
}

// peer returns the address that c comes from, for logs and clients.
func (l *loop) peer(c *conn) string {
	if o, ok := l.origins[c.index]; ok && (o.forwarded || o.addr.IsValid()) {
		return o.String()
	}
	return l.engine(c).peer(c)
}

// peerAddr returns the address that c comes from; not valid: it is not known.
func (l *loop) peerAddr(c *conn) netip.AddrPort {
	a, err := netip.ParseAddrPort(l.peer(c))
	if err != nil {
		return netip.AddrPort{}
	}
	return unmapped(a)
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// far tells whether c is forwarded for somebody who is not of this machine.
func (l *loop) far(c *conn) bool {
	o, ok := l.origins[c.index]
	return ok && o.far()
}

// introduce takes the PROXY header of c, which a trusted proxy may send first, and returns its size.
func (l *loop) introduce(c *conn, b []byte) int {
	h, err := proxy.Parse(b)
	switch {
	case err == proxy.ErrNone && !l.g.limits.Load().RequireProxyHeader:
		c.state = l.g.all()[c.from].begins()
	case err != nil:
		l.g.cfg.Log.Debug("no good PROXY protocol header", "peer", l.engine(c).peer(c), "err", err)
		l.close(c, BadProxyHeader)
	case h.Size == 0:
	default:
		o, why := l.g.originOf(c.kind, &h)
		l.setOrigin(c, o)
		if c.state = l.g.all()[c.from].begins(); why != 0 {
			l.close(c, why)
		}
	}
	return h.Size
}

// begins returns what the first bytes of a connection of ln are, behind a PROXY header.
func (ln *Listener) begins() state {
	if ln.tls != nil && ln.g.usesEpoll() {
		return handshaking
	}
	return sniffing
}

// originOf returns what h says of where a connection comes from, or why it is refused.
func (g *Gateway) originOf(kind Kind, h *proxy.Header) (o origin, why Reason) {
	if h.Local {
		return o, 0
	}
	o = origin{addr: h.Source, forwarded: true}
	return o, g.countAddress(&o, kind, h.Source.Addr())
}

// errForwarded is what a WebSocket handshake is refused with whose proxies disagree.
var errForwarded = &wsRefusal{http.StatusBadRequest, proxy.ErrDisagree.Error(), BadProxyHeader}

// wsRefusal is an answer to a handshake.
type wsRefusal struct {
	status int
	text   string
	why    Reason
}

// addressRetry is when a client may try again whose address has too many connections.
const addressRetry = 30 * time.Second

func (r *wsRefusal) answer() *ws.HandshakeError {
	refusal := &ws.HandshakeError{Status: r.status, Reason: r.text}
	if r.status == http.StatusTooManyRequests {
		refusal.RetryAfter = addressRetry
	}
	return refusal
}

// forwardedFor returns where the handshake r, which came from the address peer, comes from if it was forwarded by a trusted proxy, or why it is
// refused.
func (g *Gateway) forwardedFor(r *http.Request, peer netip.Addr) (o origin, refusal *wsRefusal) {
	limits := g.limits.Load()
	if len(limits.TrustedProxies) == 0 || !limits.trustsProxy(peer) {
		return o, nil
	}
	client, forwarded, err := proxy.Client(peer, r.Header, limits.trustsProxy)
	if err != nil {
		return o, errForwarded
	}
	if !forwarded {
		return o, nil
	}
	if o.forwarded = true; client.IsValid() {
		o.addr = netip.AddrPortFrom(client, 0)
	}
	if why := g.countAddress(&o, Public, client); why != 0 {
		return o, &wsRefusal{http.StatusTooManyRequests, "too many connections from this address: " + why.String(), why}
	}
	return o, nil
}

// Forwarded tells whether conn, which a gateway gave away, is forwarded for somebody who is not of this machine.
func Forwarded(conn net.Conn) bool {
	f, ok := conn.(interface{ Far() bool })
	return ok && f.Far()
}

// guest is a forwarded connection that was given away.
type guest struct {
	net.Conn
	origin origin
}

// Far tells whether somebody who is not of this machine stands behind the connection.
func (c *guest) Far() bool { return c.origin.far() }

// RemoteAddr returns the address of who stands behind the connection.
func (c *guest) RemoteAddr() net.Addr { return c.origin.remote(c.Conn) }

// remote returns the address that nc, which has this origin, comes from.
func (o *origin) remote(nc net.Conn) net.Addr {
	if !o.forwarded {
		return nc.RemoteAddr()
	}
	if !o.addr.IsValid() {
		return unknownAddr{}
	}
	return net.TCPAddrFromAddrPort(o.addr)
}

// unknownAddr is the address of a client that its proxy does not tell.
type unknownAddr struct{}

func (unknownAddr) Network() string { return "tcp" }
func (unknownAddr) String() string  { return "unknown" }
