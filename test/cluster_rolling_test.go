package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/client"
)

// Three nodes are restarted one after the other while all are pushed to. Devices lose nothing, and come back in no second more often than
// drain_rate, measured where they are.
func TestClusterRollingRestart(t *testing.T) {
	t.Parallel()
	const devices, keys, rate = 120, 6, 40
	c := newCluster(t, clusterConfig{flags: []string{"--drain-rate", strconv.Itoa(rate)}})
	r := &rolling{t: t, c: c, pushed: make([][]int, keys)}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var living, pushing sync.WaitGroup
	defer living.Wait()
	for i := range devices {
		d := r.newDevice(i, i%keys)
		living.Go(func() { d.live(ctx) })
	}
	eventually(t, "all devices are there", func() bool { return r.there() == devices })

	pushed, stop := context.WithCancel(ctx)
	for key := range keys {
		pushing.Go(func() { r.push(pushed, key) })
	}
	began, late := time.Now(), stalls()
	for _, m := range c.members {
		if err := m.stop(); err != nil {
			t.Errorf("%s ended with %v\n%s", m.name, err, m.stderr)
		}
		m.start()
		c.agree(c.members...)
	}
	took := time.Since(began)
	stop()
	pushing.Wait()
	eventually(t, "all messages have come", r.complete)
	leave()
	living.Wait()
	r.report(took, devices, rate, late())
}

// rolling is what the devices and the pushers of a rolling restart count.
type rolling struct {
	t       *testing.T
	c       *cluster
	devices []*roller

	mu     sync.Mutex
	pushed [][]int // numbers that were acknowledged, of each key; guarded by mu, as all below
	again  int     // attempts that failed, and were made again
	dials  []time.Time
}

// roller is a device: one of the SDK over RESP or over WebSocket, or one that comes back at once, whatever it is told.
type roller struct {
	r     *rolling
	key   int
	kind  int
	nodes []string

	mu    sync.Mutex
	got   []int // numbers; guarded by mu, as all below
	last  int64 // mid
	dials int
	gaps  int
}

func (r *rolling) newDevice(i, key int) *roller {
	d := &roller{r: r, key: key, kind: i % 3}
	for n := range r.c.members {
		d.nodes = append(d.nodes, r.c.members[(i/3+n)%len(r.c.members)].at[0])
	}
	r.devices = append(r.devices, d)
	return d
}

func rollingKey(n int) string { return "rolling-" + strconv.Itoa(n) }

// live is connected until ctx ends.
func (d *roller) live(ctx context.Context) {
	if d.kind == 2 {
		for turn := 0; ctx.Err() == nil; turn++ {
			d.once(ctx, d.nodes[turn%len(d.nodes)])
		}
		return
	}
	scheme := []string{"tcp://", "ws://"}[d.kind]
	err := client.Subscribe(ctx, client.Config{
		Addr: scheme + strings.Join(d.nodes, ","+scheme), Key: rollingKey(d.key), After: "0",
		Dial:  func(ctx context.Context, _, addr string) (net.Conn, error) { return d.dial(ctx, addr) },
		OnGap: func(client.Gap) { d.mu.Lock(); d.gaps++; d.mu.Unlock() },
	}, func(m client.Message) error { d.take(m.Mid, string(m.Payload)); return nil })
	if ctx.Err() == nil {
		d.r.t.Errorf("a device was refused: %v", err)
	}
}

// dial notes a reconnect.
func (d *roller) dial(ctx context.Context, addr string) (net.Conn, error) {
	d.mu.Lock()
	again := d.dials > 0
	d.dials++
	d.mu.Unlock()
	if again {
		d.r.mu.Lock()
		d.r.dials = append(d.r.dials, time.Now())
		d.r.mu.Unlock()
	}
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// once is one connection of a device that knows nothing of hints.
func (d *roller) once(ctx context.Context, addr string) {
	conn, err := d.dial(ctx, addr)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	fmt.Fprint(conn, command("sub", rollingKey(d.key), "60", "", "1", strconv.FormatInt(d.last, 10)))
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		var m legacyMessage
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "+g"):
			d.mu.Lock()
			d.gaps++
			d.mu.Unlock()
		case json.Unmarshal([]byte(line), &m) == nil && m.Mid > 0:
			d.take(m.Mid, string(m.Msg))
		}
	}
}

// take notes a message: one that does not come in order is noted, and found in the end.
func (d *roller) take(mid int64, payload string) {
	number, err := strconv.Atoi(payload)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || mid <= d.last {
		d.r.t.Errorf("a device got %q with mid %d after %d", payload, mid, d.last)
	}
	d.last = mid
	d.got = append(d.got, number)
}

// push pushes numbers to a key, each until it is acknowledged, at the nodes in turn.
func (r *rolling) push(ctx context.Context, key int) {
	backend := httpClient()
	for number, turn := 1, key; ctx.Err() == nil; turn++ {
		err := r.pushOnce(backend, r.c.members[turn%len(r.c.members)], key, number)
		r.mu.Lock()
		if err != nil {
			r.again++
		} else {
			r.pushed[key] = append(r.pushed[key], number)
			number++
		}
		r.mu.Unlock()
		time.Sleep(5 * time.Millisecond) // the load: 200 pushes a second for each key, at most
	}
}

// pushOnce may be called again for what failed: it is stored once.
func (r *rolling) pushOnce(backend *http.Client, at *member, key, number int) error {
	req, err := http.NewRequest("POST", "http://"+at.at[1]+"/v1/push/"+rollingKey(key)+"?expire=600", strings.NewReader(strconv.Itoa(number)))
	if err != nil {
		return err
	}
	req.Header.Set("Idempotency-Key", strconv.Itoa(number))
	resp, err := backend.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func (r *rolling) there() (n int) {
	for _, m := range r.c.members {
		n += int(m.count("gopush_subscribers_total"))
	}
	return n
}

// complete tells whether every device has what was acknowledged.
func (r *rolling) complete() bool {
	return !slices.ContainsFunc(r.devices, func(d *roller) bool { return r.missing(d) > 0 })
}

func (r *rolling) missing(d *roller) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	came := make(map[int]bool, len(d.got))
	for _, number := range d.got {
		came[number] = true
	}
	for _, number := range r.pushed[d.key] {
		if !came[number] {
			n++
		}
	}
	return n
}

// report checks what came, and prints the figures.
func (r *rolling) report(took time.Duration, devices, rate int, late time.Duration) {
	acknowledged, delivered, doubled, disordered, gaps := 0, 0, 0, 0, 0
	for _, numbers := range r.pushed {
		acknowledged += len(numbers)
	}
	for _, d := range r.devices {
		delivered += len(d.got)
		gaps += d.gaps
		for i := 1; i < len(d.got); i++ {
			switch {
			case d.got[i] == d.got[i-1]:
				doubled++
			case d.got[i] < d.got[i-1]:
				disordered++
			}
		}
	}
	most := busiestSecond(r.dials)
	r.t.Logf("rolling restart of %d nodes in %.1f s: %d pushes acknowledged, %d attempts made again; %d deliveries to %d devices, 0 lost, %d doubled, %d out of order, %d gaps; "+
		"%d reconnects, at most %d in any second with drain_rate = %d; the test itself was late by %v at worst",
		len(r.c.members), took.Seconds(), acknowledged, r.again, delivered, devices, doubled, disordered, gaps, len(r.dials), most, rate, late)
	if doubled+disordered+gaps > 0 || acknowledged == 0 {
		r.t.Error("messages were doubled, out of order or missing: see the figures")
	}
	if most > allowed(rate, late) {
		r.t.Errorf("%d devices came back within one second, want at most %d", most, rate)
	}
	if len(r.dials) < devices {
		r.t.Errorf("%d reconnects of %d devices, want one of each at least", len(r.dials), devices)
	}
}

// A node that is drained and taken back owns its keys again, with every registry.
func TestClusterDrainIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, registry := range registries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, clusterConfig{registry: registry})
			m, others := c.members[0], c.members[1:]
			key := c.keyOf(m)
			p := m.subscribe(key, "", "1", "0")
			m.drained()
			p.expectMatchAndEnd(`^\+r 0\r\n$`)
			c.agree(others...)
			for _, other := range c.members { // the one that is drained, too, takes pushes, and hands them on
				other.push(key, `"`+other.name+`"`, "?expire=60")
			}
			m.drain("DELETE", http.StatusOK)
			c.agree(c.members...)
			eventually(t, "the node is ready again", func() bool { return do(t, "GET", m.opsURL("/readyz"), "").status == http.StatusOK })
			p = m.subscribe(key, "", "1", "0")
			for _, other := range c.members {
				if got := p.next(); string(got.Msg) != `"`+other.name+`"` {
					t.Errorf("got %s, want what was pushed at %s during the drain", got.Msg, other.name)
				}
			}
			others[0].push(key, `"again"`, "?expire=0")
			if got := p.next(); string(got.Msg) != `"again"` {
				t.Errorf("got %s, want what was pushed after it", got.Msg)
			}
		})
	}
}
