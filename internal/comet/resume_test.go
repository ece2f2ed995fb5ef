package comet_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/comet"
)

// Devices come and go while stored and live-only messages are pushed: none misses a stored
// message, none sees anything twice or out of order, and none is told of a gap that is not there.
func TestResumeHasNoGapAndNoDouble(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		const devices, pushers, each = 10, 4, 120
		g := start(t, engine, nil)
		first := g.push(t, "k", `"begin"`, time.Hour)

		stored := make(map[string]bool) // what every device must see
		for p := range pushers {
			for i := range each {
				stored[fmt.Sprint(p, " ", i)] = rand.IntN(3) > 0
			}
		}
		var pushing, receiving sync.WaitGroup
		for p := range pushers {
			pushing.Go(func() {
				for i := range each {
					name, expire := fmt.Sprint(p, " ", i), time.Duration(0)
					if stored[name] {
						expire = time.Hour
					}
					g.push(t, "k", fmt.Sprintf(`"%s %v %s"`, name, stored[name], strings.Repeat("x", rand.IntN(600))), expire)
				}
			})
		}
		for range devices {
			receiving.Go(func() {
				seen, err := follow(g.addr, first.Mid)
				if err != nil {
					t.Error(err)
					return
				}
				checkSeen(t, seen, stored)
			})
		}
		pushing.Wait()
		g.push(t, "k", `"end"`, time.Hour)
		receiving.Wait()
	})
}

// follow receives until "end", over connections that it gives up now and then.
func follow(addr string, mid int64) (seen []string, err error) {
	stored := mid
	patience := []int{3, 30, 300}[rand.IntN(3)] // messages that a connection lasts at most
	for {
		d, err := subscribe(addr, "k", mid)
		if err != nil {
			return seen, err
		}
		for range 1 + rand.IntN(patience) {
			m, prev, text, gap, err := d.next()
			switch {
			case err != nil:
				d.Close()
				return seen, err
			case gap:
				return seen, fmt.Errorf("told of a gap after %d", mid)
			case m <= mid:
				return seen, fmt.Errorf("mid %d after %d", m, mid)
			case prev > mid && prev != stored:
				return seen, fmt.Errorf("message %d has prev %d, the last stored one seen is %d", m, prev, stored)
			}
			if mid = m; strings.Contains(text, "true") {
				stored = m
			}
			if text == "end" {
				d.Close()
				return seen, nil
			}
			seen = append(seen, text)
		}
		d.Close()
	}
}

// checkSeen checks that all stored messages were seen, none twice, each pusher's in order.
func checkSeen(t *testing.T, seen []string, stored map[string]bool) {
	t.Helper()
	next := make(map[int]int)
	missing := make(map[string]bool)
	for name, s := range stored {
		if s {
			missing[name] = true
		}
	}
	for _, text := range seen {
		var p, i int
		if _, err := fmt.Sscanf(text, "%d %d", &p, &i); err != nil {
			t.Fatalf("seen %.40q: %v", text, err)
		}
		if i < next[p] {
			t.Fatalf("pusher %d: saw %d after %d", p, i, next[p]-1)
		}
		next[p] = i + 1
		delete(missing, fmt.Sprint(p, " ", i))
	}
	for name := range missing {
		t.Errorf("stored message %q was not seen, %d in all", name, len(missing))
		return
	}
}
