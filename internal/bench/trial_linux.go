package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// trial is one run of one subject: the server, all its subscribers, and publishers.
type trial struct {
	subject subject
	layout  layout
	server  *process
	crowd   *crowd
	clock   clock
	pushers []*pusher
	sent    []int64 // messages pushed to each key, which belongs to one pusher
}

// layout says who subscribes and publishes in a trial.
type layout struct {
	connections int  // at most
	shared      bool // all connections have one key, else each one of its own
	keys        int
	publishers  int  // with keys of their own
	pipelined   bool // they write on before they are answered
	random      bool // they choose keys at random, else in turn
	batch       int  // messages in a call
	size        int  // of payloads
	expire      int  // seconds that messages are kept; 0: live only
	stored      int  // messages that are kept for a key, at most

	servers []string // where connections are made to, in turn; nil: to all nodes
	later   []string // and where they come back to when their server is gone; nil: nowhere
}

// trial starts a subject and a crowd without connections yet.
func (c *Config) trial(ctx context.Context, s subject, l layout) (*trial, error) {
	server, err := s.start(ctx, needs{stored: l.stored, store: c.Store})
	if err != nil {
		return nil, err
	}
	t := &trial{subject: s, layout: l, server: server, sent: make([]int64, l.keys)}
	if err := t.populate(ctx, c); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// populate makes the crowd and the pushers.
func (t *trial) populate(ctx context.Context, c *Config) (err error) {
	l := &t.layout
	if keyless(t.subject) && !l.shared {
		return errors.New("it knows no keys: only \"broadcast\", \"connect\" and \"idle\" measure it")
	}
	target := t.server.Target
	if _, ok := t.subject.dialect(&target).(resumer); l.expire > 0 && !ok {
		return errors.New("it keeps no messages for subscribers that are away: only \"broadcast\", \"unicast\" without --expire, \"connect\" and \"idle\" measure it")
	}
	p := plan{Subject: t.subject.name(), Target: target, Shared: l.shared, Key: uniqueKey(), Later: l.later}
	for _, node := range t.server.all() {
		p.Servers = append(p.Servers, node.Public)
		if len(t.server.nodes) > 0 {
			p.Owners = append(p.Owners, node.Name)
		}
	}
	if l.servers != nil {
		p.Servers = l.servers
	}
	if t.crowd, err = c.crowd(ctx, p, l.connections); err != nil {
		return err
	}
	if t.clock, err = newClock(); err != nil {
		return err
	}
	for i := range l.publishers {
		t.pushers = append(t.pushers, newPusher(l, i, t.sent, p.keyOf))
	}
	return nil
}

// connect connects the pushers that are not: a server closes what says nothing for long.
func (t *trial) connect() (err error) {
	at := &t.server.Target
	for _, p := range t.pushers {
		if p.conn != nil {
			continue
		}
		if p.conn, err = newPublisher(at.Admin, t.subject.backend(at, t.layout.expire), t.layout.batch); err != nil {
			return err
		}
	}
	return nil
}

// uniqueKey returns four characters that keys of other runs at the same server hardly begin with.
func uniqueKey() string {
	const digits, most = 36, 36 * 36 * 36 * 36
	return strconv.FormatInt(most/digits+rand.Int64N(most-most/digits), digits)
}

// end ends all of it. If the server had ended before, err says so.
func (t *trial) end(ctx context.Context, err *error) {
	if *err != nil && ctx.Err() == nil && t.server.gone() {
		*err = fmt.Errorf("the server ended during the run: %w", *err)
	}
	t.close()
}

func (t *trial) close() {
	t.hangUp()
	if t.crowd != nil {
		t.crowd.close()
	}
	t.server.stop()
}
