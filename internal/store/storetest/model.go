package storetest

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// model is what a store is, in a few lines: all that was ever appended, and what was taken out.
type model map[string]*modelKey

type modelKey struct {
	last, added int64
	messages    []message.Message // that were not removed, by mid
}

// living returns what can be read of key at now: the newest that are not expired, at most maxStored.
func (m model) living(key string, now time.Time, maxStored int) []message.Message {
	living := slices.DeleteFunc(slices.Clone(m.key(key).messages), func(m message.Message) bool { return !m.Expires.After(now) })
	if maxStored > 0 && len(living) > maxStored {
		living = living[len(living)-maxStored:]
	}
	return living
}

func (m model) key(key string) *modelKey {
	if m[key] == nil {
		m[key] = &modelKey{}
	}
	return m[key]
}

// remove takes out the messages of key that are not in keep, and returns how many.
func (m model) remove(key string, living, keep []message.Message) int {
	m.key(key).messages = keep
	return len(living) - len(keep)
}

// modelTest does random things to a store and to the model.
type modelTest struct {
	f     *fixture
	m     model
	limit int
	mid   int64
}

func againstModel(t *testing.T, open Open, maxStored int) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &clock{now: t0}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		f := &fixture{t: rt, ctx: ctx, clock: c, cfg: Config{MaxStoredPerKey: maxStored, Now: c.Now, Dir: t.TempDir()}}
		f.s = open(t, f.cfg)
		defer f.s.Close()
		x := &modelTest{f: f, m: model{}, limit: maxStored, mid: mid(0)}
		rt.Repeat(map[string]func(*rapid.T){
			"":       x.check,
			"append": x.append,
			"step":   func(rt *rapid.T) { c.step(time.Duration(rapid.IntRange(1, 20).Draw(rt, "seconds")) * time.Second) },
			"delete": x.delete,
			"trim":   x.trim,
			"range":  x.read,
		})
	})
}

func drawKey(rt *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "aa"}).Draw(rt, "key") }

func (x *modelTest) living(key string) []message.Message {
	return x.m.living(key, x.f.clock.Now(), x.limit)
}

// append appends a few entries at once, some of which follow the wrong message.
func (x *modelTest) append(rt *rapid.T) {
	var entries []channel.Entry
	var want []error
	refused := map[string]bool{}
	for range rapid.IntRange(1, 8).Draw(rt, "entries") {
		e, k := channel.Entry{Message: message.Message{Key: drawKey(rt)}}, (*modelKey)(nil)
		k = x.m.key(e.Key)
		x.mid += message.MidStep
		e.Mid, e.Prev = x.mid, k.last
		e.Expires = x.f.clock.Now().Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "ttl")) * time.Second)
		e.Payload = rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "payload")
		wrong := rapid.IntRange(0, 9).Draw(rt, "wrong") == 0
		if wrong {
			e.Prev += message.MidStep
		}
		if wrong || refused[e.Key] {
			refused[e.Key] = true
			entries, want = append(entries, e), append(want, channel.ErrOrder)
			continue
		}
		k.last = e.Mid
		k.added++
		k.messages = append(k.messages, e.Message)
		entries, want = append(entries, e), append(want, nil)
	}
	x.f.wantErrors(x.f.s.Append(x.f.ctx, entries), want...)
	for _, e := range entries {
		x.m.key(e.Key).messages = x.living(e.Key)
	}
}

func (x *modelTest) delete(rt *rapid.T) {
	key := drawKey(rt)
	living := x.living(key)
	keep, mids := []message.Message(nil), []int64{x.mid + 1}
	for _, m := range living {
		if rapid.Bool().Draw(rt, "delete") {
			mids = append(mids, m.Mid)
		} else {
			keep = append(keep, m)
		}
	}
	if len(keep) == 0 {
		mids = nil
	}
	n, err := x.f.s.Delete(x.f.ctx, key, mids...)
	x.f.wantCount("Delete of "+key, n, err, x.m.remove(key, living, keep))
}

func (x *modelTest) trim(rt *rapid.T) {
	key := drawKey(rt)
	living := x.living(key)
	n := rapid.IntRange(-1, len(living)+1).Draw(rt, "keep")
	keep, minMid := living, int64(0)
	if len(living) > 0 {
		minMid = rapid.SampledFrom(living).Draw(rt, "minMid").Mid - int64(rapid.IntRange(0, 1).Draw(rt, "off"))
	}
	keep = slices.DeleteFunc(slices.Clone(keep), func(m message.Message) bool { return m.Mid < minMid })
	if n >= 0 && len(keep) > n {
		keep = keep[len(keep)-n:]
	}
	got, err := x.f.s.Trim(x.f.ctx, key, n, minMid)
	x.f.wantCount("Trim of "+key, got, err, x.m.remove(key, living, keep))
}

func (x *modelTest) read(rt *rapid.T) {
	key := drawKey(rt)
	reverse, limit := rapid.Bool().Draw(rt, "reverse"), rapid.IntRange(0, 4).Draw(rt, "limit")
	from := rapid.Int64Range(mid(0), x.mid+1).Draw(rt, "from")
	to := rapid.Int64Range(from, x.mid+1).Draw(rt, "to")
	want := slices.DeleteFunc(x.living(key), func(m message.Message) bool { return m.Mid < from || m.Mid > to })
	if reverse {
		slices.Reverse(want)
	}
	if limit > 0 && len(want) > limit {
		want = want[:limit]
	}
	if got := x.f.read(key, from, to, reverse, limit, 0); !slices.EqualFunc(got, want, same) {
		rt.Fatalf("Range(%q, %d, %d, %v, %d) = %s, want %s", key, from, to, reverse, limit, numbers(got), numbers(want))
	}
}

// check compares all that can be seen.
func (x *modelTest) check(rt *rapid.T) {
	for _, key := range []string{"a", "b", "aa"} {
		want := x.living(key)
		if got := x.f.read(key, 0, math.MaxInt64, false, 0, 0); !slices.EqualFunc(got, want, same) {
			rt.Fatalf("messages of %q = %s, want %s", key, numbers(got), numbers(want))
		}
		info, k := x.f.info(key), x.m.key(key)
		if info.Last != k.last || info.Added != k.added || info.Length < len(want) || x.limit > 0 && info.Length > x.limit {
			rt.Fatalf("Info(%q) = %+v, want last %d, added %d, length at least %d", key, info, k.last, k.added, len(want))
		}
		if len(want) > 0 && (info.First == 0 || info.First > want[0].Mid) {
			rt.Fatalf("Info(%q).First = %d, want at most %d and not 0", key, info.First, want[0].Mid)
		}
	}
}
