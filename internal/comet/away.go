package comet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"gopush/internal/wire"
	"gopush/internal/wire/resp"
	"gopush/internal/wire/ws"
)

// Who cannot be served now, or not any more, is told when to come back where its dialect has a word for it: docs/protocol.md,
// "Come back later".

// Away is when who comes to subscribe may come back: at Until or at once if that has passed, and up to Spread later, by chance, so
// that they do not come together.
type Away struct {
	Until  time.Time
	Spread time.Duration
}

func (a *Away) hint() time.Duration {
	return max(time.Until(a.Until), 0) + rand.N(max(a.Spread, 1))
}

// TurnAway has who comes to subscribe sent away; nil: it is welcome again. Those that have subscribed stay.
func (g *Gateway) TurnAway(a *Away) { g.away.Store(a) }

// unwelcome tells why who comes now cannot subscribe, and when to come back; 0: it can.
func (g *Gateway) unwelcome() (hint time.Duration, why Reason) {
	if a := g.away.Load(); a != nil {
		return a.hint(), Draining
	}
	if _, hint := g.crowd(); hint > 0 {
		return hint, Busy
	}
	return 0, 0
}

// turnsAway sends c away if it cannot subscribe now.
func (l *loop) turnsAway(c *conn) bool {
	hint, why := l.g.unwelcome()
	if why != 0 {
		l.sendAway(c, hint, why)
	}
	return why != 0
}

// sendAway has c's peer come back after hint, and closes.
func (l *loop) sendAway(c *conn, hint time.Duration, why Reason) {
	switch {
	case c.webSocket():
		l.closeWS(c, closeCode(why), awayReason(hint, why), why)
		return
	case c.variant&(wire.Redis|wire.Prev) == wire.Prev:
		l.send(c, wire.AppendRetry(nil, hint), 1)
	}
	if c.state != free {
		l.closePolitely(c, why)
	}
}

// awayReason is what a WebSocket's close frame says.
func awayReason(hint time.Duration, why Reason) string {
	return fmt.Sprintf("%v, retry-after-ms=%d", why, hint.Milliseconds())
}

// awayRedis is what a client of Redis is told that cannot subscribe now. Its libraries try again after an error of this kind.
func awayRedis(hint time.Duration, why Reason) string {
	return fmt.Sprintf("TRYAGAIN the node is %v, connect again in %d ms", why, hint.Milliseconds())
}

// awayHTTP is what a handshake gets that cannot be served now.
func awayHTTP(hint time.Duration, why Reason) *ws.HandshakeError {
	return &ws.HandshakeError{Status: http.StatusServiceUnavailable, Reason: fmt.Sprintf("the node is %v, retry-after-ms=%d", why, hint.Milliseconds()), RetryAfter: hint}
}

// refuseRedis answers the first command of a client of Redis that cannot be served now, and closes.
func (l *loop) refuseRedis(c *conn, hint time.Duration, why Reason) {
	if l.send(c, resp.AppendError(nil, awayRedis(hint, why)), 1); c.state != free {
		l.closePolitely(c, why)
	}
}
