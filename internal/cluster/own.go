package cluster

import (
	"gopush/internal/channel"
	"gopush/internal/cluster/link"
)

// own is this node as others reach it: what they ask it to do it does itself.
type own struct {
	*channel.Hub
	cluster *Cluster
}

// Attach implements link.Keys.
func (o own) Attach(s channel.Sink) channel.SinkID {
	o.cluster.sink = o.Hub.Attach(s)
	return o.cluster.sink
}

// SubscribePattern implements link.Keys.
func (o own) SubscribePattern(sink channel.SinkID, pattern string, spare uint32) (c *channel.Channel, ref uint32, err error) {
	return o.FollowPatternFor(sink, pattern, spare)
}

// UnsubscribePattern implements link.Keys.
func (o own) UnsubscribePattern(sink channel.SinkID, c *channel.Channel) {
	o.UnfollowPatternFor(sink, c)
}

// Look implements link.Keys.
func (o own) Look(keys []string) {
	for _, key := range keys {
		o.Hub.Look(key)
	}
}

// Revoked implements link.Keys.
func (o own) Revoked(key string, tags []uint64) {
	if o.cluster.cfg.Revoked != nil {
		o.cluster.cfg.Revoked(key, tags)
	}
}

// OwnSubscribed implements link.Keys.
func (o own) OwnSubscribed(pattern string, limit int) []string {
	return o.Hub.Subscribed(pattern, limit)
}

// Stats implements link.Keys.
func (o own) Stats() link.NodeStats { return o.cluster.nodeStats() }

func (c *Cluster) nodeStats() link.NodeStats {
	var s link.NodeStats
	if c.cfg.Stats != nil {
		s = c.cfg.Stats()
	}
	s.Relays = c.Stats.Relays.Load()
	return s
}
