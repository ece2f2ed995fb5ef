package web_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/message"
	"gopush/internal/web"
	"gopush/internal/wire/http1"
)

// plainNode is a node whose counts can be read.
type plainNode struct {
	*node
	reg *prometheus.Registry
}

// newPlainNode has two API keys' worth of rules off: it is asked over loopback. Some keys fail.
func newPlainNode() *plainNode {
	n := &plainNode{newNode(), prometheus.NewRegistry()}
	n.Metrics = web.NewMetrics(n.reg)
	n.keys.maxBytes = 100
	n.keys.fail = map[string]error{
		"away":   fmt.Errorf("append: %w", message.ErrUnavailable),
		"late":   message.ErrUnknown,
		"broken": errors.New("a bug"),
	}
	return n
}

// counts returns the counters of n by name and labels, but for durations.
func (n *plainNode) counts(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			if n := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()); n > 0 {
				counts[f.GetName()+fmt.Sprint(m.Label)] = n
			}
		}
	}
	return counts
}

// viaLoop answers request as an event loop does; nil: net/http is to have it.
func (n *plainNode) viaLoop(t *testing.T, trust web.Trust, request []byte) []byte {
	t.Helper()
	var r http1.Request
	size, strict := http1.Parse(&r, request, http1.Limits{MaxHead: 8 << 10, MaxBody: 32 << 10})
	if !strict || size != len(request) {
		return nil
	}
	pushes, answer := web.Admin(n.Config, trust).Pushes("127.0.0.1:1", &r)
	if pushes == nil {
		return nil
	}
	clear(request) // nothing of it is kept
	ctx, cancel := t.Context(), func() {}
	defer cancel()
	receipts := n.keys.Publish(ctx, pushes)
	return bytes.TrimPrefix(answer([]byte("before"), receipts, false), []byte("before"))
}

// viaHTTP answers request as net/http does.
func (n *plainNode) viaHTTP(t *testing.T, trust web.Trust, request []byte) []byte {
	t.Helper()
	server := httptest.NewServer(web.Admin(n.Config, trust))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.Write(request)
	var raw bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(c, &raw)), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	io.Copy(io.Discard, resp.Body)
	return raw.Bytes()
}

var dateLine = regexp.MustCompile(`Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n`)

func undated(b []byte) string { return dateLine.ReplaceAllString(string(b), "Date: NOW\r\n") }

// compareWays has request answered in both ways and returns whether a loop answers it itself.
func compareWays(t *testing.T, trust web.Trust, set func(*plainNode), request string) bool {
	t.Helper()
	one, other := newPlainNode(), newPlainNode()
	set(one)
	set(other)
	got := one.viaLoop(t, trust, []byte(request))
	if got == nil {
		if len(one.keys.pushed) > 0 || len(one.counts(t)) > 0 {
			t.Fatalf("%q is left to net/http, and left traces: %v, %v", request, one.keys.payloads(), one.counts(t))
		}
		return false
	}
	want := other.viaHTTP(t, trust, []byte(request))
	if d := cmp.Diff(undated(want), undated(got)); d != "" {
		t.Fatalf("%q: net/http answers -, the loop +\n%s", request, d)
	}
	if d := cmp.Diff(other.keys.pushed, one.keys.pushed); d != "" {
		t.Fatalf("%q: net/http pushes -, the loop +\n%s", request, d)
	}
	if d := cmp.Diff(other.counts(t), one.counts(t)); d != "" {
		t.Fatalf("%q: net/http counts -, the loop +\n%s", request, d)
	}
	return true
}

// post writes a strict request.
func post(target, body string, fields ...string) string {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1:6970\r\nContent-Length: %d\r\n", target, len(body))
	for _, f := range fields {
		head += f + "\r\n"
	}
	return head + "\r\n" + body
}

func plainPushes() map[string]string {
	return map[string]string{
		"one":                  post("/v1/push/k?expire=0", "hello"),
		"one, stored":          post("/v1/push/k?expire=60", "hello"),
		"one, kept by default": post("/v1/push/k", "hello"),
		"an empty message":     post("/v1/push/k", ""),
		"an escaped key":       post("/v1/push/a%2Fb%20%E4%BD%A0?expire=4294967295", "hello"),
		"a key of dots":        post("/v1/push/..", "hello"),
		"the store away":       post("/v1/push/away", "hello"),
		"an unknown outcome":   post("/v1/push/late", "hello"),
		"a bug":                post("/v1/push/broken", "hello"),
		"too large for keys":   post("/v1/push/k", strings.Repeat("x", 101)),
		"a batch":              post("/v1/push", `{"messages":[{"keys":["a","b"],"base64":"AP8=","expire":0},{"key":"a","payload":{"x":[1]}}]}`),
		"a batch with failures": post("/v1/push",
			`{"messages":[{"keys":["a","away","away","\u0001","<\"é\u2028>"],"payload":1},{"key":"late","payload":"x"},{"key":"broken","payload":1}]}`),
		"legacy":                          post("/1/admin/push/private?key=k&expire=60", ` {"a": 1}`),
		"legacy, old path":                post("/admin/push?expire=0&key=k", "1"),
		"legacy, escaped":                 post("/1/admin/push/private?key=a%20b+c%26&expire=1", "1"),
		"legacy, away":                    post("/1/admin/push/private?key=away&expire=1", "1"),
		"legacy, too large":               post("/1/admin/push/private?key=k&expire=1", `"`+strings.Repeat("x", 100)+`"`),
		"legacy many":                     post("/1/admin/push/mprivate?expire=1", `{"m":"{\"a\":1}","k":"a,b,a,"}`),
		"with an idempotency key":         post("/v1/push/k", "hello", "Idempotency-Key: 8e03978e 40d5"),
		"with one in quotation marks":     post("/v1/push/k", "hello", `Idempotency-Key: "8e03978e"`),
		"repeated":                        post("/v1/push/known", "hello", `idempotency-key: "once"`),
		"live only, to be repeated":       post("/v1/push/k?expire=0", "hello", "Idempotency-Key: a"),
		"a batch with one":                post("/v1/push", `{"messages":[{"keys":["a","b"],"payload":1},{"key":"a","payload":2}]}`, "Idempotency-Key: a"),
		"a batch with some":               post("/v1/push", `{"messages":[{"keys":["a","b"],"payload":1,"idempotency_key":"a"},{"key":"a","payload":2},{"key":"known","payload":3,"idempotency_key":"once"}]}`),
		"legacy, with an idempotency key": post("/1/admin/push/private?key=k&expire=60", "1", "Idempotency-Key: a"),
		"legacy, repeated":                post("/1/admin/push/private?key=known&expire=60", "1", "Idempotency-Key: once"),
		"legacy, to be repeated and live": post("/1/admin/push/private?key=known&expire=0", "1", "Idempotency-Key: once"),
		"legacy many, repeated":           post("/1/admin/push/mprivate?expire=1", `{"m":"1","k":"a,known"}`, "Idempotency-Key: once"),
		"legacy many, away":               post("/1/admin/push/mprivate?expire=1", `{"m":"1","k":"a,away,\u0001,b,late"}`),
	}
}

func TestALoopAnswersPlainPushesAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	for name, request := range plainPushes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !compareWays(t, loopback, func(*plainNode) {}, request) {
				t.Errorf("%q is left to net/http", request)
			}
		})
	}
}

func TestWhoMayPushThroughALoop(t *testing.T) {
	t.Parallel()
	remote := web.Trust{}
	for _, row := range []struct {
		name    string
		trust   web.Trust
		keys    bool
		request string
		served  bool
	}{
		{"loopback", loopback, false, post("/v1/push/k", "x"), true},
		{"loopback, another name", loopback, false, strings.Replace(post("/v1/push/k", "x"), "127.0.0.1", "evil.example", 1), false},
		{"loopback, an allowed name", loopback, true, strings.Replace(post("/v1/push/k", "x"), "127.0.0.1", "push.internal", 1), true},
		{"loopback, no key", loopback, true, post("/v1/push/k", "x"), true},
		{"loopback, a wrong key", loopback, true, post("/v1/push/k", "x", "X-API-Key: wrong"), false},
		{"remote, no key", remote, true, post("/v1/push/k", "x"), false},
		{"remote, a wrong key", remote, true, post("/v1/push/k", "x", "Authorization: Bearer wrong"), false},
		{"remote, a bearer", remote, true, post("/v1/push/k", "x", "Authorization: bearer s3cret"), true},
		{"remote, an API key", remote, true, post("/v1/push/k", "x", "X-API-Key: s3cret"), true},
		{"remote, another scheme and an API key", remote, true, post("/v1/push/k", "x", "Authorization: Basic eA==", "X-API-Key: s3cret"), true},
		{"remote, not a trusted network", remote, true, post("/admin/push?key=k&expire=0", "1"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			set := func(n *plainNode) {
				if row.keys {
					n.withKeys()
				}
			}
			if served := compareWays(t, row.trust, set, row.request); served != row.served {
				t.Errorf("%q: served by the loop: %v, want %v", row.request, served, row.served)
			}
		})
	}
}

// A trusted network stands in for an API key on legacy paths alone.
func TestATrustedNetworkPushesThroughALoop(t *testing.T) {
	t.Parallel()
	n := newPlainNode()
	n.withKeys()
	h := web.Admin(n.Config, web.Trust{})
	for _, row := range []struct {
		peer, target string
		served       bool
	}{
		{"10.1.2.3:1", "/admin/push?key=k&expire=0", true},
		{"[fd00::1]:1", "/1/admin/push/private?key=k&expire=0", true},
		{"10.2.2.3:1", "/admin/push?key=k&expire=0", false},
		{"10.1.2.3:1", "/v1/push/k", false},
	} {
		var r http1.Request
		http1.Parse(&r, []byte(post(row.target, "1")), http1.Limits{MaxHead: 1 << 10, MaxBody: 1 << 10})
		if pushes, _ := h.Pushes(row.peer, &r); (pushes != nil) != row.served {
			t.Errorf("Pushes from %s to %s = %v, want some: %v", row.peer, row.target, pushes, row.served)
		}
	}
}

func TestWhatIsNotPlainlyAPushIsLeftToNetHTTP(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"another path":               post("/v1/keys/k/tokens", "{}"),
		"no path":                    post("/", "x"),
		"a slash in a key":           post("/v1/push/a/b", "x"),
		"no key":                     post("/v1/push/", "x"),
		"a bad key":                  post("/v1/push/%00", "x"),
		"a long key":                 post("/v1/push/"+strings.Repeat("k", 256), "x"),
		"a bad expire":               post("/v1/push/k?expire=-1", "x"),
		"an empty expire":            post("/v1/push/k?expire=", "x"),
		"expire twice":               post("/v1/push/k?expire=1&expire=1", "x"),
		"an unknown parameter":       post("/v1/push/k?expires=1", "x"),
		"a parameter of a batch":     post("/v1/push?expire=1", `{"messages":[{"key":"k","payload":1}]}`),
		"an empty batch":             post("/v1/push", `{"messages":[]}`),
		"a batch that is no JSON":    post("/v1/push", `{"messages":[`),
		"a batch of unknown members": post("/v1/push", `{"messages":[{"key":"k","payload":1}],"x":1}`),
		"a large message":            post("/v1/push/k", strings.Repeat("x", 201)),
		"legacy without expire":      post("/admin/push?key=k", "1"),
		"legacy without a key":       post("/admin/push?expire=1", "1"),
		"legacy, key twice":          post("/admin/push?key=k&key=l&expire=1", "1"),
		"legacy, another parameter":  post("/admin/push?key=k&expire=1&x=1", "1"),
		"legacy, a semicolon":        post("/admin/push?key=a;b&expire=1", "1"),
		"legacy, no JSON":            post("/admin/push?key=k&expire=1", "hello"),
		"legacy many, no keys":       post("/1/admin/push/mprivate?expire=1", `{"m":"1","k":","}`),
		"legacy many, no expire":     post("/1/admin/push/mprivate", `{"m":"1","k":"a"}`),
		"legacy many, very many":     post("/1/admin/push/mprivate?expire=1", `{"m":"1","k":"`+manyKeys(1001)+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			small := func(n *plainNode) { n.settings.MaxMessageBytes = 200 }
			if compareWays(t, loopback, small, request) {
				t.Errorf("%q is served by the loop", request)
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()
}

// Plain pushes with some bytes changed: whatever a loop still serves it answers as net/http does.
func TestMutatedPushesAreAnsweredAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	var all []string
	for _, request := range plainPushes() {
		all = append(all, request)
	}
	const letters = "%;&=+?/.,:\"{}[]<\\ 0159aekx\t\x00\xc3\xe9"
	served := 0
	for range 4000 {
		b := []byte(all[rand.IntN(len(all))])
		for range 1 + rand.IntN(3) {
			at := 5 + rand.IntN(len(b)-5)
			if c := letters[rand.IntN(len(letters))]; rand.IntN(3) > 0 {
				b[at] = c
			} else if head := bytes.Index(b, []byte("\r\nHost")); at < head { // the length stays true
				b = append(b[:at:at], string(c)+string(b[at:])...)
			}
		}
		if compareWays(t, loopback, func(*plainNode) {}, string(b)) {
			served++
		}
	}
	if served < 500 {
		t.Errorf("only %d pushes were compared", served)
	}
}

func TestTheLastAnswerOfAConnectionSaysSo(t *testing.T) {
	t.Parallel()
	n := newPlainNode()
	var r http1.Request
	http1.Parse(&r, []byte(post("/v1/push/k", "x")), http1.Limits{MaxHead: 1 << 10, MaxBody: 1 << 10})
	pushes, answer := web.Admin(n.Config, loopback).Pushes("127.0.0.1:5", &r)
	got := answer(nil, n.keys.Publish(t.Context(), pushes), true)
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(got)), nil)
	if err != nil || !resp.Close {
		t.Errorf("answer %q: %v", got, err)
	}
}

// What a push costs besides what the channel does with it: key, payload, pushes, and the way to answer.
func TestAPlainPushAllocatesLittle(t *testing.T) {
	n := newPlainNode()
	h := web.Admin(n.Config, loopback)
	raw := []byte(post("/v1/push/some-key?expire=0", "hello"))
	receipts := []message.Receipt{{Mid: firstMid}}
	dst := make([]byte, 0, 1<<10)
	var r http1.Request
	got := testing.AllocsPerRun(1000, func() {
		http1.Parse(&r, raw, http1.Limits{MaxHead: 1 << 10, MaxBody: 1 << 10})
		_, answer := h.Pushes("127.0.0.1:5", &r)
		dst = answer(dst[:0], receipts, false)
	})
	if got > 4 {
		t.Errorf("%v allocations, want at most 4", got)
	}
}

func BenchmarkPlainPush(b *testing.B) {
	n := newPlainNode()
	h := web.Admin(n.Config, loopback)
	raw := []byte(post("/v1/push/some-key?expire=0", "hello"))
	receipts := []message.Receipt{{Mid: firstMid}}
	var dst []byte
	var r http1.Request
	b.ReportAllocs()
	for b.Loop() {
		http1.Parse(&r, raw, http1.Limits{MaxHead: 1 << 10, MaxBody: 1 << 10})
		_, answer := h.Pushes("127.0.0.1:5", &r)
		dst = answer(dst[:0], receipts, false)
	}
}
