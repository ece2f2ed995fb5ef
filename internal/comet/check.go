package comet

import (
	"context"
	"errors"

	"gopush/internal/message"
	"gopush/internal/wire"
)

// Before a legacy client subscribes, its token is found good, and the key near. Both may block: then it waits in the state
// checking.
//
//	want ─┬─ nothing to ask ─────────────────────────────────────┬─> subscribe
//	      └─ pool: authorize ─> approach ─> decided, in the loop ┘

// verdict is what came of a subscriber's check.
type verdict struct {
	tag         uint64 // of its token
	revocations uint64 // when that was found good
	err         error
}

// want has c subscribe, once its token is found good and its key near.
func (l *loop) want(c *conn, sub wire.Sub) {
	if c.variant |= sub.Variant(); l.turnsAway(c) {
		return
	}
	if l.g.cfg.Authorize == nil && l.g.cfg.Keys.Near(sub.Key) {
		l.subscribe(c, sub, 0)
		return
	}
	l.askAbout(c, sub)
}

// askAbout has c wait until sub is checked.
func (l *loop) askAbout(c *conn, sub wire.Sub) {
	c.state = checking
	id := c.id
	queued := l.admit(func() joined {
		v := l.g.check(sub)
		return joined{func(l *loop) { l.checked(id, sub, v) }, effortToJoin}
	})
	if !queued {
		l.closePolitely(c, AuthFailed)
	}
}

// checked takes what came of a subscriber's check.
func (l *loop) checked(id id, sub wire.Sub, v verdict) {
	c := l.find(id)
	switch {
	case c == nil || c.state != checking:
	case l.g.revocations() != v.revocations:
		l.askAbout(c, sub) // perhaps this token, before the connection could be found by it
	default:
		l.decided(c, sub, v)
	}
}

// check asks all that has to be asked of a subscriber. It may block, for store_timeout at each step. Who has no good token has nothing approached.
func (g *Gateway) check(sub wire.Sub) (v verdict) {
	v = g.authorize(sub)
	if v.err != nil || g.cfg.Keys.Near(sub.Key) {
		return v
	}
	if err := g.approach(sub.Key); err != nil {
		v.err = err
		return v
	}
	if g.revocations() != v.revocations {
		return g.authorize(sub) // here, and not in another round: however long approaching takes, there are few of those
	}
	return v
}

// authorize asks whether sub's token is good.
func (g *Gateway) authorize(sub wire.Sub) (v verdict) {
	if g.cfg.Authorize == nil {
		return v
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.StoreTimeout)
	defer cancel()
	v.revocations = g.cfg.Revocations()
	v.tag, v.err = g.cfg.Authorize(ctx, sub.Key, sub.Token)
	return v
}

// revocations counts what was revoked; 0 where nothing is.
func (g *Gateway) revocations() uint64 {
	if g.cfg.Authorize == nil {
		return 0
	}
	return g.cfg.Revocations()
}

// approach makes key near. Its error refuses the subscriber; a key that is not near yet refuses none.
func (g *Gateway) approach(key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.StoreTimeout)
	defer cancel()
	err := g.cfg.Keys.Approach(ctx, key)
	if err == nil || errors.Is(err, message.ErrWrongNode) {
		return err
	}
	g.cfg.Log.Debug("subscribed before the key is near", "key", key, "err", err)
	return nil
}

// decided has c subscribe, or refuses it, and goes on with what came meanwhile.
func (l *loop) decided(c *conn, sub wire.Sub, v verdict) {
	switch {
	case errors.Is(v.err, message.ErrUnknownKey):
		l.refuse(c, wire.TextChannel, KeyUnknown)
	case errors.Is(v.err, message.ErrToken):
		l.refuse(c, wire.TextToken, TokenRefused)
	case errors.Is(v.err, message.ErrWrongNode):
		l.refuse(c, wire.TextNode, WrongNode)
	case v.err != nil:
		l.g.cfg.Log.Warn("token not checked", "key", sub.Key, "err", v.err)
		l.closePolitely(c, AuthFailed)
	default:
		l.subscribe(c, sub, v.tag)
		if c.state != free {
			l.input(c, nil)
		}
	}
}
