package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
)

func epochTests() map[string]func(*testing.T, Open) {
	tests := map[string]func(*testing.T, *fixture, channel.Epochs){
		"epoch/number and floor":               epochFloor,
		"epoch/limits only in the one that is": epochLimits,
		"epoch/that was lost":                  epochLost,
		"epoch/begins while limits move":       epochRace,
		"epoch/begun by many":                  epochMany,
		"owner/one at a time":                  ownOne,
		"owner/by many":                        ownRace,
		"owner/is told what is stored":         ownInfo,
		"owner/outlives the key":               ownDeleted,
		"owner/appends":                        ownerAppends,
		"owner/shuts out all of a key":         ownerShutsOut,
		"owner/before duplicates":              ownerDuplicates,
		"owner/large appends":                  ownerLarge,
		"epoch/of a closed store":              epochClosed,
	}
	all := map[string]func(*testing.T, Open){}
	for name, test := range tests {
		all[name] = func(t *testing.T, open Open) {
			f := start(t, open, 0)
			e, ok := f.s.(channel.Epochs)
			if !ok {
				t.Skip("nodes do not share this store")
			}
			test(t, f, e)
		}
	}
	return all
}

func (f *fixture) wantEpoch(what string, got channel.Epoch, err error, number, floor int64) {
	f.t.Helper()
	if want := (channel.Epoch{Number: number, Floor: floor}); err != nil || got != want {
		f.t.Fatalf("%s = %+v, %v, want %+v", what, got, err, want)
	}
}

func epochFloor(_ *testing.T, f *fixture, s channel.Epochs) {
	e, err := s.SetLimitIn(f.ctx, 0, "a", mid(1))
	f.wantEpoch("SetLimitIn before there is an epoch", e, err, 0, 0)
	e, err = s.BeginEpoch(f.ctx, 0)
	f.wantEpoch("the first BeginEpoch", e, err, 1, mid(1))
	e, err = s.BeginEpoch(f.ctx, 0)
	f.wantEpoch("BeginEpoch of one who knows none", e, err, 2, mid(1))
	e, err = s.SetLimitIn(f.ctx, 2, "b", mid(5))
	f.wantEpoch("SetLimitIn", e, err, 2, mid(1))
	e, err = s.SetLimitIn(f.ctx, 2, "c", mid(3))
	f.wantEpoch("SetLimitIn", e, err, 2, mid(1))
	e, err = s.BeginEpoch(f.ctx, 2)
	f.wantEpoch("BeginEpoch", e, err, 3, mid(5))
	e, err = s.BeginEpoch(f.ctx, 7)
	f.wantEpoch("BeginEpoch of one who knows a later one", e, err, 8, mid(5))
	f.wantLimit(mid(5))
}

func epochLimits(t *testing.T, f *fixture, s channel.Epochs) {
	for range 3 {
		if _, err := s.BeginEpoch(f.ctx, 0); err != nil {
			t.Fatalf("BeginEpoch: %v", err)
		}
	}
	for _, c := range []struct {
		epoch       int64
		node        string
		limit, want int64
	}{
		{3, "a", mid(100), mid(100)},
		{3, "a", mid(50), mid(100)},
		{3, "b", mid(170), mid(170)},
		{2, "b", mid(200), mid(170)},
		{0, "new", mid(200), mid(170)},
		{3, "a", mid(180), mid(180)},
	} {
		e, err := s.SetLimitIn(f.ctx, c.epoch, c.node, c.limit)
		f.wantEpoch(fmt.Sprintf("SetLimitIn(%d, %q, %d)", c.epoch, c.node, c.limit), e, err, 3, 0)
		f.wantLimit(c.want)
	}
}

// epochLost: a store that has lost an epoch hears of it from who is in it, and another one begins: owners may be lost, too. Its floor is not below their limit.
func epochLost(t *testing.T, f *fixture, s channel.Epochs) {
	if _, err := s.BeginEpoch(f.ctx, 3); err != nil {
		t.Fatalf("BeginEpoch: %v", err)
	}
	e, err := s.SetLimitIn(f.ctx, 4, "a", mid(100))
	f.wantEpoch("SetLimitIn", e, err, 4, 0)
	e, err = s.SetLimitIn(f.ctx, 6, "b", mid(50))
	f.wantEpoch("SetLimitIn in one that was lost", e, err, 7, mid(100))
	e, err = s.SetLimitIn(f.ctx, 4, "a", mid(200))
	f.wantEpoch("SetLimitIn in one before", e, err, 7, mid(100))
	f.wantLimit(mid(100))
	e, err = s.SetLimitIn(f.ctx, 7, "a", mid(150))
	f.wantEpoch("SetLimitIn", e, err, 7, mid(100))
	e, err = s.SetLimitIn(f.ctx, 9, "b", mid(300))
	f.wantEpoch("SetLimitIn of who has the highest limit", e, err, 10, mid(300))
	e, err = s.BeginEpoch(f.ctx, 9)
	f.wantEpoch("BeginEpoch", e, err, 11, mid(300))
}

// epochRace: no limit that was moved in an epoch is above the floor of the next.
func epochRace(t *testing.T, f *fixture, s channel.Epochs) {
	const nodes, epochs = 8, 20
	highest := make([][epochs + 2]int64, nodes) // that was moved, by epoch
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for n := range nodes {
		wg.Go(func() {
			epoch, limit := int64(0), int64(n)
			for {
				select {
				case <-stop:
					return
				default:
				}
				limit += nodes
				e, err := s.SetLimitIn(f.ctx, epoch, fmt.Sprint(n), limit)
				if err != nil {
					t.Errorf("SetLimitIn: %v", err)
					return
				}
				if e.Number == epoch {
					highest[n][epoch] = limit
				}
				epoch = e.Number
			}
		})
	}
	floors := [epochs + 2]int64{}
	for known := range int64(epochs) {
		before, err := s.MidLimit(f.ctx)
		for now := before; err == nil && now < before+nodes; { // they move in each
			now, err = s.MidLimit(f.ctx)
		}
		e, err2 := s.BeginEpoch(f.ctx, known)
		if err = errors.Join(err, err2); err != nil || e.Number != known+1 {
			t.Errorf("BeginEpoch(%d) = %+v, %v", known, e, err)
			break
		}
		floors[e.Number] = e.Floor
	}
	close(stop)
	wg.Wait()
	moved := 0
	for number := int64(1); number <= epochs; number++ {
		for n := range nodes {
			if got := highest[n][number-1]; got > floors[number] {
				t.Errorf("node %d moved its limit to %d in epoch %d, the floor of the next is %d", n, got, number-1, floors[number])
			}
			if highest[n][number-1] > 0 {
				moved++
			}
		}
	}
	if moved < epochs {
		t.Errorf("limits were moved %d times in %d epochs", moved, epochs)
	}
}

// epochMany: two who begin an epoch at once begin two.
func epochMany(t *testing.T, f *fixture, s channel.Epochs) {
	const nodes = 16
	numbers := make([]int64, nodes)
	var wg sync.WaitGroup
	for n := range nodes {
		wg.Go(func() {
			e, err := s.BeginEpoch(f.ctx, 0)
			if err != nil {
				t.Errorf("BeginEpoch: %v", err)
			}
			numbers[n] = e.Number
		})
	}
	wg.Wait()
	slices.Sort(numbers)
	for i, number := range numbers {
		if number != int64(i+1) {
			t.Fatalf("epochs %v, want each once", numbers)
		}
	}
}

func epochClosed(t *testing.T, f *fixture, s channel.Epochs) {
	if err := f.s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	_, beginErr := s.BeginEpoch(f.ctx, 0)
	_, limitErr := s.SetLimitIn(f.ctx, 0, "a", mid(1))
	_, ownErr := s.Own(f.ctx, "k", channel.Owner{Name: "a", Epoch: 1})
	for i, err := range []error{beginErr, limitErr, ownErr} {
		if !errors.Is(err, channel.ErrUnavailable) {
			t.Errorf("call %d after Close = %v, want ErrUnavailable", i, err)
		}
	}
}

// own checks whether owner may own key; refused is the epoch of who does, 0: it may.
func (f *fixture) own(s channel.Epochs, key, owner string, epoch, refused int64) channel.Info {
	f.t.Helper()
	info, err := s.Own(f.ctx, key, channel.Owner{Name: owner, Epoch: epoch})
	f.wantOwned(fmt.Sprintf("Own of %q by %s in %d", key, owner, epoch), err, refused)
	return info
}

// wantOwned checks that err is nil, or a *channel.Owned by one in that epoch.
func (f *fixture) wantOwned(what string, err error, epoch int64) {
	f.t.Helper()
	var owned *channel.Owned
	if epoch == 0 && err != nil || epoch != 0 && (!errors.As(err, &owned) || owned.Epoch != epoch || !errors.Is(err, channel.ErrUnavailable)) {
		f.t.Fatalf("%s = %v, want it to be refused by the owner in epoch %d (0: not)", what, err, epoch)
	}
}

func ownOne(_ *testing.T, f *fixture, s channel.Epochs) {
	f.own(s, "k", "a", 1, 0)
	f.own(s, "k", "a", 1, 0)
	f.own(s, "k", "b", 1, 1) // another one in the same epoch
	f.own(s, "l", "b", 1, 0)
	f.own(s, "k", "b", 2, 0)
	f.own(s, "k", "a", 1, 2) // an earlier one
	f.own(s, "k", "b", 1, 2) // whoever it is
	f.own(s, "k", "a", 2, 2)
	f.own(s, "k", "b", 2, 0)
	f.own(s, "k", "b", 9, 0)
	f.own(s, "k", "bb", 9, 9)
	f.own(s, "k", "a", 10, 0) // numbers, not digits
	f.own(s, "k", "b", 9, 10)
	f.own(s, "k", "a", 1<<40, 0)
	f.own(s, "k", "a", 1<<40-1, 1<<40)
	f.own(s, "l", "a", 1, 1)
}

// ownRace: of many who want a key in one epoch one has it.
func ownRace(t *testing.T, f *fixture, s channel.Epochs) {
	const nodes = 8
	for epoch := int64(1); epoch <= 20; epoch++ {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var owners []int
		for n := range nodes {
			wg.Go(func() {
				_, err := s.Own(f.ctx, "k", channel.Owner{Name: fmt.Sprint(n), Epoch: epoch})
				if err == nil {
					mu.Lock()
					owners = append(owners, n)
					mu.Unlock()
				} else if !errors.As(err, new(*channel.Owned)) {
					t.Errorf("Own: %v", err)
				}
			})
		}
		wg.Wait()
		if len(owners) != 1 {
			t.Fatalf("epoch %d: owners %v, want one", epoch, owners)
		}
	}
}

func ownInfo(t *testing.T, f *fixture, s channel.Epochs) {
	want := f.info("k")
	if got := f.own(s, "k", "a", 1, 0); got != want || got.Last != 0 || got.Since == 0 {
		t.Errorf("Own of a key without a record = %+v, want %+v", got, want)
	}
	if got := f.keys(10); len(got) > 0 {
		t.Errorf("Keys = %q: a key is not there because somebody owns it", got)
	}
	f.mustAppend(f.chain("k", 0, 6, time.Hour)...)
	if _, err := f.s.Trim(f.ctx, "k", 3, 0); err != nil {
		t.Fatalf("Trim: %v", err)
	}
	want = f.info("k")
	for _, epoch := range []int64{1, 1, 2} {
		if got := f.own(s, "k", "a", epoch, 0); got != want || got.First != mid(4) || got.Last != mid(6) || got.Length != 3 || !got.Exists {
			t.Errorf("Own = %+v, want %+v", got, want)
		}
	}
}

// ownDeleted: neither what is stored, nor that all of it is gone, nor that its record is forgotten changes who owns a key.
func ownDeleted(t *testing.T, f *fixture, s channel.Epochs) {
	f.own(s, "k", "a", 2, 0)
	f.mustAppend(f.chain("k", 0, 2, time.Hour)...)
	f.own(s, "k", "a", 1, 2)
	n, err := f.s.Trim(f.ctx, "k", 1, 0)
	f.wantCount("Trim", n, err, 2)
	n, err = f.s.Delete(f.ctx, "k")
	f.wantCount("Delete", n, err, 1)
	f.own(s, "k", "b", 2, 2)
	f.mustGroup("k", "g", 0, true)
	f.own(s, "k", "b", 2, 2)
	f.own(s, "k", "a", 2, 0)
	if got := f.info("k").Last; got != mid(2) {
		t.Errorf("Last = %d, want %d", got, mid(2))
	}
}

// as has entries be appended by an owner.
func as(name string, epoch int64, entries ...channel.Entry) []channel.Entry {
	for i := range entries {
		entries[i].Owner = &channel.Owner{Name: name, Epoch: epoch}
	}
	return entries
}

// wantAppend appends entries, all of which are stored, or refused by the owner in an epoch.
func (f *fixture) wantAppend(entries []channel.Entry, refused int64) {
	f.t.Helper()
	for i, err := range f.s.Append(f.ctx, entries) {
		e := &entries[i]
		f.wantOwned(fmt.Sprintf("Append of %d, entry %d of %q by %+v", e.Mid, i, e.Key, *e.Owner), err, refused)
	}
}

func ownerAppends(_ *testing.T, f *fixture, s channel.Epochs) {
	f.wantAppend(as("a", 1, f.entry("k", 0, -1, time.Hour)), 0) // nobody has it
	f.own(s, "k", "b", 1, 0)                                    // and by that a does not
	f.wantAppend(as("a", 1, f.entry("k", 1, 0, time.Hour)), 1)
	f.wantAppend(as("b", 1, f.entry("k", 1, 0, time.Hour)), 0)
	f.wantAppend(as("a", 2, f.entry("k", 2, 1, time.Hour)), 0) // which it does not own by that
	f.wantAppend(as("b", 1, f.entry("k", 3, 2, time.Hour)), 0)
	f.own(s, "k", "a", 10, 0)
	f.wantAppend(as("b", 9, f.entry("k", 4, 3, time.Hour)), 10)
	f.wantAppend(as("a", 9, f.entry("k", 4, 3, time.Hour)), 10)
	f.wantAppend(as("b", 10, f.entry("k", 4, 3, time.Hour)), 10)
	f.mustAppend(f.entry("k", 4, 3, time.Hour)) // it is not asked
	f.wantAppend(as("a", 10, f.entry("k", 5, 4, time.Hour), f.entry("k", 6, 5, time.Hour)), 0)
	f.wantMids("Range", f.all("k"), 0, 1, 2, 3, 4, 5, 6)
}

// ownerShutsOut: of a key nothing is stored, of others in the same call all.
func ownerShutsOut(t *testing.T, f *fixture, s channel.Epochs) {
	f.own(s, "k", "b", 3, 0)
	f.own(s, "m", "a", 2, 0)
	entries := as("a", 2,
		f.entry("j", 0, -1, time.Hour), f.entry("k", 0, -1, time.Hour), f.entry("l", 0, -1, time.Hour), f.entry("k", 1, 0, time.Hour),
		f.entry("j", 1, 0, time.Hour), f.entry("m", 0, -1, time.Hour), f.entry("k", 2, 1, time.Hour))
	for i, err := range f.s.Append(f.ctx, entries) {
		refused := int64(0)
		if entries[i].Key == "k" {
			refused = 3
		}
		f.wantOwned(fmt.Sprint("entry ", i), err, refused)
	}
	f.wantMids("Range of j", f.all("j"), 0, 1)
	f.wantMids("Range of k", f.all("k"))
	f.wantMids("Range of l", f.all("l"), 0)
	f.wantMids("Range of m", f.all("m"), 0)
	if keys := f.keys(10); !slices.Equal(keys, []string{"j", "l", "m"}) {
		t.Errorf("Keys = %q: what was refused leaves no record", keys)
	}
}

// ownerDuplicates: who does not own a key is told that, and not what it would be told if it did.
func ownerDuplicates(_ *testing.T, f *fixture, s channel.Epochs) {
	f.wantAppend(as("a", 1, f.idem("first", "k", 0, -1)), 0)
	f.own(s, "k", "b", 2, 0)
	f.wantAppend(as("a", 1, f.idem("first", "k", 1, 0), f.entry("k", 1, 0, time.Hour), f.idem("new", "k", 2, 1)), 2)
	f.wantAppend(as("a", 1, f.entry("k", 9, 8, time.Hour)), 2) // out of order, too
	f.wantResults(as("b", 2, f.idem("first", "k", 1, 0), f.idem("new", "k", 2, 1)), "0", "order")
	f.wantResults(as("b", 2, f.idem("new", "k", 2, 0)), "")
	f.wantMids("Range", f.all("k"), 0, 2)
}

// ownerLarge: it is so with more than a store does at once.
func ownerLarge(t *testing.T, f *fixture, s channel.Epochs) {
	const n = 700
	entries := f.chain("k", 0, n-1, time.Hour)
	for i := range entries {
		if i%3 == 0 {
			entries[i].IdemKey = fmt.Append(nil, i)
		}
	}
	f.own(s, "k", "b", 5, 0)
	f.wantAppend(as("a", 4, entries...), 5)
	if got := f.read("k", 0, math.MaxInt64, false, 0, 0); len(got) > 0 {
		t.Errorf("%d of what was refused are stored", len(got))
	}
	f.wantAppend(as("b", 5, entries...), 0)
	f.wantSame("Range", f.all("k"), entries)
	f.own(s, "k", "a", 6, 0)
	f.wantAppend(as("b", 5, entries...), 6)
	results := []string{}
	for i := range entries {
		entries[i].Mid, entries[i].Prev = entries[i].Mid+n<<20, entries[i].Prev+n<<20
		if i%3 == 0 {
			results = append(results, fmt.Sprint(i))
		} else {
			results = append(results, "order")
		}
	}
	f.wantResults(as("a", 6, entries...), results...)
}

// enter has a own e in epoch 3, where the store knows such things.
func (f *fixture) enter() {
	f.t.Helper()
	if s, ok := f.s.(channel.Epochs); ok {
		e, err := s.BeginEpoch(f.ctx, 2)
		f.wantEpoch("BeginEpoch", e, err, 3, mid(100))
		f.own(s, "e", "a", 3, 0)
	}
}

// wantEntered checks that what enter did is so still.
func (f *fixture) wantEntered() {
	f.t.Helper()
	if s, ok := f.s.(channel.Epochs); ok {
		e, err := s.SetLimitIn(f.ctx, 2, "a", mid(200))
		f.wantEpoch("SetLimitIn in an earlier epoch", e, err, 3, mid(100))
		f.own(s, "e", "b", 3, 3)
		f.wantAppend(as("b", 3, f.entry("e", 0, -1, time.Hour)), 3)
		f.own(s, "e", "a", 3, 0)
	}
}
