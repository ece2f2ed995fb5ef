package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

func duplicateTests() map[string]func(*testing.T, Open) {
	return map[string]func(*testing.T, Open){
		"duplicate/is the first":               duplicateIsTheFirst,
		"duplicate/in one call":                duplicateInOneCall,
		"duplicate/whatever its prev":          duplicateWhateverItsPrev,
		"duplicate/of another key":             duplicateOfAnotherKey,
		"duplicate/after the window":           duplicateAfterTheWindow,
		"duplicate/window changed":             duplicateWindowChanged,
		"duplicate/of what is gone":            duplicateOfWhatIsGone,
		"duplicate/of a key that was deleted":  duplicateOfADeletedKey,
		"duplicate/of what was refused":        duplicateOfWhatWasRefused,
		"duplicate/trims nothing":              duplicateTrimsNothing,
		"duplicate/many":                       duplicateMany,
		"duplicate/any bytes":                  duplicateAnyBytes,
		"duplicate/concurrently":               duplicateConcurrently,
		"duplicate/over days":                  duplicateOverDays,
		"duplicate/of more than go in a batch": duplicateOfMany,
	}
}

// idem returns an entry with an idempotency key.
func (f *fixture) idem(idemKey, key string, n, prev int) channel.Entry {
	e := f.entry(key, n, prev, time.Hour)
	e.IdemKey = []byte(idemKey)
	return e
}

// wantResults checks what became of entries: "" stored, "order" refused, and the number of the first for a duplicate.
func (f *fixture) wantResults(entries []channel.Entry, want ...string) {
	f.t.Helper()
	var got []string
	for _, err := range f.s.Append(f.ctx, entries) {
		var d *channel.Duplicate
		switch {
		case err == nil:
			got = append(got, "")
		case errors.As(err, &d):
			got = append(got, fmt.Sprint((d.Mid-mid(0))/message.MidStep))
		case errors.Is(err, channel.ErrOrder):
			got = append(got, "order")
		default:
			got = append(got, err.Error())
		}
	}
	if !slices.Equal(got, want) {
		f.t.Fatalf("Append = %q, want %q (stored, refused, or a duplicate of that message)", got, want)
	}
}

func duplicateIsTheFirst(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantResults([]channel.Entry{f.idem("a", "k", 0, -1)}, "")
	f.wantResults([]channel.Entry{f.idem("a", "k", 1, 0)}, "0")
	f.wantResults([]channel.Entry{f.idem("b", "k", 2, 0)}, "")
	f.wantResults([]channel.Entry{f.entry("k", 3, 2, time.Hour)}, "")
	f.wantResults([]channel.Entry{f.idem("a", "k", 4, 3)}, "0")
	f.wantResults([]channel.Entry{f.idem("b", "k", 4, 3)}, "2")
	f.wantMids("with duplicates Range", f.all("k"), 0, 2, 3)
	if got := f.info("k"); got.Last != mid(3) || got.Added != 3 || got.Length != 3 {
		t.Errorf("with duplicates Info = %+v, want three messages, the last one %d", got, mid(3))
	}
}

func duplicateInOneCall(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantResults([]channel.Entry{
		f.idem("a", "k", 0, -1),
		f.idem("a", "l", 0, -1),
		f.idem("a", "k", 1, 0), // of the first of this call
		f.idem("b", "k", 2, 1), // follows what is not there
		f.idem("b", "l", 1, 0),
		f.idem("b", "k", 3, 2), // so this is the first no more than that
		f.idem("a", "k", 4, 3),
	}, "", "", "0", "order", "", "order", "0")
	f.wantResults([]channel.Entry{f.idem("b", "k", 5, 0), f.idem("b", "k", 6, 5)}, "", "5")
	f.wantMids("Range of k", f.all("k"), 0, 5)
	f.wantMids("Range of l", f.all("l"), 0, 1)
}

func duplicateWhateverItsPrev(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantResults([]channel.Entry{f.idem("a", "k", 0, -1), f.idem("b", "k", 1, 0)}, "", "")
	f.wantResults([]channel.Entry{f.idem("a", "k", 2, -1)}, "0")
	f.wantResults([]channel.Entry{f.idem("b", "k", 0, -1)}, "1")
	f.wantResults([]channel.Entry{f.idem("c", "k", 2, 0), f.idem("a", "k", 3, 2), f.entry("k", 4, 1, time.Hour)}, "order", "0", "order")
	f.wantMids("Range", f.all("k"), 0, 1)
}

func duplicateOfAnotherKey(t *testing.T, open Open) {
	f := start(t, open, 0)
	keys := []string{"k", "kk", "}k", "k}a", "a", "ka"}
	for range 2 {
		for i, key := range keys {
			e := []channel.Entry{f.idem("a", key, 0, -1)}
			if i%2 == 1 {
				e[0].IdemKey = []byte("}a")
			}
			if len(f.all(key)) == 0 {
				f.wantResults(e, "")
			} else {
				f.wantResults(e, "0")
			}
		}
	}
}

func duplicateAfterTheWindow(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.s.SetIdempotencyWindow(time.Hour)
	f.wantResults([]channel.Entry{f.idem("a", "k", 0, -1)}, "")
	f.clock.step(30 * time.Minute)
	f.wantResults([]channel.Entry{f.idem("b", "k", 1, 0)}, "")
	f.clock.step(30*time.Minute - time.Second)
	f.wantResults([]channel.Entry{f.idem("a", "k", 2, 1)}, "0") // this does not renew it
	f.clock.step(time.Second)
	f.wantResults([]channel.Entry{f.idem("a", "k", 2, 1)}, "")
	f.wantResults([]channel.Entry{f.idem("b", "k", 3, 2)}, "1")
	f.wantResults([]channel.Entry{f.idem("a", "k", 3, 2)}, "2") // it is the first now
}

func duplicateWindowChanged(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantResults([]channel.Entry{f.idem("day", "k", 0, -1)}, "")
	f.s.SetIdempotencyWindow(48 * time.Hour)
	f.wantResults([]channel.Entry{f.idem("two days", "k", 1, 0)}, "")
	f.clock.step(24*time.Hour - time.Second)
	f.wantResults([]channel.Entry{f.idem("day", "k", 2, 1)}, "0")
	f.clock.step(time.Second)
	f.wantResults([]channel.Entry{f.idem("two days", "k", 2, 1)}, "1")
	f.wantResults([]channel.Entry{f.idem("day", "k", 2, 1)}, "") // as it was when it was stored
	f.s.SetIdempotencyWindow(time.Minute)
	f.clock.step(24 * time.Hour)
	f.wantResults([]channel.Entry{f.idem("day", "k", 3, 2)}, "2")
	f.wantResults([]channel.Entry{f.idem("two days", "k", 3, 2)}, "")
}

func duplicateOfWhatIsGone(t *testing.T, open Open) {
	f := start(t, open, 3)
	f.wantResults([]channel.Entry{f.idem("trimmed", "k", 0, -1), f.idem("deleted", "k", 1, 0), f.idem("capped", "k", 2, 1)}, "", "", "")
	n, err := f.s.Trim(f.ctx, "k", 2, 0)
	f.wantCount("Trim", n, err, 1)
	n, err = f.s.Delete(f.ctx, "k", mid(1))
	f.wantCount("Delete", n, err, 1)
	short := f.idem("expired", "k", 3, 2)
	short.Expires = f.clock.Now().Add(time.Second)
	never := f.idem("never kept", "k", 4, 3)
	never.Trim.Keep = -1
	f.wantResults([]channel.Entry{short, never}, "", "")
	f.clock.step(time.Minute)
	f.mustAppend(f.chain("k", 5, 10, time.Hour)...)
	for i, idemKey := range []string{"trimmed", "deleted", "capped", "expired", "never kept"} {
		f.wantResults([]channel.Entry{f.idem(idemKey, "k", 11, 10)}, fmt.Sprint(i))
	}
	f.wantMids("Range", f.all("k"), 8, 9, 10)
}

// duplicateOfADeletedKey: who tries a push again, which was carried out, does not bring back what was deleted since.
func duplicateOfADeletedKey(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantResults([]channel.Entry{f.idem("a", "k", 0, -1), f.idem("b", "k", 1, 0)}, "", "")
	n, err := f.s.Delete(f.ctx, "k")
	f.wantCount("Delete", n, err, 2)
	f.wantResults([]channel.Entry{f.idem("a", "k", 2, 1), f.idem("b", "k", 3, 2)}, "0", "1")
	f.wantExists("k", false)
	f.wantResults([]channel.Entry{f.idem("c", "k", 2, 1)}, "")
	f.wantResults([]channel.Entry{f.idem("b", "k", 3, 2)}, "1")
}

// duplicateOfWhatWasRefused: the key of a push that was not stored is as good as new.
func duplicateOfWhatWasRefused(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.entry("k", 0, -1, time.Hour))
	f.wantResults([]channel.Entry{f.idem("a", "k", 1, -1)}, "order")
	f.wantResults([]channel.Entry{f.idem("a", "k", 1, 0)}, "")
	f.wantResults([]channel.Entry{f.idem("a", "k", 2, 1)}, "1")
}

func duplicateTrimsNothing(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantResults([]channel.Entry{f.idem("a", "k", 0, -1), f.idem("b", "k", 1, 0)}, "", "")
	e := f.idem("a", "k", 2, 1)
	e.Trim.Keep = 1
	f.wantResults([]channel.Entry{e}, "0")
	f.wantMids("Range", f.all("k"), 0, 1)
}

func duplicateMany(t *testing.T, open Open) {
	f := start(t, open, 10)
	const n = 3000
	var entries []channel.Entry
	for i := range n {
		key := fmt.Sprint("k", i%7)
		entries = append(entries, f.idem(fmt.Sprint("idem ", i), key, i, i-7))
	}
	f.mustAppend(entries...)
	f.clock.step(time.Hour)
	for i := 0; i < n; i += 100 {
		f.wantResults([]channel.Entry{f.idem(fmt.Sprint("idem ", i), fmt.Sprint("k", i%7), n+7, n)}, fmt.Sprint(i))
		f.wantResults([]channel.Entry{f.idem(fmt.Sprint("idem ", i), fmt.Sprint("k", (i+1)%7), n+7, n)}, "order")
	}
}

func duplicateAnyBytes(t *testing.T, open Open) {
	f := start(t, open, 0)
	long := slices.Repeat([]byte{0xff}, message.MaxIdemKeyBytes)
	idemKeys := []string{"\x00", "\x00\x00", "{", "}", "\r\n", "ž", string(long), string(long[1:])}
	for i, idemKey := range idemKeys {
		f.wantResults([]channel.Entry{f.idem(idemKey, "k", i, i-1)}, "")
	}
	for i, idemKey := range idemKeys {
		f.wantResults([]channel.Entry{f.idem(idemKey, "k", 20, 7)}, fmt.Sprint(i))
	}
}

// duplicateConcurrently has writers that all push the same, and believe that they own the key.
func duplicateConcurrently(t *testing.T, open Open) {
	f := start(t, open, 0)
	const writers, rounds = 8, 30
	won := make([]int, writers)
	firsts := make([][rounds]int64, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				n, err := f.appendAnyhow(fmt.Sprint("round ", r), int64(w))
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				firsts[w][r] = n.mid
				if n.stored {
					won[w]++
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for w := range writers {
		total += won[w]
		if firsts[w] != firsts[0] {
			t.Errorf("writer %d was told the mids %v, another one %v", w, firsts[w], firsts[0])
		}
	}
	if got := len(f.all("k")); total != rounds || got != rounds {
		t.Errorf("%d appends were stored, %d messages are there, want %d", total, got, rounds)
	}
}

// appended is where a push is: mid tells where it was stored first, stored whether that was now.
type appended struct {
	mid    int64
	stored bool
}

// appendAnyhow appends to k as a channel does: as often as it meets others.
func (f *fixture) appendAnyhow(idemKey string, writer int64) (appended, error) {
	for {
		info, err := f.s.Info(f.ctx, "k")
		if err != nil {
			return appended{}, err
		}
		e := f.idem(idemKey, "k", 0, -1)
		e.Prev = info.Last
		e.Mid = max(info.Last, mid(0)) + (writer+1)*message.MidStep
		var d *channel.Duplicate
		switch err := f.s.Append(f.ctx, []channel.Entry{e})[0]; {
		case err == nil:
			return appended{mid: e.Mid, stored: true}, nil
		case errors.As(err, &d):
			return appended{mid: d.Mid}, nil
		case !errors.Is(err, channel.ErrOrder):
			return appended{}, err
		}
	}
}

// duplicateOverDays steps along a few windows: what is known at any moment is what was stored within the last one.
func duplicateOverDays(t *testing.T, open Open) {
	f := start(t, open, 0)
	const steps, window = 40, 6 // of four hours
	for i := range steps {
		f.wantResults([]channel.Entry{f.idem(fmt.Sprint(i), "k", i, i-1)}, "")
		for back := 1; back < window && back <= i; back++ {
			f.wantResults([]channel.Entry{f.idem(fmt.Sprint(i-back), "k", 1000, i)}, fmt.Sprint(i-back))
		}
		if i >= window {
			f.wantResults([]channel.Entry{f.idem(fmt.Sprint(i-window), "k", 1000, 0)}, "order")
		}
		f.clock.step(4 * time.Hour)
	}
}

// duplicateOfMany: a call that is repeated whole, larger than what a store does at once, is a duplicate in all its parts.
func duplicateOfMany(t *testing.T, open Open) {
	f := start(t, open, 0)
	const n = 1500
	var entries []channel.Entry
	var want []string
	for i := range n {
		entries = append(entries, f.idem(fmt.Sprint(i), "k", i, i-1))
		want = append(want, fmt.Sprint(i))
	}
	f.mustAppend(entries...)
	for i := range entries {
		entries[i].Mid += n * message.MidStep
		entries[i].Prev = entries[i].Mid - message.MidStep
	}
	f.wantResults(entries, want...)
	f.wantResults(append(entries, f.idem("new", "k", 2*n, 2*n-1)), append(want, "order")...)
}
