package storetest

import (
	"bytes"
	"math"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

func rangeBounds(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 4, time.Hour)...)
	for _, c := range []struct {
		name     string
		key      string
		from, to int64
		want     []int
	}{
		{"everything", "k", 0, math.MaxInt64, []int{0, 1, 2, 3, 4}},
		{"all of int64", "k", math.MinInt64, math.MaxInt64, []int{0, 1, 2, 3, 4}},
		{"bounds are included", "k", mid(1), mid(3), []int{1, 2, 3}},
		{"between mids", "k", mid(1) + 1, mid(3) - 1, []int{2}},
		{"one", "k", mid(2), mid(2), []int{2}},
		{"after the last", "k", mid(4) + 1, math.MaxInt64, nil},
		{"before the first", "k", 0, mid(0) - 1, nil},
		{"from above to", "k", mid(3), mid(1), nil},
		{"unknown key", "other", 0, math.MaxInt64, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := *f
			f.t = t
			f.wantMids("Range", f.read(c.key, c.from, c.to, false, 0, 0), c.want...)
			var back []int
			for _, n := range c.want {
				back = append([]int{n}, back...)
			}
			f.wantMids("reverse Range", f.read(c.key, c.from, c.to, true, 0, 0), back...)
		})
	}
}

func rangeLimits(t *testing.T, open Open) {
	f := start(t, open, 0)
	entries := f.chain("k", 0, 4, time.Hour)
	for i := range entries {
		entries[i].Payload = make([]byte, 100)
	}
	f.mustAppend(entries...)
	for _, c := range []struct {
		name            string
		reverse         bool
		limit, maxBytes int
		want            []int
	}{
		{"limit", false, 2, 0, []int{0, 1}},
		{"limit, reverse", true, 2, 0, []int{4, 3}},
		{"limit above what is there", false, 9, 0, []int{0, 1, 2, 3, 4}},
		{"bytes, exactly", false, 0, 300, []int{0, 1, 2}},
		{"bytes, one short", false, 0, 299, []int{0, 1}},
		{"bytes, reverse", true, 0, 299, []int{4, 3}},
		{"always one", false, 0, 1, []int{0}},
		{"always one, reverse", true, 0, 1, []int{4}},
		{"limit before bytes", false, 1, 300, []int{0}},
		{"bytes before limit", false, 3, 200, []int{0, 1}},
	} {
		f.wantMids(c.name+": Range", f.read("k", 0, math.MaxInt64, c.reverse, c.limit, c.maxBytes), c.want...)
	}
}

func rangeExpired(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.entry("k", 0, -1, time.Hour), f.entry("k", 1, 0, time.Minute), f.entry("k", 2, 1, time.Hour))
	last := f.entry("k", 3, 2, time.Hour)
	last.Expires = message.Never
	f.mustAppend(last)

	f.clock.step(time.Minute - time.Millisecond)
	f.wantMids("just before expiry Range", f.all("k"), 0, 1, 2, 3)
	f.clock.step(time.Millisecond)
	f.wantMids("at expiry Range", f.all("k"), 0, 2, 3)
	f.wantMids("an expired message takes no room: Range", f.read("k", mid(1), math.MaxInt64, false, 1, 1), 2)
	f.clock.step(time.Hour)
	f.wantMids("when all but one expired Range", f.all("k"), 3)
	f.clock.step(10 * 365 * 24 * time.Hour)
	f.wantMids("years later Range", f.all("k"), 3)
}

func rangeOwned(t *testing.T, open Open) {
	f := start(t, open, 0)
	e := f.entry("k", 0, -1, time.Hour)
	f.mustAppend(e)
	clear(f.all("k")[0].Payload)
	f.wantSame("after the caller wrote into what it got, Range", f.all("k"), []channel.Entry{e})

	many := f.chain("many", 0, 40, time.Hour) // more than a store may read into one piece of memory
	for i := range many {
		many[i].Payload = bytes.Repeat([]byte{byte(i)}, i)
	}
	f.mustAppend(many...)
	found := f.all("many")
	for i := range found {
		_ = append(found[i].Payload, 0xff)
	}
	f.wantSame("after the caller appended to each payload that it got, these", found, many)
}

// rangeSimilarKeys has keys that are each other's beginnings, or differ in unusual bytes.
func rangeSimilarKeys(t *testing.T, open Open) {
	f := start(t, open, 3)
	keys := []string{"a", "aa", "a ", "a/", "a\u00ff", "a\U0010ffff", "ab", "b", " ", "ä", "m", "r"}
	for round := range 2 {
		for i, key := range keys {
			f.mustAppend(f.entry(key, 100*round+i, 100*(round-1)+i, time.Hour))
		}
	}
	for i, key := range keys {
		f.wantMids("Range of "+key, f.all(key), i, 100+i)
	}
	n, err := f.s.Delete(f.ctx, "a")
	f.wantCount("Delete of all of a", n, err, 2)
	for i, key := range keys[1:] {
		f.wantMids("after the deletion of a's, Range of "+key, f.all(key), i+1, 101+i)
	}
}

func infoRecord(t *testing.T, open Open) {
	f := start(t, open, 3)
	f.mustAppend(f.chain("k", 0, 4, time.Hour)...)
	got := f.info("k")
	if got.Since > mid(0) {
		t.Errorf("Since = %d, want at most the first mid %d", got.Since, mid(0))
	}
	want := channel.Info{First: mid(2), Last: mid(4), Length: 3, Added: 5, Since: got.Since, Exists: true}
	if got != want {
		t.Errorf("Info of 5 messages with a cap of 3 = %+v, want %+v", got, want)
	}
}

// infoSince: a reader that resumes below Since cannot be told that it missed nothing.
func infoSince(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.clock.step(time.Hour)
	created := message.MidAt(t0)
	if got := f.info("k"); got != (channel.Info{Since: created}) {
		t.Errorf("Info of an unknown key = %+v, want the zero Info but Since %d, when the store was made", got, created)
	}
	f.clock.step(40 * 24 * time.Hour)
	horizon := message.MidAt(f.clock.Now().Add(-30 * 24 * time.Hour))
	if got := f.info("k").Since; got != horizon {
		t.Errorf("Since of an unknown key 40 days later = %d, want %d, 30 days ago", got, horizon)
	}
	f.mustAppend(channel.Entry{Message: message.Message{Key: "k", Mid: message.MidAt(f.clock.Now()), Expires: message.Never}})
	f.clock.step(40 * 24 * time.Hour)
	if got := f.info("k").Since; got != horizon {
		t.Errorf("Since of a key with a record = %d, want it to stay at %d", got, horizon)
	}
}

// infoOfLongAgo: the 30 days begin when a message comes, also where its mid is one of long ago.
func infoOfLongAgo(t *testing.T, open Open) {
	f := start(t, open, 0)
	e := f.entry("k", 0, -1, time.Minute)
	e.Mid = 1
	f.mustAppend(e)
	n, err := f.s.Delete(f.ctx, "k", 1)
	f.wantCount("Delete", n, err, 1)
	f.clock.step(29 * 24 * time.Hour)
	f.sweep()
	if got := f.info("k"); got.Last != 1 || !got.Exists {
		t.Errorf("Info 29 days after a message with mid 1 = %+v, want its mid to be known, and the key to exist", got)
	}
	f.clock.step(2 * 24 * time.Hour)
	f.sweep()
	f.wantExists("k", false)
}

// infoForgotten: the last mid is known for 30 days, however few of them its messages lived.
func infoForgotten(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 1, time.Minute)...)
	f.clock.step(30*24*time.Hour - time.Minute)
	f.mustAppend(f.entry("other", 9, -1, time.Hour))
	if got := f.info("k").Last; got != mid(1) {
		t.Errorf("Last just before 30 days have passed = %d, want %d", got, mid(1))
	}
	f.mustAppend(f.entry("k", 10, 1, time.Minute))
}
