package comet

import "time"

// After a walk that took long its group rests for a little of that time. What is pushed in answer to
// the messages that just came everywhere joins what came during the walk, and leaves in one
// write with it: under load that makes the writes of each message fewer by half. A message that comes after a
// pause never waits.

const (
	restShare = 8                    // the part of a walk's time that its group rests, one in so many
	restFrom  = time.Millisecond     // what a walk takes at least for its group to rest
	restMost  = 5 * time.Millisecond // how long a group rests at most
)

// restAfter returns how long a group rests after a walk that took so long.
func restAfter(took time.Duration) time.Duration {
	if took < restFrom {
		return 0
	}
	return min(took/restShare, restMost)
}

// setOut has the walk of g begin, now or when g has rested.
func (l *loop) setOut(ref uint32, g *group) {
	if g.many == nil || l.draining || !time.Now().Before(g.many.rested) {
		l.walks = append(l.walks, ref)
		return
	}
	l.wakeAt(g.many.rested)
	l.resting = append(l.resting, ref)
}

// wakeAt has the loop look at what there is to do at that time, too.
func (l *loop) wakeAt(at time.Time) {
	if now := time.Now(); l.alarmAt.Before(now) || at.Before(l.alarmAt) {
		l.alarmAt = at
		l.alarm.Reset(at.Sub(now))
	}
}

// passed has g rest, if it is large: its walk has come to the end.
func (l *loop) passed(g *group) {
	if g.many != nil {
		now := time.Now()
		g.many.rested = now.Add(restAfter(now.Sub(g.walk.began)))
	}
}

// rise has the walks of groups begin that have rested.
func (l *loop) rise() {
	resting := l.resting
	l.resting = l.resting[:0]
	for _, ref := range resting {
		l.setOut(ref, l.groups.at(ref))
	}
}

// delivering tells whether messages are on their way.
func (l *loop) delivering() bool { return len(l.walks) > 0 || len(l.resting) > 0 }
