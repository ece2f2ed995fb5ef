package channel_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gopush/internal/store/memory"
)

// Whoever waits for strays is told of each, however they come, until its ctx ends.
func TestStraysAreToldOfUntilTheEnd(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	b := all[1] // which owns nothing
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	const keys = 2000
	go func() {
		for i := range keys {
			b.push(t, fmt.Sprint("k", i), "x", time.Minute)
		}
	}()
	told := map[string]bool{}
	for len(told) < keys {
		found := b.Strays(ctx)
		if len(found) == 0 {
			t.Fatalf("told of %d strays of %d, and then that there are no more: %v", len(told), keys, ctx.Err())
		}
		for _, key := range found {
			told[key] = true
		}
	}
}
