package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/message"
)

// withGroup returns a fixture whose key k has messages 0 to 5 and a group g before them.
func withGroup(t *testing.T, open Open) *fixture {
	t.Helper()
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 5, time.Hour)...)
	f.mustGroup("k", "g", 0, false)
	return f
}

func consumers(t *testing.T, open Open) {
	f := withGroup(t, open)
	now := f.clock.Now
	at0 := now()
	f.mustConsumer("g", "made", true)
	f.clock.step(time.Second)
	at1 := now()
	f.mustConsumer("g", "made", false)
	f.wantDelivered("g", "reader", 3, 0, 1, 2)
	f.wantDelivered("g", "claimer", 1, 3)
	f.clock.step(time.Second)
	at2 := now()
	f.wantClaimed(message.Claim{Consumer: "claimer"}, []int{0}, 0)
	f.wantDeliveredAgain("again", 0)
	f.wantDelivered("g", "nothing", 0, 4, 5)
	n, err := f.s.Ack(f.ctx, "k", "g", mid(4), mid(5))
	f.wantCount("Ack", n, err, 2)
	f.clock.step(time.Second)
	f.wantConsumers("g",
		message.Consumer{Name: "again", Seen: at2}, message.Consumer{Name: "claimer", Pending: 2, Seen: at2},
		message.Consumer{Name: "made", Seen: at0}, message.Consumer{Name: "nothing", Seen: at2},
		message.Consumer{Name: "reader", Pending: 2, Seen: at1})
	f.wantDelivered("g", "nothing", 0)
	f.wantDelivered("g", "nobody", 0)
	f.clock.step(time.Second)
	sum, err := f.s.Pending(f.ctx, "k", "g")
	if err != nil || sum.Count != 4 || sum.First != mid(0) || sum.Last != mid(3) ||
		!slices.Equal(sum.Consumers, []message.Consumer{{Name: "claimer", Pending: 2}, {Name: "reader", Pending: 2}}) {
		t.Errorf("Pending = %+v, %v, want 4 from 0 to 3, 2 with claimer and 2 with reader", sum, err)
	}

	for _, c := range []struct {
		consumer string
		want     int
	}{{"reader", 2}, {"reader", 0}, {"unknown", 0}, {"made", 0}, {"nothing", 0}, {"again", 0}} {
		n, err := f.s.DeleteConsumer(f.ctx, "k", "g", c.consumer)
		f.wantCount("DeleteConsumer of "+c.consumer, n, err, c.want)
	}
	f.wantConsumers("g", message.Consumer{Name: "claimer", Pending: 2, Seen: at2})
	f.wantPending("g", pend(0, "claimer", 2), pend(3, "claimer", 1))
	f.wantGroups("k", message.Group{Name: "g", Last: mid(5), Read: 6, Consumers: 1, Pending: 2})
}

func readGroup(t *testing.T, open Open) {
	f := withGroup(t, open)
	entries := f.chain("k", 0, 5, time.Hour)
	got, err := f.s.ReadGroup(f.ctx, message.GroupRead{Key: "k", Group: "g", Consumer: "a", Count: 2})
	f.wantError("ReadGroup", err, nil)
	f.wantSame("ReadGroup", got, entries[:2])
	if got[0].Key != "k" {
		t.Errorf("Key of a delivered message = %q, want k", got[0].Key)
	}
	f.wantDelivered("g", "b", 2, 2, 3)
	f.wantPending("g", pend(0, "a", 1), pend(1, "a", 1), pend(2, "b", 1), pend(3, "b", 1))
	got, err = f.s.ReadGroup(f.ctx, message.GroupRead{Key: "k", Group: "g", Consumer: "c", NoAck: true})
	f.wantError("ReadGroup without ack", err, nil)
	f.wantMids("ReadGroup without ack", got, 4, 5)
	f.wantDelivered("g", "a", 0)
	f.wantPending("g", pend(0, "a", 1), pend(1, "a", 1), pend(2, "b", 1), pend(3, "b", 1))
	f.wantGroups("k", message.Group{Name: "g", Last: mid(5), Read: 6, Consumers: 3, Pending: 4})

	f.mustAppend(f.entry("k", 6, 5, time.Minute), f.entry("k", 7, 6, time.Hour), f.entry("k", 8, 7, time.Hour))
	n, err := f.s.Delete(f.ctx, "k", mid(7))
	f.wantCount("Delete", n, err, 1)
	f.clock.step(time.Minute)
	f.wantDelivered("g", "a", 0, 8)
	f.wantError("SetGroup back", f.s.SetGroup(f.ctx, "k", "g", mid(0)), nil)
	f.wantClaimed(message.Claim{Consumer: "a"}, []int{1}, 1)
	f.wantDelivered("g", "b", 2, 1, 2) // it was a's
	f.wantPending("g", pend(0, "a", 1), pend(1, "b", 1), pend(2, "b", 1), pend(3, "b", 1), pend(8, "a", 1))
	f.mustGroup("k", "ahead", mid(8)+1, false)
	f.wantDelivered("ahead", "a", 0)
	clear(got[0].Payload)
	f.wantSame("after the caller wrote into what it got, Range", f.read("k", mid(4), mid(4), false, 0, 0), entries[4:5])
}

func readGroupLimits(t *testing.T, open Open) {
	f := start(t, open, 0)
	entries := f.chain("k", 0, 4, time.Hour)
	for i := range entries {
		entries[i].Payload = make([]byte, 100)
	}
	f.mustAppend(entries...)
	for _, c := range []struct {
		name            string
		count, maxBytes int
		want            []int
	}{
		{"none", 0, 0, []int{0, 1, 2, 3, 4}},
		{"count", 2, 0, []int{0, 1}},
		{"count above what is there", 9, 0, []int{0, 1, 2, 3, 4}},
		{"bytes, exactly", 0, 300, []int{0, 1, 2}},
		{"bytes, one short", 0, 299, []int{0, 1}},
		{"always one", 0, 1, []int{0}},
		{"count before bytes", 1, 300, []int{0}},
		{"bytes before count", 3, 200, []int{0, 1}},
	} {
		f.mustGroup("k", c.name, 0, false)
		got, err := f.s.ReadGroup(f.ctx, message.GroupRead{Key: "k", Group: c.name, Consumer: "c", Count: c.count, MaxBytes: c.maxBytes})
		f.wantError(c.name+": ReadGroup", err, nil)
		f.wantMids(c.name+": ReadGroup", got, c.want...)
		if g := f.group(c.name); g.Last != mid(c.want[len(c.want)-1]) || g.Pending != len(c.want) {
			t.Errorf("%s: after ReadGroup the group is %+v", c.name, g)
		}
		f.wantDelivered(c.name, "c", 0, []int{0, 1, 2, 3, 4}[len(c.want):]...)
		again, err := f.s.ReadPending(f.ctx, "k", c.name, "c", 0, c.count, c.maxBytes)
		f.wantError(c.name+": ReadPending", err, nil)
		f.wantMids(c.name+": ReadPending", messagesOf(again), c.want...)
	}
}

func (f *fixture) group(name string) message.Group {
	f.t.Helper()
	for _, g := range f.groups("k") {
		if g.Name == name {
			return g
		}
	}
	f.t.Fatalf("no group %q", name)
	return message.Group{}
}

func messagesOf(deliveries []message.Delivery) (messages []message.Message) {
	for _, d := range deliveries {
		messages = append(messages, d.Message)
	}
	return messages
}

// wantDeliveredAgain reads what is pending with a consumer of g after a mid, all of it there.
func (f *fixture) wantDeliveredAgain(consumer string, after int64, want ...int) {
	f.t.Helper()
	got, err := f.s.ReadPending(f.ctx, "k", "g", consumer, after, 0, 0)
	f.wantError("ReadPending", err, nil)
	f.wantMids("ReadPending of "+consumer, messagesOf(got), want...)
	for _, d := range got {
		if d.Gone {
			f.t.Fatalf("ReadPending: %d is gone", d.Mid)
		}
	}
}

// readPending: history counts as a delivery, but for what is gone.
func readPending(t *testing.T, open Open) {
	f := withGroup(t, open)
	f.wantDelivered("g", "a", 3, 0, 1, 2)
	f.wantDelivered("g", "b", 1, 3)
	f.wantDelivered("g", "a", 0, 4, 5)
	f.clock.step(time.Second)
	f.wantDeliveredAgain("a", 0, 0, 1, 2, 4, 5)
	f.wantDeliveredAgain("a", mid(1), 2, 4, 5)
	f.wantDeliveredAgain("a", mid(5))
	f.wantDeliveredAgain("new", 0)
	n, err := f.s.Delete(f.ctx, "k", mid(0), mid(4))
	f.wantCount("Delete", n, err, 2)
	n, err = f.s.Ack(f.ctx, "k", "g", mid(2))
	f.wantCount("Ack", n, err, 1)
	f.clock.step(time.Second)
	got, err := f.s.ReadPending(f.ctx, "k", "g", "a", 0, 3, 0)
	f.wantError("ReadPending", err, nil)
	f.wantMids("ReadPending", messagesOf(got), 0, 1, 4)
	for i, gone := range []bool{true, false, true} {
		if got[i].Gone != gone || gone && got[i].Payload != nil {
			t.Errorf("ReadPending: delivery %d = %+v, want gone %v", i, got[i], gone)
		}
	}
	if got[1].Key != "k" || string(got[1].Payload) != "payload 1 of k" {
		t.Errorf("ReadPending: delivery 1 = %+v", got[1])
	}
	f.wantPending("g", pend(0, "a", 2), pend(1, "a", 3), pend(3, "b", 1), pend(4, "a", 3), pend(5, "a", 3))
	f.wantIdle(0, 1, time.Second, 0)
	f.wantDelivered("g", "a", 0)
}

// wantIdle checks for how long what is pending with two mids in g has been.
func (f *fixture) wantIdle(a, b int, idleA, idleB time.Duration) {
	f.t.Helper()
	for n, idle := range map[int]time.Duration{a: idleA, b: idleB} {
		got, err := f.s.PendingRange(f.ctx, "k", "g", message.PendingFilter{From: mid(n), To: mid(n), Count: 1})
		if err != nil || len(got) != 1 || f.clock.Now().Sub(got[0].Delivered) != idle {
			f.t.Fatalf("PendingRange of %d = %+v, %v, want it idle for %v", n, got, err, idle)
		}
	}
}

func ack(t *testing.T, open Open) {
	f := withGroup(t, open)
	f.wantDelivered("g", "a", 3, 0, 1, 2)
	f.wantDelivered("g", "b", 1, 3)
	f.mustGroup("k", "other", 0, false)
	f.wantDelivered("other", "a", 0, 0, 1, 2, 3, 4, 5)
	for _, c := range []struct {
		name string
		mids []int64
		want int
	}{
		{"nothing", nil, 0},
		{"not delivered, unknown", []int64{mid(4), mid(99), 0, -1}, 0},
		{"in any order, twice, of any consumer", []int64{mid(3), mid(1), mid(1), mid(4)}, 2},
		{"again", []int64{mid(3), mid(1)}, 0},
		{"the rest", []int64{mid(0), mid(2)}, 2},
	} {
		n, err := f.s.Ack(f.ctx, "k", "g", c.mids...)
		f.wantCount("Ack of "+c.name, n, err, c.want)
	}
	f.wantPending("g")
	f.wantGroups("k", message.Group{Name: "g", Last: mid(3), Read: 4, Lag: 2, Consumers: 2},
		message.Group{Name: "other", Last: mid(5), Read: 6, Consumers: 1, Pending: 6})
	f.wantDeliveredAgain("a", 0)
	f.wantDelivered("g", "a", 0, 4, 5)
}

func pendingRange(t *testing.T, open Open) {
	f := withGroup(t, open)
	t1 := f.clock.Now()
	f.wantDelivered("g", "a", 2, 0, 1)
	f.clock.step(10 * time.Second)
	f.wantDelivered("g", "b", 2, 2, 3)
	f.wantDelivered("g", "a", 1, 4)
	f.clock.step(5 * time.Second)
	all := message.PendingFilter{To: mid(99), Count: 99}
	for _, c := range []struct {
		name   string
		change func(*message.PendingFilter)
		want   []int
	}{
		{"all", func(*message.PendingFilter) {}, []int{0, 1, 2, 3, 4}},
		{"range", func(p *message.PendingFilter) { p.From, p.To = mid(1), mid(3) }, []int{1, 2, 3}},
		{"between", func(p *message.PendingFilter) { p.From, p.To = mid(1)+1, mid(3)-1 }, []int{2}},
		{"none", func(p *message.PendingFilter) { p.From, p.To = mid(3), mid(1) }, nil},
		{"count", func(p *message.PendingFilter) { p.Count = 2 }, []int{0, 1}},
		{"count 0", func(p *message.PendingFilter) { p.Count = 0 }, nil},
		{"consumer", func(p *message.PendingFilter) { p.Consumer = "a" }, []int{0, 1, 4}},
		{"consumer, count, range", func(p *message.PendingFilter) { p.Consumer, p.Count, p.From = "a", 2, mid(1) }, []int{1, 4}},
		{"unknown consumer", func(p *message.PendingFilter) { p.Consumer = "c" }, nil},
		{"idle", func(p *message.PendingFilter) { p.MinIdle = 15 * time.Second }, []int{0, 1}},
		{"idle, all", func(p *message.PendingFilter) { p.MinIdle = 5 * time.Second }, []int{0, 1, 2, 3, 4}},
		{"too idle", func(p *message.PendingFilter) { p.MinIdle = 16 * time.Second }, nil},
	} {
		filter := all
		c.change(&filter)
		got, err := f.s.PendingRange(f.ctx, "k", "g", filter)
		if err != nil || !slices.EqualFunc(got, c.want, func(p message.Pending, n int) bool { return p.Mid == mid(n) }) {
			t.Errorf("%s: PendingRange = %+v, %v, want %v", c.name, got, err, c.want)
		}
	}
	got, err := f.s.PendingRange(f.ctx, "k", "g", all)
	if err != nil || !got[0].Delivered.Equal(t1) || !got[4].Delivered.Equal(t1.Add(10*time.Second)) {
		t.Errorf("PendingRange = %+v, %v, want the first delivered at %v", got, err, t1)
	}
	f.mustGroup("k", "empty", 0, false)
	sum, err := f.s.Pending(f.ctx, "k", "empty")
	if err != nil || sum.Count != 0 || sum.First != 0 || sum.Last != 0 || len(sum.Consumers) != 0 {
		t.Errorf("Pending where nothing is = %+v, %v", sum, err)
	}
}

// wantClaimed claims mids of g with c, which need only say what is special.
func (f *fixture) wantClaimed(c message.Claim, mids []int, want ...int) {
	f.t.Helper()
	c.Key, c.Group = "k", "g"
	if c.Count == 0 {
		c.Count = -1
	}
	if c.Delivered.IsZero() {
		c.Delivered = f.clock.Now()
	}
	var ids []int64
	for _, n := range mids {
		ids = append(ids, mid(n))
	}
	got, err := f.s.Claim(f.ctx, c, ids)
	f.wantError("Claim", err, nil)
	f.wantMids("Claim", got, want...)
	for _, m := range got {
		if m.Key != "k" || (len(m.Payload) == 0) != c.JustID {
			f.t.Fatalf("Claim: %+v", m)
		}
	}
}

func claim(t *testing.T, open Open) {
	f := withGroup(t, open)
	f.wantDelivered("g", "a", 4, 0, 1, 2, 3)
	n, err := f.s.Delete(f.ctx, "k", mid(1))
	f.wantCount("Delete", n, err, 1)
	f.clock.step(time.Second)
	f.wantClaimed(message.Claim{Consumer: "b"}, []int{2, 1, 0, 4, 99}, 2, 0)
	f.wantPending("g", pend(0, "b", 2), pend(2, "b", 2), pend(3, "a", 1))
	f.wantIdle(0, 3, 0, time.Second)
	f.clock.step(time.Second)
	f.wantClaimed(message.Claim{Consumer: "c", MinIdle: 2 * time.Second}, []int{0, 2, 3}, 3)
	f.wantClaimed(message.Claim{Consumer: "c", MinIdle: time.Second}, []int{3, 2, 0}, 2, 0)
	f.wantClaimed(message.Claim{Consumer: "c"}, []int{0, 0}, 0, 0)
	f.wantPending("g", pend(0, "c", 5), pend(2, "c", 3), pend(3, "c", 2))
	n, err = f.s.Delete(f.ctx, "k", mid(2))
	f.wantCount("Delete", n, err, 1)
	f.wantClaimed(message.Claim{Consumer: "d", MinIdle: time.Hour}, []int{0, 2})
	f.wantPending("g", pend(0, "c", 5), pend(3, "c", 2))
	f.wantGroups("k", message.Group{Name: "g", Last: mid(3), Read: 4, Lag: 2, Consumers: 3, Pending: 2}) // d was given nothing
}

func claimOptions(t *testing.T, open Open) {
	f := withGroup(t, open)
	f.wantDelivered("g", "a", 2, 0, 1)
	f.wantClaimed(message.Claim{Consumer: "b", JustID: true}, []int{0, 9}, 0)
	f.wantPending("g", pend(0, "b", 1), pend(1, "a", 1))
	f.wantClaimed(message.Claim{Consumer: "b", Count: 7}, []int{0}, 0)
	f.wantClaimed(message.Claim{Consumer: "b", Count: 8, JustID: true}, []int{1}, 1)
	f.wantPending("g", pend(0, "b", 7), pend(1, "b", 8))
	f.wantClaimed(message.Claim{Consumer: "b", Delivered: f.clock.Now().Add(-time.Minute)}, []int{0}, 0)
	f.wantIdle(0, 1, time.Minute, 0)

	n, err := f.s.Ack(f.ctx, "k", "g", mid(0), mid(1))
	f.wantCount("Ack", n, err, 2)
	f.wantClaimed(message.Claim{Consumer: "b"}, []int{0})
	f.wantClaimed(message.Claim{Consumer: "b", Force: true, MinIdle: time.Hour}, []int{0, 9}, 0)
	f.wantClaimed(message.Claim{Consumer: "b", Force: true, JustID: true}, []int{1, 4, 9}, 1, 4)
	f.wantPending("g", pend(0, "b", 2), pend(1, "b", 1), pend(4, "b", 1))
	f.wantClaimed(message.Claim{Consumer: "b", Last: mid(3)}, nil)
	if g := f.group("g"); g.Last != mid(3) || g.Read != 2 {
		t.Errorf("after a Claim with a last mid the group is %+v, want last %d, read 2", g, mid(3))
	}
	f.wantClaimed(message.Claim{Consumer: "b", Last: mid(2)}, nil)
	f.wantDelivered("g", "c", 0, 4, 5)
	f.wantPending("g", pend(0, "b", 2), pend(1, "b", 1), pend(4, "c", 1), pend(5, "c", 1))
}

func autoClaim(t *testing.T, open Open) {
	f := start(t, open, 0)
	f.mustAppend(f.chain("k", 0, 39, time.Hour)...)
	f.mustGroup("k", "g", 0, false)
	f.wantDelivered("g", "a", 36, seq(0, 36)...)
	f.clock.step(time.Minute)
	f.wantClaimed(message.Claim{Consumer: "b"}, seq(3, 30), seq(3, 30)...)
	n, err := f.s.Delete(f.ctx, "k", mid(1), mid(4))
	f.wantCount("Delete", n, err, 2)
	for _, c := range []struct {
		name    string
		claim   message.Claim
		from    int
		count   int
		claimed []int
		gone    []int
		next    int // -1: that was all
	}{
		{"gone count", message.Claim{}, 0, 2, []int{0}, []int{1}, 2},
		{"from there", message.Claim{MinIdle: time.Second}, 2, 2, []int{2}, []int{4}, 5},
		{"looks at ten times as many", message.Claim{MinIdle: time.Second}, 5, 2, nil, nil, 25},
		{"to the end", message.Claim{MinIdle: time.Second, JustID: true}, 25, 10, seq(30, 36), nil, -1},
		{"just as many as there are", message.Claim{}, 30, 6, seq(30, 36), nil, -1},
		{"after the end", message.Claim{}, 36, 2, nil, nil, -1},
	} {
		c.claim.Key, c.claim.Group, c.claim.Consumer, c.claim.Count = "k", "g", "c", -1
		claimed, gone, next, err := f.s.AutoClaim(f.ctx, c.claim, mid(c.from), c.count)
		f.wantError(c.name+": AutoClaim", err, nil)
		f.wantMids(c.name+": AutoClaim", claimed, c.claimed...)
		wantNext := int64(0)
		if c.next >= 0 {
			wantNext = mid(c.next)
		}
		if next != wantNext || !slices.EqualFunc(gone, c.gone, func(m int64, n int) bool { return m == mid(n) }) {
			t.Errorf("%s: AutoClaim: gone %v, next %d, want %v, %d", c.name, gone, next, c.gone, wantNext)
		}
		for _, m := range claimed {
			if m.Key != "k" || (len(m.Payload) == 0) != c.claim.JustID {
				t.Errorf("%s: AutoClaim: %+v", c.name, m)
			}
		}
	}
	want := []message.Pending{pend(0, "c", 2), pend(2, "c", 2), pend(3, "b", 2)}
	for n := 5; n < 36; n++ {
		want = append(want, pend(n, "b", 2))
		if n >= 30 {
			want[len(want)-1] = pend(n, "c", 2)
		}
	}
	f.wantPending("g", want...)
}

// claimBytes: what does not fit into a reply is left where it is.
func claimBytes(t *testing.T, open Open) {
	f := start(t, open, 0)
	entries := f.chain("k", 0, 4, time.Hour)
	for i := range entries {
		entries[i].Payload = make([]byte, 100)
	}
	f.mustAppend(entries...)
	f.mustGroup("k", "g", 0, false)
	f.wantDelivered("g", "a", 4, 0, 1, 2, 3)
	f.wantClaimed(message.Claim{Consumer: "b", MaxBytes: 250}, []int{0, 4, 1, 2, 3}, 0, 1)
	f.wantClaimed(message.Claim{Consumer: "c", MaxBytes: 1}, []int{0, 1}, 0)
	f.wantClaimed(message.Claim{Consumer: "d", MaxBytes: 1, JustID: true}, []int{2, 3}, 2, 3)
	f.wantPending("g", pend(0, "c", 3), pend(1, "b", 2), pend(2, "d", 1), pend(3, "d", 1))
	c := message.Claim{Key: "k", Group: "g", Consumer: "e", Count: -1, MaxBytes: 299}
	claimed, gone, next, err := f.s.AutoClaim(f.ctx, c, 0, 10)
	f.wantError("AutoClaim", err, nil)
	f.wantMids("AutoClaim", claimed, 0, 1)
	if len(gone) != 0 || next != mid(2) {
		t.Errorf("AutoClaim with 299 bytes: gone %v, next %d, want none, %d", gone, next, mid(2))
	}
	f.wantPending("g", pend(0, "e", 4), pend(1, "e", 3), pend(2, "d", 1), pend(3, "d", 1))
}

// seq returns the numbers from from to below to.
func seq(from, to int) (s []int) {
	for n := from; n < to; n++ {
		s = append(s, n)
	}
	return s
}

// readGroupRace: each message is delivered to one consumer, however many read at once, in order to each.
func readGroupRace(t *testing.T, open Open) {
	f := start(t, open, 0)
	const readers, length = 8, 200
	f.mustGroup("k", "g", 0, true)
	got := make([][]int64, readers)
	var reading sync.WaitGroup
	writing := make(chan struct{})
	for i := range readers {
		reading.Go(func() {
			for last := false; ; {
				q := message.GroupRead{Key: "k", Group: "g", Consumer: string(rune('a' + i)), Count: 1 + i%3}
				found, err := f.s.ReadGroup(f.ctx, q)
				if err != nil {
					t.Errorf("ReadGroup: %v", err)
					return
				}
				for _, m := range found {
					got[i] = append(got[i], m.Mid)
				}
				if len(found) == 0 && last {
					return
				}
				select {
				case <-writing:
					last = true
				default:
				}
			}
		})
	}
	for _, e := range f.chain("k", 0, length-1, time.Hour) {
		f.mustAppend(e)
	}
	close(writing)
	reading.Wait()
	by := map[int64]string{}
	for i, mids := range got {
		if !slices.IsSorted(mids) {
			t.Errorf("reader %d got %v", i, mids)
		}
		for _, m := range mids {
			if by[m] != "" {
				t.Errorf("%d was delivered twice", m)
			}
			by[m] = string(rune('a' + i))
		}
	}
	if len(by) != length {
		t.Errorf("%d messages were delivered, want %d", len(by), length)
	}
	pending, err := f.s.PendingRange(f.ctx, "k", "g", message.PendingFilter{To: mid(length), Count: length})
	f.wantError("PendingRange", err, nil)
	for _, p := range pending {
		if by[p.Mid] != p.Consumer {
			t.Errorf("%d is pending with %q, was delivered to %q", p.Mid, p.Consumer, by[p.Mid])
		}
	}
	if len(pending) != length {
		t.Errorf("%d are pending, want %d", len(pending), length)
	}
}
