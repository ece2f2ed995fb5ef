package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/auth"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// clock is a time that a test steps.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// store is the memory store; it counts what is asked and written, and fails on demand.
type store struct {
	auth.Store
	mu      sync.Mutex
	puts    int
	reads   int
	fail    error  // what Token answers
	broken  error  // what PutToken and RenewToken answer
	deleted error  // what DeleteTokens answers, having deleted
	read    func() // called after each read of a token
}

func (s *store) PutToken(ctx context.Context, key string, hash [32]byte, lifetime time.Duration, expires time.Time) error {
	if err := s.write(); err != nil {
		return err
	}
	return s.Store.PutToken(ctx, key, hash, lifetime, expires)
}

func (s *store) RenewToken(ctx context.Context, key string, hash [32]byte, now time.Time) (bool, error) {
	if err := s.write(); err != nil {
		return false, err
	}
	return s.Store.RenewToken(ctx, key, hash, now)
}

// write counts a write and answers what is to come of it.
func (s *store) write() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	return s.broken
}

func (s *store) Token(ctx context.Context, key string, hash [32]byte) (time.Duration, time.Time, bool, error) {
	s.mu.Lock()
	s.reads++
	s.mu.Unlock()
	lifetime, expires, found, err := s.Store.Token(ctx, key, hash)
	if s.read != nil {
		s.read()
	}
	return lifetime, expires, found, errors.Join(err, s.fail)
}

func (s *store) DeleteTokens(ctx context.Context, key string, hashes ...[32]byte) (int, error) {
	n, err := s.Store.DeleteTokens(ctx, key, hashes...)
	return n, errors.Join(err, s.deleted)
}

func (s *store) putsSoFar() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts
}

func open(t testing.TB) (*auth.Tokens, *store, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := &store{Store: memory.New(memory.Config{Now: c.Now})}
	return auth.NewTokens(s, c.Now), s, c
}

func register(t testing.TB, tokens *auth.Tokens, key, token string, lifetime time.Duration) string {
	t.Helper()
	token, _, err := tokens.Register(t.Context(), key, token, lifetime)
	if err != nil {
		t.Fatalf("Register(%q, a token, %v): %v", key, lifetime, err)
	}
	return token
}

func wantCheck(t *testing.T, tokens *auth.Tokens, key, token string, want error) {
	t.Helper()
	tag, err := tokens.Check(t.Context(), key, token)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Errorf("Check(%q, %q) = %v, want %v", key, token, err, want)
	}
	if (tag == 0) != (err != nil) {
		t.Errorf("Check(%q, %q) = tag %d with error %v, want a tag exactly without an error", key, token, tag, err)
	}
}

func TestTokenIsGoodForItsKeyOnly(t *testing.T) {
	t.Parallel()
	tokens, _, _ := open(t)
	wantCheck(t, tokens, "k", "a", message.ErrUnknownKey)
	wantCheck(t, tokens, "k", "", message.ErrUnknownKey)
	register(t, tokens, "k", "a", 0)
	register(t, tokens, "k", "b", 0)
	register(t, tokens, "other", "c", 0)
	wantCheck(t, tokens, "k", "a", nil)
	wantCheck(t, tokens, "k", "b", nil)
	wantCheck(t, tokens, "k", "c", message.ErrToken)
	wantCheck(t, tokens, "k", "", message.ErrToken)
	wantCheck(t, tokens, "other", "a", message.ErrToken)
	wantCheck(t, tokens, "third", "a", message.ErrUnknownKey)
}

func TestMintedTokensAreLongAndSafeInURLs(t *testing.T) {
	t.Parallel()
	tokens, _, c := open(t)
	seen := map[string]bool{}
	for range 100 {
		token, expires, err := tokens.Register(t.Context(), "k", "", 0)
		if err != nil {
			t.Fatalf("Register without a token: %v", err)
		}
		if b, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(b)*8 < 128 || seen[token] {
			t.Fatalf("Register minted %q, want 128 new bits or more in URL-safe base64", token)
		}
		if want := c.Now().Add(auth.DefaultLifetime); !expires.Equal(want) {
			t.Fatalf("Register = expires %v, want %v", expires, want)
		}
		seen[token] = true
		wantCheck(t, tokens, "k", token, nil)
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, token string
		lifetime    time.Duration
	}{
		{"a token too long", strings.Repeat("x", auth.MaxTokenBytes+1), 0},
		{"control characters", "a\x00b", 0},
		{"bytes that are not UTF-8", "a\xff", 0},
		{"a negative lifetime", "secret", -time.Second},
		{"less than a second", "secret", time.Millisecond},
		{"a lifetime too long", "secret", auth.MaxLifetime + time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tokens, _, _ := open(t)
			_, _, err := tokens.Register(t.Context(), "k", tt.token, tt.lifetime)
			if !errors.Is(err, auth.ErrRegister) || strings.Contains(fmt.Sprint(err), tt.token) {
				t.Errorf("Register(%q, %v) = %v, want ErrRegister without the token", tt.token, tt.lifetime, err)
			}
			wantCheck(t, tokens, "k", tt.token, message.ErrUnknownKey)
		})
	}
}

func TestTokenExpiresAndUseRenewsIt(t *testing.T) {
	t.Parallel()
	tokens, s, c := open(t)
	register(t, tokens, "k", "a", 16*time.Hour)
	register(t, tokens, "k", "unused", 16*time.Hour)
	c.step(time.Hour)
	wantCheck(t, tokens, "k", "a", nil)
	if n := s.putsSoFar(); n != 2 {
		t.Errorf("a use within a sixteenth of the lifetime: %d writes, want the 2 of registering", n)
	}
	c.step(time.Second)
	wantCheck(t, tokens, "k", "a", nil)
	wantCheck(t, tokens, "k", "a", nil)
	if n := s.putsSoFar(); n != 3 {
		t.Errorf("two uses after a sixteenth of the lifetime: %d writes, want one more than 2", n)
	}
	c.step(16*time.Hour - time.Second)
	wantCheck(t, tokens, "k", "a", nil)
	wantCheck(t, tokens, "k", "unused", message.ErrToken)
	c.step(16 * time.Hour)
	wantCheck(t, tokens, "k", "a", message.ErrToken)
}

func TestFailedRenewalDoesNotFailTheCheck(t *testing.T) {
	t.Parallel()
	tokens, s, c := open(t)
	register(t, tokens, "k", "a", time.Hour)
	s.broken = message.ErrUnavailable
	c.step(30 * time.Minute)
	wantCheck(t, tokens, "k", "a", nil)
	if n := tokens.RenewErrors(); n != 1 {
		t.Errorf("RenewErrors() = %d, want 1", n)
	}
}

func TestCheckTellsAFailingStoreFromABadToken(t *testing.T) {
	t.Parallel()
	tokens, s, _ := open(t)
	register(t, tokens, "k", "a-secret", 0)
	s.fail = message.ErrUnavailable
	_, err := tokens.Check(t.Context(), "k", "a-secret")
	if !errors.Is(err, message.ErrUnavailable) || errors.Is(err, message.ErrToken) {
		t.Errorf("Check with a failing store = %v, want ErrUnavailable", err)
	}
	if strings.Contains(err.Error(), "a-secret") {
		t.Errorf("Check = %q, want no token in an error", err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	tokens, _, _ := open(t)
	ctx := t.Context()
	for _, token := range []string{"a", "b", "c"} {
		register(t, tokens, "k", token, 0)
	}
	tagA, _ := tokens.Check(ctx, "k", "a")
	tags, n, err := tokens.Revoke(ctx, "k", "a", "never registered")
	if err != nil || n != 1 || len(tags) != 2 || tags[0] != tagA || tags[1] == 0 {
		t.Fatalf("Revoke(a, unknown) = %v, %d, %v, want the tag %d and another, 1 token", tags, n, err, tagA)
	}
	wantCheck(t, tokens, "k", "a", message.ErrToken)
	wantCheck(t, tokens, "k", "b", nil)
	if tags, n, err := tokens.Revoke(ctx, "k"); err != nil || n != 2 || len(tags) != 0 {
		t.Fatalf("Revoke() = %v, %d, %v, want no tags, 2 tokens", tags, n, err)
	}
	wantCheck(t, tokens, "k", "b", message.ErrUnknownKey)
}

func TestTagsDifferByKeyAndToken(t *testing.T) {
	t.Parallel()
	tokens, _, _ := open(t)
	seen := map[uint64]string{}
	for _, kt := range [][2]string{{"k", "a"}, {"k", "b"}, {"ka", "b"}, {"l", "a"}, {"k", "ab"}} {
		register(t, tokens, kt[0], kt[1], 0)
		tag, err := tokens.Check(t.Context(), kt[0], kt[1])
		if err != nil || seen[tag] != "" {
			t.Errorf("Check%q = tag %d, %v, want one of its own, not that of %s", kt, tag, err, seen[tag])
		}
		seen[tag] = fmt.Sprint(kt)
	}
}

func TestRenewalDoesNotBringARevokedTokenBack(t *testing.T) {
	t.Parallel()
	tokens, s, c := open(t)
	register(t, tokens, "k", "a", time.Hour)
	register(t, tokens, "k", "b", time.Hour)
	c.step(30 * time.Minute)
	s.read = func() { // between the look and the renewal of the use below
		s.read = nil
		if _, n, err := tokens.Revoke(t.Context(), "k", "a"); n != 1 || err != nil {
			t.Errorf("Revoke = %d, %v, want 1", n, err)
		}
	}
	wantCheck(t, tokens, "k", "a", message.ErrToken)
	wantCheck(t, tokens, "k", "a", message.ErrToken)
}

func TestUseAndRevokeAtTheSameTime(t *testing.T) {
	t.Parallel()
	tokens, _, c := open(t)
	for i := range 50 {
		token := fmt.Sprint("t", i)
		register(t, tokens, "k", token, time.Hour)
		c.step(30 * time.Minute)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { tokens.Check(t.Context(), "k", token) })
		}
		wg.Go(func() { tokens.Revoke(t.Context(), "k", token) })
		wg.Wait()
		if _, err := tokens.Check(t.Context(), "k", token); err == nil {
			t.Fatalf("token %d is good after Revoke, want it refused", i)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	tokens, _, _ := open(b)
	token := register(b, tokens, "k", "", 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Check(b.Context(), "k", token); err != nil {
			b.Fatal(err)
		}
	}
}
