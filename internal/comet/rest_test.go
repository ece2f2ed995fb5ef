package comet

import (
	"testing"
	"time"
)

func TestAGroupRestsForAShareOfAWalk(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		0:                      0,
		restFrom - 1:           0,
		restFrom:               restFrom / restShare,
		8 * time.Millisecond:   time.Millisecond,
		restMost*restShare + 9: restMost,
		time.Hour:              restMost,
	} {
		if got := restAfter(took); got != want {
			t.Errorf("after a walk of %v the rest is %v, want %v", took, got, want)
		}
	}
}

// resting returns a fanout with two connections of a key whose group has to rest until then.
func resting(t *testing.T, until time.Time) *fanout {
	f := newFanout(t.Fatalf, "a", "b")
	f.join("a", -1)
	f.join("a", -1)
	f.join("b", -1)
	f.deliver()
	f.loop.groups.at(f.keys.keys["a"].ref).many.rested = until
	return f
}

func TestMessagesForAGroupThatRestsLeaveJoinedWhenItHasRested(t *testing.T) {
	t.Parallel()
	f := resting(t, time.Now().Add(time.Hour))
	writes := map[int32]int{}
	took := f.engine.took
	f.engine.took = func(fd int32, b []byte) {
		writes[fd]++
		took(fd, b)
	}
	f.keys.post("a", false)
	f.keys.post("a", false)
	f.keys.post("b", false)
	f.turn()
	if writes[1] != 0 || writes[2] != 0 || writes[3] != 1 {
		t.Errorf("while group a rests there were %v writes, want one to connection 3 only", writes)
	}
	f.loop.groups.at(f.keys.keys["a"].ref).many.rested = time.Now()
	f.settle()
	if writes[1] != 1 || writes[2] != 1 {
		t.Errorf("when it has rested there were %v writes, want one to each", writes)
	}
}

func TestALoopThatDrainsLetsNobodyRest(t *testing.T) {
	t.Parallel()
	f := resting(t, time.Now().Add(time.Hour))
	f.keys.post("a", true)
	f.turn()
	f.loop.drainAll(make(chan struct{}, 1))
	f.turn()
	for fd := int32(1); fd <= 2; fd++ {
		if got, want := f.readers[fd].seen, f.keys.keys["a"].last; got != want {
			t.Errorf("connection %d got messages up to %d before it was told to go, want %d", fd, got, want)
		}
	}
}

// The alarm ends a rest: nothing else happens in the loop then.
func TestARestEnds(t *testing.T) {
	t.Parallel()
	f := resting(t, time.Now().Add(50*time.Millisecond))
	rung := make(chan struct{}, 1)
	f.loop.alarm.Stop()
	f.loop.alarm = time.AfterFunc(time.Hour, func() { rung <- struct{}{} })
	f.keys.post("a", false)
	f.turn()
	select {
	case <-rung:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody woke the loop")
	}
	f.turn()
	if got, want := f.readers[1].seen, f.keys.keys["a"].last; got != want {
		t.Errorf("after the rest connection 1 has messages up to %d, want %d", got, want)
	}
}
