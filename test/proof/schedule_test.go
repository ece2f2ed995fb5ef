package proof

import (
	"reflect"
	"testing"
	"time"
)

// A seed replays the faults of a run, and another seed has others.
func TestScheduleFollowsFromItsSeed(t *testing.T) {
	t.Parallel()
	kinds := []Kind{KillNode(), HaltNode(), RestartNode()}
	of := func(seed uint64) []step { return schedule(seed, kinds, time.Minute, time.Second) }
	first := of(7)
	if len(first) < 10 {
		t.Fatalf("a minute has %d faults, want many", len(first))
	}
	if again := of(7); !reflect.DeepEqual(first, again) {
		t.Errorf("the schedule of a seed is %v at first, then %v", first, again)
	}
	if other := of(8); reflect.DeepEqual(first, other) {
		t.Error("two seeds have one schedule")
	}
	total := time.Duration(0)
	for _, s := range first {
		total += s.after + s.lasts
		if s.lasts < s.kind.Shortest || s.lasts > s.kind.Longest {
			t.Errorf("%s for %v, want %v to %v", s.kind.Name, s.lasts, s.kind.Shortest, s.kind.Longest)
		}
	}
	if total < time.Minute {
		t.Errorf("the schedule of a minute ends after %v", total)
	}
}
