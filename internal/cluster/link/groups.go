package link

import (
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// group has the links that follow one key, or pattern.
type group struct {
	name    string           // "": the group is not in use
	channel *channel.Channel // nil: not known yet
	members []member
	work    *work // what is being done, or waits for it; nil: nothing
	pattern bool
}

// member is a link that follows.
type member struct {
	link  uint32 // its number
	count uint32 // connections that subscribe there
}

// is tells whether ch is what the group follows.
func (g *group) is(ch *channel.Channel) bool {
	if g.channel != nil {
		return g.channel == ch
	}
	return g.name == ch.Key() && g.pattern == ch.Pattern()
}

func (g *group) find(link int) int {
	for i := range g.members {
		if int(g.members[i].link) == link {
			return i
		}
	}
	return -1
}

func (g *group) remove(i int) {
	last := len(g.members) - 1
	g.members[i] = g.members[last]
	if g.members = g.members[:last]; last == 0 {
		g.members = nil
	}
}

// count returns how many connections subscribe through all members.
func (g *group) count() (sum int) {
	for _, m := range g.members {
		sum += int(m.count)
	}
	return sum
}

// slabGroups are allocated at once, and stay where they are.
const slabGroups = 1024

// groups have a number each, from 1 on.
type groups struct {
	slabs [][]group
	free  []uint32
	next  uint32 // the lowest that was never used
}

// end returns what is above all numbers.
func (s *groups) end() uint32 { return max(s.next, 1) }

// at returns a group that is in use, or nil.
func (s *groups) at(ref uint32) *group {
	if ref == 0 || ref >= s.next {
		return nil
	}
	if g := &s.slabs[ref/slabGroups][ref%slabGroups]; g.name != "" {
		return g
	}
	return nil
}

// take returns a group that was not in use.
func (s *groups) take() (uint32, *group) {
	if n := len(s.free); n > 0 {
		ref := s.free[n-1]
		s.free = s.free[:n-1]
		return ref, &s.slabs[ref/slabGroups][ref%slabGroups]
	}
	s.next = max(s.next, 1)
	ref := s.next
	s.next++
	if int(ref/slabGroups) == len(s.slabs) {
		s.slabs = append(s.slabs, make([]group, slabGroups))
	}
	return ref, &s.slabs[ref/slabGroups][ref%slabGroups]
}

// give gives a group back.
func (s *groups) give(ref uint32) {
	s.slabs[ref/slabGroups][ref%slabGroups] = group{}
	s.free = append(s.free, ref)
}

// work is what is being done for a group, one thing after the other.
type work struct {
	queue  []op
	joiner *accepted          // for which the channel is being asked; nil: none
	held   []*message.Message // released meanwhile
	bytes  int                // of them
	lost   bool               // not all were kept, or the key was dropped: the link has to ask again
}

// maxHeld bounds what is held for a link while its follow is begun. Past it, it has to ask again.
const maxHeld = 4096

// hold keeps m for the link whose follow is begun.
func (w *work) hold(m *message.Message, mostBytes int) {
	if w.bytes += len(m.Payload); len(w.held) == maxHeld || w.bytes > mostBytes/4 {
		w.lost, w.held = true, nil
	}
	if !w.lost {
		w.held = append(w.held, m)
	}
}

// begin has the group hold what is released from now on for a.
func (w *work) begin(a *accepted) { w.joiner, w.held, w.bytes, w.lost = a, nil, 0, false }

// end returns what was released since begin.
func (w *work) end() (held []*message.Message, lost bool) {
	held, lost = w.held, w.lost
	w.joiner, w.held, w.bytes, w.lost = nil, nil, 0, false
	return slices.Clip(held), lost
}
