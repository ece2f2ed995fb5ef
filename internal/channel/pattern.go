package channel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"gopush/internal/message"
)

// ErrPatterns is what SubscribePattern answers past Config.MaxPatterns.
var ErrPatterns = errors.New("max_patterns reached")

// patterns are all that somebody subscribes to. What is released is held against each of them, under
// the lock of its bucket only: so the list never changes, and a changed one takes its place.
type patterns struct {
	list atomic.Pointer[[]pattern] // nil: none

	mu   sync.Mutex // of who changes the list, and of the channels in it
	most int        // set at Open, never changed
}

// pattern is one that somebody subscribes to.
type pattern struct {
	channel *Channel
	slots   []slot // of the channel, when the list was made
	count   int    // subscribers, in all
}

// all returns the patterns that there are now. Nobody changes them.
func (p *patterns) all() []pattern {
	if list := p.list.Load(); list != nil {
		return *list
	}
	return nil
}

// swap makes list what is held against what is released from now on. p is locked.
func (p *patterns) swap(list []pattern) {
	if len(list) == 0 {
		p.list.Store(nil)
		return
	}
	p.list.Store(&list)
}

// asPattern returns c, as its slots are now, for a list.
func (c *Channel) asPattern() pattern {
	p := pattern{channel: c, count: c.receivers()}
	c.each(func(s slot) { p.slots = append(p.slots, s) })
	return p
}

// SubscribePattern makes a connection of sink a subscriber of all keys that match (message.Match). It is posted what
// is released after SubscribePattern has returned, with a channel of the pattern's own (Channel.Pattern), so that
// a key's messages may come by several. ref and spare are as in Subscribe.
// The messages of each key come in the order in which they are released.
func (h *Hub) SubscribePattern(sink SinkID, text string, spare uint32) (c *Channel, ref uint32, err error) {
	if most := int(h.maxKey.Load()); len(text) > most {
		return nil, 0, fmt.Errorf("%w: a pattern of %d bytes, max_key_bytes is %d", message.ErrKey, len(text), most)
	}
	p := &h.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Clone(p.all())
	i := slices.IndexFunc(list, func(p pattern) bool { return p.channel.key == text })
	if i < 0 {
		if i = len(list); i >= p.most {
			return nil, 0, fmt.Errorf("%w: %d", ErrPatterns, p.most)
		}
		list = append(list, pattern{channel: &Channel{key: text, pattern: true}})
	}
	c = list[i].channel
	ref = c.join(sink, spare)
	list[i] = c.asPattern()
	p.swap(list)
	return c, ref, nil
}

// UnsubscribePattern takes back one SubscribePattern of sink. What is released at this moment may
// still be posted.
func (h *Hub) UnsubscribePattern(sink SinkID, c *Channel) {
	p := &h.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	c.leave(sink)
	list := slices.Clone(p.all())
	i := slices.IndexFunc(list, func(p pattern) bool { return p.channel == c })
	if list[i] = c.asPattern(); c.listeners() == 0 {
		list = slices.Delete(list, i, i+1)
	}
	p.swap(list)
}

// FollowPatternFor is SubscribePattern for another node, whose subscribers Weigh counts.
func (h *Hub) FollowPatternFor(sink SinkID, text string, spare uint32) (c *Channel, ref uint32, err error) {
	c, ref, err = h.SubscribePattern(sink, text, spare)
	if err != nil {
		return nil, 0, err
	}
	p := &h.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	c.more().links++
	p.recount(c)
	return c, ref, nil
}

// UnfollowPatternFor takes back one FollowPatternFor of sink.
func (h *Hub) UnfollowPatternFor(sink SinkID, c *Channel) {
	p := &h.patterns
	p.mu.Lock()
	c.extra.links--
	p.mu.Unlock()
	h.UnsubscribePattern(sink, c)
}

func (p *patterns) weigh(sink SinkID, c *Channel, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.weigh(sink, n)
	p.recount(c)
}

// recount has what is released held against c as it is now. p is locked.
func (p *patterns) recount(c *Channel) {
	list := slices.Clone(p.all())
	if i := slices.IndexFunc(list, func(p pattern) bool { return p.channel == c }); i >= 0 {
		list[i] = c.asPattern()
		p.swap(list)
	}
}

// FeedPattern posts m, which another node has released, to the subscribers of a pattern here, but not to sink but: that
// of other nodes, which hear of it themselves.
func (h *Hub) FeedPattern(text string, m *message.Message, but SinkID) (touched SinkSet) {
	all := h.patterns.all()
	i := slices.IndexFunc(all, func(p pattern) bool { return p.channel.key == text })
	if i < 0 {
		return 0
	}
	for _, s := range all[i].slots {
		if s.sink != but {
			h.sinks[s.sink].Post(all[i].channel, s.ref, m)
			touched.add(s.sink)
		}
	}
	return touched
}

// Patterns returns how many different patterns somebody subscribes to.
func (h *Hub) Patterns() int { return len(h.patterns.all()) }

// matches tells whether key matches any pattern that somebody subscribes to.
func (h *Hub) matches(key string) bool {
	return slices.ContainsFunc(h.patterns.all(), func(p pattern) bool { return message.Match(p.channel.key, key) })
}

// postPatterns posts m to the subscribers of all patterns that its key matches, and returns how many there
// are. The key's bucket is locked.
func (h *Hub) postPatterns(m *message.Message) (touched SinkSet, subscribers int) {
	all := h.patterns.all()
	for i := range all {
		p := &all[i]
		if !message.Match(p.channel.key, m.Key) {
			continue
		}
		subscribers += p.count
		for _, s := range p.slots {
			h.sinks[s.sink].Post(p.channel, s.ref, m)
			touched.add(s.sink)
		}
	}
	return touched, subscribers
}
