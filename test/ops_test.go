package test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestLiveAndReady(t *testing.T) {
	t.Parallel()
	n := serve(t)
	for _, path := range []string{"/livez", "/readyz"} {
		a := do(t, "GET", n.opsURL(path), "")
		if a.status != http.StatusOK || a.body != "ok\n" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s answers %d %q %v, want 200 ok, not to be cached", path, a.status, a.body, a.header)
		}
		if a := do(t, "POST", n.opsURL(path), ""); a.status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s answers %d, want 405", path, a.status)
		}
		if a := do(t, "GET", n.publicURL(path), ""); a.status != http.StatusNotFound {
			t.Errorf("%s on a public listener answers %d, want 404", path, a.status)
		}
	}
}

// closings make n close a connection, each for a reason of its own.
var closings = []struct {
	reason string
	do     func(n *node) *peer
}{
	{"peer_closed", func(n *node) *peer {
		p := n.subscribe("k")
		p.closeWrite()
		return p
	}},
	{"bad_command", func(n *node) *peer { return n.sent(command("nonsense")) }},
	{"bad_heartbeat", func(n *node) *peer {
		p := n.subscribe("k")
		p.send("x")
		return p
	}},
	{"bad_handshake", func(n *node) *peer {
		return n.sent(strings.Replace(handshake("k", ""), "Version: 13", "Version: 12", 1))
	}},
	{"bad_frame", func(n *node) *peer { return n.sent(handshake("k", "") + unmasked(fin|opText, "h")) }},
	{"too_long", func(n *node) *peer { return n.sent("GET /" + strings.Repeat("x", 10_000)) }},
	{"origin_refused", func(n *node) *peer { return n.sent(handshake("k", "", "Origin: https://evil.example")) }},
	{"first_packet_timeout", func(n *node) *peer { return n.sent("") }},
	{"kicked", func(n *node) *peer {
		p := n.subscribe("kicked")
		do(n.t, "DELETE", n.adminURL("/v1/keys/kicked/connections"), "")
		return p
	}},
	{"max_subscribers_per_key", func(n *node) *peer {
		n.subscribe("full")
		n.subscribe("full")
		return n.sent(command("sub", "full", "60"))
	}},
}

// sent opens a connection and sends text.
func (n *node) sent(text string) *peer {
	n.t.Helper()
	p := dial(n.t, n.public[0])
	p.write(text)
	return p
}

// Every way to close has a label of its own, which is there before it is needed, and counts
// nothing else.
func TestEveryReasonToCloseIsCounted(t *testing.T) {
	onEngines(t, []string{"--allowed-origins", "https://good.example", "--first-packet-timeout", "500ms", "--max-subscribers-per-key", "2"}, func(t *testing.T, n *node) {
		known := []string{
			"auth_failed", "bad_command", "bad_frame", "bad_handshake", "bad_heartbeat", "bad_proxy_header", "busy", "command_timeout", "draining", "failed", "first_packet_timeout",
			"heartbeat_timeout", "http_timeout", "key_unknown", "kicked", "lingered", "max_connections", "max_connections_per_address", "max_handshakes_per_address", "max_memory", "max_subscribers_per_key", "origin_refused",
			"peer_closed", "resume_failed", "shutdown", "slow", "tls_handshake_failed", "token_refused", "too_long",
			"wrong_node",
		}
		if got := slices.Sorted(maps.Keys(n.closings())); !slices.Equal(got, known) {
			t.Errorf("the reasons to close are %q, want %q", got, known)
		}
		want := n.closings()
		for _, c := range closings {
			p := c.do(n)
			_, _ = io.Copy(io.Discard, p) // the node has said all, and waits for the peer to close
			p.Close()
			want[c.reason]++
			var got map[string]int
			eventually(t, "a connection closed with reason "+c.reason, func() bool {
				got = n.closings()
				return got[c.reason] >= want[c.reason]
			})
			if !maps.Equal(got, want) {
				t.Errorf("after %s closings are %v, want %v", c.reason, got, want)
			}
		}
	})
}

// closings returns how many connections were closed, by reason.
func (n *node) closings() map[string]int {
	n.t.Helper()
	counts := map[string]int{}
	for line := range strings.Lines(do(n.t, "GET", n.opsURL("/metrics"), "").body) {
		rest, ok := strings.CutPrefix(line, `gopush_connections_closed_total{reason="`)
		if !ok {
			continue
		}
		reason, value, _ := strings.Cut(rest, `"} `)
		count, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			n.t.Fatalf("%q: %v", line, err)
		}
		counts[reason] = count
	}
	return counts
}

// What is done is counted, each thing once.
func TestMetrics(t *testing.T) {
	t.Parallel()
	n := serve(t, "--max-message-bytes", "1000")
	p := n.subscribe("k", "", "1")
	web := n.subscribeWS("k", "&ver=1")
	n.push("k", "1", "?expire=60")
	n.push("k", "2", "?expire=0")
	for range 2 {
		p.next()
		web.next()
	}
	p.send("h")
	p.expect("+h\r\n")
	resumed := n.subscribe("k", "", "1", "0")
	resumed.next()
	do(t, "POST", n.adminURL("/v1/push/k"), strings.Repeat("x", 1001))
	for name, want := range map[string]float64{
		`gopush_pushes_total{outcome="accepted"}`:                              2,
		`gopush_pushes_stored_total`:                                           1,
		`gopush_deliveries_total`:                                              4,
		`gopush_deliveries_resumed_total`:                                      1,
		`gopush_resumes_total`:                                                 1,
		`gopush_heartbeats_total`:                                              1,
		`gopush_subscriptions_total`:                                           3,
		`gopush_subscribers_total`:                                             3,
		`gopush_keys_subscribed`:                                               1,
		`gopush_inbox_bytes`:                                                   0,
		`gopush_http_requests_total{code="200",route="/v1/push/{key}"}`:        2,
		`gopush_http_requests_total{code="413",route="/v1/push/{key}"}`:        1,
		`gopush_http_refused_total{reason="too_large"}`:                        1,
		`gopush_http_request_seconds_count{route="/v1/push/{key}"}`:            3,
		`gopush_http_request_seconds_bucket{route="/v1/push/{key}",le="+Inf"}`: 3,
	} {
		if got := n.count(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_open_fds", "gopush_connections"} {
		if n.count(name) < 1 {
			t.Errorf("%s is %q", name, n.metric(name))
		}
	}
}

// /stat has the types and fields of gopush-cluster.
func TestStat(t *testing.T) {
	t.Parallel()
	n := serve(t, "--node", "the-node")
	gone := n.subscribe("gone")
	n.subscribe("k")
	n.subscribe("k")
	gone.Close()
	n.push("k", "1", "?expire=60")
	do(t, "POST", n.adminURL("/v1/push/k"), strings.Repeat("x", 1<<20+1))
	eventually(t, "the closed connection is counted", func() bool { return n.count("gopush_unsubscriptions_total") == 1 })
	for kind, want := range map[string]string{
		"channel":       `{"access":3,"create":2,"current":1,"delete":1}`,
		"channel&key=k": `{"channel":{"conn":2}}`,
		"message":       `{"failed":0,"succeed":1,"total":1}`,
		"connection":    `{"add":3,"current":2,"remove":1}`,
	} {
		if got := compact(n.stat(kind)); got != want {
			t.Errorf("/stat?type=%s is %s, want %s", kind, got, want)
		}
	}
	for kind, fields := range map[string]string{
		"memory": "alloc total_alloc sys lookups mallocs frees heap_alloc heap_sys heap_idle heap_inuse heap_released heap_objects " +
			"stack_inuse stack_sys mspan_inuse mspan_sys mcache_inuse mcache_sys buckhash_sys next_gc last_gc pause_total_ns pause_ns num_gc enable_gc debug_gc by_size",
		"golang": "compiler arch os max_procs version cgo_call goroutine_num",
		"server": "uptime hostname wd ppid pid pagesize user group",
		"config": "public admin ops store data auth max_stored_per_key",
	} {
		got := n.stat(kind)
		for name := range strings.FieldsSeq(fields) {
			if _, ok := got[name]; !ok {
				t.Errorf("/stat?type=%s has no %s", kind, name)
			}
		}
	}
	if got := n.stat("server")["pid"]; got != float64(n.cmd.Process.Pid) {
		t.Errorf("pid is %v, want %d", got, n.cmd.Process.Pid)
	}
	if got := n.stat("config"); got["node"] != "the-node" || got["min_free_bytes"] != 0.0 {
		t.Errorf("config is %v", got)
	}
	for _, query := range []string{"?type=nonsense", ""} {
		if a := do(t, "GET", n.opsURL("/stat"+query), ""); a.status != http.StatusNotFound {
			t.Errorf("/stat%s answers %d %s, want 404", query, a.status, a.body)
		}
	}
}

// stat reads one type, which is indented JSON.
func (n *node) stat(kind string) map[string]any {
	n.t.Helper()
	a := do(n.t, "GET", n.opsURL("/stat?type="+kind), "")
	if !strings.HasPrefix(a.body, "{\n    \"") || a.header.Get("Content-Type") != jsonType {
		n.t.Errorf("/stat?type=%s is not indented JSON: %s %.60q", kind, a.header.Get("Content-Type"), a.body)
	}
	return parseJSON[map[string]any](n.t, a)
}

func compact(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	const secret = "secret-on-the-command-line"
	n := serve(t, "--api-keys", "web:"+secret)
	for path, want := range map[string]string{
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile: total",
		"/debug/pprof/heap?debug=1":      "heap profile:",
		"/debug/pprof/heap":              "\x1f\x8b", // gzip
		"/debug/pprof/profile?seconds=1": "\x1f\x8b",
		"/debug/pprof/trace?seconds=1":   "go 1.",
		"/debug/pprof/symbol":            "num_symbols: 1",
	} {
		if a := do(t, "GET", n.opsURL(path), ""); a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s answers %d %.100q, want %q in it", path, a.status, a.body, want)
		}
	}
	if a := do(t, "GET", n.opsURL("/debug/pprof/cmdline"), ""); a.status != http.StatusNotFound || strings.Contains(a.body, secret) {
		t.Errorf("/debug/pprof/cmdline answers %d %q, want 404: the command line may hold secrets", a.status, a.body)
	}
}

// The log level is read and set while the node runs.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	n := serve(t)
	for _, tt := range []struct {
		method, body string
		status       int
		want         string
	}{
		{"GET", "", 200, `{"level":"INFO"}`},
		{"PUT", "debug", 200, `{"level":"DEBUG"}`},
		{"GET", "", 200, `{"level":"DEBUG"}`},
		{"PUT", "loud", 400, "debug, info, warn or error"},
		{"PUT", "Error\n", 200, `{"level":"ERROR"}`},
		{"POST", "info", 405, "GET, PUT"},
	} {
		if a := do(t, tt.method, n.opsURL("/loglevel"), tt.body); a.status != tt.status || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s %q answers %d %s, want %d %s", tt.method, tt.body, a.status, a.body, tt.status, tt.want)
		}
		if tt.body == "debug" {
			n.subscribe(fmt.Sprint("seen at ", tt.body)).send("x")
			eventually(t, "a line at level debug", func() bool { return strings.Contains(n.stderr.String(), "level=DEBUG") })
		}
	}
}
