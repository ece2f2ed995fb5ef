package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gopush/internal/message"
)

// groupTests are the contract of channel.Groups.
func groupTests() map[string]func(*testing.T, Open) {
	return map[string]func(*testing.T, Open){
		"groups/made, moved, destroyed": groupsMade,
		"groups/what is not there":      groupsMissing,
		"groups/bounds":                 groupsBounds,
		"groups/of similar names":       groupsSimilar,
		"groups/go with their key":      groupsDeleted,
		"groups/entries read and lag":   groupsCounted,
		"groups/kept while in use":      groupsUsed,
		"groups/pending is bounded":     pendingBounded,
		"groups/consumers":              consumers,
		"groups/read":                   readGroup,
		"groups/read, limits":           readGroupLimits,
		"groups/read again":             readPending,
		"groups/ack":                    ack,
		"groups/pending":                pendingRange,
		"groups/claim":                  claim,
		"groups/claim, options":         claimOptions,
		"groups/claim, bytes":           claimBytes,
		"groups/autoclaim":              autoClaim,
		"groups/racing readers":         readGroupRace,
	}
}

func groupsMade(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.wantError("CreateGroup of an unknown key", f.s.CreateGroup(f.ctx, "k", "g", 0, false), message.ErrNoKey)
	f.wantExists("k", false)
	f.mustGroup("k", "g", message.LastMid, true)
	f.wantExists("k", true)
	f.wantGroups("k", message.Group{Name: "g", Read: -1})
	if got := f.info("k"); got.Last != 0 || got.Added != 0 || got.Length != 0 || got.First != 0 {
		t.Errorf("Info of a key that has a group only = %+v", got)
	}
	f.mustAppend(f.chain("k", 0, 3, time.Hour)...)
	f.wantError("CreateGroup again", f.s.CreateGroup(f.ctx, "k", "g", 0, true), message.ErrGroupExists)
	f.mustGroup("k", "last", message.LastMid, false)
	f.mustGroup("k", "first", 0, true)
	f.mustGroup("k", "", mid(1)+1, false)
	f.wantGroups("k",
		message.Group{Name: "", Last: mid(1) + 1, Read: -1, Lag: 2},
		message.Group{Name: "first", Read: -1, Lag: 4},
		message.Group{Name: "g", Read: -1, Lag: 4},
		message.Group{Name: "last", Last: mid(3), Read: -1})

	f.wantError("SetGroup", f.s.SetGroup(f.ctx, "k", "g", mid(0)), nil)
	f.wantError("SetGroup to the last", f.s.SetGroup(f.ctx, "k", "first", message.LastMid), nil)
	f.wantError("SetGroup to what is to come", f.s.SetGroup(f.ctx, "k", "last", mid(99)), nil)
	for i, want := range []bool{true, false} {
		if found, err := f.s.DestroyGroup(f.ctx, "k", ""); found != want || err != nil {
			t.Errorf("DestroyGroup %d = %v, %v, want %v", i, found, err, want)
		}
	}
	f.wantGroups("k",
		message.Group{Name: "first", Last: mid(3), Read: -1},
		message.Group{Name: "g", Last: mid(0), Read: -1, Lag: 3},
		message.Group{Name: "last", Last: mid(99), Read: -1})
}

func groupsMissing(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.entry("k", 0, -1, time.Hour))
	f.mustAppend(f.entry("deleted", 0, -1, time.Hour))
	if _, err := f.s.Delete(f.ctx, "deleted"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	read := func(key string) message.GroupRead { return message.GroupRead{Key: key, Group: "g", Consumer: "c"} }
	take := func(key string) message.Claim { return message.Claim{Key: key, Group: "g", Consumer: "c", Count: -1} }
	for name, call := range map[string]func(key string) error{
		"SetGroup":       func(key string) error { return f.s.SetGroup(f.ctx, key, "g", 0) },
		"CreateConsumer": func(key string) error { _, err := f.s.CreateConsumer(f.ctx, key, "g", "c"); return err },
		"DeleteConsumer": func(key string) error { _, err := f.s.DeleteConsumer(f.ctx, key, "g", "c"); return err },
		"ReadGroup":      func(key string) error { _, err := f.s.ReadGroup(f.ctx, read(key)); return err },
		"ReadPending":    func(key string) error { _, err := f.s.ReadPending(f.ctx, key, "g", "c", 0, 0, 0); return err },
		"Pending":        func(key string) error { _, err := f.s.Pending(f.ctx, key, "g"); return err },
		"PendingRange": func(key string) error {
			_, err := f.s.PendingRange(f.ctx, key, "g", message.PendingFilter{})
			return err
		},
		"Claim":     func(key string) error { _, err := f.s.Claim(f.ctx, take(key), []int64{mid(0)}); return err },
		"AutoClaim": func(key string) error { _, _, _, err := f.s.AutoClaim(f.ctx, take(key), 0, 1); return err },
		"Consumers": func(key string) error { _, err := f.s.Consumers(f.ctx, key, "g"); return err },
	} {
		f.wantError(name+" of an unknown group", call("k"), message.ErrNoGroup)
		f.wantError(name+" of an unknown key", call("unknown"), message.ErrNoKey)
		f.wantError(name+" of a deleted key", call("deleted"), message.ErrNoKey)
	}
	_, err := f.s.GroupsOf(f.ctx, "unknown")
	f.wantError("GroupsOf an unknown key", err, message.ErrNoKey)
	_, err = f.s.DestroyGroup(f.ctx, "unknown", "g")
	f.wantError("DestroyGroup of an unknown key", err, message.ErrNoKey)
	f.wantError("CreateGroup of a deleted key", f.s.CreateGroup(f.ctx, "deleted", "g", 0, false), message.ErrNoKey)
	f.wantGroups("k")
	for _, key := range []string{"k", "unknown", "deleted"} {
		n, err := f.s.Ack(f.ctx, key, "g", mid(0))
		f.wantCount("Ack of an unknown group of "+key, n, err, 0)
	}
}

func groupsBounds(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.s.SetMaxDevicesPerKey(3)
	f.mustAppend(f.chain("k", 0, 3, time.Hour)...)
	for i := range 3 {
		f.mustGroup("k", fmt.Sprint("g", i), 0, false)
	}
	f.wantError("CreateGroup of one too many", f.s.CreateGroup(f.ctx, "k", "g3", 0, true), message.ErrTooManyGroups)
	f.wantError("CreateGroup of one that is there", f.s.CreateGroup(f.ctx, "k", "g1", 0, true), message.ErrGroupExists)
	f.mustGroup("other", "g3", 0, true)
	f.wantDelivered("g0", "c0", 1, 0)
	f.wantDelivered("g0", "c1", 1, 1)
	f.mustConsumer("g0", "c2", true)
	_, err := f.s.ReadGroup(f.ctx, message.GroupRead{Key: "k", Group: "g0", Consumer: "c3"})
	f.wantError("ReadGroup of one consumer too many", err, message.ErrTooManyGroups)
	_, err = f.s.ReadPending(f.ctx, "k", "g0", "c3", 0, 0, 0)
	f.wantError("ReadPending of one consumer too many", err, message.ErrTooManyGroups)
	_, err = f.s.CreateConsumer(f.ctx, "k", "g0", "c3")
	f.wantError("CreateConsumer of one too many", err, message.ErrTooManyGroups)
	_, err = f.s.Claim(f.ctx, message.Claim{Key: "k", Group: "g0", Consumer: "c3", Count: -1}, []int64{mid(0)})
	f.wantError("Claim of one consumer too many", err, message.ErrTooManyGroups)
	_, _, _, err = f.s.AutoClaim(f.ctx, message.Claim{Key: "k", Group: "g0", Consumer: "c3", Count: -1}, 0, 9)
	f.wantError("AutoClaim of one consumer too many", err, message.ErrTooManyGroups)
	f.wantPending("g0", pend(0, "c0", 1), pend(1, "c1", 1))
	f.mustConsumer("g0", "c2", false)

	if _, err := f.s.DeleteConsumer(f.ctx, "k", "g0", "c2"); err != nil {
		t.Fatalf("DeleteConsumer: %v", err)
	}
	f.mustConsumer("g0", "c3", true)
	if _, err := f.s.DestroyGroup(f.ctx, "k", "g2"); err != nil {
		t.Fatalf("DestroyGroup: %v", err)
	}
	f.mustGroup("k", "g3", 0, false)
	f.s.SetMaxDevicesPerKey(0)
	f.mustGroup("k", "g4", 0, false)
}

// groupsSimilar has names that are each other's beginnings, of any bytes.
func groupsSimilar(t *testing.T, open Open) {
	f := start(t, open, 0)
	names := []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00b", "aa", "b", "\xff", "\xff\xff"}
	keys := []string{"k", "kk", "k ", "j", "l"}
	for _, key := range keys {
		f.mustAppend(f.chain(key, 0, 2, time.Hour)...)
		for _, name := range names {
			f.mustGroup(key, name, 0, false)
			for i, consumer := range names[:3] {
				got, err := f.s.ReadGroup(f.ctx, message.GroupRead{Key: key, Group: name, Consumer: consumer, Count: 1})
				if err != nil {
					t.Fatalf("ReadGroup: %v", err)
				}
				f.wantMids("ReadGroup", got, i)
			}
		}
	}
	if _, err := f.s.DestroyGroup(f.ctx, "k", "a\x00"); err != nil {
		t.Fatalf("DestroyGroup: %v", err)
	}
	if n, err := f.s.DeleteConsumer(f.ctx, "k", "a", "\x00"); n != 1 || err != nil {
		t.Fatalf("DeleteConsumer = %d, %v, want 1", n, err)
	}
	if _, err := f.s.Delete(f.ctx, "kk"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	for _, key := range keys {
		if key == "kk" {
			continue
		}
		var want []message.Group
		for _, name := range names {
			g := message.Group{Name: name, Last: mid(2), Read: 3, Consumers: 3, Pending: 3}
			switch {
			case key == "k" && name == "a\x00":
				continue
			case key == "k" && name == "a":
				g.Consumers, g.Pending = 2, 2
			}
			want = append(want, g)
		}
		f.wantGroups(key, want...)
		for _, g := range want {
			got, err := f.s.PendingRange(f.ctx, key, g.Name, message.PendingFilter{To: mid(9), Count: 9})
			if err != nil || len(got) != g.Pending {
				t.Errorf("PendingRange of %q of %q = %v, %v, want %d", g.Name, key, got, err, g.Pending)
			}
		}
	}
}

func groupsDeleted(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 3, time.Hour)...)
	f.mustGroup("k", "g", 0, false)
	f.mustGroup("only", "g", 0, true)
	f.wantDelivered("g", "c", 2, 0, 1)
	for _, key := range []string{"k", "only"} {
		if _, err := f.s.Delete(f.ctx, key); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		f.wantExists(key, false)
		_, err := f.s.GroupsOf(f.ctx, key)
		f.wantError("GroupsOf a deleted key", err, message.ErrNoKey)
	}
	f.mustAppend(f.entry("k", 4, 3, time.Hour))
	f.wantGroups("k")
	f.mustGroup("k", "g", 0, false)
	f.wantGroups("k", message.Group{Name: "g", Read: -1, Lag: 1})
	f.wantPending("g")
	f.wantConsumers("g")
	f.wantDelivered("g", "c", 0, 4)
	f.mustGroup("only", "g", 0, true)
	f.wantGroups("only", message.Group{Name: "g", Read: -1})
}

// groupsCounted: the lag is exact, and entries-read is known from the first delivery on where nothing between can have been missed.
func groupsCounted(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 5, time.Hour)...)
	f.mustGroup("k", "first", 0, false)
	f.mustGroup("k", "middle", mid(1), false)
	f.mustGroup("k", "last", message.LastMid, false)
	want := func(first, middle, last message.Group) {
		t.Helper()
		first.Name, middle.Name, last.Name = "first", "middle", "last"
		got := f.groups("k")
		for i := range got {
			got[i].Pending, got[i].Consumers = 0, 0
		}
		if all := []message.Group{first, last, middle}; !slices.Equal(got, all) {
			t.Fatalf("GroupsOf = %+v, want %+v", got, all)
		}
	}
	want(message.Group{Read: -1, Lag: 6}, message.Group{Last: mid(1), Read: -1, Lag: 4}, message.Group{Last: mid(5), Read: -1})
	f.wantDelivered("first", "c", 2, 0, 1)
	f.wantDelivered("middle", "c", 1, 2)
	want(message.Group{Last: mid(1), Read: 2, Lag: 4}, message.Group{Last: mid(2), Read: -1, Lag: 3}, message.Group{Last: mid(5), Read: -1})
	f.wantDelivered("first", "c", 1, 2)
	f.wantDelivered("middle", "c", 0, 3, 4, 5)
	want(message.Group{Last: mid(2), Read: 3, Lag: 3}, message.Group{Last: mid(5), Read: 6}, message.Group{Last: mid(5), Read: -1})
	f.mustAppend(f.entry("k", 6, 5, time.Minute), f.entry("k", 7, 6, time.Hour))
	f.wantDelivered("last", "c", 0, 6, 7)
	want(message.Group{Last: mid(2), Read: 3, Lag: 5}, message.Group{Last: mid(5), Read: 6, Lag: 2}, message.Group{Last: mid(7), Read: 8})
	n, err := f.s.Delete(f.ctx, "k", mid(4), mid(0))
	f.wantCount("Delete", n, err, 2)
	f.clock.step(time.Minute)
	want(message.Group{Last: mid(2), Read: 3, Lag: 3}, message.Group{Last: mid(5), Read: 6, Lag: 1}, message.Group{Last: mid(7), Read: 8})
	f.wantDelivered("first", "c", 0, 3, 5, 7)
	want(message.Group{Last: mid(7), Read: 8}, message.Group{Last: mid(5), Read: 6, Lag: 1}, message.Group{Last: mid(7), Read: 8})
	f.wantError("SetGroup", f.s.SetGroup(f.ctx, "k", "first", 0), nil)
	want(message.Group{Read: -1, Lag: 5}, message.Group{Last: mid(5), Read: 6, Lag: 1}, message.Group{Last: mid(7), Read: 8})
}

// groupsUsed: a key whose groups are used is not forgotten 30 days after its last message.
func groupsUsed(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.entry("k", 0, -1, time.Minute))
	f.mustGroup("k", "g", 0, false)
	for i := range 3 {
		f.clock.step(29 * 24 * time.Hour)
		f.sweep()
		f.wantDelivered("g", "c", 0)
		if got := f.info("k").Last; got != mid(0) {
			t.Fatalf("Last after %d days in which a group was used = %d, want %d", 29*(i+1), got, mid(0))
		}
	}
	f.clock.step(31 * 24 * time.Hour)
	f.sweep()
	f.wantExists("k", false)
	f.wantError("CreateGroup of a key that was forgotten", f.s.CreateGroup(f.ctx, "k", "h", 0, false), message.ErrNoKey)
	f.mustGroup("k", "h", 0, true)
	f.wantGroups("k", message.Group{Name: "h", Read: -1})
}

// sweep has the store forget what it may.
func (f *fixture) sweep() {
	f.t.Helper()
	if s, ok := f.s.(interface{ Sweep(context.Context) error }); ok {
		f.wantError("Sweep", s.Sweep(f.ctx), nil)
	}
	f.mustAppend(f.entry(f.clock.Now().String(), 0, -1, time.Minute))
}

// pendingBounded: what is pending and gone is forgotten, oldest first, when more is pending than is stored of a key.
func pendingBounded(t *testing.T, open Open) {
	f := start(t, open, 5)
	f.mustAppend(f.chain("k", 0, 4, time.Hour)...)
	f.mustGroup("k", "g", 0, false)
	f.wantDelivered("g", "c", 0, 0, 1, 2, 3, 4)
	f.mustAppend(f.chain("k", 5, 6, time.Hour)...)
	n, err := f.s.Delete(f.ctx, "k", mid(3))
	f.wantCount("Delete", n, err, 1)
	f.wantPending("g", pend(0, "c", 1), pend(1, "c", 1), pend(2, "c", 1), pend(3, "c", 1), pend(4, "c", 1))
	f.wantDelivered("g", "c", 1, 5)
	f.wantPending("g", pend(1, "c", 1), pend(2, "c", 1), pend(3, "c", 1), pend(4, "c", 1), pend(5, "c", 1))
	f.mustAppend(f.entry("k", 7, 6, time.Hour)) // 2 and 4 to 7 are there
	f.wantDelivered("g", "d", 0, 6, 7)
	f.wantPending("g", pend(2, "c", 1), pend(4, "c", 1), pend(5, "c", 1), pend(6, "d", 1), pend(7, "d", 1))
}

func (f *fixture) wantError(what string, err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("%s = %v, want %v", what, err, want)
	}
}

func (f *fixture) mustGroup(key, group string, last int64, create bool) {
	f.t.Helper()
	f.wantError(fmt.Sprintf("CreateGroup(%q, %q, %d, %v)", key, group, last, create), f.s.CreateGroup(f.ctx, key, group, last, create), nil)
}

func (f *fixture) groups(key string) []message.Group {
	f.t.Helper()
	got, err := f.s.GroupsOf(f.ctx, key)
	f.wantError("GroupsOf "+key, err, nil)
	return got
}

func (f *fixture) wantGroups(key string, want ...message.Group) {
	f.t.Helper()
	if got := f.groups(key); !slices.Equal(got, want) {
		f.t.Fatalf("GroupsOf %s = %+v, want %+v", key, got, want)
	}
}

func (f *fixture) mustConsumer(group, consumer string, isNew bool) {
	f.t.Helper()
	if created, err := f.s.CreateConsumer(f.ctx, "k", group, consumer); created != isNew || err != nil {
		f.t.Fatalf("CreateConsumer(%q, %q) = %v, %v, want %v", group, consumer, created, err, isNew)
	}
}

// wantConsumers checks the consumers of a group of k.
func (f *fixture) wantConsumers(group string, want ...message.Consumer) {
	f.t.Helper()
	got, err := f.s.Consumers(f.ctx, "k", group)
	f.wantError("Consumers", err, nil)
	if !slices.EqualFunc(got, want, func(a, b message.Consumer) bool {
		return a.Name == b.Name && a.Pending == b.Pending && a.Seen.Equal(b.Seen)
	}) {
		f.t.Fatalf("Consumers of %s = %v, want %v", group, got, want)
	}
}

// wantDelivered reads for a consumer of a group of k.
func (f *fixture) wantDelivered(group, consumer string, count int, want ...int) {
	f.t.Helper()
	got, err := f.s.ReadGroup(f.ctx, message.GroupRead{Key: "k", Group: group, Consumer: consumer, Count: count})
	f.wantError("ReadGroup of "+group, err, nil)
	f.wantMids("ReadGroup of "+group, got, want...)
}

// pend is what is pending without the time.
func pend(n int, consumer string, count int64) message.Pending {
	return message.Pending{Mid: mid(n), Consumer: consumer, Count: count}
}

// wantPending checks all that is pending in a group of k, but for the times.
func (f *fixture) wantPending(group string, want ...message.Pending) {
	f.t.Helper()
	got, err := f.s.PendingRange(f.ctx, "k", group, message.PendingFilter{To: mid(1 << 20), Count: 1 << 20})
	f.wantError("PendingRange of "+group, err, nil)
	for i := range got {
		got[i].Delivered = time.Time{}
	}
	if !slices.Equal(got, want) {
		f.t.Fatalf("PendingRange of %s = %+v, want %+v", group, got, want)
	}
	sum, err := f.s.Pending(f.ctx, "k", group)
	if err != nil || sum.Count != len(want) {
		f.t.Fatalf("Pending of %s = %+v, %v, want %d", group, sum, err, len(want))
	}
}
