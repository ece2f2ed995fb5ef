package test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gopush/internal/message"
)

// ledger is what publishers know of their pushes. Each payload is pushed once: what failed is
// not tried again, so that a message which is there twice was doubled by the node.
type ledger struct {
	keys []string

	mu     sync.Mutex
	pushed int                         // payloads given out
	tried  map[string]map[string]bool  // by key: payloads of pushes that were to be stored
	kept   map[string]map[int64]string // by key and mid: payloads of those that were acknowledged
	acked  map[string][]int64          // by key: mids of all that were acknowledged, live-only ones too
	high   map[string]int64            // by key: the highest mid that a publisher or subscriber saw
	floor  map[string]int64            // the same when the node was killed last
	passed []string                    // mids that were at or below the floor
}

func newLedger(keys ...string) *ledger {
	l := &ledger{
		keys: keys, acked: map[string][]int64{}, high: map[string]int64{}, floor: map[string]int64{},
		kept: map[string]map[int64]string{}, tried: map[string]map[string]bool{},
	}
	for _, key := range keys {
		l.kept[key], l.tried[key] = map[int64]string{}, map[string]bool{}
	}
	return l
}

// payload returns one that was not pushed yet: publisher and a number that grows.
func (l *ledger) payload(publisher int, key string, stored bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pushed++
	payload := fmt.Sprintf(`"%d %d"`, publisher, l.pushed)
	if stored {
		l.tried[key][payload] = true
	}
	return payload
}

// saw notes a mid that the node gave.
func (l *ledger) saw(key string, mid int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mid <= l.floor[key] {
		l.passed = append(l.passed, fmt.Sprintf("%s: mid %d was given after a restart, and %d before it", key, mid, l.floor[key]))
	}
	l.high[key] = max(l.high[key], mid)
}

// publish pushes to all keys from several publishers until so many pushes were acknowledged;
// then it kills the node while they go on.
func (l *ledger) publish(n *node, publishers, count int) {
	l.publishUntil(n, publishers, count, n.kill)
}

// publishUntil is publish for a node that end ends.
func (l *ledger) publishUntil(n *node, publishers, count int, end func()) {
	var acks atomic.Int64
	var working sync.WaitGroup
	enough := make(chan struct{})
	for p := range publishers {
		working.Go(func() {
			for i := p; l.push(n, p, i) == nil; i++ {
				if acks.Add(1) == int64(count) {
					close(enough)
				}
			}
		})
	}
	failed := make(chan struct{}) // all publishers have: that is found out later
	go func() { working.Wait(); close(failed) }()
	select {
	case <-enough:
	case <-failed:
	}
	end()
	<-failed
	l.restarted()
}

// restarted notes that the node has ended: the next one gives higher mids.
func (l *ledger) restarted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor = maps.Clone(l.high)
}

// push pushes one message and notes what came of it. Every fifth is live only.
func (l *ledger) push(n *node, publisher, i int) error {
	key, stored, expire := l.keys[i%len(l.keys)], i%5 != 0, "600"
	if !stored {
		expire = "0"
	}
	payload := l.payload(publisher, key, stored)
	mid, err := n.pushMid(key, payload, expire)
	if err != nil {
		return err
	}
	l.saw(key, mid)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[key] = append(l.acked[key], mid)
	if stored {
		l.kept[key][mid] = payload
	}
	return nil
}

// pushMid pushes a message and returns its mid. Any goroutine may call it.
func (n *node) pushMid(key, payload, expire string) (mid int64, err error) {
	resp, err := http.Post(n.adminURL("/v1/push/"+key+"?expire="+expire), "", strings.NewReader(payload))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	var pushed struct{ ID string }
	if err := json.Unmarshal(body, &pushed); err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("push %.60s to %s: %s %.200s", payload, key, resp.Status, body)
	}
	return message.ParseID(pushed.ID)
}

// watch notes the mids that a subscriber of key gets until the node ends, and gives them then.
func (l *ledger) watch(n *node, key string) <-chan []int64 {
	p := n.subscribe(key, "", "1")
	all := make(chan []int64, 1)
	go func() {
		defer p.Close()
		var mids []int64
		for {
			line, err := p.r.ReadBytes('\n')
			if err != nil {
				all <- mids
				return
			}
			var m legacyMessage
			if json.Unmarshal(line, &m) == nil { // else it is the length of one
				l.saw(key, m.Mid)
				mids = append(mids, m.Mid)
			}
		}
	}()
	return all
}

// check holds what the node has stored, read in each way, against what was acknowledged.
func (l *ledger) check(t *testing.T, n *node) {
	t.Helper()
	for _, passed := range l.passed {
		t.Error(passed)
	}
	for _, key := range l.keys {
		stored := n.storedV1(key)
		l.checkKey(t, key, stored)
		if got := n.storedLegacy(key); !slices.Equal(got, stored) {
			t.Errorf("%s: the %d messages of /1/msg/get are not the %d of the v1 API", key, len(got), len(stored))
		}
		n.expectStored(key, stored)
	}
}

func (l *ledger) checkKey(t *testing.T, key string, stored []storedMessage) {
	t.Helper()
	missing, tried := maps.Clone(l.kept[key]), maps.Clone(l.tried[key])
	last, lastOf := int64(0), map[int]int{} // by publisher
	for _, m := range stored {
		if m.mid <= last {
			t.Errorf("%s: mid %d stands behind %d", key, m.mid, last)
		}
		if !tried[m.payload] {
			t.Errorf("%s: %s with mid %d is there twice, or nobody stored it", key, m.payload, m.mid)
		}
		if want := missing[m.mid]; want != "" && want != m.payload {
			t.Errorf("%s: mid %d is %s, acknowledged was %s", key, m.mid, m.payload, want)
		}
		var publisher, number int
		if fmt.Sscanf(m.payload, `"%d %d"`, &publisher, &number); number <= lastOf[publisher] {
			t.Errorf("%s: %s stands behind number %d of the same publisher", key, m.payload, lastOf[publisher])
		}
		last, lastOf[publisher] = m.mid, number
		delete(tried, m.payload)
		delete(missing, m.mid)
	}
	for mid, payload := range missing {
		t.Errorf("%s: %s was acknowledged with mid %d and is gone", key, payload, mid)
	}
}

// lost returns how many messages are not there of those that were acknowledged.
func (l *ledger) lost(n *node) (count int) {
	n.t.Helper()
	for _, key := range l.keys {
		stored := n.storedV1(key)
		for mid := range l.kept[key] {
			if !slices.ContainsFunc(stored, func(m storedMessage) bool { return m.mid == mid }) {
				count++
			}
		}
	}
	return count
}

// uncertain returns how many messages are stored of those that were not acknowledged.
func (l *ledger) uncertain(n *node) (count int) {
	n.t.Helper()
	for _, key := range l.keys {
		for _, m := range n.storedV1(key) {
			if l.kept[key][m.mid] == "" {
				count++
			}
		}
	}
	return count
}

// storedMessage is a message as it is read back.
type storedMessage struct {
	mid     int64
	payload string
}

// storedV1 reads all that is stored for key, page by page.
func (n *node) storedV1(key string) (all []storedMessage) {
	n.t.Helper()
	for after := "0"; after != ""; {
		page := n.history(key, "limit=100&after="+after)
		for _, m := range page.Messages {
			mid, err := message.ParseID(m.ID)
			if err != nil {
				n.t.Fatal(err)
			}
			all = append(all, storedMessage{mid, string(m.Payload)})
		}
		after = page.Next
	}
	return all
}

// historyPage is what the v1 API answers of the messages of a key.
type historyPage struct {
	Messages []struct {
		ID, Base64, Expires string
		Payload             json.RawMessage
	}
	Next string
}

// history reads one page.
func (n *node) history(key, query string) (p historyPage) {
	n.t.Helper()
	a := do(n.t, "GET", n.adminURL("/v1/keys/"+url.PathEscape(key)+"/messages?"+query), "")
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != http.StatusOK {
		n.t.Fatalf("messages of %s, %s: %d %.200s", key, query, a.status, a.body)
	}
	return p
}

// storedLegacy reads all that is stored for key as clients of gopush-cluster do.
func (n *node) storedLegacy(key string) (all []storedMessage) {
	n.t.Helper()
	a := do(n.t, "GET", n.publicURL("/1/msg/get?m=0&k="+url.QueryEscape(key)), "")
	var got struct {
		Data struct{ Msgs []legacyMessage }
		Ret  int
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Ret != 0 {
		n.t.Fatalf("/1/msg/get of %s: %.200s", key, a.body)
	}
	for _, m := range got.Data.Msgs {
		all = append(all, storedMessage{m.Mid, string(m.Msg)})
	}
	return all
}

// expectStored has a device resume key from the beginning: it gets exactly want.
func (n *node) expectStored(key string, want []storedMessage) {
	n.t.Helper()
	p := n.subscribe(key, "", "1", "0")
	defer p.Close()
	prev := int64(0)
	for i, w := range want {
		m := p.next()
		if m.Mid != w.mid || string(m.Msg) != w.payload || m.Prev == nil || *m.Prev != prev {
			n.t.Fatalf("%s: message %d of a resume is %s with mid %d, want %s with mid %d after %d", key, i, m.Msg, m.Mid, w.payload, w.mid, prev)
		}
		prev = w.mid
	}
	expectNothing(n.t, n, p, url.PathEscape(key))
}
