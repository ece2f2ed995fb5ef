package redis_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/redis/redistest"
)

// Whatever is done, the replies are those of a real redis-server, but for the differences that redistest lists. What a node
// makes of it is tested with the built binary; here it is quick. -rapid.checks N does more of it.
func TestWhateverIsDoneRepliesAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	tested, redis, runs := serveGateway(t), redistest.Start(t), 0
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
}
