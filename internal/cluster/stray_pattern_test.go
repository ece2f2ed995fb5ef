package cluster_test

import (
	"strings"
	"testing"
	"time"
)

// A pattern's subscriber sees what a node stored of a key that it does not own once.
func TestAPatternSeesAStrayOnce(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	key := keysOf(nodes)[2]
	nodes[2].subscribe(t, key)
	if _, _, err := nodes[0].SubscribePattern(nodes[0].sink.id, "key*", 1); err != nil {
		t.Fatal(err)
	}
	await(t, "the pattern is followed", func() bool {
		a, _ := nodes[1].CountPatterns(t.Context())
		b, _ := nodes[2].CountPatterns(t.Context())
		return a == 1 && b == 1
	})
	nodes[1].carry(t, key, "1")
	nodes[2].sees(t, key, "1")
	nodes[2].push(t, key, "2", time.Minute)
	await(t, "the pattern sees both", func() bool {
		s := textOf(nodes[0].sink.of("key*"))
		return strings.Contains(s, "1") && strings.Contains(s, "2")
	})
	if got := textOf(nodes[0].sink.of("key*")); got != "12" && got != "21" { // two nodes post them, over a link each
		t.Errorf("the pattern's subscriber sees %q, want 1 and 2", got)
	}
}
