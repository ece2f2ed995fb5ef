package cluster

import (
	"sync"

	"gopush/internal/channel"
	"gopush/internal/cluster/link"
)

// patterns are those that somebody subscribes to here: they are followed at all other nodes.
type patterns struct {
	mu       sync.Mutex
	followed map[string]*followedPattern // guarded by mu
}

type followedPattern struct {
	subscribers int
}

// SubscribePattern is channel.Hub's, at all nodes.
func (c *Cluster) SubscribePattern(sink channel.SinkID, pattern string, spare uint32) (ch *channel.Channel, ref uint32, err error) {
	if ch, ref, err = c.hub.SubscribePattern(sink, pattern, spare); err != nil {
		return nil, 0, err
	}
	c.pattern.mu.Lock()
	defer c.pattern.mu.Unlock()
	p := c.pattern.followed[pattern]
	if p == nil {
		p = new(followedPattern)
		c.pattern.followed[pattern] = p
		for _, l := range c.view.Load().links {
			l.FollowPattern(pattern)
		}
	}
	p.subscribers++
	c.countPattern(pattern, p)
	return ch, ref, nil
}

// UnsubscribePattern is channel.Hub's.
func (c *Cluster) UnsubscribePattern(sink channel.SinkID, ch *channel.Channel) {
	pattern := ch.Key()
	c.hub.UnsubscribePattern(sink, ch)
	c.pattern.mu.Lock()
	defer c.pattern.mu.Unlock()
	p := c.pattern.followed[pattern]
	if p.subscribers--; p.subscribers > 0 {
		c.countPattern(pattern, p)
		return
	}
	delete(c.pattern.followed, pattern)
	for _, l := range c.view.Load().links {
		l.UnfollowPattern(pattern)
	}
}

func (c *Cluster) countPattern(pattern string, p *followedPattern) {
	for _, l := range c.view.Load().links {
		l.CountPattern(pattern, p.subscribers)
	}
}

// followPatterns asks a node for all patterns: its link is up anew.
func (c *Cluster) followPatterns(l *link.Link) {
	c.pattern.mu.Lock()
	defer c.pattern.mu.Unlock()
	for pattern, p := range c.pattern.followed {
		l.FollowPattern(pattern)
		l.CountPattern(pattern, p.subscribers)
	}
}

// followPattern asks a node again for one pattern.
func (c *Cluster) followPattern(name, pattern string) {
	c.pattern.mu.Lock()
	defer c.pattern.mu.Unlock()
	l, p := c.view.Load().links[name], c.pattern.followed[pattern]
	if l != nil && p != nil {
		l.FollowPattern(pattern)
		l.CountPattern(pattern, p.subscribers)
	}
}
