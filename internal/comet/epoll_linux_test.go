package comet

import (
	"sync"
	"testing"
)

// Whatever wake and silence do at the same time, a wake after them is seen.
func TestABellThatWasSilencedRingsAgain(t *testing.T) {
	t.Parallel()
	p, err := newPoller(new(Config))
	if err != nil {
		t.Fatal(err)
	}
	defer p.end()
	e := p.(*epoll)
	for round := range 200 {
		var ringing sync.WaitGroup
		for range 2 {
			ringing.Go(func() {
				for range 50 {
					e.wake()
				}
			})
		}
		for range 50 {
			e.silence()
		}
		ringing.Wait()
		if e.wake(); !e.poll() {
			t.Fatalf("round %d: the loop was not woken, and never will be", round)
		}
	}
}
