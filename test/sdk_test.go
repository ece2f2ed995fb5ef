package test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/client"
)

// sdkSubscriber is a subscription of the SDK and what its callback got.
type sdkSubscriber struct {
	name      string
	mu        sync.Mutex
	messages  []client.Message
	connected int
	gaps      []client.Gap
	err       error // of Subscribe; valid once ended is closed
	ended     chan struct{}
}

// subscribeSDK subscribes until ctx ends. It connects again at once, not to wait in tests.
func subscribeSDK(ctx context.Context, name string, cfg client.Config) *sdkSubscriber {
	s := &sdkSubscriber{name: name, ended: make(chan struct{})}
	cfg.Backoff = func(int) time.Duration { return 10 * time.Millisecond }
	cfg.OnConnect = func(string) { s.locked(func() { s.connected++ }) }
	cfg.OnGap = func(g client.Gap) { s.locked(func() { s.gaps = append(s.gaps, g) }) }
	go func() {
		defer close(s.ended)
		s.err = client.Subscribe(ctx, cfg, func(m client.Message) error {
			s.locked(func() { s.messages = append(s.messages, m) })
			return nil
		})
	}()
	return s
}

func (s *sdkSubscriber) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// count returns how many messages came.
func (s *sdkSubscriber) count() (n int) {
	s.locked(func() { n = len(s.messages) })
	return n
}

// has tells whether a message came.
func (s *sdkSubscriber) has(id string) (found bool) {
	s.locked(func() {
		found = slices.ContainsFunc(s.messages, func(m client.Message) bool { return m.ID == id })
	})
	return found
}

// check holds what the callback got against what was acknowledged: each stored message once, in order.
func (s *sdkSubscriber) check(t *testing.T, kept map[int64]string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got, last := map[int64]string{}, int64(0)
	for _, m := range s.messages {
		if m.Mid <= last {
			t.Errorf("%s: mid %d came behind %d", s.name, m.Mid, last)
		}
		last, got[m.Mid] = m.Mid, fmt.Sprintf("%q", m.Payload)
	}
	for mid, payload := range kept {
		if got[mid] != payload {
			t.Errorf("%s: the message with mid %d came as %q, want %s", s.name, mid, got[mid], payload)
		}
	}
	if len(s.gaps) > 0 {
		t.Errorf("%s: was told of gaps: %v", s.name, s.gaps)
	}
}

// Over each kind of connection a node may be killed again and again: the callback gets each
// stored message exactly once, in order.
func TestSDKThroughKills(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t, t.TempDir())
	flags := []string{"--max-stored-per-key", "100000", "--public", "127.0.0.1:0?tls_cert=" + url.QueryEscape(cert) + "&tls_key=" + url.QueryEscape(key)}
	n := serve(t, flags...)
	plain, secure := newRelay(t, n.public[0]), newRelay(t, n.public[1])
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var subscribers []*sdkSubscriber
	for _, addr := range []string{plain.addr(), "tls://" + secure.addr(), "ws://" + plain.addr(), "wss://" + secure.addr()} {
		cfg := client.Config{Addr: addr, Key: "shared", TLS: &tls.Config{RootCAs: pool}}
		subscribers = append(subscribers, subscribeSDK(ctx, addr, cfg))
	}
	eventually(t, "all are connected", func() bool { return n.count("gopush_subscribers_total") == 4 })

	l := newLedger("shared", "other")
	for range 3 {
		l.publish(n, 4, 60)
		n = serveIn(t, n.dir, flags...)
		plain.to.Store(&n.public[0])
		secure.to.Store(&n.public[1])
	}
	end := n.publisher(t).push("shared", "end")
	for _, s := range append(subscribers, subscribeSDK(ctx, "from the beginning", client.Config{Addr: n.public[0], Key: "shared", After: "0"})) {
		eventually(t, s.name+": the last message comes", func() bool { return s.has(end) })
		s.check(t, l.kept["shared"])
	}
	stop()
	for _, s := range subscribers {
		if <-s.ended; !errors.Is(s.err, context.Canceled) || s.connected < 4 {
			t.Errorf("%s: ended with %v after %d connections, want as ctx did after at least 4", s.name, s.err, s.connected)
		}
	}
}

// sdkPublisher is a publisher of the SDK in a test.
type sdkPublisher struct {
	t *testing.T
	*client.Publisher
}

func (n *node) publisher(t *testing.T) sdkPublisher {
	t.Helper()
	p, err := client.NewPublisher(client.PublisherConfig{Addr: "http://" + n.admin[0], APIKey: "secret-of-sdk"})
	if err != nil {
		t.Fatal(err)
	}
	return sdkPublisher{t, p}
}

// push pushes a message to be stored and returns its id.
func (p sdkPublisher) push(key, payload string) string {
	p.t.Helper()
	r, err := p.Push(p.t.Context(), key, []byte(payload), client.Expire(time.Minute))
	if err != nil || !r.Stored {
		p.t.Fatalf("push %q to %q: %+v, %v", payload, key, r, err)
	}
	return r.ID
}

// A device of the SDK is told what it missed, and what is gone.
func TestSDKTellsGaps(t *testing.T) {
	t.Parallel()
	n := serve(t, "--max-stored-per-key", "3")
	p := n.publisher(t)
	var ids []string
	for i := range 6 {
		ids = append(ids, p.push("a/b ..", fmt.Sprint(i)))
	}
	s := subscribeSDK(t.Context(), "a device", client.Config{Addr: n.public[0], Key: "a/b ..", After: ids[0]})
	eventually(t, "all that is left comes", func() bool { return s.has(ids[5]) })
	want := client.Gap{After: ids[0], From: ids[3]}
	s.locked(func() {
		if len(s.messages) != 3 || !slices.Equal(s.gaps, []client.Gap{want}) {
			t.Errorf("got %d messages and the gaps %v, want 3 and %v", len(s.messages), s.gaps, want)
		}
	})
}

// What no further connection can mend ends a subscription.
func TestSDKRefusals(t *testing.T) {
	t.Parallel()
	n := serve(t, "--auth", "token", "--api-keys", "sdk:secret-of-sdk")
	token := n.register("k", "")
	for _, scheme := range []string{"tcp://", "ws://"} {
		addr := scheme + n.public[0]
		for _, tt := range []struct {
			name string
			cfg  client.Config
			want error
		}{
			{"a wrong token", client.Config{Addr: addr, Key: "k", Token: "wrong"}, client.ErrToken},
			{"no token", client.Config{Addr: addr, Key: "k"}, client.ErrToken},
			{"a key that nobody knows", client.Config{Addr: addr, Key: "unknown", Token: token}, client.ErrUnknownKey},
		} {
			tt.cfg.After = "0"
			s := subscribeSDK(t.Context(), tt.name, tt.cfg)
			if <-s.ended; !errors.Is(s.err, tt.want) || s.connected != 0 && scheme == "tcp://" {
				t.Errorf("%s, %s: ended with %v, want %v", scheme, tt.name, s.err, tt.want)
			}
		}
		s := subscribeSDK(t.Context(), "a good token", client.Config{Addr: addr, Key: "k", Token: token, After: "0"})
		id := n.publisher(t).push("k", "hello")
		eventually(t, "a good token gets messages", func() bool { return s.has(id) })
		n.register("k", `{"token":"another"}`)
		n.revoke("k", `{"token":"`+token+`"}`, `{"closed":1,"revoked":1}`)
		if <-s.ended; !errors.Is(s.err, client.ErrToken) {
			t.Errorf("%s: after its token was revoked it ended with %v, want %v", scheme, s.err, client.ErrToken)
		}
		token = n.register("k", "")
	}
	stranger, err := client.NewPublisher(client.PublisherConfig{Addr: "http://" + n.admin[0], APIKey: "wrong-secret"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stranger.Push(t.Context(), "k", nil)
	if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Code != "api_key_wrong" || refusal.Status != http.StatusUnauthorized {
		t.Errorf("a push with a wrong API key: %v, want api_key_wrong", err)
	}
}

// Many messages in one call have a result each.
func TestSDKPushAll(t *testing.T) {
	t.Parallel()
	n := serve(t, "--max-message-bytes", "1000")
	s := subscribeSDK(t.Context(), "a device", client.Config{Addr: n.public[0], Key: "k", After: "0"})
	eventually(t, "it is connected", func() bool { return n.count("gopush_subscribers_total") == 1 })
	results, err := n.publisher(t).PushAll(t.Context(), []client.Push{
		{Key: "k", Payload: []byte(`{"a":1}`)},
		{Key: "k", Payload: []byte("\x00text"), Expire: client.LiveOnly},
		{Key: "../..", Payload: []byte("x"), Expire: time.Minute},
		{Key: "k", Payload: []byte(strings.Repeat("x", 1001))},
		{Key: "k", Payload: []byte("later")},
	})
	if err != nil || len(results) != 5 {
		t.Fatalf("PushAll = %v, %v", results, err)
	}
	for i, want := range []struct {
		stored bool
		code   string
	}{{true, ""}, {false, ""}, {true, ""}, {false, client.CodeTooLarge}, {false, client.CodeSkipped}} {
		r, code := results[i], ""
		if refusal, ok := errors.AsType[*client.Error](r.Err); ok {
			code = refusal.Code
		}
		if r.Stored != want.stored || code != want.code {
			t.Errorf("result %d is %+v, want stored %v and error %q", i, r, want.stored, want.code)
		}
	}
	eventually(t, "both messages come", func() bool { return s.count() == 2 })
	if first, second := s.messages[0], s.messages[1]; string(first.Payload) != `{"a":1}` || first.Text || string(second.Payload) != "\x00text" || !second.Text || first.ID != results[0].ID {
		t.Errorf("got %+v and %+v", first, second)
	}
	n.expectInfo("../..", 1, 0)
}
