package web

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// CountHeads makes s, before it serves, count as refused what net/http refuses by itself, so
// that no handler sees it: heads that break HTTP. The connections of s must tell by a method
// Written how many bytes they wrote: net/http tells of an answer of its own in no other way.
func (m *Metrics) CountHeads(s *http.Server) {
	h := &heads{next: s.Handler, refused: m.refused.WithLabelValues("bad_head")}
	s.Handler, s.ConnContext, s.ConnState = h, h.open, h.turn
	s.DisableGeneralOptionsHandler = true // it would answer without a handler
}

// heads follows the connections of a server from request to request.
type heads struct {
	next    http.Handler
	refused prometheus.Counter
	conns   sync.Map // net.Conn to *exchange, while net/http has the connection
}

// exchange is the request that a connection is at. Only the connection's goroutine touches it.
type exchange struct {
	handled bool  // a handler has it
	written int64 // bytes written before it
}

type exchangeKey struct{}

func (h *heads) open(ctx context.Context, c net.Conn) context.Context {
	x := new(exchange)
	h.conns.Store(c, x)
	return context.WithValue(ctx, exchangeKey{}, x)
}

// turn follows c into its next state.
func (h *heads) turn(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateIdle:
		if x, ok := h.conns.Load(c); ok {
			*x.(*exchange) = exchange{written: written(c)}
		}
	case http.StateClosed, http.StateHijacked:
		if x, ok := h.conns.LoadAndDelete(c); ok && x.(*exchange).refused(c) {
			h.refused.Inc()
		}
	}
}

// refused tells whether something was answered without a handler.
func (x *exchange) refused(c net.Conn) bool { return !x.handled && written(c) > x.written }

func written(c net.Conn) int64 {
	if counting, ok := c.(interface{ Written() int64 }); ok {
		return counting.Written()
	}
	return 0
}

func (h *heads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Context().Value(exchangeKey{}).(*exchange).handled = true
	h.next.ServeHTTP(w, r)
}
