package test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/redis/redistest"
)

// Whatever is done, a node replies as a real redis-server does, but for the differences that redistest lists. -rapid.checks N
// does more of it.
func TestRepliesAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"memory", "pebble"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			redis, tested, runs := redistest.Start(t), serve(t, "--store", store).admin[0], 0
			for _, part := range redistest.Parts {
				t.Run(part.Name, func(t *testing.T) {
					scripts := redistest.Draw(part.Commands)
					rapid.Check(t, func(t *rapid.T) {
						runs++
						if err := redistest.Compare(tested, redis, fmt.Sprint("r", runs), scripts.Draw(t, "script")); err != nil {
							t.Fatal(err)
						}
					})
				})
			}
		})
	}
}
