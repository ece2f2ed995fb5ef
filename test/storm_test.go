package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Devices that were cut off all come back at once and read what they missed, while others are pushed to. Those come to no harm: what they
// get is late by a multiple of what it is late without the storm, all devices are back, and none has missed anything.
func TestStormOfDevicesThatComeBack(t *testing.T) {
	t.Parallel()
	const devices, keys, missed = 2000, 40, 20
	n := serve(t, "--max-joining", "256")
	var want [keys][]int64
	for key := range keys {
		want[key] = n.fillMids("storm-"+strconv.Itoa(key), missed, strings.Repeat("x", 500))
	}
	live := n.listenLive(10)
	calm := live.during(func() { time.Sleep(2 * time.Second) })
	began := time.Now()
	var took time.Duration
	var came []comer
	stormy := live.during(func() {
		came = n.comeBack(devices, keys, missed)
		took = time.Since(began)
	})
	live.end()
	for i, c := range came {
		if !slices.Equal(c.Mids, want[c.Key]) {
			t.Errorf("device %d came back with %d messages, %s; want %d", i, len(c.Mids), c.Err, missed)
		}
	}
	t.Logf("%d devices came back at once and read %d messages in %.1f s; accepting was paused %v times, %v were told to come back later; "+
		"live messages took %v (median) and %v (99 %%) meanwhile, %v and %v before: %.1f and %.1f times as long",
		devices, devices*missed, took.Seconds(), n.count("gopush_accepts_paused_total"), n.closed("busy"),
		stormy.at(50), stormy.at(99), calm.at(50), calm.at(99), ratio(stormy.at(50), calm.at(50)), ratio(stormy.at(99), calm.at(99)))
	// On the same processors are the node, the devices and whatever else: what says something is a part of the storm.
	if stormy.at(50) > took/20 {
		t.Errorf("half of the live messages took more than %v, a twentieth of the storm", took/20)
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, time.Microsecond)) }

// fillMids stores messages and returns their mids.
func (n *node) fillMids(key string, count int, text string) (mids []int64) {
	n.t.Helper()
	for i := range count {
		mid, err := n.pushMid(key, strconv.Quote(fmt.Sprintf("%d %s", i, text)), "600")
		if err != nil {
			n.t.Fatal(err)
		}
		mids = append(mids, mid)
	}
	return mids
}

// comer is a device that has come back.
type comer struct {
	Key  int
	Mids []int64
	Err  string
}

// comersVariable tells a process of this program to be the devices that come back to an address: then what they do is not
// measured with what others get.
const comersVariable = "GOPUSH_TEST_COMERS"

// comeBack has so many devices come back at once, from a process of their own.
func (n *node) comeBack(devices, keys, count int) (came []comer) {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.CommandContext(within(n.t), self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", comersVariable, n.public[0], devices, keys, count))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &came)
	}
	if err != nil || len(came) != devices {
		n.t.Fatalf("%d devices came back, %v", len(came), err)
	}
	return came
}

// comeFrom is that process.
func comeFrom(setting string) (exitCode int) {
	var addr string
	var devices, keys, count int
	if _, err := fmt.Sscan(setting, &addr, &devices, &keys, &count); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	came := make([]comer, devices)
	var coming sync.WaitGroup
	for i := range came {
		coming.Go(func() {
			mids, err := comeUntil(addr, "storm-"+strconv.Itoa(i%keys), count)
			if came[i] = (comer{Key: i % keys, Mids: mids}); err != nil {
				came[i].Err = err.Error()
			}
		})
	}
	coming.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(came); err != nil {
		return 1
	}
	return 0
}

// comeUntil subscribes after mid 0, and reads so many messages; it comes again whenever it is told to.
func comeUntil(addr, key string, count int) (mids []int64, err error) {
	for end := time.Now().Add(3 * patience); time.Now().Before(end); {
		mids, err = comeOnce(addr, key, count)
		if err == nil || len(mids) > 0 {
			return mids, err
		}
		var ms int
		if _, scanErr := fmt.Sscanf(err.Error(), "told +r %d", &ms); scanErr != nil {
			return nil, err
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	return mids, err
}

func comeOnce(addr, key string, count int) (mids []int64, err error) {
	c, err := net.DialTimeout("tcp", addr, 2*patience)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * patience))
	fmt.Fprint(c, command("sub", key, "60", "", "1", "0"))
	lines := bufio.NewReader(c)
	if line, err := lines.ReadString('\n'); line != "+h\r\n" {
		return nil, fmt.Errorf("told %s(%v)", line, err)
	}
	for len(mids) < count {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return mids, err
		}
		var m legacyMessage
		if json.Unmarshal(line, &m) == nil && m.Mid > 0 {
			mids = append(mids, m.Mid)
		}
	}
	return mids, nil
}

// liveListeners are subscribers who measure how late live-only messages are.
type liveListeners struct {
	n       *node
	ended   chan struct{}
	reading sync.WaitGroup

	mu   sync.Mutex
	late []time.Duration // guarded by mu
}

// listenLive has so many subscribers, who are pushed to a hundred times a second from now on.
func (n *node) listenLive(count int) *liveListeners {
	n.t.Helper()
	l := &liveListeners{n: n, ended: make(chan struct{})}
	for range count {
		p := n.subscribe("live", "", "1")
		p.SetDeadline(time.Time{})
		l.reading.Go(func() {
			for {
				line, err := p.r.ReadBytes('\n')
				if err != nil {
					return
				}
				var m struct{ Msg int64 }
				if json.Unmarshal(line, &m) == nil && m.Msg > 0 {
					l.mu.Lock()
					l.late = append(l.late, time.Since(time.Unix(0, m.Msg)))
					l.mu.Unlock()
				}
			}
		})
		n.t.Cleanup(func() { p.Close() })
	}
	l.reading.Go(func() {
		pusher := dial(n.t, n.admin[0])
		pusher.SetDeadline(time.Time{})
		go drainReplies(pusher)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-l.ended:
				pusher.Close()
				return
			case <-tick.C:
				fmt.Fprint(pusher, command("PUBLISH", "live", strconv.FormatInt(time.Now().UnixNano(), 10)))
			}
		}
	})
	return l
}

// drainReplies reads until the connection is closed.
func drainReplies(p *peer) {
	for {
		if _, err := p.r.Discard(1); err != nil {
			return
		}
	}
}

// lateness is how late messages were, sorted.
type lateness []time.Duration

// at returns a percentile.
func (l lateness) at(percent int) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(len(l)*percent/100, len(l)-1)].Round(10 * time.Microsecond)
}

// during measures while f runs.
func (l *liveListeners) during(f func()) lateness {
	l.mu.Lock()
	l.late = nil
	l.mu.Unlock()
	f()
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.late)
	slices.Sort(all)
	if len(all) == 0 {
		l.n.t.Error("no live message came")
	}
	return all
}

// end ends the pushing.
func (l *liveListeners) end() { close(l.ended) }
