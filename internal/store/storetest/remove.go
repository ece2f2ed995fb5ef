package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gopush/internal/channel"
)

func deleteSome(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 5, time.Hour)...)
	n, err := f.s.Delete(f.ctx, "k", mid(0), mid(2), mid(2)+1, mid(99), mid(5), mid(5))
	f.wantCount("Delete of 3 that are there and 2 that are not", n, err, 3)
	f.wantMids("after Delete Range", f.all("k"), 1, 3, 4)
	want := channel.Info{First: mid(1), Last: mid(5), Length: 3, Added: 6, Since: f.info("k").Since, Exists: true}
	if got := f.info("k"); got != want {
		t.Errorf("after Delete Info = %+v, want %+v", got, want)
	}
	f.mustAppend(f.entry("k", 6, 5, time.Hour))
	if got := f.all("k")[3].Prev; got != mid(5) {
		t.Errorf("Prev after the deletion of the last = %d, want it not to change: %d", got, mid(5))
	}
}

func deleteAll(t *testing.T, open Open) {
	f := start(t, open, 0)
	n, err := f.s.Delete(f.ctx, "unknown")
	f.wantCount("Delete of an unknown key", n, err, 0)
	f.mustAppend(f.entry("k", 0, -1, time.Minute))
	f.mustAppend(f.chain("k", 1, 5, time.Hour)...)
	f.clock.step(time.Minute)
	n, err = f.s.Delete(f.ctx, "k")
	f.wantCount("Delete of 5 living and an expired message", n, err, 5)
	f.wantMids("after Delete Range", f.all("k"))
	want := channel.Info{Last: mid(5), Added: 6, Since: f.info("k").Since}
	if got := f.info("k"); got != want {
		t.Errorf("after Delete Info = %+v, want %+v", got, want)
	}
	n, err = f.s.Delete(f.ctx, "k")
	f.wantCount("Delete again", n, err, 0)
	f.mustAppend(f.entry("k", 6, 5, time.Hour))
	f.wantMids("after an append Range", f.all("k"), 6)
}

func trim(t *testing.T, open Open) {
	for _, c := range []struct {
		name   string
		keep   int
		minMid int64
		want   []int
	}{
		{"keep some", 2, 0, []int{4, 5}},
		{"keep none", 0, 0, nil},
		{"keep more than there are", 9, 0, []int{1, 2, 3, 4, 5}},
		{"no condition", -1, 0, []int{1, 2, 3, 4, 5}},
		{"by mid", -1, mid(3), []int{3, 4, 5}},
		{"by mid, all", -1, mid(9), nil},
		{"both, mid decides", 4, mid(4), []int{4, 5}},
		{"both, number decides", 1, mid(2), []int{5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, open, 0)
			f.mustAppend(f.entry("k", 0, -1, time.Hour), f.entry("k", 1, 0, time.Hour), f.entry("k", 2, 1, time.Minute),
				f.entry("k", 3, 2, time.Hour), f.entry("k", 4, 3, time.Hour), f.entry("k", 5, 4, time.Hour))
			n, err := f.s.Delete(f.ctx, "k", mid(0))
			f.wantCount("Delete", n, err, 1)
			n, err = f.s.Trim(f.ctx, "k", c.keep, c.minMid)
			f.wantCount("Trim", n, err, 5-len(c.want))
			f.wantMids("after Trim Range", f.all("k"), c.want...)
			if got := f.info("k"); got.Length != len(c.want) || got.Last != mid(5) || got.Added != 6 {
				t.Errorf("after Trim Info = %+v, want %d messages of 6 ever, last %d", got, len(c.want), mid(5))
			}
			n, err = f.s.Trim(f.ctx, "k", c.keep, c.minMid)
			f.wantCount("Trim again", n, err, 0)
		})
	}
	f := start(t, open, 0)
	n, err := f.s.Trim(f.ctx, "unknown", 1, 0)
	f.wantCount("Trim of an unknown key", n, err, 0)
	f.mustAppend(f.entry("k", 0, -1, time.Hour), f.entry("k", 1, 0, time.Minute), f.entry("k", 2, 1, time.Hour))
	f.clock.step(time.Minute)
	n, err = f.s.Trim(f.ctx, "k", 2, 0)
	f.wantCount("Trim to as many as are alive", n, err, 0)
	f.wantMids("after Trim Range", f.all("k"), 0, 2)
}

func capNewest(t *testing.T, open Open) {
	f := start(t, open, 3)
	for n, e := range f.chain("k", 0, 200, time.Hour) {
		f.mustAppend(e)
		if n < 2 {
			continue
		}
		f.wantMids("with a cap of 3 Range", f.all("k"), n-2, n-1, n)
		if got := f.info("k"); got.First != mid(n-2) || got.Length != 3 {
			t.Fatalf("after %d appends with a cap of 3 Info = %+v, want 3 from %d", n+1, got, mid(n-2))
		}
	}
	f.mustAppend(f.entry("other", 0, -1, time.Hour))
	f.wantMids("the cap is per key: Range", f.all("k"), 198, 199, 200)
}

func capExpiredFirst(t *testing.T, open Open) {
	f := start(t, open, 3)
	f.mustAppend(f.entry("k", 0, -1, time.Hour), f.entry("k", 1, 0, time.Minute), f.entry("k", 2, 1, time.Minute))
	f.clock.step(time.Minute)
	f.mustAppend(f.entry("k", 3, 2, time.Hour))
	f.wantMids("with a cap of 3 and two expired Range", f.all("k"), 0, 3)
	f.mustAppend(f.entry("k", 4, 3, time.Hour))
	f.wantMids("with a cap of 3 Range", f.all("k"), 0, 3, 4)
	f.mustAppend(f.entry("k", 5, 4, time.Hour))
	f.wantMids("with a cap of 3 Range", f.all("k"), 3, 4, 5)
}

func capAtOnce(t *testing.T, open Open) {
	f := start(t, open, 3)
	f.mustAppend(f.chain("k", 0, 1, time.Hour)...)
	f.mustAppend(f.chain("k", 2, 9, time.Hour)...)
	f.wantMids("after 8 in one append with a cap of 3 Range", f.all("k"), 7, 8, 9)
	f.mustAppend(f.entry("k", 10, 9, time.Hour))
	f.wantMids("after one more Range", f.all("k"), 8, 9, 10)
	if got := f.info("k"); got.Length != 3 || got.Added != 11 || got.First != mid(8) {
		t.Errorf("Info = %+v, want 3 of 11 from %d", got, mid(8))
	}
}

// capMixed: whatever the order of expiry, an expired message never pushes out a living one.
func capMixed(t *testing.T, open Open) {
	f := start(t, open, 10)
	for n := range 300 {
		f.clock.step(time.Second)
		ttl := time.Duration(n*7919%13+1) * time.Second
		if n%5 == 0 {
			ttl = time.Hour
		}
		f.mustAppend(f.entry("k", n, n-1, ttl))
		var want []int
		for i := n; i >= 0 && len(want) < 10; i-- {
			lived := time.Duration(n-i) * time.Second
			if i%5 == 0 || lived < time.Duration(i*7919%13+1)*time.Second {
				want = append([]int{i}, want...)
			}
		}
		f.wantMids(fmt.Sprintf("after append %d with a cap of 10 Range", n), f.all("k"), want...)
	}
}

func capChanged(t *testing.T, open Open) {
	f := start(t, open, 10)
	f.mustAppend(f.chain("k", 0, 19, time.Hour)...)
	f.s.SetMaxStoredPerKey(3)
	f.mustAppend(f.entry("k", 20, 19, time.Hour))
	f.wantMids("after a cap of 10 became 3 Range", f.all("k"), 18, 19, 20)
	f.s.SetMaxStoredPerKey(5)
	f.mustAppend(f.chain("k", 21, 23, time.Hour)...)
	f.wantMids("after a cap of 3 became 5 Range", f.all("k"), 19, 20, 21, 22, 23)
	f.s.SetMaxStoredPerKey(0)
	f.mustAppend(f.chain("k", 24, 25, time.Hour)...)
	f.wantMids("after a cap of 5 was lifted Range", f.all("k"), 19, 20, 21, 22, 23, 24, 25)
}

func keysPages(t *testing.T, open Open) {
	f := start(t, open, 0)
	if got := f.keys(10); len(got) != 0 {
		t.Errorf("Keys of an empty store = %q", got)
	}
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("k%02d", i)
		if i != 7 {
			want = append(want, key)
		}
		f.mustAppend(f.chain(key, 0, i%3, time.Hour)...)
	}
	if _, err := f.s.Delete(f.ctx, "k07"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for _, limit := range []int{1, 5, 10, 25, 100} {
		if got := f.keys(limit); !slices.Equal(got, want) {
			t.Errorf("Keys in pages of %d = %q, want %q", limit, got, want)
		}
	}
}
