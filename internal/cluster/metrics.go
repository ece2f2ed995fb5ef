package cluster

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/message"
)

// Stats counts what a cluster did. Written by whoever does it, read by anyone.
type Stats struct {
	RingChanges atomic.Int64 // how often the nodes changed
	Strays      atomic.Int64 // keys that this node appended to though another one owned them
	StraysLost  atomic.Int64 // of these, those whose owner was not told, since too many waited
	Relays      atomic.Int64 // keys that are relayed now
	Refollowed  atomic.Int64 // follows asked for again: another owner, another link
	Refused     atomic.Int64 // follows that the owner refused

	lag lags
}

// Register makes what c counts and sees metrics.
func (c *Cluster) Register(reg prometheus.Registerer) {
	c.Stats.lag.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "gopush_cluster_relay_lag_seconds",
		Help:    "How late messages come over links, from their mid; the clocks of both nodes count.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	})
	reg.MustRegister(c.Stats.lag.seconds)
	counter := func(name, help string, v *atomic.Int64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(v.Load()) }))
	}
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter("gopush_cluster_ring_changes_total", "Changes of the ring: a node came or went, or has another weight.", &c.Stats.RingChanges)
	counter("gopush_cluster_stale_forwards_total", "Keys that this node stored messages of though, by its ring, another one owned them: that one was told to look.", &c.Stats.Strays)
	counter("gopush_cluster_stale_forwards_untold_total", "Of these, keys whose owner was not told, since too many waited for a link.", &c.Stats.StraysLost)
	counter("gopush_cluster_refollows_total", "Follows asked for again, of another owner or over another link.", &c.Stats.Refollowed)
	counter("gopush_cluster_follows_refused_total", "Follows that the owner of the key refused.", &c.Stats.Refused)
	gauge("gopush_cluster_nodes", "Nodes of the ring.", func() float64 { return float64(len(c.Nodes())) })
	gauge("gopush_cluster_owned_ratio", "What part of all keys this node owns.", c.share)
	gauge("gopush_cluster_registry_healthy", "1, or 0 while the registry cannot be reached.", func() float64 { return oneIf(c.Healthy() == nil) })
	gauge("gopush_cluster_links_up", "Links from this node to others that are up.", c.linksUp)
	gauge("gopush_cluster_relays", "Keys that this node relays.", func() float64 { return float64(c.Stats.Relays.Load()) })
	gauge("gopush_cluster_relays_catching_up", "Keys of which this node reads what it missed from the store.", func() float64 { return float64(c.hub.Stats.CatchingUp.Load()) })
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// share returns what part of all keys this node owns.
func (c *Cluster) share() float64 {
	v := c.view.Load()
	if v.self == "" {
		return 0
	}
	return v.ring.Shares()[v.self]
}

func (c *Cluster) linksUp() (up float64) {
	for _, l := range c.view.Load().links {
		up += oneIf(l.Up())
	}
	return up
}

// lagFor is how long a worst lag is remembered.
const lagFor = 10 * time.Second

// lags are how late messages came.
type lags struct {
	seconds prometheus.Histogram // nil: nobody looks

	mu    sync.Mutex
	worst map[string]worstLag // by node; guarded by mu
}

type worstLag struct {
	lag  time.Duration
	when time.Time
}

// came counts a message of mid that came from name now.
func (s *lags) came(name string, mid int64, now time.Time) {
	lag := max(0, now.Sub(message.MidTime(mid)))
	if s.seconds != nil {
		s.seconds.Observe(lag.Seconds())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.worst[name]; lag >= w.lag || now.Sub(w.when) > lagFor {
		if s.worst == nil {
			s.worst = map[string]worstLag{}
		}
		s.worst[name] = worstLag{lag, now}
	}
}

// Lag returns how late a message of a node came at worst in the last ten seconds.
func (c *Cluster) Lag(name string) time.Duration {
	s := &c.Stats.lag
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.worst[name]; time.Since(w.when) <= lagFor {
		return w.lag
	}
	return 0
}

// Follows returns how many keys are relayed from each node.
func (c *Cluster) Follows() map[string]int64 {
	n := map[string]int64{}
	c.relays.each(func(_ *relayShard, _ string, r *relay) { n[r.owner]++ })
	return n
}
