package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// RunAgreement does random things to keys and groups of two stores: whatever is asked, they answer the same.
func RunAgreement(t *testing.T, one, other Open) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &clock{now: t0}
		x := &agreement{mid: message.MidAt(c.Now()), clock: func() time.Time { return c.Now().Local() }}
		for i, open := range []Open{one, other} {
			s := open(t, Config{Dir: t.TempDir(), MaxStoredPerKey: 6, Now: x.clock})
			defer s.Close()
			s.SetMaxDevicesPerKey(3)
			x.stores[i] = s
		}
		rt.Repeat(map[string]func(*rapid.T){
			"":             x.check,
			"step":         func(rt *rapid.T) { c.step(time.Duration(rapid.IntRange(1, 5).Draw(rt, "seconds")) * time.Second) },
			"append":       x.append,
			"remove":       x.remove,
			"make":         x.make,
			"read":         x.read,
			"read again":   x.readAgain,
			"acknowledge":  x.ack,
			"claim":        x.claim,
			"auto claim":   x.autoClaim,
			"end":          x.end,
			"new consumer": x.newConsumer,
		})
	})
}

// agreement has what was done to two stores.
type agreement struct {
	stores [2]Store
	clock  func() time.Time
	mid    int64 // last one
}

// same asks both stores and compares the answers.
func (x *agreement) same(rt *rapid.T, what string, ask func(s Store) (any, error)) {
	rt.Helper()
	var answers [2]string
	for i, s := range x.stores {
		answer, err := ask(s)
		var known error
		for _, e := range []error{message.ErrNoKey, message.ErrNoGroup, message.ErrGroupExists, message.ErrTooManyGroups} {
			if errors.Is(err, e) {
				known = e
			}
		}
		if err != nil && known == nil {
			rt.Fatalf("%s: %v", what, err)
		}
		if v := reflect.ValueOf(answer); known != nil || v.Kind() == reflect.Slice && v.Len() == 0 {
			answer = nil
		}
		answers[i] = fmt.Sprintf("%+v, %v", answer, known)
	}
	if answers[0] != answers[1] {
		rt.Fatalf("%s:\none   = %s\nother = %s", what, answers[0], answers[1])
	}
}

func draw(rt *rapid.T, what string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, what) }

func drawEither(rt *rapid.T) string   { return draw(rt, "key", "k", "l") }
func drawGroup(rt *rapid.T) string    { return draw(rt, "group", "g", "g\x00", "h", "i") }
func drawConsumer(rt *rapid.T) string { return draw(rt, "consumer", "a", "b", "c", "d") }

// drawMid returns one of the mids that were given lately, or one that was not.
func (x *agreement) drawMid(rt *rapid.T) int64 {
	return max(0, x.mid-int64(rapid.IntRange(-1, 20).Draw(rt, "back"))*message.MidStep)
}

func (x *agreement) drawMids(rt *rapid.T) (mids []int64) {
	for range rapid.IntRange(1, 6).Draw(rt, "mids") {
		mids = append(mids, x.drawMid(rt))
	}
	return mids
}

func (x *agreement) append(rt *rapid.T) {
	key, trim := drawEither(rt), message.Trim{}
	switch rapid.IntRange(0, 9).Draw(rt, "trim") {
	case 0:
		trim.Keep = rapid.IntRange(-1, 4).Draw(rt, "keep")
	case 1:
		trim.MinMid = x.drawMid(rt)
	}
	var entries []channel.Entry
	info, err := x.stores[0].Info(context.Background(), key)
	if err != nil {
		rt.Fatalf("Info: %v", err)
	}
	for range rapid.IntRange(1, 4).Draw(rt, "entries") {
		x.mid += message.MidStep
		m := message.Message{Key: key, Mid: x.mid, Prev: info.Last, Expires: message.Never, Payload: []byte("0123456789")}
		entries = append(entries, channel.Entry{Message: m, Trim: trim})
		info.Last = x.mid
	}
	x.same(rt, "Append", func(s Store) (any, error) {
		return nil, errors.Join(s.Append(context.Background(), entries)...)
	})
}

func (x *agreement) remove(rt *rapid.T) {
	key, mids := drawEither(rt), x.drawMids(rt)
	if rapid.IntRange(0, 5).Draw(rt, "all") == 0 {
		mids = nil
	}
	x.same(rt, "Delete", func(s Store) (any, error) { return s.Delete(context.Background(), key, mids...) })
}

func (x *agreement) make(rt *rapid.T) {
	key, group, last := drawEither(rt), drawGroup(rt), x.drawMid(rt)
	last = rapid.SampledFrom([]int64{0, last, message.LastMid}).Draw(rt, "last")
	create, move := rapid.Bool().Draw(rt, "create"), rapid.IntRange(0, 3).Draw(rt, "move") == 0
	x.same(rt, "CreateGroup or SetGroup", func(s Store) (any, error) {
		if move {
			return nil, s.SetGroup(context.Background(), key, group, last)
		}
		return nil, s.CreateGroup(context.Background(), key, group, last, create)
	})
}

func (x *agreement) read(rt *rapid.T) {
	q := message.GroupRead{Key: drawEither(rt), Group: drawGroup(rt), Consumer: drawConsumer(rt)}
	q.Count, q.MaxBytes = rapid.IntRange(0, 4).Draw(rt, "count"), rapid.IntRange(0, 35).Draw(rt, "bytes")
	q.NoAck = rapid.IntRange(0, 4).Draw(rt, "no ack") == 0
	x.same(rt, "ReadGroup", func(s Store) (any, error) { return s.ReadGroup(context.Background(), q) })
}

func (x *agreement) readAgain(rt *rapid.T) {
	key, group, consumer, after := drawEither(rt), drawGroup(rt), drawConsumer(rt), x.drawMid(rt)
	count, maxBytes := rapid.IntRange(0, 4).Draw(rt, "count"), rapid.IntRange(0, 35).Draw(rt, "bytes")
	x.same(rt, "ReadPending", func(s Store) (any, error) {
		return s.ReadPending(context.Background(), key, group, consumer, after, count, maxBytes)
	})
}

func (x *agreement) ack(rt *rapid.T) {
	key, group, mids := drawEither(rt), drawGroup(rt), x.drawMids(rt)
	x.same(rt, "Ack", func(s Store) (any, error) { return s.Ack(context.Background(), key, group, mids...) })
}

func (x *agreement) drawClaim(rt *rapid.T) message.Claim {
	return message.Claim{
		Key: drawEither(rt), Group: drawGroup(rt), Consumer: drawConsumer(rt),
		MinIdle:   time.Duration(rapid.IntRange(0, 4).Draw(rt, "idle")) * time.Second,
		Delivered: rapid.SampledFrom([]time.Time{{}, x.clock().Add(-2 * time.Second)}).Draw(rt, "delivered"),
		Count:     int64(rapid.IntRange(-1, 2).Draw(rt, "count")),
		JustID:    rapid.Bool().Draw(rt, "just id"), Force: rapid.Bool().Draw(rt, "force"),
		MaxBytes: rapid.IntRange(0, 35).Draw(rt, "bytes"),
	}
}

func (x *agreement) claim(rt *rapid.T) {
	c, mids := x.drawClaim(rt), x.drawMids(rt)
	if rapid.IntRange(0, 4).Draw(rt, "last") == 0 {
		c.Last = x.drawMid(rt)
	}
	x.same(rt, "Claim", func(s Store) (any, error) { return s.Claim(context.Background(), c, mids) })
}

func (x *agreement) autoClaim(rt *rapid.T) {
	c, from, count := x.drawClaim(rt), x.drawMid(rt), rapid.IntRange(1, 4).Draw(rt, "at most")
	x.same(rt, "AutoClaim", func(s Store) (any, error) {
		claimed, gone, next, err := s.AutoClaim(context.Background(), c, from, count)
		return fmt.Sprint(claimed, gone, next), err
	})
}

func (x *agreement) end(rt *rapid.T) {
	key, group, consumer := drawEither(rt), drawGroup(rt), drawConsumer(rt)
	all := rapid.IntRange(0, 2).Draw(rt, "group") == 0
	x.same(rt, "DestroyGroup or DeleteConsumer", func(s Store) (any, error) {
		if all {
			return s.DestroyGroup(context.Background(), key, group)
		}
		return s.DeleteConsumer(context.Background(), key, group, consumer)
	})
}

func (x *agreement) newConsumer(rt *rapid.T) {
	key, group, consumer := drawEither(rt), drawGroup(rt), drawConsumer(rt)
	x.same(rt, "CreateConsumer", func(s Store) (any, error) {
		return s.CreateConsumer(context.Background(), key, group, consumer)
	})
}

// check compares all that can be seen.
func (x *agreement) check(rt *rapid.T) {
	ctx := context.Background()
	for _, key := range []string{"k", "l"} {
		x.same(rt, "Info", func(s Store) (any, error) { return s.Info(ctx, key) })
		x.same(rt, "GroupsOf", func(s Store) (any, error) { return s.GroupsOf(ctx, key) })
		for _, group := range []string{"g", "g\x00", "h", "i"} {
			x.same(rt, "Consumers", func(s Store) (any, error) { return s.Consumers(ctx, key, group) })
			x.same(rt, "Pending", func(s Store) (any, error) { return s.Pending(ctx, key, group) })
			x.same(rt, "PendingRange", func(s Store) (any, error) {
				return s.PendingRange(ctx, key, group, message.PendingFilter{To: x.mid + 100, Count: 100})
			})
		}
	}
	x.same(rt, "Keys", func(s Store) (any, error) {
		return (&fixture{t: rt, ctx: ctx, s: s}).keys(10), nil
	})
}
