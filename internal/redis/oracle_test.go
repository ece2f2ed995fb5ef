package redis_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/redis/redistest"
)

// Whatever is done, the replies are those of a real redis-server, but for the differences that redistest lists. What a node
// makes of it is tested with the built binary; here it is quick. -rapid.checks N does more of it.
func TestWhateverIsDoneRepliesAreThoseOfRedis(t *testing.T) {
	t.Parallel()
	compare := sameReplies(t)
	for _, part := range redistest.Parts {
		t.Run(part.Name, func(t *testing.T) { rapid.Check(t, compare(part.Commands)) })
	}
}

// Scripts keep out of what no reply shows: a node that goes on waiting where Redis tells that a group is destroyed.
func TestScriptsDoNotDestroyWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	s, err := redistest.ParseScript(`
		XGROUP CREATE /k g $ MKSTREAM
		XREADGROUP GROUP g c BLOCK 0 STREAMS /k >
		1> XGROUP DESTROY /k g
		1> DEL /k
		1> XADD /k * a b
		XGROUP DESTROY /k g
	`)
	if err != nil {
		t.Fatal(err)
	}
	if err := redistest.Compare(serveGateway(t), redistest.Start(t), "r", s); err != nil {
		t.Fatal(err)
	}
}

// FuzzReplies: the same, with scripts that are found by what they reach.
func FuzzReplies(f *testing.F) {
	for seed := range uint64(8) {
		bytes := make([]byte, 4<<10)
		random := rand.NewChaCha8([32]byte{byte(seed)})
		random.Read(bytes)
		f.Add(bytes)
	}
	all := redistest.Parts[len(redistest.Parts)-1]
	f.Fuzz(rapid.MakeFuzz(sameReplies(f)(all.Commands)))
}

// sameReplies returns what compares a gateway with a redis-server.
func sameReplies(t testing.TB) func(commands []string) func(*rapid.T) {
	tested, redis := serveGateway(t), redistest.Start(t)
	var runs atomic.Int64
	return func(commands []string) func(*rapid.T) {
		scripts := redistest.Draw(commands)
		return func(t *rapid.T) {
			if err := redistest.Compare(tested, redis, fmt.Sprint("r", runs.Add(1)), scripts.Draw(t, "script")); err != nil {
				t.Fatal(err)
			}
		}
	}
}
