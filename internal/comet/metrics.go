package comet

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Register makes what g counts metrics.
func (g *Gateway) Register(reg prometheus.Registerer) {
	s := &g.Stats
	counter(reg, "gopush_connections_accepted_total", "Connections accepted.", nil, &s.Accepted)
	counter(reg, "gopush_accept_failures_total", "Accepts that failed: no descriptors, no memory.", nil, &s.AcceptFailed)
	counter(reg, "gopush_accepts_paused_total", "Times that an event loop let connections wait in the kernel, since max_joining joined.", nil, &s.AcceptPaused)
	counter(reg, "gopush_connections_http_total", "Connections handed to net/http.", nil, &s.HandedToHTTP)
	counter(reg, "gopush_connections_links_total", "Connections that were links of other nodes.", nil, &s.HandedToLinks)
	counter(reg, "gopush_connections_rpc_total", "Connections that spoke net/rpc.", nil, &s.HandedToRPC)
	counter(reg, "gopush_http_loop_requests_total", "HTTP requests that pushed and were served without net/http.", nil, &s.PushRequests)
	counter(reg, "gopush_subscribers_total", "Connections that became subscribers.", nil, &s.Subscribed)
	counter(reg, "gopush_drain_told_total", "Connections that a drain told to go.", nil, &s.Told)
	counter(reg, "gopush_heartbeats_total", "Heartbeats answered.", nil, &s.Heartbeats)
	counter(reg, "gopush_deliveries_total", "Messages queued for connections as they came.", nil, &s.Delivered)
	counter(reg, "gopush_deliveries_resumed_total", "Messages queued for connections that had missed them.", nil, &s.Resent)
	counter(reg, "gopush_dropped_slow_total", "Live-only messages left out for connections that did not read those before, where slow_consumers says so.", nil, &s.DroppedSlow)
	counter(reg, "gopush_fell_behind_total", "Times that a connection which did not read was made to read the rest from the store, where slow_consumers says so.", nil, &s.FellBehind)
	counter(reg, "gopush_dropped_live_total", "Live-only messages dropped for connections that were reading what they had missed.", nil, &s.DroppedLive)
	for _, r := range Reasons() {
		counter(reg, "gopush_connections_closed_total", "Connections closed or refused, by reason.",
			prometheus.Labels{"reason": r.String()}, &s.Closed[r])
	}
	counter(reg, "gopush_tls_handshakes_total", "TLS handshakes that succeeded.", nil, &s.Handshakes)
	counter(reg, "gopush_tls_handshakes_resumed_total", "Of these, those that resumed a session.", nil, &s.HandshakesResumed)
	gauge(reg, "gopush_tls_handshakes", "TLS handshakes under way.", g.handshakes.workers)
	gauge(reg, "gopush_connections", "Connections open, HTTP included.", func() int64 { return g.open.Load() })
	gauge(reg, "gopush_addresses", "Addresses that connections are counted by, where max_connections_per_address or max_handshakes_per_address is set.", g.addresses.known)
	gauge(reg, "gopush_joining", "TLS handshakes, token checks and reads of what was missed that wait or are under way.", g.joining.underWay.Load)
	gauge(reg, "gopush_redis_connections", "Connections open that speak Redis.", s.Redis.Load)
	gauge(reg, "gopush_redis_connections_blocked", "Of these, those that wait for a message, as XREAD BLOCK does.", s.Blocked.Load)
	gauge(reg, "gopush_io_uring_loops", "Event loops that send in batches through an io_uring.", s.Rings.Load)
	gauge(reg, "gopush_memory_bytes", "Bytes that connections hold: output that waits, partial input, requests under way, resumes.", g.Held)
	gauge(reg, "gopush_memory_max_bytes", "Bytes that connections may hold: max_memory_bytes.", g.maxMemory)
	gauge(reg, "gopush_resumes_waiting", "Resumes that wait for room in max_memory_bytes.", s.Hungry.Load)
	gauge(reg, "gopush_inbox_bytes", "Payload posted and not yet delivered.", g.inboxBytes)
}

func (g *Gateway) inboxBytes() (sum int64) {
	for _, l := range g.loops {
		sum += l.inbox.bytes.Load()
	}
	return sum
}

func counter(reg prometheus.Registerer, name, help string, labels prometheus.Labels, v *atomic.Int64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(v.Load()) }))
}

func gauge(reg prometheus.Registerer, name, help string, v func() int64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
		func() float64 { return float64(v()) }))
}
