package comet_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gopush/internal/comet"
)

// sparing starts a gateway in which keys that begin with d drop, and those that begin with l keep the newest.
func sparing(t *testing.T, engine comet.Engine) *gateway {
	return start(t, engine, func(cfg *comet.Config) {
		cfg.Limits.MaxPendingBytes = 256 << 10
		cfg.Limits.SlowConsumers = []comet.SlowConsumers{{Prefix: "d", Policy: comet.SlowDrop}, {Prefix: "l", Policy: comet.SlowLatest}, {Prefix: "lc", Policy: comet.SlowClose}}
	})
}

// What a subscriber sees that does not read for a while, by the policy of its key: everything in order and once, all that is stored; with
// latest the newest at the end; and it is not closed, unless that is the policy.
func TestWhatASlowReaderSees(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := sparing(t, engine)
		for _, key := range []string{"d", "l", "lc", "x"} {
			t.Run(key, func(t *testing.T) {
				t.Parallel()
				seesSlowly(t, g, key)
			})
		}
	})
}

func seesSlowly(t *testing.T, g *gateway, key string) {
	d, err := subscribe(g.addr, key, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const messages, every = 600, 40
	filler := strings.Repeat("x", 32<<10)
	var stored, last int64
	needed := make(map[int64]bool)
	for i := range messages {
		expire := time.Duration(0)
		if i%every == 0 {
			expire = time.Hour
		}
		r := g.push(t, key, fmt.Sprintf("%q", filler), expire)
		if last = r.Mid; expire > 0 {
			stored++
			needed[r.Mid] = true
		}
	}
	got, seen := 0, int64(0)
	for seen < last || len(needed) > 0 {
		mid, _, _, _, err := d.next()
		if err != nil {
			if key == "x" || key == "lc" {
				return // closed: it did not read
			}
			t.Fatalf("after %d messages, %d stored ones missing: %v", got, len(needed), err)
		}
		if mid <= seen {
			t.Fatalf("message %d came after %d", mid, seen)
		}
		if seen, got = mid, got+1; key[0] == 'd' && len(needed) == 1 && needed[mid] {
			last = mid // what is live only may be left out to the end
		}
		delete(needed, mid)
	}
	switch {
	case key == "x" || key == "lc":
		t.Errorf("a subscriber that did not read %d MiB was not closed", messages*len(filler)>>20)
	case got == messages:
		t.Errorf("nothing was left out of %d MiB that nobody read", messages*len(filler)>>20)
	}
	// It is live again.
	for try := 0; ; try++ {
		r := g.push(t, key, `"again"`, time.Hour)
		for seen < r.Mid {
			mid, _, _, _, err := d.next()
			if err != nil {
				t.Fatal(err)
			}
			seen = mid
		}
		if seen == r.Mid {
			return
		}
	}
}

// Over Redis: of keys that keep the newest a client that did not read sees the newest of each, also of several; a stored message that has no
// room closes it.
func TestWhatASlowRedisClientSees(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		limits := comet.Limits{
			MaxKeyBytes: 255, MaxCommandBytes: [3]int{64 << 10, 64 << 10}, MaxHeadBytes: 8 << 10, MaxArguments: 1024, MaxConnections: 1000,
			MaxPendingBytes: 256 << 10, MaxPendingMessages: 1024, FirstPacketTimeout: patience,
			SlowConsumers: []comet.SlowConsumers{{Prefix: "l", Policy: comet.SlowLatest}, {Prefix: "d", Policy: comet.SlowDrop}},
		}
		g.SetLimits(limits)
		open := func(keys ...string) (*bufio.Reader, net.Conn) {
			c, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			c.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(c, "SUBSCRIBE %s\r\n", strings.Join(keys, " "))
			r := bufio.NewReader(c)
			for range 6 * len(keys) {
				if _, err := r.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			return r, c
		}
		filler := strings.Repeat("x", 32<<10)
		newest, _ := open("l1", "l2", "l3")
		for i := range 600 {
			g.push(t, fmt.Sprint("l", 1+i%3), fmt.Sprintf(`"%d %s"`, i, filler), 0)
		}
		last := map[string]int{"l1": -1, "l2": -1, "l3": -1}
		got := 0
		for last["l1"] < 597 || last["l2"] < 598 || last["l3"] < 599 {
			key, text, err := published(newest)
			if err != nil {
				t.Fatalf("after %v: %v", last, err)
			}
			n := -1
			fmt.Sscanf(text, `"%d `, &n)
			if n <= last[key] {
				t.Fatalf("%s: %d came after %d", key, n, last[key])
			}
			last[key] = n
			got++
		}
		if got == 600 {
			t.Errorf("nothing was left out")
		}
		for key, expire := range map[string]time.Duration{"d1": 0, "d2": time.Hour} {
			r, _ := open(key)
			for range 600 {
				g.push(t, key, fmt.Sprintf("%q", filler), expire)
			}
			g.push(t, key, `"end"`, expire)
			n := 0
			var err error
			for ; err == nil && n < 700; n++ {
				var text string
				if _, text, err = published(r); text == `"end"` {
					break
				}
				if n == 100 && expire == 0 { // there is room again
					g.push(t, key, `"end"`, 0)
				}
			}
			if (err != nil) != (expire > 0) {
				t.Errorf("%s: after %d messages: %v", key, n, err)
			}
		}
	})
}

// published reads a message of pub/sub over RESP2.
func published(r *bufio.Reader) (key, text string, err error) {
	for i := range 7 {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		switch line = strings.TrimSuffix(line, "\r\n"); i {
		case 4:
			key = line
		case 6:
			text = line
		}
	}
	return key, text, nil
}

// Who fell behind, and whose messages are gone from the store before it read them, is closed where it would not understand to be told.
func TestWhoFellBehindWhatIsGoneIsClosed(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := sparing(t, engine)
		d, err := subscribe(g.addr, "d", -1)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		filler := fmt.Sprintf("%q", strings.Repeat("x", 32<<10))
		pushed := 1
		for n := 0; n < 600 || g.Stats.FellBehind.Load() == 0; n++ { // more than sockets take
			pushed++
			if g.push(t, "d", filler, time.Hour); n > 2000 {
				t.Fatal("it never fell behind")
			}
		}
		if _, err := g.hub.Delete(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
		last := g.push(t, "d", `"after"`, time.Hour)
		for got := 1; err == nil; got++ {
			var mid int64
			switch mid, _, _, _, err = d.next(); {
			case err != nil || mid != last.Mid:
			case got == pushed:
				return // it had read on before, or the sockets between took it all
			default:
				t.Fatalf("it has what came after a gap that it was not told of: %d of %d messages", got, pushed)
			}
		}
		if got := g.Stats.Closed[comet.Slow].Load(); got != 1 {
			t.Errorf("%d connections are counted as closed for being slow, want 1: %v", got, err)
		}
	})
}
