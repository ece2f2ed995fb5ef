package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// timeout is far longer than any operation takes.
const timeout = time.Minute

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// fixture is an open store, a clock, and the words that the tests are written in.
type fixture struct {
	t     tester
	ctx   context.Context
	clock *clock
	cfg   Config
	s     Store
}

func start(t *testing.T, open Open, maxStored int) *fixture {
	t.Helper()
	c := &clock{now: t0}
	f := &fixture{t: t, clock: c, cfg: Config{MaxStoredPerKey: maxStored, Now: c.Now, Dir: t.TempDir()}}
	var cancel context.CancelFunc
	f.ctx, cancel = context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	f.s = open(t, f.cfg)
	t.Cleanup(func() { f.s.Close() })
	return f
}

// mid returns the nth mid of the tests; the first is that of t0.
func mid(n int) int64 { return message.MidAt(t0) + int64(n)*message.MidStep }

// entry returns an entry for key that lives for ttl from now on. n and prev count mids as mid
// does; a prev below 0 is none.
func (f *fixture) entry(key string, n, prev int, ttl time.Duration) channel.Entry {
	m := message.Message{Key: key, Mid: mid(n), Expires: f.clock.Now().Add(ttl), GID: n % 2, Form: message.Form(n / 2 % 2)}
	m.Payload = fmt.Appendf(nil, "payload %d of %s", n, key)
	if prev >= 0 {
		m.Prev = mid(prev)
	}
	return channel.Entry{Message: m}
}

// chain returns the entries from to to of key, each following the one before it.
func (f *fixture) chain(key string, from, to int, ttl time.Duration) []channel.Entry {
	var entries []channel.Entry
	for n := from; n <= to; n++ {
		entries = append(entries, f.entry(key, n, n-1, ttl))
	}
	if from == 0 {
		entries[0].Prev = 0
	}
	return entries
}

// mustAppend appends entries in one call.
func (f *fixture) mustAppend(entries ...channel.Entry) {
	f.t.Helper()
	for i, err := range f.s.Append(f.ctx, entries) {
		if err != nil {
			f.t.Fatalf("Append: entry %d of %d (mid %d, prev %d, key %q): %v", i, len(entries), entries[i].Mid, entries[i].Prev, entries[i].Key, err)
		}
	}
}

// wantErrors checks that got has the kinds of errors that want has.
func (f *fixture) wantErrors(got []error, want ...error) {
	f.t.Helper()
	if !slices.EqualFunc(got, want, errors.Is) {
		f.t.Fatalf("Append = %q, want %q", got, want)
	}
}

// all returns all that can be read of key, oldest first.
func (f *fixture) all(key string) []message.Message {
	f.t.Helper()
	return f.read(key, 0, math.MaxInt64, false, 0, 0)
}

func (f *fixture) read(key string, from, to int64, reverse bool, limit, maxBytes int) []message.Message {
	f.t.Helper()
	got, err := f.s.Range(f.ctx, key, from, to, reverse, limit, maxBytes)
	if err != nil {
		f.t.Fatalf("Range(%q, %d, %d, %v, %d, %d): %v", key, from, to, reverse, limit, maxBytes, err)
	}
	return got
}

// wantMids checks that got are the messages with the given numbers, in that order.
func (f *fixture) wantMids(what string, got []message.Message, want ...int) {
	f.t.Helper()
	if !slices.EqualFunc(got, want, func(m message.Message, n int) bool { return m.Mid == mid(n) }) {
		f.t.Fatalf("%s = messages %s, want %v", what, numbers(got), want)
	}
}

func numbers(messages []message.Message) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, " %d", (m.Mid-mid(0))/message.MidStep)
	}
	return "[" + strings.TrimSpace(b.String()) + "]"
}

// wantSame checks that got are the messages of entries, to the last byte.
func (f *fixture) wantSame(what string, got []message.Message, entries []channel.Entry) {
	f.t.Helper()
	if !slices.EqualFunc(got, entries, func(m message.Message, e channel.Entry) bool { return same(m, e.Message) }) {
		f.t.Fatalf("%s = %v, want the messages of %v", what, got, entries)
	}
}

func same(a, b message.Message) bool {
	return a.Mid == b.Mid && a.Prev == b.Prev && a.GID == b.GID && a.Form == b.Form &&
		a.Expires.Equal(b.Expires) && string(a.Payload) == string(b.Payload)
}

func (f *fixture) info(key string) channel.Info {
	f.t.Helper()
	info, err := f.s.Info(f.ctx, key)
	if err != nil {
		f.t.Fatalf("Info(%q): %v", key, err)
	}
	return info
}

// wantCount checks what Delete, Trim and DeleteTokens answered.
func (f *fixture) wantCount(what string, got int, err error, want int) {
	f.t.Helper()
	if err != nil || got != want {
		f.t.Fatalf("%s = %d, %v, want %d", what, got, err, want)
	}
}

// keys returns all keys, read in pages of limit, sorted.
func (f *fixture) keys(limit int) []string {
	f.t.Helper()
	var all []string
	for cursor, pages := "", 0; ; pages++ {
		keys, next, err := f.s.Keys(f.ctx, cursor, limit)
		if err != nil || len(keys) > limit || pages > 1000 {
			f.t.Fatalf("Keys(%q, %d) = %d keys, next %q, %v on page %d", cursor, limit, len(keys), next, err, pages)
		}
		all = append(all, keys...)
		if cursor = next; cursor == "" {
			slices.SortFunc(all, cmp.Compare[string])
			return all
		}
	}
}
