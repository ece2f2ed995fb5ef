package channel

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Appends share a context: it never ends after the deadline of one, nor long before it.
func TestATimeoutIsUsedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const patience, slack = 2 * time.Second, 250 * time.Millisecond
		var to timeout
		defer to.end()
		made := 0
		for last := to.ctx; time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) < 10*time.Second; time.Sleep(time.Millisecond) {
			deadline := time.Now().Add(patience)
			ctx := to.until(deadline, slack, 0, func(context.Context) {})
			if end, _ := ctx.Deadline(); end.After(deadline) || deadline.Sub(end) >= slack || ctx.Err() != nil {
				t.Fatalf("a context until %v, %v, for a deadline of %v", end, ctx.Err(), deadline)
			}
			if ctx != last {
				last = ctx
				made++
			}
		}
		if made > 50 {
			t.Errorf("%d contexts were made in 10 s, want about 40", made)
		}
		sooner := time.Now().Add(time.Second)
		if end, _ := to.until(sooner, slack, 0, func(context.Context) {}).Deadline(); end.After(sooner) {
			t.Errorf("a push that has waited gets until %v, want at most %v", end, sooner)
		}
	})
}
