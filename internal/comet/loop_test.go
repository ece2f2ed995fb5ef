package comet

import (
	"testing"

	"gopush/internal/channel"
)

func TestLoopCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 1, 3: 3, 1000: channel.MaxSinks} {
		if got := loopCount(n); got != want {
			t.Errorf("loopCount(%d) = %d, want %d", n, got, want)
		}
	}
	if got := loopCount(0); got < 1 || got > channel.MaxSinks {
		t.Errorf("loopCount(0) = %d, want 1 to %d", got, channel.MaxSinks)
	}
}
