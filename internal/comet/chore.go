package comet

import "slices"

// chore is work on very many connections, done a slice in each turn of the loop so that others
// are served in between. It goes on for at most budget connections, at least one, and tells
// whether any are left.
type chore func(budget int) (more bool)

// begin does the first few connections of a chore at once, like a publisher's, and leaves the rest to
// the turns of the loop.
func (l *loop) begin(c chore) {
	if c(publisherWrites) {
		l.chores = append(l.chores, c)
	}
}

// work goes on with each chore for its share of budget.
func (l *loop) work(budget int) {
	share := budget / max(len(l.chores), 1)
	l.chores = slices.DeleteFunc(l.chores, func(c chore) bool { return !c(max(share, 1)) })
}
