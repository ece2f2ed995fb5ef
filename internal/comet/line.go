package comet

import "slices"

// Those of a loop who wait for messages of the same group of a key stand in a line: what is stored is looked for by the
// first alone, and by the next when it was found, since there may be more.

// line is those who wait for messages of a group.
type line struct {
	waits   []*waiting // blocked or looking, the first to come first
	looking *waiting   // who looks now; nil: nobody
	upto    int64      // mid of the newest message that somebody looked for
	more    bool       // something newer came while somebody looked
}

// lineName is what lines are found by: the comet group of a key, and the group that Redis knows.
type lineName struct {
	ref   uint32
	group string
}

// standInLine has wt wait behind the others of its group at each of its keys, unless it stands there already.
func (l *loop) standInLine(r *redisConn, wt *waiting) {
	for _, s := range r.many {
		if s.how&follows == 0 {
			continue
		}
		name := lineName{s.ref, wt.Group}
		ln := l.lines[name]
		if ln == nil {
			ln = new(line)
			l.lines[name] = ln
		}
		if !slices.Contains(ln.waits, wt) {
			ln.waits = append(ln.waits, wt)
		}
	}
}

// leaveLine takes wt out of its lines, and has the next one look where wt did: more tells that something may be left for it.
func (l *loop) leaveLine(r *redisConn, wt *waiting, more bool) {
	for _, s := range r.many {
		if s.how&follows == 0 {
			continue
		}
		name := lineName{s.ref, wt.Group}
		ln := l.lines[name]
		if ln == nil {
			continue
		}
		if at := slices.Index(ln.waits, wt); at >= 0 {
			ln.waits = slices.Delete(ln.waits, at, at+1)
		}
		if ln.looking == wt {
			ln.looking = nil
			ln.more = ln.more || more
		}
		if len(ln.waits) == 0 {
			delete(l.lines, name)
		} else if ln.looking == nil && ln.more {
			l.lookFirst(ln)
		}
	}
}

// lookFirst has the first in line look.
func (l *loop) lookFirst(ln *line) {
	wt := ln.waits[0]
	ln.looking, ln.more = wt, false
	if wt.state == blocked {
		l.lookAgain(l.find(wt.conn).speaksRedis(), wt)
	} else {
		wt.news = true // it looks for another key of its own
	}
}

// storedInLine tells those who wait for a group at ref of a message that was stored.
func (l *loop) storedInLine(ref uint32, wt *waiting, mid int64) {
	ln := l.lines[lineName{ref, wt.Group}]
	if ln == nil || mid <= ln.upto {
		return
	}
	ln.upto = mid
	if ln.looking != nil {
		ln.more = true
		return
	}
	l.lookFirst(ln)
}

// foundNothing has those go on waiting who stood behind wt while it looked.
func (l *loop) foundNothing(r *redisConn, wt *waiting) {
	for _, s := range r.many {
		ln := l.lines[lineName{s.ref, wt.Group}]
		if s.how&follows == 0 || ln == nil || ln.looking != wt {
			continue
		}
		if ln.looking = nil; ln.more {
			l.lookFirst(ln)
		}
	}
}
