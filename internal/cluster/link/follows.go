package link

import (
	"context"
	"fmt"

	"gopush/internal/channel"
)

// followers is how many goroutines ask channels, which may read the store, for links that follow.
const followers = 16

// op is something to be done for a group.
type op struct {
	link   *accepted
	what   opKind
	number int64 // the mid of opFollow; the count of opCount, and the one that opRelease ends

	channel *channel.Channel // of opRelease
}

type opKind uint8

const (
	opFollow opKind = iota
	opUnfollow
	opCount
	opRelease // a follow that is ended in the group already is taken back from the channels
)

// opOf returns what a command asks for.
func opOf(command string) opKind {
	switch command {
	case "FOLLOW", "PFOLLOW":
		return opFollow
	case "UNFOLLOW", "PUNFOLLOW":
		return opUnfollow
	}
	return opCount
}

// ask has o done: at once if it does not wait and nothing else is under way for what f names, else in its turn.
func (s *sink) ask(f followed, o op) {
	s.mu.Lock()
	ref, g := s.find(f)
	if g == nil {
		if o.what != opFollow || o.link.gone || f.name == "" {
			s.mu.Unlock()
			s.refuseEmpty(f, o)
			return
		}
		ref, g = s.make(f)
	}
	if g.work != nil || o.what == opFollow {
		s.submit(ref, g, o)
		s.mu.Unlock()
		s.jobs.admit()
		return
	}
	g.work = new(work)
	s.mu.Unlock()
	s.perform(context.Background(), ref, g, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(g.work.queue) > 0 {
		s.jobs.put(ref)
	} else {
		s.rest(ref, g)
	}
}

// refuseEmpty answers a follow of nothing.
func (s *sink) refuseEmpty(f followed, o op) {
	if o.what == opFollow {
		o.link.answerFollow(f, 0, fmt.Errorf("there is no empty key"))
	}
}

func (s *sink) table(f followed) map[string]uint32 {
	if f.pattern {
		return s.names[1]
	}
	return s.names[0]
}

func (s *sink) find(f followed) (uint32, *group) {
	ref := s.table(f)[f.name]
	return ref, s.groups.at(ref)
}

func (s *sink) make(f followed) (uint32, *group) {
	ref, g := s.groups.take()
	g.name, g.pattern = f.name, f.pattern
	s.table(f)[f.name] = ref
	return ref, g
}

// submit has o done in its turn, by another goroutine. mu is locked.
func (s *sink) submit(ref uint32, g *group, o op) {
	idle := g.work == nil
	if idle {
		g.work = new(work)
	}
	g.work.queue = append(g.work.queue, o)
	if idle {
		s.jobs.put(ref)
	}
}

// work does what is submitted, until the jobs have ended.
func (s *sink) work(ctx context.Context) {
	for ref := s.jobs.take(); ref != 0; ref = s.jobs.take() {
		s.workOff(ctx, ref)
	}
}

// workOff does all that waits for a group.
func (s *sink) workOff(ctx context.Context, ref uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups.at(ref)
	for len(g.work.queue) > 0 {
		o := g.work.queue[0]
		g.work.queue = g.work.queue[1:]
		s.mu.Unlock()
		s.perform(ctx, ref, g, o)
		s.mu.Lock()
	}
	s.rest(ref, g)
}

// rest ends the work of a group, and the group if nobody follows. mu is locked.
func (s *sink) rest(ref uint32, g *group) {
	g.work = nil
	if len(g.members) == 0 {
		delete(s.table(followed{g.name, g.pattern}), g.name)
		s.groups.give(ref)
	}
}

// perform does o. It has the group's work: nobody else does anything for it meanwhile but to post and to drop.
func (s *sink) perform(ctx context.Context, ref uint32, g *group, o op) {
	switch o.what {
	case opFollow:
		s.follow(ctx, ref, g, o)
	case opUnfollow:
		s.unfollow(g, o)
	case opCount:
		s.count(g, o)
	case opRelease:
		s.release(g, o.channel, o.number)
	}
}

// follow makes a link a member of a group.
func (s *sink) follow(ctx context.Context, ref uint32, g *group, o op) {
	f := followed{g.name, g.pattern}
	s.mu.Lock()
	gone, again := o.link.gone, g.find(o.link.number) >= 0
	if g.work.begin(o.link); len(g.members) == 0 {
		g.channel = nil // it may be another one by now
	}
	s.mu.Unlock()
	if gone {
		s.endWork(g)
		return
	}
	ch, got, released, err := s.subscribe(ctx, f, o.number, ref)
	if err == nil && got != ref {
		s.unsubscribe(ch)
		err = fmt.Errorf("the channel of %q has the name %d, not %d", f.name, got, ref)
	}
	if err != nil {
		s.endWork(g)
		o.link.answerFollow(f, 0, err)
		return
	}
	if !s.join(g, o.link, ch, released, again) || again {
		s.unsubscribe(ch)
	}
}

func (s *sink) endWork(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.work.end()
}

// subscribe asks the channels for what f names.
func (s *sink) subscribe(ctx context.Context, f followed, mid int64, ref uint32) (ch *channel.Channel, got uint32, released int64, err error) {
	keys := s.links.cfg.Keys
	if f.pattern {
		ch, got, err = keys.SubscribePattern(s.id, f.name, ref)
		return ch, got, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.links.cfg.StoreTimeout)
	defer cancel()
	return keys.FollowFor(ctx, s.id, f.name, mid, ref)
}

// unsubscribe takes back one subscribe.
func (s *sink) unsubscribe(ch *channel.Channel) {
	if ch.Pattern() {
		s.links.cfg.Keys.UnsubscribePattern(s.id, ch)
	} else {
		s.links.cfg.Keys.UnfollowFor(s.id, ch)
	}
}

// join makes a a member, or finds it one again, and tells it so, and then what was released meanwhile. It tells whether a
// is one from now on: not if it is gone, or was dropped meanwhile and has to ask again.
func (s *sink) join(g *group, a *accepted, ch *channel.Channel, released int64, again bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, lost := g.work.end()
	if a.gone || again && g.find(a.number) < 0 {
		return false
	}
	g.channel = ch
	if lost {
		s.links.Stats.Dropped.Add(1)
		a.loses(followed{g.name, g.pattern})
		return false
	}
	a.answerFollow(followed{g.name, g.pattern}, released, nil)
	if again {
		return true // it was posted what was held
	}
	g.members = append(g.members, member{link: uint32(a.number)})
	at := &g.members[len(g.members)-1]
	for _, m := range held {
		if g.pattern || m.Mid > released {
			s.frame = appendMessage(s.frame[:0], g, m)
			s.writeTo(s.to[at.link], m.Payload)
		}
	}
	return true
}

// unfollow ends a member.
func (s *sink) unfollow(g *group, o op) {
	s.mu.Lock()
	i := g.find(o.link.number)
	if i < 0 || o.link.gone {
		s.mu.Unlock()
		return
	}
	n, ch := g.members[i].count, g.channel
	g.remove(i)
	s.mu.Unlock()
	s.release(g, ch, int64(n))
}

// release takes back what a member that is gone held in the channels, and stood for there.
func (s *sink) release(g *group, ch *channel.Channel, count int64) {
	if count > 0 {
		s.weigh(g, ch)
	}
	s.unsubscribe(ch)
}

// count notes how many connections a member stands for.
func (s *sink) count(g *group, o op) {
	s.mu.Lock()
	i := g.find(o.link.number)
	if i >= 0 {
		g.members[i].count = uint32(min(max(o.number, 0), 1<<31))
	}
	ch := g.channel
	s.mu.Unlock()
	if i >= 0 {
		s.weigh(g, ch)
	}
}

func (s *sink) weigh(g *group, ch *channel.Channel) {
	s.mu.Lock()
	n := g.count()
	s.mu.Unlock()
	s.links.cfg.Keys.Weigh(s.id, ch, n)
}
