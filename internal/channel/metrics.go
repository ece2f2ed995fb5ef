package channel

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Register makes s metrics.
func (s *Stats) Register(reg prometheus.Registerer) {
	pushes := func(outcome string, v *atomic.Int64) {
		counter(reg, "gopush_pushes_total", "Pushes by outcome.", prometheus.Labels{"outcome": outcome}, v)
	}
	pushes("accepted", &s.Pushed)
	pushes("duplicate", &s.Duplicates)
	pushes("refused", &s.Refused)
	pushes("failed", &s.Failed)
	pushes("unknown", &s.Unknown)
	pushes("skipped", &s.Skipped)
	counter(reg, "gopush_pushes_stored_total", "Pushes made durable.", nil, &s.Stored)
	counter(reg, "gopush_subscriptions_total", "Subscriptions ever begun.", nil, &s.Subscribed)
	counter(reg, "gopush_unsubscriptions_total", "Subscriptions ever ended.", nil, &s.Unsubscribed)
	counter(reg, "gopush_resumes_total", "Subscriptions that read what they missed.", nil, &s.Resumes)
	counter(reg, "gopush_resume_gaps_total", "Notices that messages after a resumed position are gone.", nil, &s.Gaps)
	counter(reg, "gopush_appends_fenced_total", "Appends that met another owner's message and were done again.", nil, &s.Fenced)
	counter(reg, "gopush_keys_disowned_total", "Times that another node was found to own a key that this one was to give its messages their order.", nil, &s.Disowned)
	counter(reg, "gopush_messages_late_total", "Messages found in the store after later ones were released: not posted.", nil, &s.Late)
	counter(reg, "gopush_cluster_relay_gaps_total", "Keys whose subscribers were closed, so that they resume, because what this node missed is gone from the store.", nil, &s.Torn)
	counter(reg, "gopush_prev_unknown_total", "Live-only messages sent while the key's last stored mid could not be read.", nil, &s.Unresolved)
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gopush_keys_subscribed", Help: "Keys with at least one subscriber.",
	}, func() float64 { return float64(s.Created.Load() - s.Deleted.Load()) }))
}

func counter(reg prometheus.Registerer, name, help string, labels prometheus.Labels, v *atomic.Int64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(v.Load()) }))
}
