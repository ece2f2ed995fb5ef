package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/auth"
	"gopush/internal/message"
	"gopush/internal/store/memory"
	"gopush/internal/web"
)

// now is the time of every test: 0 ticks past the second, mid 17672256000000000.
var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const firstMid = 17672256000000000

// keys are web.Keys in memory. Mids count from firstMid in steps of 4.
type keys struct {
	mu       sync.Mutex
	last     int64
	stored   map[string][]message.Message
	pushed   []message.Push   // all that was tried and not refused
	fail     map[string]error // what pushes to a key answer
	broken   error            // what everything else answers
	firsts   map[string]int64 // by "KEY IDEMPOTENCY-KEY"
	kicked   []string         // "KEY [TAGS]"
	maxBytes int              // of a payload
	read     func(reads int)  // called before each Range
	reads    int
	subs     int
	ctxErr   error // of the last Publish's context
}

func newKeys() *keys {
	return &keys{last: firstMid - 4, stored: map[string][]message.Message{}, fail: map[string]error{}, firsts: map[string]int64{"known once": firstMid - 400}, maxBytes: 1 << 20, subs: 3}
}

func (k *keys) Publish(ctx context.Context, pushes []message.Push) []message.Receipt {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ctxErr = ctx.Err()
	if _, ends := ctx.Deadline(); !ends {
		k.ctxErr = errors.New("work without an end")
	}
	receipts := make([]message.Receipt, len(pushes))
	failed := map[string]bool{}
	for i, p := range pushes {
		if receipts[i] = k.publish(p, failed[p.Key]); receipts[i].Err != nil {
			failed[p.Key] = true
		}
	}
	return receipts
}

func (k *keys) publish(p message.Push, skip bool) message.Receipt {
	err := message.CheckKey(p.Key, 255)
	switch {
	case skip:
		err = message.ErrSkipped
	case err != nil:
	case len(p.Payload) > k.maxBytes:
		err = fmt.Errorf("%w: %d bytes, max_message_bytes is %d", message.ErrTooLarge, len(p.Payload), k.maxBytes)
	case p.Expire == 0 && p.IdemKey != nil:
		err = fmt.Errorf("%w: it is live only", message.ErrIdemKey)
	default:
		err = k.fail[p.Key]
	}
	if err != nil {
		return message.Receipt{Err: err}
	}
	if first, found := k.firsts[p.Key+" "+string(p.IdemKey)]; found {
		return message.Receipt{Mid: first, Stored: true, Duplicate: true}
	}
	k.last += 4
	if p.IdemKey != nil {
		k.firsts[p.Key+" "+string(p.IdemKey)] = k.last
	}
	k.pushed = append(k.pushed, p)
	m := message.Message{Mid: k.last, GID: p.GID, Payload: p.Payload}
	if p.Expire > 0 {
		m.Expires = now.Add(p.Expire)
		k.stored[p.Key] = append(k.stored[p.Key], m)
	}
	return message.Receipt{Mid: m.Mid, Stored: m.Stored(), Subscribers: k.subs}
}

func (k *keys) Range(_ context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	k.mu.Lock()
	k.reads++
	reads := k.reads
	k.mu.Unlock()
	if k.read != nil {
		k.read(reads)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	all := slices.Clone(k.stored[key])
	if reverse {
		slices.Reverse(all)
	}
	var found []message.Message
	size := 0
	for _, m := range all {
		size += len(m.Payload)
		if m.Mid < from || m.Mid > to {
			size -= len(m.Payload)
			continue
		}
		if limit > 0 && len(found) == limit || maxBytes > 0 && size > maxBytes && len(found) > 0 {
			break
		}
		found = append(found, m)
	}
	return found, k.broken
}

func (k *keys) Info(_ context.Context, key string) (message.KeyInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info := message.KeyInfo{Subscribers: k.subs, Stored: len(k.stored[key])}
	if n := len(k.stored[key]); n > 0 {
		info.Last = k.stored[key][n-1].Mid
	}
	return info, k.broken
}

func (k *keys) Delete(_ context.Context, key string, mids ...int64) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := len(k.stored[key])
	k.stored[key] = slices.DeleteFunc(k.stored[key], func(m message.Message) bool {
		return len(mids) == 0 || slices.Contains(mids, m.Mid)
	})
	return before - len(k.stored[key]), k.broken
}

// Position is the one of the tests' moment.
func (k *keys) Position() int64 { return 17672255999999996 }

func (k *keys) Kick(_ context.Context, key string, tags ...uint64) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kicked = append(k.kicked, fmt.Sprint(key, " ", len(tags)))
	return k.subs, k.broken
}

// put stores payloads for key.
func (k *keys) put(t *testing.T, key string, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := k.Publish(ctx, []message.Push{{Key: key, Payload: []byte(p), Expire: time.Minute}})
		if r[0].Err != nil {
			t.Fatalf("store %q for %q: %v", p, key, r[0].Err)
		}
	}
}

// payloads returns what was pushed, as "KEY EXPIRE PAYLOAD".
func (k *keys) payloads() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	got := []string{}
	for _, p := range k.pushed {
		got = append(got, fmt.Sprintf("%s %v %s", p.Key, p.Expire, p.Payload))
	}
	return got
}

// node is a Config with its parts at hand.
type node struct {
	web.Config
	keys     *keys
	settings *web.Settings
	log      *logBook
}

// logBook is what was logged, at every level.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newNode() *node {
	n := &node{keys: newKeys(), log: new(logBook), settings: &web.Settings{
		MaxKeyBytes: 255, MaxMessageBytes: 1 << 20, DefaultExpire: 7 * 24 * time.Hour,
	}}
	n.Config = web.Config{
		Keys:     n.keys,
		Settings: func() *web.Settings { return n.settings },
		Addresses: func(_ string, p web.Protocol) []string {
			return map[web.Protocol][]string{
				web.WebSocket: {"ws.example:8090", "10.0.0.1:8090"},
				web.TCP:       {"tcp.example:6969"},
			}[p]
		},
		Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return n
}

// withTokens has n ask subscribers for tokens; k1 has the token "t1".
func (n *node) withTokens(t *testing.T) *node {
	t.Helper()
	n.Tokens = auth.NewTokens(memory.New(memory.Config{Now: n.Now}), n.Now)
	if _, _, err := n.Tokens.Register(t.Context(), "k1", "t1", 0); err != nil {
		t.Fatalf("register a token: %v", err)
	}
	return n
}

// withKeys gives n the API key "s3cret".
func (n *node) withKeys() *node {
	n.settings.APIKeys = auth.NewAPIKeys(map[string]string{"shop": "s3cret"})
	n.settings.TrustedNetworks = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	n.settings.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32"), netip.MustParsePrefix("10.9.0.0/16")}
	n.settings.AllowedHosts = []string{"push.internal"}
	n.settings.AdminOrigins = []string{"https://console.example"}
	return n
}

var loopback = web.Trust{Loopback: true}

// ask sends a request as it would come over a connection, with headers "NAME: VALUE".
func ask(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:6970", "127.0.0.1:5"
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		switch name {
		case "Host":
			r.Host = value
		case "From":
			r.RemoteAddr = value
		default:
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantAnswer checks status, body and length.
func wantAnswer(t *testing.T, w *httptest.ResponseRecorder, what string, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("%s = %d %s\nwant %d %s", what, w.Code, w.Body, status, body)
	}
	if got := w.Header().Get("Content-Length"); got != fmt.Sprint(w.Body.Len()) {
		t.Errorf("%s: Content-Length %q, want %d", what, got, w.Body.Len())
	}
}

// wantProblem checks a refusal of the v1 API by its status, code and words of its message.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, what string, status int, code string, words ...string) {
	t.Helper()
	body := w.Body.String()
	if w.Code != status || !strings.HasPrefix(body, `{"error":{"code":"`+code+`","message":"`) {
		t.Errorf("%s = %d %s\nwant %d with code %q", what, w.Code, body, status, code)
	}
	for _, word := range words {
		if !strings.Contains(body, word) {
			t.Errorf("%s = %s\nwant it to say %q", what, body, word)
		}
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read: %v after %q", err, b)
	}
	return string(b)
}
