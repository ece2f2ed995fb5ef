package comet

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Against a model: who is let in, and that nothing is left of addresses that have gone.
func TestAddressesAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a addresses
		most, rate := rapid.IntRange(0, 3).Draw(t, "most"), rapid.IntRange(0, 3).Draw(t, "rate")
		open, recent, now := make(map[string]int), make(map[string]int), time.Unix(1000, 0)
		pick := rapid.SampledFrom([]string{"1.2.3.4", "1.2.3.5", "::ffff:1.2.3.4", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"})
		same := map[string]string{"::ffff:1.2.3.4": "1.2.3.4", "2001:db8::2": "2001:db8::1"}
		draw := func(t *rapid.T) (string, address) {
			text := pick.Draw(t, "address")
			k := addressOf(netip.MustParseAddr(text))
			if s, ok := same[text]; ok {
				text = s
			}
			return text, k
		}
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				text, k := draw(t)
				want := Reason(0)
				switch {
				case rate > 0 && recent[text] >= rate:
					want = AddressRate
				case most > 0 && open[text] >= most:
					want = AddressLimit
				}
				if want != AddressRate {
					recent[text]++
				}
				if want == 0 {
					open[text]++
				}
				if got := a.enter(k, most, rate, now); got != want {
					t.Fatalf("enter %s: %v, want %v", text, got, want)
				}
			},
			"leave": func(t *rapid.T) {
				if text, k := draw(t); open[text] > 0 {
					if a.leave(k); open[text] == 1 {
						delete(open, text)
					} else {
						open[text]--
					}
				}
			},
			"second": func(*rapid.T) {
				now = now.Add(time.Second)
				clear(recent)
			},
			"": func(t *rapid.T) {
				if a.known() != int64(len(open)) {
					t.Fatalf("%d addresses are known, want %d", a.known(), len(open))
				}
			},
		})
	})
}

// Strangers from very many addresses do not make the table grow without bound.
func TestStrangersDoNotMakeTheTableGrow(t *testing.T) {
	t.Parallel()
	var a addresses
	now := time.Unix(1000, 0)
	for i := range 3 * maxRecent {
		k := addressOf(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)))
		if why := a.enter(k, 5, 1, now); why != 0 {
			t.Fatalf("address %d is refused: %v", i, why)
		}
		a.leave(k)
	}
	if len(a.recent) > maxRecent || len(a.open) != 0 {
		t.Errorf("%d recent and %d open addresses are known, want at most %d and none", len(a.recent), len(a.open), maxRecent)
	}
	if a.enter(address{}, 0, 1, now.Add(time.Second)); len(a.recent) != 1 {
		t.Errorf("%d addresses are known in the next second, want 1", len(a.recent))
	}
}
