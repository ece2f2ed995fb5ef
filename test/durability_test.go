package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Whatever was acknowledged is there after kill -9, once and in order; no mid that anyone holds
// is passed again, those of live-only messages included.
func TestKillsLoseNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	flags := []string{"--max-stored-per-key", "100000"}
	l, n := newLedger("shared", "a", "b"), serve(t, flags...)
	for range 4 {
		ended := l.watch(n, "shared")
		l.publish(n, 6, 150)
		<-ended
		n = serveIn(t, n.dir, flags...)
		l.check(t, n)
	}
	if err := n.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	l.check(t, serveIn(t, n.dir, flags...))
}

// A node with 100,000 messages (fewer where the race detector makes it slow) is ready as soon as one with none, after a crash too.
func TestStartDoesNotDependOnWhatIsStored(t *testing.T) {
	t.Parallel()
	n := serve(t)
	n, empty := n.again()
	keys, each := 100, 1000
	if raceEnabled {
		keys = 40
	}
	for i := range keys {
		n.fill(fmt.Sprint("key", i), each)
	}
	n, crashed := n.again()
	if err := n.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	n, stopped := n.again()
	t.Logf("ready after %v with nothing stored; with %d messages after %v, killed before, and %v, stopped before", empty, keys*each, crashed, stopped)
	if most := 10*time.Second + 5*empty; max(crashed, stopped) > most {
		t.Errorf("a start takes %v after a crash and %v after a stop, want at most %v: an empty node takes %v", crashed, stopped, most, empty)
	}
	if a := do(t, "GET", n.opsURL("/readyz"), ""); a.status != http.StatusOK {
		t.Errorf("said that it is ready, and answers %d %s", a.status, a.body)
	}
	n.expectInfo("key0", each, 0)
}

// again kills the node if it runs, and tells how long it then takes to start.
func (n *node) again() (*node, time.Duration) {
	n.t.Helper()
	n.kill()
	begin := time.Now()
	n = serveIn(n.t, n.dir)
	return n, time.Since(begin)
}

// expectInfo checks what is told of a key.
func (n *node) expectInfo(key string, stored, subscribers int) {
	n.t.Helper()
	a := do(n.t, "GET", n.adminURL("/v1/keys/"+url.PathEscape(key)), "")
	var info struct {
		Key                 string
		Stored, Subscribers int
	}
	if err := json.Unmarshal([]byte(a.body), &info); err != nil || info.Key != key || info.Stored != stored || info.Subscribers != subscribers {
		n.t.Errorf("info of %s: %d %s, want %d stored and %d subscribers", key, a.status, a.body, stored, subscribers)
	}
}

// fill stores so many messages for key in one call.
func (n *node) fill(key string, count int) {
	n.t.Helper()
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, `,{"key":%q,"payload":{"number":%d}}`, key, i)
	}
	a := do(n.t, "POST", n.adminURL("/v1/push"), `{"messages":[`+b.String()[1:]+`]}`)
	var answer struct {
		Results []struct{ Stored bool }
	}
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || a.status != http.StatusOK || len(answer.Results) != count {
		n.t.Fatalf("push %d messages to %s: %d %.300s", count, key, a.status, a.body)
	}
	for i, r := range answer.Results {
		if !r.Stored {
			n.t.Fatalf("message %d of %d to %s was not stored: %.300s", i, count, key, a.body)
		}
	}
}
