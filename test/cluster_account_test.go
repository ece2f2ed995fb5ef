package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// account is what was pushed to a cluster, from any node, and what came of it. Each payload is pushed once; what failed
// is not tried again: it may come or not, once.
type account struct {
	mu      sync.Mutex
	pushers int
	tried   map[string]map[string]bool  // by key: payloads that were pushed
	stored  map[string]map[string]int64 // by key: those that were acknowledged as stored, with their mids; 0: not told
	live    map[string]map[string]int64 // the same of those that are live only
	failed  map[string]int              // errors, by text

	// overtaken tells that a push whose outcome nobody was told may be overtaken by live-only ones, and is then in the store alone:
	// docs/design.md, "The way of a message".
	overtaken bool
}

func newAccount() *account {
	return &account{
		tried: map[string]map[string]bool{}, stored: map[string]map[string]int64{}, live: map[string]map[string]int64{},
		failed: map[string]int{},
	}
}

// pusher gives a number to someone who pushes.
func (a *account) pusher() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pushers++
	return a.pushers
}

// payloadOf is what a pusher pushes: a text that stays as it is whatever it passes through.
func payloadOf(pusher, number int) string { return fmt.Sprintf("p%d-%d", pusher, number) }

// try notes a push before it is made.
func (a *account) try(key, payload string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tried[key] == nil {
		a.tried[key], a.stored[key], a.live[key] = map[string]bool{}, map[string]int64{}, map[string]int64{}
	}
	a.tried[key][payload] = true
}

// done notes what became of it.
func (a *account) done(key, payload string, stored bool, mid int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil:
		a.failed[err.Error()]++
	case stored:
		a.stored[key][payload] = mid
	default:
		a.live[key][payload] = mid
	}
}

// acknowledged returns a copy of what was acknowledged for key: what is stored, and what is live only if live.
func (a *account) acknowledged(key string, live bool) map[string]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := maps.Clone(a.stored[key])
	if all == nil {
		all = map[string]int64{}
	}
	if live {
		maps.Copy(all, a.live[key])
	}
	return all
}

// failures returns what pushes failed with, and how often.
func (a *account) failures() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.failed)
}

// expectNoFailures checks that every push was acknowledged.
func (a *account) expectNoFailures(t *testing.T) {
	t.Helper()
	for text, count := range a.failures() {
		t.Errorf("%d pushes failed: %s", count, text)
	}
}

// expectRefusals checks that the pushes that failed were refused with a word that they can be tried again, and that they are few.
func (a *account) expectRefusals(t *testing.T) {
	t.Helper()
	refused := 0
	for text, count := range a.failures() {
		if !strings.Contains(text, "try again later") {
			t.Errorf("%d pushes failed: %s", count, text)
		}
		refused += count
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	tried := 0
	for _, payloads := range a.tried {
		tried += len(payloads)
	}
	if refused > tried/10 {
		t.Errorf("%d of %d pushes were refused", refused, tried)
	}
}

// receipt is a message as a device got it.
type receipt struct {
	payload string
	mid     int64 // 0: the dialect does not tell
	visit   int   // number of the connection that it came over
}

// settle waits until all devices have all that was acknowledged and has to reach them, ends them, and holds what they got against
// what was pushed: nothing missing, nothing twice, in one order for all, that of each pusher among them.
func (a *account) settle(t *testing.T, devices ...*listener) {
	t.Helper()
	for _, d := range devices {
		want := a.acknowledged(d.key, d.live)
		if !d.complete {
			continue
		}
		poll(func() bool { return len(d.missing(want)) == 0 })
	}
	order := map[string]map[string]int64{} // by key: mids of payloads, as anybody was told
	for _, d := range devices {
		d.stop()
		if d.complete {
			d.expectStored(t, a)
		}
		if order[d.key] == nil {
			order[d.key] = a.acknowledged(d.key, true)
		}
		a.check(t, d, order[d.key])
	}
	if t.Failed() {
		t.FailNow()
	}
}

// check checks one device that has ended. mids is what is known of payloads of its key, and gets what the device knows.
func (a *account) check(t *testing.T, d *listener, mids map[string]int64) {
	t.Helper()
	got := d.receipts()
	if d.complete {
		missing := d.missing(a.acknowledged(d.key, d.live))
		if len(missing) > 0 {
			t.Errorf("%s: %d of %d acknowledged messages did not come: %.300v", d, len(missing), len(a.acknowledged(d.key, d.live)), missing)
		}
	}
	seen, last, lastOf := map[string]bool{}, int64(0), map[int]int{}
	acknowledged := map[string]bool{}
	for payload := range a.acknowledged(d.key, true) {
		acknowledged[payload] = true
	}
	for i, r := range got {
		var pusher, number int
		fmt.Sscanf(r.payload, "p%d-%d", &pusher, &number)
		switch {
		case !a.tried[d.key][r.payload]:
			t.Errorf("%s: %q came, which nobody pushed to %s", d, r.payload, d.key)
		case seen[r.payload]:
			t.Errorf("%s: %s came twice, again as message %d, over connection %d", d, r.payload, i, r.visit)
		case acknowledged[r.payload] && number <= lastOf[pusher]:
			t.Errorf("%s: %s came behind number %d of the same pusher", d, r.payload, lastOf[pusher])
		}
		seen[r.payload] = true
		if acknowledged[r.payload] { // a push that was not may be carried out later than its pusher has waited
			lastOf[pusher] = number
		}
		if r.mid == 0 {
			r.mid = mids[r.payload]
		}
		if r.mid == 0 {
			continue
		}
		if r.mid <= last {
			t.Errorf("%s: %s with mid %d came behind mid %d", d, r.payload, r.mid, last)
		}
		if known := mids[r.payload]; known != 0 && known != r.mid {
			t.Errorf("%s: %s came with mid %d, others know it as %d", d, r.payload, r.mid, known)
		}
		last, mids[r.payload] = r.mid, r.mid
	}
	if gaps := d.gapsTold(); len(gaps) > 0 && d.complete {
		t.Errorf("%s: was told of gaps, and nothing was removed: %q", d, gaps)
	}
}

// expectStored checks that the device, which began with the oldest message and has ended, has all that is stored, also what nobody was told of that it is.
func (d *listener) expectStored(t *testing.T, a *account) {
	t.Helper()
	last, acknowledged := d.after(), a.acknowledged(d.key, true)
	for _, s := range d.member().in(t).storedV1(d.key) {
		payload := strings.Trim(s.payload, `"`)
		if _, told := acknowledged[payload]; a.overtaken && !told {
			continue
		}
		if s.mid <= last && len(d.missing(map[string]int64{payload: s.mid})) > 0 {
			t.Errorf("%s: %s with mid %d is stored, and did not come", d, payload, s.mid)
		}
	}
}

// expectKept checks that each of members reads the same stored messages of every key, all that were acknowledged among them.
func (a *account) expectKept(t *testing.T, members ...*member) {
	t.Helper()
	a.mu.Lock()
	keys := slices.Sorted(maps.Keys(a.tried))
	a.mu.Unlock()
	for _, key := range keys {
		first := members[0].in(t).storedV1(key)
		for _, m := range members[1:] {
			if other := m.in(t).storedV1(key); !slices.Equal(first, other) {
				t.Errorf("%s: %s reads %d stored messages, %s reads %d", key, members[0].name, len(first), m.name, len(other))
			}
		}
		missing := a.acknowledged(key, false)
		last := int64(0)
		for _, s := range first {
			if s.mid <= last {
				t.Errorf("%s: mid %d is stored behind %d", key, s.mid, last)
			}
			last = s.mid
			delete(missing, strings.Trim(s.payload, `"`))
		}
		for payload := range missing {
			t.Errorf("%s: %s was acknowledged and is not stored", key, payload)
		}
	}
}
