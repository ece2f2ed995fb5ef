package auth_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gopush/internal/auth"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// twoNodes share a store. The one that is checked at is a, and asks of it are counted.
func twoNodes(t testing.TB) (a, b *auth.Tokens, asked *store, c *clock) {
	t.Helper()
	c = &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	shared := memory.New(memory.Config{Now: c.Now})
	asked = &store{Store: shared}
	return auth.NewSharedTokens(asked, c.Now, nil), auth.NewSharedTokens(shared, c.Now, nil), asked, c
}

func (s *store) wantReads(t *testing.T, want int, when string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads != want {
		t.Errorf("%s: the store was asked %d times, want %d", when, s.reads, want)
	}
}

func revoke(t testing.TB, tokens *auth.Tokens, key string, which ...string) (tags []uint64) {
	t.Helper()
	tags, _, err := tokens.Revoke(t.Context(), key, which...)
	if err != nil {
		t.Fatalf("Revoke(%q, %d tokens): %v", key, len(which), err)
	}
	return tags
}

func TestSharedStoreIsAskedAboutAGoodTokenOnceInFiveSeconds(t *testing.T) {
	t.Parallel()
	a, b, s, c := twoNodes(t)
	register(t, b, "k", "a", 0)
	wantCheck(t, a, "k", "a", nil)
	c.step(auth.CacheTime - 1)
	wantCheck(t, a, "k", "a", nil)
	s.wantReads(t, 1, "two checks within 5 s")
	if n := a.CachedChecks(); n != 1 {
		t.Errorf("CachedChecks() = %d, want 1", n)
	}
	c.step(1)
	wantCheck(t, a, "k", "a", nil)
	s.wantReads(t, 2, "a third after 5 s")
}

func TestStoreOfOneNodeIsAskedEachTime(t *testing.T) {
	t.Parallel()
	tokens, s, _ := open(t)
	register(t, tokens, "k", "a", 0)
	for range 3 {
		wantCheck(t, tokens, "k", "a", nil)
	}
	s.wantReads(t, 3, "three checks")
}

func TestTokenRevokedElsewhereUnheardIsRefusedAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	a, b, _, c := twoNodes(t)
	register(t, b, "k", "a", 0)
	register(t, b, "k", "other", 0)
	wantCheck(t, a, "k", "a", nil)
	c.step(time.Second)
	revoke(t, b, "k", "a")
	c.step(auth.CacheTime - time.Second)
	wantCheck(t, a, "k", "a", message.ErrToken)
}

// TestFiveSecondsBeginBeforeTheStoreIsAsked: its answer may have been long on its way.
func TestFiveSecondsBeginBeforeTheStoreIsAsked(t *testing.T) {
	t.Parallel()
	a, b, s, c := twoNodes(t)
	register(t, b, "k", "a", 0)
	s.read = func() {
		s.read = nil
		revoke(t, b, "k", "a")
		c.step(4 * time.Second)
	}
	wantCheck(t, a, "k", "a", nil)
	c.step(time.Second)
	wantCheck(t, a, "k", "a", message.ErrUnknownKey)
}

func TestForgottenTokenIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	a, b, s, _ := twoNodes(t)
	for _, token := range []string{"a", "b", "c"} {
		register(t, b, "k", token, 0)
		wantCheck(t, a, "k", token, nil)
	}
	before := a.Revocations()
	a.Forget("k", revoke(t, b, "k", "a", "never registered")...)
	if a.Revocations() == before {
		t.Error("Forget did not move Revocations")
	}
	wantCheck(t, a, "k", "a", message.ErrToken)
	s.wantReads(t, 4, "three tokens, one of them forgotten")
	wantCheck(t, a, "k", "b", nil)
	s.wantReads(t, 4, "another token of the key")
	a.Forget("k", revoke(t, b, "k")...)
	wantCheck(t, a, "k", "b", message.ErrUnknownKey)
	wantCheck(t, a, "k", "c", message.ErrUnknownKey)
}

// TestOtherNodesAreToldWhenTheStoreHasIt: what b tells a forgets, and would not find any more.
func TestOtherNodesAreToldWhenTheStoreHasIt(t *testing.T) {
	t.Parallel()
	a, _, s, c := twoNodes(t)
	var told []string
	b := auth.NewSharedTokens(s, c.Now, func(key string, tags []uint64) {
		told = append(told, fmt.Sprint(key, " ", len(tags)))
		a.Forget(key, tags...)
	})
	for _, token := range []string{"a", "b", "c"} {
		register(t, b, "k", token, 0)
		wantCheck(t, a, "k", token, nil)
	}
	tags := revoke(t, b, "k", "a")
	wantCheck(t, a, "k", "a", message.ErrToken)
	s.deleted = message.ErrUnknown
	b.Revoke(t.Context(), "k", "b")
	wantCheck(t, a, "k", "b", message.ErrToken)
	s.deleted = nil
	revoke(t, b, "k")
	wantCheck(t, a, "k", "c", message.ErrUnknownKey)
	b.Forget("k", tags...)
	if diff := cmp.Diff([]string{"k 1", "k 1", "k 0"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestTokenRevokedHereIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	a, _, _, _ := twoNodes(t)
	register(t, a, "k", "a", 0)
	wantCheck(t, a, "k", "a", nil)
	revoke(t, a, "k", "a")
	wantCheck(t, a, "k", "a", message.ErrUnknownKey)
}

// TestRevocationThatFailsIsForgottenAllTheSame: it may have been carried out.
func TestRevocationThatFailsIsForgottenAllTheSame(t *testing.T) {
	t.Parallel()
	a, b, s, _ := twoNodes(t)
	register(t, b, "k", "a", 0)
	wantCheck(t, a, "k", "a", nil)
	s.deleted = errors.New("perhaps")
	if _, _, err := a.Revoke(t.Context(), "k", "a"); !errors.Is(err, s.deleted) {
		t.Errorf("Revoke = %v, want the store's error", err)
	}
	wantCheck(t, a, "k", "a", message.ErrUnknownKey)
}

// TestCheckUnderWayDuringARevocationIsNotRemembered: who sees that Revocations moved checks again, and must be refused.
func TestCheckUnderWayDuringARevocationIsNotRemembered(t *testing.T) {
	t.Parallel()
	a, b, s, _ := twoNodes(t)
	register(t, b, "k", "a", 0)
	before := a.Revocations()
	s.read = func() {
		s.read = nil
		a.Forget("k", revoke(t, b, "k", "a")...)
	}
	wantCheck(t, a, "k", "a", nil)
	if a.Revocations() == before {
		t.Fatal("Revocations has not moved")
	}
	wantCheck(t, a, "k", "a", message.ErrUnknownKey)
}

func TestRefusalsAreNotRemembered(t *testing.T) {
	t.Parallel()
	a, b, _, _ := twoNodes(t)
	wantCheck(t, a, "k", "a", message.ErrUnknownKey)
	register(t, b, "k", "b", 0)
	wantCheck(t, a, "k", "a", message.ErrToken)
	register(t, b, "k", "a", 0)
	wantCheck(t, a, "k", "a", nil)
}

func TestFailingStoreIsAskedAgainAndNothingIsRememberedOfIt(t *testing.T) {
	t.Parallel()
	a, b, s, c := twoNodes(t)
	register(t, b, "k", "a", 0)
	wantCheck(t, a, "k", "a", nil)
	s.fail = message.ErrUnavailable
	wantCheck(t, a, "k", "a", nil)
	c.step(auth.CacheTime)
	wantCheck(t, a, "k", "a", message.ErrUnavailable)
	s.fail = nil
	wantCheck(t, a, "k", "a", nil)
}

// TestUseRenewsAsWithoutACache: a token that lives for seconds and is used all the time lives on.
func TestUseRenewsAsWithoutACache(t *testing.T) {
	t.Parallel()
	a, b, _, c := twoNodes(t)
	register(t, b, "k", "a", 2*time.Second)
	for range 50 {
		wantCheck(t, a, "k", "a", nil)
		c.step(1900 * time.Millisecond)
	}
	c.step(2 * time.Second)
	wantCheck(t, a, "k", "a", message.ErrToken)
}

// TestTwoNodesAgreeWithOneThatRemembersNothing does the same to two nodes that share a store and to one that asks its own each time.
// They answer alike, but for what was revoked at the other node unheard, for five seconds.
func TestTwoNodesAgreeWithOneThatRemembersNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		a, b, _, c := twoNodes(t)
		nodes := []*auth.Tokens{a, b}
		one := auth.NewTokens(memory.New(memory.Config{Now: c.Now}), c.Now)
		unheard := map[string]time.Time{} // when a token was revoked at the other node
		draw := func(what string, most int) int { return rapid.IntRange(0, most).Draw(r, what) }
		for range draw("steps", 60) {
			token, at := fmt.Sprint("t", draw("token", 2)), draw("node", 1)
			switch draw("action", 9) {
			case 0:
				lifetime := time.Duration(1+draw("lifetime", 200)) * time.Second
				register(t, nodes[at], "k", token, lifetime)
				register(t, one, "k", token, lifetime)
				a.Forget("k") // else its lifetime may be the one before, for five seconds
				b.Forget("k")
			case 1, 2:
				c.step(time.Duration(draw("ms", 6000)) * time.Millisecond)
			case 3:
				tags := revoke(t, nodes[at], "k", token)
				revoke(t, one, "k", token)
				if draw("heard", 1) == 1 {
					nodes[1-at].Forget("k", tags...)
				} else {
					unheard[fmt.Sprint(1-at, token)] = c.Now()
				}
			default:
				_, got := nodes[at].Check(t.Context(), "k", token)
				_, want := one.Check(t.Context(), "k", token)
				since, some := unheard[fmt.Sprint(at, token)]
				if (got == nil) != (want == nil) && !(got == nil && some && c.Now().Sub(since) < auth.CacheTime) {
					r.Fatalf("Check(%q) at node %d = %v, want %v", token, at, got, want)
				}
			}
		}
	})
}

func TestUseAndRevokeAtDifferentNodes(t *testing.T) {
	t.Parallel()
	a, b, _, c := twoNodes(t)
	for i := range 50 {
		token := fmt.Sprint("t", i)
		register(t, b, "k", token, time.Hour)
		c.step(30 * time.Minute)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { a.Check(t.Context(), "k", token) })
		}
		wg.Go(func() { a.Forget("k", revoke(t, b, "k", token)...) })
		wg.Wait()
		if _, err := a.Check(t.Context(), "k", token); err == nil {
			t.Fatalf("token %d is good after it was revoked and forgotten, want it refused", i)
		}
	}
}

// everything is a store in which every token is good.
type everything struct {
	auth.Store
	now func() time.Time
}

func (e everything) Token(context.Context, string, [32]byte) (time.Duration, time.Time, bool, error) {
	return auth.DefaultLifetime, e.now().Add(auth.DefaultLifetime), true, nil
}

// TestCacheIsBounded: 200,000 tokens of the longest keys within five seconds would be 80 MB.
func TestCacheIsBounded(t *testing.T) {
	c := &clock{now: time.Now()}
	tokens := auth.NewSharedTokens(everything{now: c.Now}, c.Now, nil)
	before := heap()
	for i := range 200_000 {
		key := fmt.Sprintf("%0255d", i)
		wantCheck(t, tokens, key, "a", nil)
		if i%1000 == 0 {
			wantCheck(t, tokens, key, "a", nil)
		}
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes, want at most 16 MiB", grown)
	}
	if n := tokens.CachedChecks(); n != 200 {
		t.Errorf("CachedChecks() = %d, want the 200 that came right after another of their token", n)
	}
	wantCheck(t, tokens, strings.Repeat("x", 255), "a", nil)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkCheckCached(b *testing.B) {
	a, other, _, _ := twoNodes(b)
	token := register(b, other, "k", "", 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Check(b.Context(), "k", token); err != nil {
			b.Fatal(err)
		}
	}
}
