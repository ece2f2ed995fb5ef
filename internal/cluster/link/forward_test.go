package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/cluster/link"
	"gopush/internal/message"
)

func TestPublishCarriesAllThatAPushSays(t *testing.T) {
	t.Parallel()
	_, two, to := pair(t, nil)
	mid := message.MidAt(time.Now().Add(time.Minute))
	big := bytes.Repeat([]byte("big "), 100<<10)
	tests := []struct {
		name string
		push message.Push
	}{
		{"live only", message.Push{Key: "a", Payload: []byte("p")}},
		{"empty", message.Push{Key: "a", Payload: []byte{}}},
		{"stored", message.Push{Key: "b", Payload: []byte("p"), Expire: time.Hour}},
		{"fields", message.Push{Key: "b", Payload: []byte("*2\r\n$1\r\na\r\n$1\r\nb\r\n"), Form: message.Fields, Expire: time.Hour}},
		{"public", message.Push{Key: "b", Payload: []byte("p"), GID: message.Public, Expire: time.Hour}},
		{"a mid of its own", message.Push{Key: "c", Payload: []byte("p"), Expire: time.Hour, Mids: message.Span{First: mid, Last: mid + 400}}},
		{"large", message.Push{Key: "d", Payload: big, Expire: time.Hour}},
		{"a key of any bytes", message.Push{Key: "ključ $1\\", Payload: []byte("\r\n\x00"), Expire: time.Hour}},
	}
	for _, tt := range tests {
		r := publish(t, to, tt.push)
		if len(r) != 1 || r[0].Err != nil || r[0].Stored != (tt.push.Expire > 0) {
			t.Fatalf("%s: Publish = %+v", tt.name, r)
		}
		if !r[0].Stored {
			continue
		}
		m, err := two.keys.Range(t.Context(), tt.push.Key, r[0].Mid, r[0].Mid, false, 0, 0)
		if err != nil || len(m) != 1 || !bytes.Equal(m[0].Payload, tt.push.Payload) || m[0].Form != tt.push.Form || m[0].GID != tt.push.GID {
			t.Errorf("%s: stored is %.200v, %v", tt.name, m, err)
		}
		if tt.push.Mids.First != 0 && r[0].Mid != mid {
			t.Errorf("%s: mid = %d, want %d", tt.name, r[0].Mid, mid)
		}
	}
	once := message.Push{Key: "e", Payload: []byte("p"), Expire: time.Hour, IdemKey: []byte("once")}
	first, again := publish(t, to, once)[0], publish(t, to, once, once)
	if want := (message.Receipt{Mid: first.Mid, Stored: true, Duplicate: true}); first.Duplicate || again[0] != want || again[1] != want {
		t.Errorf("a push with an idempotency key is answered %+v, when it is repeated %+v", first, again)
	}
	once.Expire = 0
	if r := publish(t, to, once)[0]; !errors.Is(r.Err, message.ErrIdemKey) {
		t.Errorf("a live-only push with an idempotency key is answered %+v", r)
	}
	publish(t, to, message.Push{Key: "e", Payload: []byte("p"), Expire: time.Hour, Trim: message.Trim{Keep: -1}})
	if info, err := two.keys.Info(t.Context(), "e"); err != nil || info.Stored != 0 {
		t.Errorf("trimmed by a push: %+v, %v", info, err)
	}
}

func TestPublishAnswersEachPushWithItsError(t *testing.T) {
	t.Parallel()
	_, _, to := pair(t, nil)
	ok, past := message.Push{Key: "k", Payload: []byte("p")}, message.Span{First: 4, Last: 4}
	publish(t, to, message.Push{Key: "k", Payload: []byte("p"), Expire: time.Hour})
	tests := []struct {
		name   string
		pushes []message.Push
		want   []error
	}{
		{"none", nil, nil},
		{"a bad key", []message.Push{ok, {Key: "\n"}, ok}, []error{nil, message.ErrKey, nil}},
		{"a mid that is past", []message.Push{{Key: "k", Expire: time.Hour, Mids: past}, ok}, []error{message.ErrMid, message.ErrSkipped}},
		{"too large", []message.Push{{Key: "k", Payload: make([]byte, 2<<20)}}, []error{message.ErrTooLarge}},
		{"a long key", []message.Push{{Key: strings.Repeat("k", 40<<10)}}, []error{message.ErrTooLarge}},
	}
	for _, tt := range tests {
		receipts := publish(t, to, tt.pushes...)
		if len(receipts) != len(tt.want) {
			t.Fatalf("%s: %d receipts, want %d", tt.name, len(receipts), len(tt.want))
		}
		for i, r := range receipts {
			if !errors.Is(r.Err, tt.want[i]) {
				t.Errorf("%s: receipt %d has %v, want %v", tt.name, i, r.Err, tt.want[i])
			}
		}
	}
	many := make([]message.Push, 5000)
	for i := range many {
		many[i] = message.Push{Key: fmt.Sprint("many ", i%7), Payload: []byte("p"), Expire: time.Hour}
	}
	last := map[string]int64{}
	for i, r := range publish(t, to, many...) {
		if r.Err != nil || r.Mid <= last[many[i].Key] {
			t.Fatalf("receipt %d of many: %+v after %d", i, r, last[many[i].Key])
		}
		last[many[i].Key] = r.Mid
	}
}

func TestPublishKeepsTheOrderOfCalls(t *testing.T) {
	t.Parallel()
	_, _, to := pair(t, nil)
	const calls = 20000
	mids := make([]int64, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Add(1)
		p := message.Push{Key: "k", Payload: []byte("p")}
		if i%3 == 0 {
			p.Expire = time.Hour
		}
		to.Publish([]message.Push{p}, func(r []message.Receipt) {
			if mids[i] = r[0].Mid; r[0].Err != nil {
				t.Errorf("call %d: %v", i, r[0].Err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	// A live-only push that nobody subscribes to touches no channel: only stored ones have an order among each other.
	for i := 3; i < calls; i += 3 {
		if mids[i] <= mids[i-3] {
			t.Fatalf("call %d got mid %d, call %d before it %d", i, mids[i], i-3, mids[i-3])
		}
	}
}

// What is started together is written together, when the sink is flushed; who was told is flushed after that.
func TestStartIsWrittenWhenTheSinkIsFlushed(t *testing.T) {
	t.Parallel()
	one, _, to := pair(t, func(cfg *link.Config) { cfg.Beat = time.Hour }) // a beat would write it, too
	told := make(chan error, 10)
	for range 10 {
		to.Start([]message.Push{{Key: "k"}}, func(r []message.Receipt) { told <- r[0].Err })
	}
	one.keys.Flush(channel.SinkSet(1) << one.keys.links)
	for range 10 {
		if err := <-told; err != nil {
			t.Error(err)
		}
	}
	one.handler.wait(t, "a flush", func() bool { return one.handler.flushes > 0 })
	one.links.SetPeers(nil)
	one.handler.event(t, "down n2")
	one.handler.mu.Lock()
	before := one.handler.flushes
	one.handler.mu.Unlock()
	to.Start([]message.Push{{Key: "k"}}, func(r []message.Receipt) { told <- r[0].Err })
	if err := <-told; !errors.Is(err, message.ErrUnavailable) {
		t.Error(err)
	}
	one.handler.wait(t, "a flush", func() bool { return one.handler.flushes > before })
}

func TestPublishToWhoIsNotLinkedFailsAtOnce(t *testing.T) {
	t.Parallel()
	one := start(t, "n1", nil)
	one.links.SetPeers([]link.Peer{{Name: "gone", Addrs: []string{"127.0.0.1:1"}}})
	r := publish(t, one.links.To("gone"), message.Push{Key: "a"}, message.Push{Key: "b"})
	for i := range r {
		if !errors.Is(r[i].Err, message.ErrUnavailable) || !strings.Contains(r[i].Err.Error(), "node gone") {
			t.Errorf("receipt %d: %v", i, r[i].Err)
		}
	}
	if one.links.To("nobody") != nil {
		t.Error("there is a link to nobody")
	}
	if _, err := one.links.To("gone").Kick(t.Context(), "a"); !errors.Is(err, message.ErrUnavailable) {
		t.Errorf("Kick = %v", err)
	}
}

func TestAsking(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	for i := range 3000 {
		if _, _, _, err := two.keys.Subscribe(two.keys.own, fmt.Sprintf("k%04d", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := to.Kick(t.Context(), "k", 1, 2, 1<<63); n != 103 || err != nil {
		t.Errorf("Kick = %d, %v", n, err)
	}
	if n, err := to.Kick(t.Context(), "fails"); !errors.Is(err, message.ErrUnknown) {
		t.Errorf("Kick = %d, %v", n, err)
	}
	if n, err := to.Subscribers(t.Context(), []string{"k0000", "nobody", "k0001"}); fmt.Sprint(n) != "[1 0 1]" || err != nil {
		t.Errorf("Subscribers = %v, %v", n, err)
	}
	if keys, err := to.Subscribed(t.Context(), "k*", 0); len(keys) != 3000 || err != nil {
		t.Errorf("Subscribed = %d keys, %v", len(keys), err)
	}
	if keys, err := to.Subscribed(t.Context(), "k001?", 5); len(keys) != 5 || err != nil {
		t.Errorf("Subscribed = %d keys, %v", len(keys), err)
	}
	if s, err := to.Stats(t.Context()); s != (link.NodeStats{Connections: 3, Keys: 2}) || err != nil {
		t.Errorf("Stats = %+v, %v", s, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := to.Stats(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Stats with an ended context = %v", err)
	}
	to.Look("a", "b")
	to.Revoked("k", nil)
	to.Revoked("k", []uint64{7, 8})
	if _, err := to.Stats(t.Context()); err != nil {
		t.Error(err)
	}
	two.keys.mu.Lock()
	if fmt.Sprint(two.keys.looked, two.keys.revoked) != "[a b] [k[] k[7 8]]" {
		t.Errorf("looked, revoked = %v %v", two.keys.looked, two.keys.revoked)
	}
	two.keys.mu.Unlock()
	two.links.Leave()
	one.handler.event(t, "left n2")
}
