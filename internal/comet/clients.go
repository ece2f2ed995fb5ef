package comet

import (
	"context"
	"time"

	"gopush/internal/redis"
)

// VisitClients implements redis.Clients: loop by loop, some connections a turn.
func (g *Gateway) VisitClients(_ context.Context, visit func(*redis.Client) (more bool)) {
	g.eachRedis(func(l *loop, c *conn, r *redisConn) bool {
		client := l.client(c, r)
		return visit(&client)
	})
}

// KillClients implements redis.Clients.
func (g *Gateway) KillClients(_ context.Context, match func(*redis.Client) bool) (killed int) {
	g.eachRedis(func(l *loop, c *conn, r *redisConn) bool {
		if client := l.client(c, r); match(&client) {
			killed++
			l.closePolitely(c, Kicked)
		}
		return true
	})
	return killed
}

// eachRedis calls f, with the loop's lock held, for each connection that speaks Redis until it returns false.
func (g *Gateway) eachRedis(f func(*loop, *conn, *redisConn) (more bool)) {
	for _, l := range g.loops {
		done := make(chan bool, 1)
		l.do(func(l *loop) { l.visitRedis(f, done) })
		if more := <-done; !more {
			return
		}
	}
}

// visitRedis is eachRedis of one loop; done is told whether f wants more.
func (l *loop) visitRedis(f func(*loop, *conn, *redisConn) bool, done chan<- bool) {
	next := uint32(1)
	l.begin(func(budget int) bool {
		for looks := visitsATurn; next <= l.conns.top && budget > 0 && looks > 0; next++ {
			looks--
			c := l.conns.find(next)
			if c == nil || c.state != served {
				continue
			}
			r := c.speaksRedis()
			if r == nil {
				continue
			}
			budget--
			if !f(l, c, r) {
				done <- false
				return false
			}
		}
		if next <= l.conns.top {
			return true
		}
		done <- true
		return false
	})
}

// visitsATurn is how many connections are looked at in a turn, those that speak something else included.
const visitsATurn = 16 * slice

// client returns what is told of c. Its session is the loop's.
func (l *loop) client(c *conn, r *redisConn) redis.Client {
	now := l.seconds()
	return redis.Client{
		ID: r.session.ID(), Session: r.session, Subscriptions: r.session.Subscriptions,
		Addr: l.peer(c), LAddr: l.g.all()[c.from].addr.String(),
		Age: time.Duration(now-r.began) * tick, Idle: time.Duration(now-max(r.active, r.began)) * tick,
		Blocked: r.wait != nil && r.wait.state != follower,
	}
}
