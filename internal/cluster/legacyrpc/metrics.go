package legacyrpc

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics counts what backends of gopush-cluster do.
type Metrics struct {
	connections prometheus.Gauge
	calls       *prometheus.CounterVec // by method and outcome
	ends        *prometheus.CounterVec // by reason
}

// Reason is why a connection was closed, as metrics have it.
type Reason string

// Why a connection was closed.
const (
	PeerClosed Reason = "peer_closed"     // between two calls
	Failed     Reason = "failed"          // reading or writing, or the peer closed in the middle of a call
	Untrusted  Reason = "untrusted"       // the peer is in none of trusted_networks
	TooMany    Reason = "max_connections" // there are as many as may be
	TooLong    Reason = "too_long"        // a length above what may be sent
	BadTypes   Reason = "bad_types"       // definitions of types that are too many, too long, too deep or of a kind that no call has
	BadValue   Reason = "bad_value"       // gob cannot read it
	Panicked   Reason = "panicked"        // gob panicked while reading it
	Idle       Reason = "idle_timeout"    // asked for nothing
	Stalled    Reason = "stalled"         // a message was not whole in time, or an answer not taken
	Shutdown   Reason = "shutdown"        // the node stopped
)

// Outcomes of calls, as metrics have them.
const (
	outcomeOK      = "ok"
	outcomeRefused = "refused" // the caller's mistake
	outcomePartly  = "partly"  // some keys of several failed
	outcomeFailed  = "failed"  // the node's
)

// NewMetrics returns metrics registered with reg; nil: nowhere.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		connections: f.NewGauge(prometheus.GaugeOpts{
			Name: "gopush_legacy_rpc_connections", Help: "Connections of gopush-cluster's net/rpc.",
		}),
		calls: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_legacy_rpc_calls_total", Help: "Calls of gopush-cluster's net/rpc, by method and outcome.",
		}, []string{"method", "outcome"}),
		ends: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_legacy_rpc_connections_closed_total", Help: "Connections of gopush-cluster's net/rpc that ended or were refused, by reason.",
		}, []string{"reason"}),
	}
}

func (m *Metrics) closed(why Reason) { m.ends.WithLabelValues(string(why)).Inc() }

func (m *Metrics) called(method, outcome string) { m.calls.WithLabelValues(method, outcome).Inc() }
