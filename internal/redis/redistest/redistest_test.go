package redistest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gopush/internal/redis/redistest"
)

// What the comparison finds is no fault of its own: a redis-server replies as another one does.
func TestRedisRepliesAsRedis(t *testing.T) {
	t.Parallel()
	one, other, runs := redistest.Start(t), redistest.Start(t), 0
	scripts := redistest.Draw(slices.Concat(redistest.Streams, redistest.Groups, redistest.PubSub, redistest.Connections))
	rapid.Check(t, func(t *rapid.T) {
		runs++
		if err := redistest.Compare(one, other, fmt.Sprint("r", runs), scripts.Draw(t, "script")); err != nil {
			t.Fatal(err)
		}
	})
}

// Who waits is seen, whatever else CLIENT LIST has to tell.
func TestAWaitIsSeenAmongOtherFlags(t *testing.T) {
	t.Parallel()
	s, err := redistest.ParseScript("CLIENT NO-EVICT on\nXADD /k 1-1 a b\nXREAD BLOCK 0 STREAMS /k 1-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := redistest.Compare(redistest.Start(t), redistest.Start(t), "r", s); err != nil {
		t.Fatal(err)
	}
}

// Each script makes a server differ from itself: it shows something that only one of two runs has done.
func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, before, script, want string }{
		{"a reply", "XADD k 1-1 a b", "XLEN k", "XLEN k:"},
		{"an id", "XADD k 1-1 a b", "XADD k 1-* a b\nXRANGE k - +", "XRANGE"},
		{"an error", "XADD k 5-5 a b", "XADD k 5-5 a b", "equal or smaller"},
		{"a read that waits", "XADD k 1-1 a b", "XREAD BLOCK 0 STREAMS k 0", "redis-server waits"},
		{"a kind of reply", "SET k 1", "TYPE k", "+string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tested := redistest.Start(t)
			if _, err := redistest.Talk(tested, tt.before+"\r\n"); err != nil {
				t.Fatal(err)
			}
			s, err := redistest.ParseScript(tt.script)
			if err != nil {
				t.Fatal(err)
			}
			err = redistest.Compare(tested, redistest.Start(t), "r", s)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("comparing a server that had %q with one that had not: %v, want a difference at %q", tt.before, err, tt.want)
			}
		})
	}
}

func TestScriptsAreReadAsTheyAreShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		shown := redistest.Draw(redistest.Streams).Draw(t, "script").String()
		s, err := redistest.ParseScript(shown)
		if err != nil || cmp.Diff(shown, s.String()) != "" {
			t.Fatalf("ParseScript(%s) = %s, %v", shown, s, err)
		}
	})
}
