package node

import (
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gopush/internal/channel"
	"gopush/internal/web"
)

// stats tells the counts of gopush-cluster's /stat.
type stats struct{ n *Node }

func (s stats) Channels() web.ChannelStats {
	c := &s.n.hub.Stats
	created, deleted := c.Created.Load(), c.Deleted.Load()
	return web.ChannelStats{Access: c.Subscribed.Load(), Create: created, Delete: deleted, Current: created - deleted}
}

func (s stats) Messages() web.MessageStats {
	c := &s.n.hub.Stats
	failed := c.Failed.Load() + c.Unknown.Load() + c.Skipped.Load() + c.Refused.Load()
	return web.MessageStats{Succeed: c.Pushed.Load(), Failed: failed}
}

func (s stats) Connections() web.ConnectionStats {
	c := &s.n.hub.Stats
	return web.ConnectionStats{Add: c.Subscribed.Load(), Remove: c.Unsubscribed.Load()}
}

func (s stats) Config() map[string]any { return s.n.cfg.Load().Map() }

// checks are the conditions of /readyz.
func (n *Node) checks() []web.Check {
	checks := []web.Check{{Name: "node", Err: n.drain.check}}
	if h, ok := n.store.(channel.Health); ok {
		checks = append(checks, web.Check{Name: "store", Err: h.Healthy})
	}
	if n.cluster != nil {
		checks = append(checks, web.Check{Name: "registry", Err: n.cluster.Healthy}, web.Check{Name: "cluster", Err: n.joined}, web.Check{Name: "links", Err: n.cluster.Trusted})
	}
	return checks
}

// register makes all that is counted metrics.
func (n *Node) register() {
	n.metrics.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	n.hub.Stats.Register(n.metrics)
	n.gateway.Register(n.metrics)
	n.redis.Register(n.metrics)
	n.drain.register(n.metrics)
	if n.cluster != nil {
		n.cluster.Register(n.metrics)
		n.links.Stats.Register(n.metrics)
	}
	if n.tokens != nil {
		n.tokens.RegisterMetrics(n.metrics)
	}
}
