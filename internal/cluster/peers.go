package cluster

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gopush/internal/channel"
	"gopush/internal/cluster/link"
	"gopush/internal/message"
)

// peers is told of what the links bring.
type peers struct{ *Cluster }

// misses is how many pings in a row a node that is registered nowhere may leave unanswered.
const misses = 3

// Up has a node asked for all that it owns.
func (c peers) Up(l *link.Link, h link.Hello) {
	c.cfg.Log.Info("link up", "node", l.Name())
	c.heard(h)
	c.followAll(l)
	c.followPatterns(l)
	select {
	case c.linked <- struct{}{}:
	default:
	}
	c.reportAgain(l.Name())
}

// Down implements link.Handler.
func (c peers) Down(name string, err error) {
	level := slog.LevelWarn
	if errors.Is(err, link.ErrStopped) || errors.Is(err, link.ErrLeft) || errors.Is(err, link.ErrRemoved) {
		level = slog.LevelInfo
	}
	c.cfg.Log.Log(context.Background(), level, "link down", "node", name, "err", err)
	c.unfed(name)
}

// Missed implements link.Handler.
func (c peers) Missed(name string, n int) {
	if p, ok := c.cfg.Registry.(Pulse); ok && n >= misses {
		p.Silent(name)
	}
}

// Greeted implements link.Handler.
func (c peers) Greeted(_ string, h link.Hello) { c.heard(h) }

func (c peers) heard(h link.Hello) {
	p, ok := c.cfg.Registry.(Pulse)
	switch {
	case !ok:
	case h.Joined:
		p.Heard(Node{Name: h.Name, Weight: h.Weight, Admin: h.Admin, TCP: h.TCP, WS: h.WS})
	default:
		p.Silent(h.Name)
	}
}

// Left implements link.Handler.
func (c peers) Left(name string) {
	if p, ok := c.cfg.Registry.(Pulse); ok {
		p.Silent(name)
	}
}

// Followed implements link.Handler.
func (c peers) Followed(name, key string, released int64) { c.followed(name, key, released) }

// Refused implements link.Handler.
func (c peers) Refused(name, key string, err error) {
	c.cfg.Log.Warn("a key is not relayed", "key", key, "owner", name, "err", err)
	c.refused(name, key)
}

// Dropped implements link.Handler.
func (c peers) Dropped(name, key string) { c.dropped(name, key) }

// Message implements link.Handler.
func (c peers) Message(name string, m *message.Message) {
	c.Stats.lag.came(name, m.Mid, c.cfg.Now())
	c.touch(c.hub.Feed(m))
}

// FollowedPattern implements link.Handler.
func (c peers) FollowedPattern(name, pattern string, err error) {
	if err != nil {
		c.cfg.Log.Warn("a pattern is not followed", "pattern", pattern, "node", name, "err", err)
		time.AfterFunc(followAgain, func() { c.followPattern(name, pattern) })
	}
}

// PatternMessage implements link.Handler.
func (c peers) PatternMessage(_, pattern string, m *message.Message) {
	c.touch(c.hub.FeedPattern(pattern, m, c.sink))
}

// DroppedPattern implements link.Handler.
func (c peers) DroppedPattern(name, pattern string) { c.followPattern(name, pattern) }

// Flush implements link.Handler.
func (c peers) Flush() { c.hub.Flush(channel.SinkSet(c.touched.Swap(0))) }

func (c *Cluster) touch(s channel.SinkSet) {
	if s != 0 {
		c.touched.Or(uint64(s))
	}
}
