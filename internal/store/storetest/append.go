package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

func appendChains(t *testing.T, open Open) {
	f := start(t, open, 0)
	entries := f.chain("k", 0, 5, time.Hour)
	entries[3].Expires = message.Never
	entries[4].Payload = nil
	entries[5].Payload = []byte{0, 0xff, '\r', '\n'}
	for _, e := range entries {
		f.mustAppend(e)
	}
	f.wantSame("what was appended one by one", f.all("k"), entries)
}

func appendOrder(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 3, time.Hour)...)
	for _, c := range []struct {
		name    string
		n, prev int
	}{
		{"prev behind the last", 4, 2},
		{"prev none but there is a last", 4, -1},
		{"prev ahead of the last", 5, 4},
		{"mid is the last", 3, 3},
		{"mid below the last", 2, 3},
	} {
		if err := f.s.Append(f.ctx, []channel.Entry{f.entry("k", c.n, c.prev, time.Hour)})[0]; !errors.Is(err, channel.ErrOrder) {
			t.Errorf("%s: Append = %v, want ErrOrder", c.name, err)
		}
	}
	got := f.s.Append(f.ctx, []channel.Entry{f.entry("new", 4, 3, time.Hour)})
	f.wantErrors(got, channel.ErrOrder)
	f.wantMids("after refused appends Range", f.all("k"), 0, 1, 2, 3)
	if keys := f.keys(10); len(keys) != 1 {
		t.Errorf("Keys = %q, want only k: a refused append leaves no record", keys)
	}
}

func appendManyKeys(t *testing.T, open Open) {
	f := start(t, open, 0)
	var entries []channel.Entry
	for i := range 100 {
		entries = append(entries, f.entry(fmt.Sprint("k", i), i, -1, time.Hour))
	}
	f.mustAppend(entries...)
	for _, e := range entries {
		f.wantSame("Range of "+e.Key, f.all(e.Key), []channel.Entry{e})
	}
}

func appendOneBadKey(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.entry("b", 0, -1, time.Hour))
	got := f.s.Append(f.ctx, []channel.Entry{
		f.entry("a", 1, -1, time.Hour),
		f.entry("b", 1, -1, time.Hour), // must follow 0
		f.entry("c", 1, -1, time.Hour),
		f.entry("b", 2, 1, time.Hour), // follows the one that failed
		f.entry("a", 2, 1, time.Hour),
	})
	f.wantErrors(got, nil, channel.ErrOrder, nil, channel.ErrOrder, nil)
	f.wantMids("Range of a", f.all("a"), 1, 2)
	f.wantMids("Range of b", f.all("b"), 0)
	f.wantMids("Range of c", f.all("c"), 1)

	// Somebody else has stored a message with the very mid that the refused one has.
	got = f.s.Append(f.ctx, []channel.Entry{f.entry("b", 0, -1, time.Hour), f.entry("b", 1, 0, time.Hour)})
	f.wantErrors(got, channel.ErrOrder, channel.ErrOrder)
	f.wantMids("Range of b", f.all("b"), 0)
}

func appendOneKeyManyTimes(t *testing.T, open Open) {
	f := start(t, open, 0)
	entries := f.chain("k", 0, 299, time.Hour)
	f.mustAppend(entries[:200]...)
	f.mustAppend(entries[200:]...)
	f.wantSame("what was appended at once", f.all("k"), entries)
}

func appendBig(t *testing.T, open Open) {
	f := start(t, open, 0)
	entries := f.chain("k", 0, 9, time.Hour)
	for i := range entries {
		entries[i].Payload = bytes.Repeat([]byte{byte(i)}, 1<<20)
	}
	f.mustAppend(entries...)
	f.wantSame("ten messages of 1 MiB", f.all("k"), entries)
}

func appendTooLate(t *testing.T, open Open) {
	f := start(t, open, 0)
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	got := f.s.Append(ctx, f.chain("k", 0, 1, time.Hour))
	f.wantErrors(got, channel.ErrUnavailable, channel.ErrUnavailable)
	f.mustAppend(f.chain("k", 0, 1, time.Hour)...)
	if got := f.s.Append(f.ctx, nil); len(got) != 0 {
		t.Errorf("Append of nothing = %v", got)
	}
}

func appendConcurrently(t *testing.T, open Open) {
	f := start(t, open, 0)
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for _, e := range f.chain(fmt.Sprint("k", w), 0, each-1, time.Hour) {
				if err := f.s.Append(f.ctx, []channel.Entry{e})[0]; err != nil {
					t.Errorf("Append to %s: %v", e.Key, err)
				}
				if got, err := f.s.Range(f.ctx, e.Key, e.Mid, e.Mid, false, 0, 0); err != nil || len(got) != 1 {
					t.Errorf("Range of %s right after its Append = %v, %v, want the message", e.Key, got, err)
				}
			}
		})
	}
	wg.Wait()
	for w := range writers {
		f.wantSame("all of a writer", f.all(fmt.Sprint("k", w)), f.chain(fmt.Sprint("k", w), 0, each-1, time.Hour))
	}
}

// appendRace has writers that all believe that they own one key: each mid is stored by one.
func appendRace(t *testing.T, open Open) {
	f := start(t, open, 0)
	const writers, length = 8, 100
	won := make([]int, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for _, e := range f.chain("k", 0, length-1, time.Hour) {
				switch err := f.s.Append(f.ctx, []channel.Entry{e})[0]; {
				case err == nil:
					won[w]++
				case !errors.Is(err, channel.ErrOrder):
					t.Errorf("Append = %v, want nil or ErrOrder", err)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range won {
		total += n
	}
	if total != length {
		t.Errorf("%d appends of %d mids succeeded (%v by writer), want each once", total, length, won)
	}
	f.wantSame("after a race Range", f.all("k"), f.chain("k", 0, length-1, time.Hour))
}
