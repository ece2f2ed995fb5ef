package storetest

import (
	"slices"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// exists: a key exists from its first message or group until it is deleted whole.
func exists(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantExists("k", false)
	f.mustAppend(f.entry("k", 0, -1, time.Minute))
	f.wantExists("k", true)
	f.clock.step(time.Hour)
	f.mustAppend(f.entry("other", 1, -1, time.Minute))
	f.wantExists("k", true) // an empty stream is one
	f.mustAppend(f.entry("k", 2, 0, time.Hour))
	n, err := f.s.Delete(f.ctx, "k", mid(2))
	f.wantCount("Delete of the last message", n, err, 1)
	f.wantExists("k", true)

	n, err = f.s.Delete(f.ctx, "k")
	f.wantCount("Delete of all of an empty key", n, err, 0)
	f.wantExists("k", false)
	if got := f.info("k"); got.Last != mid(2) || got.Added != 2 {
		t.Errorf("Info of a key that was deleted whole = %+v, want its last mid %d and 2 added", got, mid(2))
	}
	if got := f.keys(1); !slices.Equal(got, []string{"other"}) {
		t.Errorf("Keys after k was deleted whole = %q, want only other", got)
	}
	n, err = f.s.Delete(f.ctx, "k", mid(2))
	f.wantCount("Delete of a message of a key that does not exist", n, err, 0)
	n, err = f.s.Trim(f.ctx, "k", 0, 0)
	f.wantCount("Trim of a key that does not exist", n, err, 0)
	f.wantExists("k", false)

	f.wantErrors(f.s.Append(f.ctx, []channel.Entry{f.entry("k", 3, -1, time.Hour)}), channel.ErrOrder)
	f.wantExists("k", false)
	f.mustAppend(f.entry("k", 3, 2, time.Hour))
	f.wantExists("k", true)
}

func (f *fixture) wantExists(key string, want bool) {
	f.t.Helper()
	if got := f.info(key); got.Exists != want {
		f.t.Fatalf("Info(%q) = %+v, want Exists %v", key, got, want)
	}
	if got := slices.Contains(f.keys(100), key); got != want {
		f.t.Fatalf("Keys have %q: %v, want %v", key, got, want)
	}
}

// trimWithAppend: what an entry says of older ones is done in its commit.
func trimWithAppend(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		trim message.Trim
		want []int
	}{
		{"nothing", message.Trim{}, []int{1, 2, 3, 4, 5}},
		{"keep some", message.Trim{Keep: 2}, []int{4, 5}},
		{"keep one", message.Trim{Keep: 1}, []int{5}},
		{"keep none", message.Trim{Keep: -1}, nil},
		{"keep as many as there are", message.Trim{Keep: 5}, []int{1, 2, 3, 4, 5}},
		{"by mid", message.Trim{MinMid: mid(3)}, []int{3, 4, 5}},
		{"by mid, the new one", message.Trim{MinMid: mid(5)}, []int{5}},
		{"by mid, all", message.Trim{MinMid: mid(6)}, nil},
		{"both, mid decides", message.Trim{Keep: 4, MinMid: mid(4)}, []int{4, 5}},
		{"both, number decides", message.Trim{Keep: 1, MinMid: mid(2)}, []int{5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, open, 0)
			f.mustAppend(f.chain("k", 0, 4, time.Hour)...)
			n, err := f.s.Delete(f.ctx, "k", mid(0))
			f.wantCount("Delete", n, err, 1)
			e := f.entry("k", 5, 4, time.Hour)
			e.Trim = c.trim
			f.mustAppend(e)
			f.wantMids("after an append with a Trim Range", f.all("k"), c.want...)
			want := channel.Info{Last: mid(5), Added: 6, Length: len(c.want), Since: f.info("k").Since, Exists: true}
			if len(c.want) > 0 {
				want.First = mid(c.want[0])
			}
			if got := f.info("k"); got != want {
				t.Errorf("after an append with a Trim Info = %+v, want %+v", got, want)
			}
			f.mustAppend(f.entry("k", 6, 5, time.Hour))
			f.wantMids("after one more Range", f.all("k"), append(c.want, 6)...)
		})
	}
}

// trimWithAppends: of entries in one call each is trimmed as it says; a refused one trims nothing.
func trimWithAppends(t *testing.T, open Open) {
	f := start(t, open, 4)
	f.mustAppend(f.entry("k", 0, -1, time.Hour), f.entry("k", 1, 0, time.Minute))
	f.clock.step(time.Minute)
	entries := f.chain("k", 2, 9, time.Hour)
	entries[0].Trim.Keep = 2 // 0 and 2 are: 1 is expired
	f.mustAppend(entries[0])
	f.wantMids("an expired message goes before a living one: Range", f.all("k"), 0, 2)
	for i := range entries {
		entries[i].Trim.Keep = 3
	}
	entries[6].Trim = message.Trim{}
	entries[7].Trim = message.Trim{}
	f.mustAppend(entries[1:]...)
	f.wantMids("with a cap of 4 after the last two trimmed nothing Range", f.all("k"), 6, 7, 8, 9)
	e := f.entry("k", 10, 8, time.Hour)
	e.Trim.Keep = 1
	f.wantErrors(f.s.Append(f.ctx, []channel.Entry{e}), channel.ErrOrder)
	f.wantMids("after a refused append Range", f.all("k"), 6, 7, 8, 9)
}
