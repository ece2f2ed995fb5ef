package legacyrpc

// Ids of types in gob. What a sender defines has ids from firstUserID on.
const (
	idString    = 6 // 1 to 6: bool, int, uint, float, bytes, string
	firstUserID = 64
	maxUserID   = 1 << 20
)

// What a connection may define. An original web process defines eleven types, each in fewer than 150 bytes.
const (
	maxDefinitions     = 64
	maxDefinitionBytes = 4 << 10
	maxDepth           = 8 // of types within types
)

// grammar is the types that the peer of a connection has defined: enough of them to know that a value of one is read without
// deep recursion, and has no definitions within, as interfaces have. What gob checks by itself is not checked here.
type grammar struct {
	holds map[int64][]int64 // what a value of the type has within: ids, those of fields, elements and keys
	depth map[int64]int     // of types within types, of those that were looked at
}

func newGrammar() grammar {
	return grammar{holds: make(map[int64][]int64), depth: make(map[int64]int)}
}

// admit tells whether a message may be given to gob: the definition of a type of a kind that calls have, or a value of
// a type that was defined and is not deep.
func (g *grammar) admit(message []byte) bool {
	s := scanner{rest: message}
	id := s.int()
	switch {
	case s.failed():
		return false
	case id < 0:
		return g.define(-id, s)
	}
	return g.depthOf(id) <= maxDepth
}

// define takes the definition of the type id.
func (g *grammar) define(id int64, s scanner) bool {
	_, twice := g.holds[id]
	if id < firstUserID || id > maxUserID || twice || len(g.holds) == maxDefinitions || len(s.rest) > maxDefinitionBytes {
		return false
	}
	holds := s.wireType()
	if s.failed() || len(s.rest) > 0 {
		return false
	}
	g.holds[id] = holds
	return true
}

// depthOf returns how deep types are within the type id, or more than maxDepth for one that was not defined, or holds itself.
func (g *grammar) depthOf(id int64) int {
	if id > 0 && id <= idString {
		return 0
	}
	if depth, known := g.depth[id]; known {
		return depth
	}
	holds, defined := g.holds[id]
	if !defined {
		return maxDepth + 1
	}
	g.depth[id] = maxDepth + 1 // for who comes here again from within
	depth := 0
	for _, within := range holds {
		depth = max(depth, g.depthOf(within))
	}
	g.depth[id] = min(depth, maxDepth) + 1
	return g.depth[id]
}

// wireType takes what defines a type, and returns the ids of what its values hold. Arrays, and types that write themselves, are bad:
// no call has them.
func (s *scanner) wireType() (holds []int64) {
	id := func() { holds = append(holds, s.int()) }
	s.fields(4, func(kind int) {
		switch kind {
		case 2:
			s.each(s.common, id) // a slice: its elements
		case 3:
			s.each(s.common, func() { // a struct: its fields
				for n := s.uint(); n > 0 && !s.failed(); n-- {
					s.each(s.skip, id)
				}
			})
		case 4:
			s.each(s.common, id, id) // a map: its keys and its elements
		default:
			s.bad = true
		}
	})
	return holds
}

// common takes what all definitions have: the name of the type, and its id.
func (s *scanner) common() { s.each(s.skip, func() { s.int() }) }

// each takes a struct whose fields take takes.
func (s *scanner) each(take ...func()) {
	s.fields(len(take), func(field int) { take[field-1]() })
}
