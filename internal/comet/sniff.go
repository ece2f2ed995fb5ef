package comet

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"

	"gopush/internal/wire"
	"gopush/internal/wire/ws"
)

// sniff decides what c speaks by its first bytes: docs/design.md, "Listeners".
func (l *loop) sniff(c *conn, b []byte) {
	switch {
	case c.kind == Public && b[0] == '*':
		c.state = inRESP
	case b[0] >= 'A' && b[0] <= 'Z':
		c.state = inHead
	case c.kind == Admin && l.speaksRPC(c, b): // or more bytes have to tell
	default:
		l.notHTTP(c)
	}
}

// head waits for a whole HTTP head. A WebSocket subscription and plain pushes are served here;
// everything else goes to net/http, with all that was read.
func (l *loop) head(c *conn, b []byte) int {
	line, _, whole := bytes.Cut(b, []byte("\n"))
	if whole && !isRequestLine(line) {
		l.notHTTP(c)
		return 0
	}
	size := headSize(b)
	most := l.g.limits.Load().MaxHeadBytes
	if size > most || (size == 0 && len(b) > most) {
		l.headTooLong(c, whole)
		return 0
	}
	switch {
	case size == 0:
	case c.kind == Public && mentionsWebSocket(b[:size]):
		return l.handshake(c, b, size)
	case c.kind == Admin && l.beginPushing(c, b):
	default:
		l.handOver(c, b)
	}
	return 0
}

// notHTTP takes a connection that begins neither as HTTP nor as legacy RESP: on an admin listener it speaks Redis, perhaps
// in inline commands.
func (l *loop) notHTTP(c *conn) {
	if c.kind == Admin {
		if service := l.redisOf(c); service != nil {
			l.beginRedis(c, service)
			return
		}
	}
	l.refuse(c, wire.TextParam, BadCommand)
}

func (l *loop) headTooLong(c *conn, isHTTP bool) {
	if !isHTTP {
		l.refuse(c, wire.TextParam, TooLong)
		return
	}
	l.refuseHTTP(c, &ws.HandshakeError{
		Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "the request head is longer than max_head_bytes",
	}, TooLong)
}

// isRequestLine tells whether line ends as HTTP's do: " HTTP/1.0" or " HTTP/1.1".
func isRequestLine(line []byte) bool {
	line = bytes.TrimSuffix(line, []byte("\r"))
	n := len(line) - 1
	return n > 0 && bytes.HasSuffix(line[:n], []byte(" HTTP/1.")) && (line[n] == '0' || line[n] == '1')
}

// headSize returns the length of the HTTP head that b begins with, its empty line included,
// or 0 if it is not all there. Like net/http it takes a bare LF for a line end.
func headSize(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0
		}
		at += i + 1
		switch {
		case at < len(b) && b[at] == '\n':
			return at + 1
		case at+1 < len(b) && b[at] == '\r' && b[at+1] == '\n':
			return at + 2
		}
	}
}

// mentionsWebSocket tells quickly that a head cannot be a WebSocket handshake, so that it
// need not be parsed here.
func mentionsWebSocket(head []byte) bool {
	return bytes.Contains(bytes.ToLower(head), []byte("websocket"))
}

// handshake serves a WebSocket subscription, GET /sub; other requests go to net/http.
func (l *loop) handshake(c *conn, b []byte, size int) int {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:size])))
	if err != nil || !isSubscription(r) {
		l.handOver(c, b)
		return 0
	}
	if hint, why := l.g.unwelcome(); why != 0 {
		l.refuseHTTP(c, awayHTTP(hint, why), why)
		return size
	}
	reply, deflate, err := l.g.acceptWS(r)
	if err != nil {
		refusal, why := refusalOf(err)
		l.refuseHTTP(c, refusal, why)
		return size
	}
	if !l.forwarded(c, r) {
		return size
	}
	l.upgraded(c, reply, deflate, r.URL.Query())
	return size
}

// forwarded has c come from where the handshake r says, if a trusted proxy sent it; false: it is refused for that.
func (l *loop) forwarded(c *conn, r *http.Request) bool {
	if len(l.g.limits.Load().TrustedProxies) == 0 {
		return true
	}
	o, refused := l.g.forwardedFor(r, l.peerAddr(c).Addr())
	if refused != nil {
		l.refuseHTTP(c, refused.answer(), refused.why)
		return false
	}
	if o != (origin{}) {
		before := l.takeOrigin(c)
		l.g.discount(&before)
		l.setOrigin(c, o)
	}
	return true
}

// isSubscription tells whether r asks for the WebSocket dialect.
func isSubscription(r *http.Request) bool {
	return r.URL.Path == "/sub" && r.Method == http.MethodGet && r.Header.Get("Upgrade") != ""
}

// errOrigin is what acceptWS answers for an Origin that is not allowed.
var errOrigin = &ws.HandshakeError{Status: http.StatusForbidden, Reason: "this Origin is not in allowed_origins"}

// acceptWS checks a WebSocket handshake.
func (g *Gateway) acceptWS(r *http.Request) (reply []byte, deflate bool, err error) {
	if origin := r.Header.Get("Origin"); origin != "" && g.cfg.Origins != nil && !g.cfg.Origins(origin) {
		return nil, false, errOrigin
	}
	return ws.Accept(r)
}

func refusalOf(err error) (*ws.HandshakeError, Reason) {
	if err == errOrigin {
		return errOrigin, OriginRefused
	}
	refusal := &ws.HandshakeError{Status: http.StatusBadRequest, Reason: err.Error()}
	errors.As(err, &refusal)
	return refusal, BadHandshake
}
