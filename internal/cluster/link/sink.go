package link

import (
	"sync"
	"sync/atomic"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// sink is all links that were accepted, as the channels of this node see them: what is released is
// posted once, and written to each link that follows its key. To flush it also writes what was begun for other nodes (Link.Start). Lock order: a bucket of channels, sink.mu, a queue.
type sink struct {
	links *Links         // set when made, never changed
	id    channel.SinkID // set by New
	jobs  jobs           // groups with something to do that may wait

	mu     sync.Mutex
	to     []*accepted // by number; nil: the number is free
	groups groups
	names  [2]map[string]uint32 // group of a key, of a pattern
	frame  []byte               // of the message that is being posted

	flushing sync.Mutex
	dirty    []*queue    // that something was added to, and the writer not woken for
	soiled   atomic.Bool // there are some
}

func newSink(ls *Links) *sink {
	s := &sink{links: ls}
	s.jobs.init()
	s.names = [2]map[string]uint32{{}, {}}
	return s
}

// Post writes m to all links that follow by the name of ref. It is channel.Sink's.
func (s *sink) Post(ch *channel.Channel, ref uint32, m *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups.at(ref)
	if g == nil || !g.is(ch) {
		return // all have left since
	}
	if g.work != nil && g.work.joiner != nil {
		g.work.hold(m, s.links.cfg.MaxQueueBytes)
	}
	if len(g.members) == 0 {
		return
	}
	s.frame = appendMessage(s.frame[:0], g, m)
	for i := 0; i < len(g.members); {
		if s.write(g, &g.members[i], m.Payload) {
			i++
		} else {
			s.dropMember(ref, g, i)
		}
	}
}

// appendMessage appends a frame but for its payload and what ends it.
func appendMessage(b []byte, g *group, m *message.Message) []byte {
	if g.pattern {
		b = append(b, ">9\r\n$8\r\npmessage\r\n"...)
		b = resp.AppendBulk(b, g.name)
	} else {
		b = append(b, ">8\r\n$7\r\nmessage\r\n"...)
	}
	b = resp.AppendBulk(b, m.Key)
	b = appendInt(b, m.Mid)
	b = appendInt(b, m.Prev)
	b = appendInt(b, int64(m.GID))
	if m.Stored() {
		b = appendInt(b, m.Expires.UnixMilli())
	} else {
		b = appendInt(b, 0)
	}
	b = appendInt(b, int64(m.Form))
	return appendBulkHead(b, len(m.Payload))
}

// write queues s.frame with payload for a link, and tells whether there was room. mu is locked.
func (s *sink) write(g *group, to *member, payload []byte) bool {
	a := s.to[to.link]
	a.queue.mu.Lock()
	if a.queue.size > 0 && a.queue.size+len(payload) > s.links.cfg.MaxQueueBytes {
		a.lost = append(a.lost, followed{g.name, g.pattern})
		a.queue.mu.Unlock()
		s.links.Stats.Dropped.Add(1)
		return false
	}
	a.queue.mu.Unlock()
	s.writeTo(a, payload)
	return true
}

// writeTo queues s.frame with payload for a link. mu is locked.
func (s *sink) writeTo(a *accepted, payload []byte) {
	a.queue.mu.Lock()
	a.queue.add(s.frame, payload)
	a.queue.mu.Unlock()
	s.links.Stats.Relayed.Add(1)
	s.soil(&a.queue)
}

// dropMember ends a follow for which there was no room. What it held in the channels is taken back later. mu is locked.
func (s *sink) dropMember(ref uint32, g *group, i int) {
	m := g.members[i]
	g.remove(i)
	s.submit(ref, g, op{link: s.to[m.link], what: opRelease, number: int64(m.count), channel: g.channel})
}

// Kick closes nobody: nodes kick their own subscribers. It is channel.Sink's.
func (s *sink) Kick(_ *channel.Channel, _ uint32, _ []uint64, closed chan<- int) { closed <- 0 }

// Crowded tells that there is always room: what a link has none for is dropped. It is channel.Sink's.
func (s *sink) Crowded() bool { return false }

// Admit lets everybody in. It is channel.Sink's.
func (s *sink) Admit() {}

// soil notes that something was added to q.
func (s *sink) soil(q *queue) {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	if !q.dirty {
		q.dirty = true
		s.dirty = append(s.dirty, q)
		s.soiled.Store(true)
	}
}

// Flush has what was queued written. It is channel.Sink's.
func (s *sink) Flush() {
	if !s.soiled.Load() {
		return
	}
	s.flushing.Lock()
	defer s.flushing.Unlock()
	for i, q := range s.dirty {
		q.dirty = false
		s.dirty[i] = nil
		q.mu.Lock()
		q.unlock()
	}
	s.dirty = s.dirty[:0]
	s.soiled.Store(false)
}

// add gives a link a number.
func (s *sink) add(a *accepted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.to {
		if other == nil {
			s.to[i], a.number = a, i
			return
		}
	}
	a.number = len(s.to)
	s.to = append(s.to, a)
}

// remove takes back all that a link follows, some groups at a time: others are posted to meanwhile.
func (s *sink) remove(a *accepted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.gone = true
	for ref := uint32(1); ref < s.groups.end(); ref++ {
		if g := s.groups.at(ref); g != nil {
			s.leave(ref, g, a)
		}
		if ref%slabGroups == 0 {
			s.mu.Unlock()
			s.mu.Lock()
		}
	}
	s.to[a.number] = nil
}

// leave takes a out of a group, if it is in it. mu is locked.
func (s *sink) leave(ref uint32, g *group, a *accepted) {
	if i := g.find(a.number); i >= 0 {
		n := g.members[i].count
		g.remove(i)
		s.submit(ref, g, op{link: a, what: opRelease, number: int64(n), channel: g.channel})
	}
}

// drop ends all follows of key, and has who followed told.
func (s *sink) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := s.names[0][key]
	g := s.groups.at(ref)
	if g == nil {
		return
	}
	for len(g.members) > 0 {
		a := s.to[g.members[0].link]
		a.queue.send(push, "dropped", key)
		s.leave(ref, g, a)
	}
	if g.work != nil && g.work.joiner != nil {
		g.work.lost = true
	}
}
