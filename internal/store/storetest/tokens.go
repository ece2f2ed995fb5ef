package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

func hash(n byte) [32]byte { return [32]byte{0: n, 31: n} }

func tokens(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantTokens("k", nil)
	n, err := f.s.DeleteTokens(f.ctx, "k")
	f.wantCount("DeleteTokens of an unknown key", n, err, 0)

	f.put("k", 1, time.Hour)
	f.put("k", 2, 2*time.Hour)
	f.put("k", 3, 3*time.Hour)
	f.wantTokens("k", map[byte]time.Duration{1: time.Hour, 2: 2 * time.Hour, 3: 3 * time.Hour})
	f.put("k", 1, 5*time.Hour)
	f.wantTokens("k", map[byte]time.Duration{1: 5 * time.Hour, 2: 2 * time.Hour, 3: 3 * time.Hour})

	n, err = f.s.DeleteTokens(f.ctx, "k", hash(2), hash(9), hash(2))
	f.wantCount("DeleteTokens of one that is there and one that is not", n, err, 1)
	f.wantTokens("k", map[byte]time.Duration{1: 5 * time.Hour, 3: 3 * time.Hour})
	n, err = f.s.DeleteTokens(f.ctx, "k")
	f.wantCount("DeleteTokens of all", n, err, 2)
	f.wantTokens("k", nil)
	if keys := f.keys(10); len(keys) != 0 {
		t.Errorf("Keys = %q, want none: tokens are no messages", keys)
	}
}

func tokensSimilarKeys(t *testing.T, open Open) {
	f := start(t, open, 0)
	for i, key := range []string{"k", "kk", "k ", "j", "l"} {
		f.put(key, byte(i), time.Hour)
	}
	n, err := f.s.DeleteTokens(f.ctx, "k")
	f.wantCount("DeleteTokens of k", n, err, 1)
	f.wantTokens("k", nil)
	f.wantTokens("kk", map[byte]time.Duration{1: time.Hour})
	f.wantTokens("k ", map[byte]time.Duration{2: time.Hour})
	f.wantTokens("j", map[byte]time.Duration{3: time.Hour})
}

// tokensRenewed: a renewal keeps the lifetime, also of a token that has expired, touches no other, and makes none.
func tokensRenewed(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantRenewed("k", 1, t0, false)
	f.put("k", 1, time.Hour)
	f.put("k", 2, time.Hour)
	for _, passed := range []time.Duration{time.Minute, 30 * time.Minute, 100 * time.Hour} {
		f.wantRenewed("k", 1, t0.Add(passed), true)
		lifetime, expires, found, err := f.s.Token(f.ctx, "k", hash(1))
		if want := t0.Add(passed + time.Hour); lifetime != time.Hour || !expires.Equal(want) || !found || err != nil {
			t.Fatalf("Token renewed after %v = %v, %v, %v, %v, want an hour, %v", passed, lifetime, expires, found, err, want)
		}
	}
	n, err := f.s.DeleteTokens(f.ctx, "k", hash(1))
	f.wantCount("DeleteTokens", n, err, 1)
	f.wantRenewed("k", 1, t0, false)
	f.wantRenewed("other", 2, t0, false)
	f.wantTokens("k", map[byte]time.Duration{2: time.Hour})
	f.wantTokens("other", nil)
}

// tokensRenewedWhileDeleted: whichever comes first, a deleted token stays deleted.
func tokensRenewedWhileDeleted(t *testing.T, open Open) {
	f := start(t, open, 0)
	for range 20 {
		f.put("k", 1, time.Hour)
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				if _, err := f.s.RenewToken(f.ctx, "k", hash(1), t0); err != nil {
					t.Errorf("RenewToken: %v", err)
				}
			})
		}
		n, err := f.s.DeleteTokens(f.ctx, "k", hash(1))
		calls.Wait()
		f.wantCount("DeleteTokens", n, err, 1)
		f.wantTokens("k", nil)
	}
}

func (f *fixture) wantRenewed(key string, n byte, now time.Time, want bool) {
	f.t.Helper()
	if found, err := f.s.RenewToken(f.ctx, key, hash(n), now); err != nil || found != want {
		f.t.Fatalf("RenewToken(%q, %d) = %v, %v, want %v", key, n, found, err, want)
	}
}

func (f *fixture) put(key string, n byte, lifetime time.Duration) {
	f.t.Helper()
	if err := f.s.PutToken(f.ctx, key, hash(n), lifetime, t0.Add(lifetime)); err != nil {
		f.t.Fatalf("PutToken(%q, %d): %v", key, n, err)
	}
}

// wantTokens checks which of the tokens 0 to 9 key has, by their lifetime.
func (f *fixture) wantTokens(key string, want map[byte]time.Duration) {
	f.t.Helper()
	has, err := f.s.HasTokens(f.ctx, key)
	if err != nil || has != (len(want) > 0) {
		f.t.Fatalf("HasTokens(%q) = %v, %v with %d tokens", key, has, err, len(want))
	}
	for n := range byte(10) {
		lifetime, expires, found, err := f.s.Token(f.ctx, key, hash(n))
		wanted, ok := want[n]
		if err != nil || found != ok || found && (lifetime != wanted || !expires.Equal(t0.Add(wanted))) {
			f.t.Fatalf("Token(%q, %d) = %v, %v, %v, %v, want %v, %v", key, n, lifetime, expires, found, err, wanted, ok)
		}
	}
}

func limits(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantLimit(0)
	for _, c := range []struct {
		node        string
		limit, want int64
	}{
		{"a", mid(100), mid(100)},
		{"a", mid(50), mid(100)},
		{"b", mid(70), mid(100)},
		{"b", mid(170), mid(170)},
		{"a", mid(150), mid(170)},
	} {
		if err := f.s.SetMidLimit(f.ctx, c.node, c.limit); err != nil {
			t.Fatalf("SetMidLimit(%q, %d): %v", c.node, c.limit, err)
		}
		f.wantLimit(c.want)
	}
}

func (f *fixture) wantLimit(want int64) {
	f.t.Helper()
	if got, err := f.s.MidLimit(f.ctx); err != nil || got != want {
		f.t.Fatalf("MidLimit = %d, %v, want %d", got, err, want)
	}
}

// closed: a closed store says so, and does not break.
func closed(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.entry("k", 0, -1, time.Hour))
	f.mustGroup("k", "g", 0, false)
	if err := f.s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for name, call := range map[string]func(context.Context) error{
		"Append": func(ctx context.Context) error {
			return f.s.Append(ctx, []channel.Entry{f.entry("k", 1, 0, time.Hour)})[0]
		},
		"Range":        func(ctx context.Context) error { _, err := f.s.Range(ctx, "k", 0, 1, false, 0, 0); return err },
		"Info":         func(ctx context.Context) error { _, err := f.s.Info(ctx, "k"); return err },
		"Delete":       func(ctx context.Context) error { _, err := f.s.Delete(ctx, "k"); return err },
		"Trim":         func(ctx context.Context) error { _, err := f.s.Trim(ctx, "k", 0, 0); return err },
		"Keys":         func(ctx context.Context) error { _, _, err := f.s.Keys(ctx, "", 1); return err },
		"PutToken":     func(ctx context.Context) error { return f.s.PutToken(ctx, "k", hash(1), 0, t0) },
		"RenewToken":   func(ctx context.Context) error { _, err := f.s.RenewToken(ctx, "k", hash(1), t0); return err },
		"Token":        func(ctx context.Context) error { _, _, _, err := f.s.Token(ctx, "k", hash(1)); return err },
		"HasTokens":    func(ctx context.Context) error { _, err := f.s.HasTokens(ctx, "k"); return err },
		"DeleteTokens": func(ctx context.Context) error { _, err := f.s.DeleteTokens(ctx, "k"); return err },
		"MidLimit":     func(ctx context.Context) error { _, err := f.s.MidLimit(ctx); return err },
		"SetMidLimit":  func(ctx context.Context) error { return f.s.SetMidLimit(ctx, "a", 1) },
		"CreateGroup":  func(ctx context.Context) error { return f.s.CreateGroup(ctx, "k", "h", 0, true) },
		"GroupsOf":     func(ctx context.Context) error { _, err := f.s.GroupsOf(ctx, "k"); return err },
		"Ack":          func(ctx context.Context) error { _, err := f.s.Ack(ctx, "k", "g", mid(0)); return err },
		"ReadGroup": func(ctx context.Context) error {
			_, err := f.s.ReadGroup(ctx, message.GroupRead{Key: "k", Group: "g", Consumer: "c"})
			return err
		},
		"ReadPending": func(ctx context.Context) error { _, err := f.s.ReadPending(ctx, "k", "g", "c", 0, 0, 0); return err },
	} {
		if err := call(f.ctx); !errors.Is(err, channel.ErrUnavailable) {
			t.Errorf("%s after Close = %v, want ErrUnavailable", name, err)
		}
	}
	if err := f.s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}
