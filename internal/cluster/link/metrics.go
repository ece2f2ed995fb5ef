package link

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats counts what links did. Written by whoever does it, read by anyone.
type Stats struct {
	Dialled    atomic.Int64 // links to peers that came up
	DialFailed atomic.Int64 // tries that did not get there
	Lost       atomic.Int64 // links to peers that were up and broke
	Accepted   atomic.Int64 // links from peers that came up

	Refused [numRefusals]atomic.Int64 // connections that became no link, by why
	Broken  [numBreaks]atomic.Int64   // links of both ends that ended, by why

	Forwarded     atomic.Int64 // pushes sent to peers
	ForwardFailed atomic.Int64 // of these, and of those that could not be sent: with an error of the link
	Carried       atomic.Int64 // pushes of peers carried out
	Relayed       atomic.Int64 // messages written for links that follow
	Received      atomic.Int64 // messages of what is followed
	Dropped       atomic.Int64 // follows ended because too much waited for their link
}

// Refusal is why a connection became no link.
type Refusal uint8

// The refusals.
const (
	BadSecret Refusal = iota
	BadVersion
	BadHandshake // malformed, late, or by another node than was dialled
	numRefusals
)

// Break is why a link ended.
type Break uint8

// The breaks.
const (
	Closed    Break = iota // by either end, or the network
	Silent                 // nothing came for three beats
	Malformed              // what came was no frame of a link
	Overfull               // commands without an answer waited beyond the bound
	numBreaks
)

// Register makes s metrics.
func (s *Stats) Register(reg prometheus.Registerer) {
	counter(reg, "gopush_link_dials_total", "Attempts to link with other nodes, by outcome.", prometheus.Labels{"outcome": "up"}, &s.Dialled)
	counter(reg, "gopush_link_dials_total", "Attempts to link with other nodes, by outcome.", prometheus.Labels{"outcome": "failed"}, &s.DialFailed)
	counter(reg, "gopush_links_lost_total", "Links to other nodes that were up and broke.", nil, &s.Lost)
	counter(reg, "gopush_links_accepted_total", "Links from other nodes that came up.", nil, &s.Accepted)
	for r, reason := range [numRefusals]string{"secret", "version", "handshake"} {
		counter(reg, "gopush_links_refused_total", "Connections that became no link, by reason.", prometheus.Labels{"reason": reason}, &s.Refused[r])
	}
	for b, reason := range [numBreaks]string{"closed", "silent", "malformed", "overfull"} {
		counter(reg, "gopush_links_broken_total", "Links of both ends that ended, by reason.", prometheus.Labels{"reason": reason}, &s.Broken[b])
	}
	counter(reg, "gopush_forwarded_total", "Pushes sent to the nodes that own their keys.", nil, &s.Forwarded)
	counter(reg, "gopush_forward_failures_total", "Pushes that their owner could not be asked for, or did not answer.", nil, &s.ForwardFailed)
	counter(reg, "gopush_carried_total", "Pushes of other nodes carried out.", nil, &s.Carried)
	counter(reg, "gopush_relayed_total", "Messages written for nodes that follow their keys.", nil, &s.Relayed)
	counter(reg, "gopush_relay_received_total", "Messages that came of keys that are followed.", nil, &s.Received)
	counter(reg, "gopush_follows_dropped_total", "Follows ended because too much waited for their link.", nil, &s.Dropped)
}

func counter(reg prometheus.Registerer, name, help string, labels prometheus.Labels, v *atomic.Int64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(v.Load()) }))
}
