package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// drainView is what /v1/drain answers.
type drainView struct {
	Phase       string
	Told        int
	Left        int
	Rate        int
	Connections int
}

func (n *node) drain(method string, status int) (v drainView) {
	n.t.Helper()
	a := do(n.t, method, n.adminURL("/v1/drain"), "")
	if a.status != status {
		n.t.Fatalf("%s /v1/drain answers %d %s, want %d", method, a.status, a.body, status)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		n.t.Fatalf("%s /v1/drain answers %s: %v", method, a.body, err)
	}
	return v
}

// drained drains the node and waits until it is.
func (n *node) drained() drainView {
	n.t.Helper()
	n.drain("POST", http.StatusOK)
	var v drainView
	eventually(n.t, "the node is drained", func() bool {
		v = n.drain("GET", http.StatusOK)
		return v.Phase == "drained"
	})
	return v
}

// A drain tells each subscriber in its dialect, turns away who comes, and leaves everything else as it is. It can be taken back.
func TestDrain(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		old, device := n.subscribe("k"), n.subscribe("k", "", "1", "0")
		web, reader, backend := n.subscribeWS("k", "&ver=1"), dial(t, n.public[0]), dial(t, n.admin[0])
		reader.send("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nk\r\n")
		reader.expect("*3\r\n$9\r\nsubscribe\r\n$1\r\nk\r\n:1\r\n")
		backend.send("PING\r\n")
		backend.expect("+PONG\r\n")

		if v := n.drained(); v.Told != 4 || v.Left != 0 || v.Rate != 1000 {
			t.Errorf("drained: %+v, want 4 told of 4, at a rate of 1000", v)
		}
		old.expectEnd("")
		device.expectMatchAndEnd(`^\+r \d+\r\n$`)
		web.expectAway(1001, `^draining, retry-after-ms=\d+$`)
		reader.expectEnd("")
		for _, p := range []*peer{old, device, web.peer, reader} {
			p.Close()
		}
		n.expectClosed("draining", 4)

		if a := do(t, "GET", n.opsURL("/readyz"), ""); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "node: draining: drained") {
			t.Errorf("/readyz answers %d %s, want 503 and that it is drained", a.status, a.body)
		}
		if got := n.count("gopush_draining"); got != 1 {
			t.Errorf("gopush_draining is %v, want 1", got)
		}
		n.expectTurnedAway()
		n.push("k", `"stored"`, "?expire=60")
		backend.send("SUBSCRIBE k\r\nPING\r\n")
		backend.expectMatch(`^-TRYAGAIN the node is draining, connect again in \d+ ms\r\n\+PONG\r\n$`, 2)

		if v := n.drain("DELETE", http.StatusOK); v.Phase != "serving" {
			t.Errorf("DELETE /v1/drain: phase %s, want serving", v.Phase)
		}
		if a := do(t, "GET", n.opsURL("/readyz"), ""); a.status != http.StatusOK {
			t.Errorf("/readyz answers %d %s, want 200", a.status, a.body)
		}
		p := n.subscribe("k", "", "1", "0")
		if m := p.next(); string(m.Msg) != `"stored"` {
			t.Errorf("after the drain was taken back a device resumed with %s, want what was pushed meanwhile", m.Msg)
		}
	})
}

// expectTurnedAway tries to subscribe in each dialect.
func (n *node) expectTurnedAway() {
	t := n.t
	t.Helper()
	p := dial(t, n.public[0])
	p.send(command("sub", "k", "60"))
	p.expectEnd("")
	p = dial(t, n.public[0])
	p.send(command("sub", "k", "60", "", "1", "0"))
	p.expectMatchAndEnd(`^\+r \d+\r\n$`)
	p = dial(t, n.public[0])
	p.send(command("SUBSCRIBE", "k"))
	p.expectMatchAndEnd(`^-TRYAGAIN the node is draining, connect again in \d+ ms\r\n$`)
	p = dial(t, n.public[0])
	p.send(handshake("k", ""))
	p.expectMatchAndEnd(`(?s)^HTTP/1.1 503 Service Unavailable\r\n.*Retry-After: \d+\r\n`)
	p = dial(t, n.public[0]) // after another request, so that net/http has it
	p.send("GET /1/time/get HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := http.ReadResponse(p.r, nil); err != nil {
		t.Fatal(err)
	}
	p.send(handshake("k", ""))
	p.expectMatchAndEnd(`(?s)HTTP/1.1 503 Service Unavailable\r\n.*Retry-After: \d+\r\n`)
}

func (p *peer) expectMatchAndEnd(pattern string) {
	p.t.Helper()
	got, err := io.ReadAll(p.r)
	if err != nil || !regexp.MustCompile(pattern).Match(got) {
		p.t.Errorf("got %q and then %v, want %s and the end", got, err, pattern)
	}
}

// expectMatch reads so many lines.
func (p *peer) expectMatch(pattern string, lines int) {
	p.t.Helper()
	var got string
	for range lines {
		line, err := p.r.ReadString('\n')
		if got += line; err != nil {
			p.t.Fatal(err)
		}
	}
	if !regexp.MustCompile(pattern).MatchString(got) {
		p.t.Errorf("got %q, want %s", got, pattern)
	}
}

// expectAway reads a close frame with code and a reason, and answers it.
func (p *wsPeer) expectAway(code int, reason string) {
	p.t.Helper()
	first, payload := p.readFrame()
	if first != fin|opClose || len(payload) < 2 || int(payload[0])<<8|int(payload[1]) != code || !regexp.MustCompile(reason).MatchString(payload[2:]) {
		p.t.Errorf("got a frame %#x %q, want a close frame with %d and %s", first, payload, code, reason)
	}
}

// sentOff is a device that is told to go: when, and what it had got.
type sentOff struct {
	at   time.Time
	mids []int64
}

// until reads until the node closes.
func (p *peer) until() (d sentOff) {
	r := bufio.NewReader(p.r)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			d.at = time.Now()
			return d
		}
		var m legacyMessage
		if json.Unmarshal(line, &m) == nil && m.Mid > 0 {
			d.mids = append(d.mids, m.Mid)
		}
	}
}

// busiestSecond returns how many of times were within one second, at most.
func busiestSecond(times []time.Time) (most int) {
	slices.SortFunc(times, time.Time.Compare)
	for first, last := 0, 0; last < len(times); last++ {
		for times[last].Sub(times[first]) >= time.Second {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// stalls measures how late this process itself is: what it is late to see, it sees closer together. The returned function ends that, and
// tells by how much at most.
func stalls() (worst func() time.Duration) {
	done, longest := make(chan struct{}), make(chan time.Duration)
	go func() {
		const every = 5 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		most, last := time.Duration(0), time.Now()
		for {
			select {
			case <-tick.C:
				now := time.Now()
				most = max(most, now.Sub(last)-every)
				last = now
			case <-done:
				longest <- most
				return
			}
		}
	}()
	return func() time.Duration { close(done); return <-longest }
}

// allowed is how many may be seen in a second at a rate by who was late by so much at worst. The node leaves a tenth for that itself.
func allowed(rate int, late time.Duration) int {
	return rate + int(float64(rate)*max(late-50*time.Millisecond, 0).Seconds()+0.999)
}

// Subscribers of all loops are told at the rate and not faster, and each gets all that is pushed until then.
func TestDrainKeepsItsRate(t *testing.T) {
	t.Parallel()
	const devices, rate = 60, 25
	n := serve(t, "--loops", "3", "--drain-rate", fmt.Sprint(rate))
	late := stalls()
	all := make([]sentOff, devices)
	var reading sync.WaitGroup
	for i := range devices {
		p := n.subscribe("k", "", "1", "0")
		reading.Go(func() { all[i] = p.until() })
	}
	n.drain("POST", http.StatusOK)
	var pushed []int64
	for n.drain("GET", http.StatusOK).Phase != "drained" {
		mid, err := n.pushMid("k", `"live"`, "0")
		if err != nil {
			t.Fatal(err)
		}
		pushed = append(pushed, mid)
	}
	reading.Wait()
	var times []time.Time
	for i, d := range all {
		times = append(times, d.at)
		if len(d.mids) > len(pushed) || !slices.Equal(d.mids, pushed[:len(d.mids)]) {
			t.Errorf("device %d got %d live-only messages, which are not the first of the %d pushed", i, len(d.mids), len(pushed))
		}
	}
	most := busiestSecond(times)
	took := times[len(times)-1].Sub(times[0])
	t.Logf("%d devices were told to go in %.1f s, at most %d of them in any second, with drain_rate = %d; %d messages were pushed meanwhile",
		devices, took.Seconds(), most, rate, len(pushed))
	if most := busiestSecond(times); most > allowed(rate, late()) {
		t.Errorf("%d devices were told to go within one second, want at most %d", most, rate)
	}
}

// Where the rate does not fit the time it is raised, and the log says so with figures.
func TestDrainIsInTime(t *testing.T) {
	t.Parallel()
	n := serve(t, "--drain-rate", "1", "--drain-timeout", "1s")
	for range 40 {
		n.subscribe("k")
	}
	began := time.Now()
	if err := n.stop(); err != nil {
		t.Errorf("ended with %v, want 0\n%s", err, n.stderr)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("ended after %v with drain_timeout = 1s", took)
	}
	if want := regexp.MustCompile(`drain_rate is too low for drain_timeout.*left=\d+ seconds=[0-9.]+ drain_rate=1 rate=\d\d`); !want.MatchString(n.stderr.String()) {
		t.Errorf("the log does not say that the rate was raised:\n%s", n.stderr)
	}
}

// While balancers notice, everything is as ever; who is in a hurry sends SIGTERM again.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	n := serve(t, "--drain-delay", "1h")
	p := n.subscribe("k", "", "1")
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "/readyz is red", func() bool {
		a := do(t, "GET", n.opsURL("/readyz"), "")
		return a.status == http.StatusServiceUnavailable && strings.Contains(a.body, "stopping: waiting")
	})
	n.push("k", `"still here"`, "?expire=0")
	if m := p.next(); string(m.Msg) != `"still here"` {
		t.Errorf("got %s", m.Msg)
	}
	n.subscribe("k")
	if a := do(t, "DELETE", n.adminURL("/v1/drain"), ""); a.status != http.StatusConflict {
		t.Errorf("DELETE /v1/drain of a process that stops answers %d %s, want 409", a.status, a.body)
	}
	if err := n.stop(); err == nil {
		t.Error("a second SIGTERM ended it with 0: it should end at once")
	}
}
