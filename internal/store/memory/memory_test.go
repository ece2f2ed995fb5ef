package memory_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"

	"gopush/internal/store/memory"
	"gopush/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, cfg storetest.Config) storetest.Store {
		return memory.New(memory.Config{MaxStoredPerKey: cfg.MaxStoredPerKey, Now: cfg.Now})
	})
}

// TestForgets: a store that goes on does not keep the record of every key that ever was.
func TestForgets(t *testing.T) {
	t.Parallel()
	ctx, now := context.Background(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := memory.New(memory.Config{Now: func() time.Time { return now }})
	add := func(key string, expires time.Time) {
		e := channel.Entry{Message: message.Message{Key: key, Mid: message.MidAt(now), Expires: expires}}
		if err := s.Append(ctx, []channel.Entry{e})[0]; err != nil {
			t.Fatalf("Append to %s: %v", key, err)
		}
	}
	wantKeys := func(want ...string) {
		t.Helper()
		if got, _, err := s.Keys(ctx, "", 10); err != nil || !slices.Equal(got, want) {
			t.Errorf("Keys = %q, %v, want %q", got, err, want)
		}
	}
	add("kept", message.Never)
	add("old", now.Add(time.Minute))
	if err := s.PutToken(ctx, "old", [32]byte{}, time.Minute, now.Add(time.Minute)); err != nil {
		t.Fatalf("PutToken: %v", err)
	}
	own := func(name string) error {
		_, err := s.Own(ctx, "owned", channel.Owner{Name: name, Epoch: 1})
		return err
	}
	if err := own("a"); err != nil {
		t.Fatalf("Own: %v", err)
	}
	now = now.Add(7*24*time.Hour - time.Minute)
	if err := own("b"); err == nil {
		t.Error("Own by another one within a week = nil, want an error")
	}
	now = now.Add(2 * time.Minute)
	if err := own("b"); err != nil {
		t.Errorf("Own by another one after a week = %v", err)
	}
	now = now.Add(23*24*time.Hour - time.Minute)
	add("a", message.Never)
	wantKeys("a", "kept", "old")
	now = now.Add(2 * time.Minute)
	add("b", message.Never)
	wantKeys("a", "b", "kept")
	if has, err := s.HasTokens(ctx, "old"); has || err != nil {
		t.Errorf("HasTokens of a token that expired 30 days ago = %v, %v, want false", has, err)
	}
}
