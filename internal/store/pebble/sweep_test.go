package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// crowded is a disk with as much room as a test says.
type crowded struct {
	vfs.FS
	free atomic.Uint64
}

func (c *crowded) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: c.free.Load()}, nil
}

// TestMinFree: with too little room, what would fill the disk is refused, and nothing else.
func TestMinFree(t *testing.T) {
	t.Parallel()
	disk := &crowded{FS: vfs.NewMem()}
	disk.free.Store(1000)
	s := mustOpen(t, pebble.Config{Dir: "data", FS: disk, MinFreeBytes: 1000, Tick: time.Millisecond})
	h := newHistory(100)
	h.work(t, s, 3)
	ctx := context.Background()
	if err := s.PutToken(ctx, "k", [32]byte{}, time.Hour, time.Now()); err != nil {
		t.Fatalf("PutToken: %v", err)
	}

	disk.free.Store(999)
	waitUntil(t, "the store is not healthy", func() bool { return s.Healthy() != nil })
	err := h.fail(t, s)
	if !errors.Is(err, channel.ErrUnavailable) || !strings.Contains(err.Error(), "999 bytes free in data, min_free_bytes is 1000") {
		t.Errorf("Append with too little room = %v, want ErrUnavailable with the numbers", err)
	}
	if err := s.PutToken(ctx, "k", [32]byte{1}, time.Hour, time.Now()); !errors.Is(err, channel.ErrUnavailable) {
		t.Errorf("PutToken with too little room = %v, want ErrUnavailable", err)
	}
	h.check(t, "with too little room", s)
	if err := s.SetMidLimit(ctx, "n", 40); err != nil {
		t.Errorf("SetMidLimit with too little room: %v", err)
	}
	if n, err := s.Delete(ctx, "key0", h.keys[0].acked[0]); n != 1 || err != nil {
		t.Errorf("Delete with too little room = %d, %v, want 1", n, err)
	}
	if n, err := s.Trim(ctx, "key0", 1, 0); n != 1 || err != nil {
		t.Errorf("Trim with too little room = %d, %v, want 1", n, err)
	}
	if n, err := s.DeleteTokens(ctx, "k"); n != 1 || err != nil {
		t.Errorf("DeleteTokens with too little room = %d, %v, want 1", n, err)
	}

	disk.free.Store(1000)
	waitUntil(t, "the store is healthy", func() bool { return s.Healthy() == nil })
	h.work(t, s, 3)
}

// TestSweep: what nobody asks for goes too, whole keys and tokens 30 days later.
func TestSweep(t *testing.T) {
	t.Parallel()
	now := &atomic.Int64{}
	now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	step := func(d time.Duration) { now.Add(int64(d)) }
	s := mustOpen(t, pebble.Config{Dir: "data", FS: vfs.NewMem(), Now: clock, Tick: time.Hour})
	ctx := context.Background()

	const keys, many = 2500, 3000
	for i := range keys {
		ttl := time.Minute
		if i%2 == 0 {
			ttl = time.Hour
		}
		mustChain(t, s, clock(), fmt.Sprint("k", i), 2, ttl)
	}
	mustChain(t, s, clock(), "many", many, time.Minute)
	if err := s.PutToken(ctx, "token", [32]byte{}, time.Minute, clock().Add(time.Minute)); err != nil {
		t.Fatalf("PutToken: %v", err)
	}

	sweep := func() {
		t.Helper()
		if err := s.Sweep(ctx); err != nil {
			t.Fatalf("Sweep: %v", err)
		}
	}
	count := func() (keys, messages int) { return countAll(t, s) }

	step(time.Minute)
	sweep()
	if k, m := count(); k != keys+1 || m != keys {
		t.Errorf("after a minute %d keys with %d messages are there, want %d with %d", k, m, keys+1, keys)
	}
	step(time.Hour)
	sweep()
	if k, m := count(); k != keys+1 || m != 0 {
		t.Errorf("after an hour %d keys with %d messages are there, want %d with none", k, m, keys+1)
	}
	step(29 * 24 * time.Hour)
	sweep()
	if k, _ := count(); k != keys+1 {
		t.Errorf("after 29 days %d keys are there, want %d", k, keys+1)
	}
	if has, err := s.HasTokens(ctx, "token"); !has || err != nil {
		t.Errorf("HasTokens of a token that expired 29 days ago = %v, %v, want true", has, err)
	}
	step(24 * time.Hour)
	sweep()
	if k, _ := count(); k != 0 {
		t.Errorf("after 30 days %d keys are there, want none", k)
	}
	if has, err := s.HasTokens(ctx, "token"); has || err != nil {
		t.Errorf("HasTokens of a token that expired 30 days ago = %v, %v, want false", has, err)
	}
	info, err := s.Info(ctx, "many")
	if want := message.MidAt(clock().Add(-30 * 24 * time.Hour)); err != nil || info != (channel.Info{Since: want}) {
		t.Errorf("Info of a forgotten key = %+v, %v, want only Since %d", info, err, want)
	}
}

// TestSweepIdempotencyKeys: however many there are, in the end the store has none, and what is left of them while they are known has a bound.
func TestSweepIdempotencyKeys(t *testing.T) {
	t.Parallel()
	now := &atomic.Int64{}
	now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	fs := vfs.NewMem()
	open := func() *pebble.Store {
		s, err := pebble.Open(pebble.Config{Dir: "data", FS: fs, MaxStoredPerKey: 1, IdempotencyWindow: time.Hour, Now: clock, Tick: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, last := open(), int64(0)
	push := func(n int) error {
		mid := message.NextMid(clock(), last)
		e := channel.Entry{
			Message: message.Message{Key: "k", Mid: mid, Prev: last, Expires: message.Never, Payload: []byte("x")},
			IdemKey: fmt.Append(nil, "push ", n),
		}
		err := s.Append(t.Context(), []channel.Entry{e})[0]
		if err == nil {
			last = mid
		}
		return err
	}
	const each = 200
	for i := range 20 * each { // over twenty hours
		if err := push(i); err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
		if err := push(max(0, i-each+1)); !errors.As(err, new(*channel.Duplicate)) {
			t.Fatalf("push %d, repeated within an hour: %v", max(0, i-each+1), err)
		}
		now.Add(int64(time.Hour / each))
		if i%each == each/2 {
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := countPrefix(t, fs, "data", 'i'); n < each || n > 3*each {
		t.Errorf("%d idempotency keys are on the disk, %d are known: want at most three times as many", n, each)
	}
	s = open()
	now.Add(int64(2 * time.Hour))
	if err := errors.Join(s.Sweep(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := countPrefix(t, fs, "data", 'i'); n != 0 {
		t.Errorf("two hours later %d idempotency keys are on the disk, want none", n)
	}
}

// countPrefix returns how many names of a store that is closed begin with a letter.
func countPrefix(t *testing.T, fs vfs.FS, dir string, prefix byte) (n int) {
	t.Helper()
	db, err := pebbledb.Open(dir, &pebbledb.Options{FS: fs, Logger: quiet{}, FormatMajorVersion: pebbledb.FormatTableFormatV6, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	iter, err := db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer iter.Close()
	for ok := iter.First(); ok; ok = iter.Next() {
		n++
	}
	return n
}

// TestSweepWhileAppending: what is appended between a look at a key and the removal of what is due
// there is swept in its time.
func TestSweepWhileAppending(t *testing.T) {
	t.Parallel()
	now := &atomic.Int64{}
	now.Store(time.Now().UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	s := mustOpen(t, pebble.Config{Dir: "data", FS: vfs.NewMem(), Now: clock, Tick: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		for ctx.Err() == nil {
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("Sweep: %v", err)
			}
		}
	})
	const keys = 500
	for i := range keys {
		key := fmt.Sprint("k", i)
		short := clock().Add(2 * time.Millisecond)
		appendExpiring(t, s, key, 4, message.Never)
		appendExpiring(t, s, key, 8, short)
		now.Add(int64(5 * time.Millisecond))
		appendExpiring(t, s, key, 12, clock().Add(time.Minute))
	}
	cancel()
	sweeping.Wait()
	now.Add(int64(time.Hour))
	if err := s.Sweep(context.Background()); err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if _, messages := countAll(t, s); messages != keys {
		t.Errorf("%d messages are left, want the %d that never expire", messages, keys)
	}
}

func appendExpiring(t *testing.T, s channel.Store, key string, mid int64, expires time.Time) {
	t.Helper()
	e := channel.Entry{Message: message.Message{Key: key, Mid: mid, Prev: mid - 4, Expires: expires}}
	if err := s.Append(context.Background(), []channel.Entry{e})[0]; err != nil {
		t.Fatalf("Append %d to %s: %v", mid, key, err)
	}
}

// TestSweeper: it works by itself.
func TestSweeper(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, pebble.Config{Dir: "data", FS: vfs.NewMem(), Tick: 10 * time.Millisecond})
	mustChain(t, s, time.Now(), "k", 3000, time.Millisecond)
	waitUntil(t, "all expired messages are gone", func() bool {
		_, messages := countAll(t, s)
		return messages == 0
	})
}

func mustChain(t *testing.T, s channel.Store, now time.Time, key string, n int, ttl time.Duration) {
	t.Helper()
	entries, last := make([]channel.Entry, n), int64(0)
	for i := range entries {
		m := message.Message{Key: key, Mid: message.NextMid(now, last), Prev: last, Expires: now.Add(ttl)}
		entries[i], last = channel.Entry{Message: m}, m.Mid
	}
	for _, err := range s.Append(context.Background(), entries) {
		if err != nil {
			t.Fatalf("Append to %s: %v", key, err)
		}
	}
}

// countAll counts the keys, and the messages that they have by their records.
func countAll(t *testing.T, s channel.Store) (keys, messages int) {
	t.Helper()
	ctx := context.Background()
	for cursor := ""; ; {
		page, next, err := s.Keys(ctx, cursor, 1000)
		if err != nil {
			t.Fatalf("Keys: %v", err)
		}
		keys += len(page)
		for _, key := range page {
			info, err := s.Info(ctx, key)
			if err != nil {
				t.Fatalf("Info: %v", err)
			}
			messages += info.Length
		}
		if cursor = next; cursor == "" {
			return keys, messages
		}
	}
}

func waitUntil(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
