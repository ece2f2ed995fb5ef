package comet

import (
	"errors"
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/wire"
)

// A connection that speaks Redis subscribes to many keys and patterns, and follows keys while it waits for what is stored.
// It is in the group of each, once, for all of it. The first plain subscription is in the conn itself, as that of
// every other dialect: so that a broadcast to such connections costs the same.

// subscription is why a connection is in a group.
type subscription struct {
	seen int64  // messages up to this mid have been queued for it, or are not for it; not of a pattern
	ref  uint32 // of the group
	nth  uint16 // of the keys that it waits for, if it follows
	how  how
}

// how is a set of reasons to be in a group: those of redis.How, and follows.
type how uint8

const (
	lively  = how(redis.Channel | redis.Shard) // what is pushed is delivered
	pattern = how(redis.Pattern)
	follows = how(1 << 7) // what is stored may end a wait
)

// subscriptionName is what a connection has at most one subscription to.
type subscriptionName struct {
	name    string
	pattern bool
}

// fewSubscriptions is how many are looked through one by one.
const fewSubscriptions = 16

// plain tells whether c's own subscription is to name.
func (l *loop) plain(c *conn, name subscriptionName) bool {
	return c.ref != 0 && !name.pattern && l.groups.at(c.ref).channel.Key() == name.name
}

// nameOf returns what a group is subscribed to.
func (l *loop) nameOf(ref uint32) subscriptionName {
	ch := l.groups.at(ref).channel
	return subscriptionName{ch.Key(), ch.Pattern()}
}

// findSubscription returns where in r.many the subscription to name is; -1: it is not there.
func (l *loop) findSubscription(r *redisConn, name subscriptionName) int {
	if r.index != nil {
		if i, ok := r.index[name]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(r.many, func(s subscription) bool { return l.nameOf(s.ref) == name })
}

// inGroup returns r's subscription by which it is in the group, or nil.
func (l *loop) inGroup(r *redisConn, ref uint32) *subscription {
	if r.index != nil {
		if i, ok := r.index[l.nameOf(ref)]; ok {
			return &r.many[i]
		}
		return nil
	}
	for i := range r.many {
		if r.many[i].ref == ref {
			return &r.many[i]
		}
	}
	return nil
}

// put adds a subscription.
func (l *loop) put(r *redisConn, s subscription) *subscription {
	r.many = append(r.many, s)
	switch {
	case r.index != nil:
		r.index[l.nameOf(s.ref)] = len(r.many) - 1
	case len(r.many) > fewSubscriptions:
		r.index = make(map[subscriptionName]int, 2*fewSubscriptions)
		for i := range r.many {
			r.index[l.nameOf(r.many[i].ref)] = i
		}
	}
	return &r.many[len(r.many)-1]
}

// takeOut removes the ith subscription, whose group c has left or is about to leave.
func (l *loop) takeOut(r *redisConn, i int) {
	last := len(r.many) - 1
	if r.index != nil {
		delete(r.index, l.nameOf(r.many[i].ref))
		if i != last {
			r.index[l.nameOf(r.many[last].ref)] = i
		}
	}
	r.many[i] = r.many[last]
	if r.many = r.many[:last]; last == 0 {
		r.many, r.index = nil, nil
	}
}

// join has c subscribe to name in one way more. seen is its barrier; last and known are what channel.Hub.Follow tells.
func (l *loop) join(c *conn, r *redisConn, name subscriptionName, h how) (s *subscription, last int64, known bool, err error) {
	i := l.findSubscription(r, name)
	if i < 0 && l.plain(c, name) {
		i = l.moveOut(c, r)
	}
	if i >= 0 && r.many[i].how&sameKind(h) != 0 {
		r.many[i].how |= h
		return &r.many[i], 0, false, nil
	}
	ch, ref, barrier, last, known, err := l.askHub(name.name, h)
	if err != nil {
		return nil, 0, false, err
	}
	if i < 0 {
		l.enter(c, ch, ref)
		s = l.put(r, subscription{ref: ref})
	} else {
		s = &r.many[i]
	}
	s.how |= h
	if h&lively != 0 {
		s.seen = barrier
	}
	return s, last, known, nil
}

// sameKind returns what the hub counts as one with h.
func sameKind(h how) how {
	if h&lively != 0 {
		return lively
	}
	return h
}

// moveOut makes c's own subscription one of r.many and returns where it is.
func (l *loop) moveOut(c *conn, r *redisConn) int {
	l.put(r, subscription{ref: c.ref, seen: c.seen, how: how(redis.Channel)})
	c.ref = 0
	return len(r.many) - 1
}

// askHub makes the loop hear of what is pushed to name.
func (l *loop) askHub(name string, h how) (ch *channel.Channel, ref uint32, barrier, last int64, known bool, err error) {
	keys := l.g.cfg.Keys
	switch {
	case h&follows != 0:
		ch, ref, last, known, err = keys.Follow(l.id, name, l.fresh)
	case h&pattern != 0:
		ch, ref, err = keys.SubscribePattern(l.id, name, l.fresh)
	default:
		ch, ref, barrier, err = keys.Subscribe(l.id, name, l.fresh)
	}
	return ch, ref, barrier, last, known, err
}

// part ends ways of c's subscription, the ith of r.many.
func (l *loop) part(c *conn, r *redisConn, i int, h how) {
	s := &r.many[i]
	ch := l.groups.at(s.ref).channel
	keys, before := l.g.cfg.Keys, s.how
	s.how &^= h
	gone := func(k how) bool { return before&k != 0 && s.how&k == 0 }
	if gone(lively) {
		keys.Unsubscribe(l.id, ch)
	}
	if gone(pattern) {
		keys.UnsubscribePattern(l.id, ch)
	}
	if gone(follows) {
		keys.Unfollow(l.id, ch)
	}
	if s.how == 0 {
		ref := s.ref
		l.takeOut(r, i)
		l.leave(c, ref)
	}
}

// subscribeNames carries SUBSCRIBE, SSUBSCRIBE and PSUBSCRIBE out.
func (l *loop) subscribeNames(c *conn, r *redisConn, step *redis.Step) {
	for _, name := range step.Names {
		l.calls.effort += effortOfName
		err := l.subscribeTo(c, r, subscriptionName{string(name), step.How == redis.Pattern}, step.How)
		answers := &l.calls.answers.bytes
		switch {
		case err == nil: // told also to who wants no replies, as Redis does
			*answers = r.session.AppendSubscribed(*answers, step.How, false, name)
		case !step.Mute:
			*answers = r.server.AppendError(*answers, err)
		}
	}
}

// errSubscriptions is what a subscription fails with that is one too many.
var errSubscriptions = errors.New("max_subscriptions_per_connection reached: use another connection, or raise the setting")

// subscribeTo has c subscribe, unless it does so already.
func (l *loop) subscribeTo(c *conn, r *redisConn, name subscriptionName, asked redis.How) error {
	most, count, h := l.g.limits.Load().MaxSubscriptions, r.count(asked), how(asked)
	switch i := l.findSubscription(r, name); {
	case i >= 0 && r.many[i].how&h != 0 || h == how(redis.Channel) && l.plain(c, name):
		return nil
	case most > 0 && r.subscriptions() >= most:
		return errSubscriptions
	case i < 0 && c.ref == 0 && h == how(redis.Channel):
		ch, ref, barrier, err := l.g.cfg.Keys.Subscribe(l.id, name.name, l.fresh)
		if err != nil {
			return err
		}
		l.enter(c, ch, ref)
		c.ref, c.seen = ref, barrier
	default:
		if _, _, _, err := l.join(c, r, name, h); err != nil {
			return err
		}
	}
	if *count++; r.subscriptions() == 1 {
		l.g.Stats.Subscribed.Add(1)
	}
	return nil
}

// count returns the count of what was asked for.
func (r *redisConn) count(asked redis.How) *int32 {
	n := &r.session.Subscriptions
	switch asked {
	case redis.Shard:
		return &n.Shards
	case redis.Pattern:
		return &n.Patterns
	}
	return &n.Channels
}

// subscriptions returns how many there are, of all kinds.
func (r *redisConn) subscriptions() int {
	n := &r.session.Subscriptions
	return int(n.Channels + n.Shards + n.Patterns)
}

// unsubscribeNames carries UNSUBSCRIBE, SUNSUBSCRIBE and PUNSUBSCRIBE out.
func (l *loop) unsubscribeNames(c *conn, r *redisConn, step *redis.Step) {
	names := step.Names
	if len(names) == 0 {
		names = l.subscribed(c, r, step.How)
	}
	if len(names) == 0 {
		names = [][]byte{nil}
	}
	for _, name := range names {
		l.calls.effort += effortOfName
		l.unsubscribeFrom(c, r, subscriptionName{string(name), step.How == redis.Pattern}, step.How)
		l.calls.answers.bytes = r.session.AppendSubscribed(l.calls.answers.bytes, step.How, true, name)
	}
}

// subscribed returns the names of what c subscribes to in one way.
func (l *loop) subscribed(c *conn, r *redisConn, asked redis.How) (names [][]byte) {
	if asked == redis.Channel && c.ref != 0 {
		names = append(names, []byte(l.nameOf(c.ref).name))
	}
	for _, s := range r.many {
		if s.how&how(asked) != 0 {
			names = append(names, []byte(l.nameOf(s.ref).name))
		}
	}
	return names
}

func (l *loop) unsubscribeFrom(c *conn, r *redisConn, name subscriptionName, asked redis.How) {
	switch i := l.findSubscription(r, name); {
	case asked == redis.Channel && l.plain(c, name):
		l.leavePlain(c)
	case i >= 0 && r.many[i].how&how(asked) != 0:
		l.part(c, r, i, how(asked))
	default:
		return
	}
	*r.count(asked)--
}

// hearsClosed tells whether c is in the group of a key that is not open to it any more: who revokes its token
// would not find it there.
func (l *loop) hearsClosed(c *conn, r *redisConn) bool {
	if !r.session.OpensKeys() {
		return false
	}
	closed := func(ref uint32) bool { return !r.session.Opened(l.nameOf(ref).name) }
	return c.ref != 0 && closed(c.ref) || slices.ContainsFunc(r.many, func(s subscription) bool { return closed(s.ref) })
}

// unsubscribeAll ends all of c's subscriptions, and what it waits for.
func (l *loop) unsubscribeAll(c *conn, r *redisConn) {
	l.endFollowing(c, r)
	if c.ref != 0 {
		l.leavePlain(c)
	}
	for len(r.many) > 0 {
		l.part(c, r, len(r.many)-1, ^how(0))
	}
	r.session.Subscriptions = redis.Subscriptions{}
}

// deliverRedis delivers w's messages to c, which is in the group for other reasons than its own subscription.
func (l *loop) deliverRedis(c *conn, ref uint32, g *group, w *walk) {
	r := c.aux.serving.redis
	s := l.inGroup(r, ref)
	switch {
	case s == nil:
		return
	case s.how&pattern != 0:
		l.sendWalk(c, c.variant, ref, g, w, 0, 0)
		return
	case s.how&how(redis.Channel) != 0:
		l.deliverSince(c, &s.seen, c.variant, ref, g, w)
	case s.how&how(redis.Shard) != 0:
		l.deliverSince(c, &s.seen, c.variant|wire.Shard, ref, g, w)
	}
	if c.state == served && s.how&follows != 0 {
		l.stored(c, r, ref, int(s.nth), w.now)
	}
}

// storedAfter returns those of messages that are stored and above mid.
func storedAfter(dst, messages []*message.Message, mid int64) []*message.Message {
	for _, m := range messages {
		if m.Stored() && m.Mid > mid {
			dst = append(dst, m)
		}
	}
	return dst
}
