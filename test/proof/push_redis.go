package proof

import (
	"context"
	"errors"
	"strings"

	"gopush/internal/message"
)

// pushXAdd is XADD with EXPIRE; a live-only message is a PUBLISH. docs/protocol.md, "Streams".
func pushXAdd(ctx context.Context, p *pusher, n *Node, key *keyLog, m *push) (mid int64, err error) {
	if !m.stored {
		return pushPublish(ctx, p, n, key, m)
	}
	args := []string{"XADD", key.name}
	if m.idem != "" {
		args = append(args, "IDMP", "proof", m.idem)
	}
	v, err := p.ask(ctx, n, append(args, "EXPIRE", decimal(int64(m.expire)), "*", "msg", m.sent())...)
	if err != nil {
		return 0, err
	}
	return message.ParseID(v.text)
}

// pushPublish is PUBLISH, which tells no mid. docs/protocol.md, "Pub/sub".
func pushPublish(ctx context.Context, p *pusher, n *Node, key *keyLog, m *push) (mid int64, err error) {
	_, err = p.ask(ctx, n, "PUBLISH", key.name, m.sent())
	return 0, err
}

// ask sends a command over the connection to a node, which is made when there is none, and kept while it works.
func (p *pusher) ask(ctx context.Context, n *Node, args ...string) (value, error) {
	c, err := p.line(ctx, n)
	if err != nil {
		return value{}, errRefused{err.Error()}
	}
	ended := context.AfterFunc(ctx, func() { c.Close() })
	v, err := c.ask(args...)
	if !ended() && err == nil {
		err = context.Cause(ctx)
	}
	if refusal := replyError(""); errors.As(err, &refusal) {
		return v, refusedRedis(string(refusal))
	}
	if err != nil {
		c.Close()
		delete(p.lines, n)
	}
	return v, err
}

// refusedRedis tells what an error reply means.
func refusedRedis(text string) error {
	switch {
	case strings.HasPrefix(text, "ERR nothing was done"):
		return errRefused{text}
	case strings.HasPrefix(text, "ERR it may or may not"):
		return replyError(text)
	}
	return errMistake{text}
}

func (p *pusher) line(ctx context.Context, n *Node) (*line, error) {
	if c := p.lines[n]; c != nil {
		return c, nil
	}
	c, err := p.r.cfg.Topology.connect(context.WithoutCancel(ctx), n.Admin, p.draw)
	if err != nil {
		return nil, err
	}
	if err := c.greet(p.r.cfg.Topology.APIKey); err != nil {
		c.Close()
		return nil, err
	}
	p.lines[n] = c
	return c, nil
}
