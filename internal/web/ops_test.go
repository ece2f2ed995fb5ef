package web_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gopush/internal/message"
	"gopush/internal/web"
)

type stats struct{}

func (stats) Channels() web.ChannelStats {
	return web.ChannelStats{Access: 9, Create: 5, Delete: 2, Current: 3}
}
func (stats) Messages() web.MessageStats       { return web.MessageStats{Succeed: 7, Failed: 2} }
func (stats) Connections() web.ConnectionStats { return web.ConnectionStats{Add: 8, Remove: 3} }
func (stats) Config() map[string]any {
	return map[string]any{"auth": "token", "api_keys": []string{"shop:***"}}
}

func TestStat(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.Stats, n.Started = stats{}, now.Add(-time.Minute)
	h := web.Ops(n.Config, loopback)
	exact := map[string]string{
		"channel":        "{\n    \"access\": 9,\n    \"create\": 5,\n    \"current\": 3,\n    \"delete\": 2\n}",
		"channel&key=k1": "{\n    \"channel\": {\n        \"conn\": 3\n    }\n}",
		"message":        "{\n    \"failed\": 2,\n    \"succeed\": 7,\n    \"total\": 9\n}",
		"connection":     "{\n    \"add\": 8,\n    \"current\": 5,\n    \"remove\": 3\n}",
		"config":         "{\n    \"api_keys\": [\n        \"shop:***\"\n    ],\n    \"auth\": \"token\"\n}",
	}
	for kind, want := range exact {
		wantAnswer(t, ask(h, "GET", "/stat?type="+kind, ""), "GET /stat?type="+kind, 200, want)
	}
	members := map[string][]string{
		"golang": {"arch", "cgo_call", "compiler", "goroutine_num", "max_procs", "os", "version"},
		"server": {"group", "hostname", "pagesize", "pid", "ppid", "uptime", "user", "wd"},
		"memory": {
			"alloc", "buckhash_sys", "by_size", "debug_gc", "enable_gc", "frees", "heap_alloc", "heap_idle", "heap_inuse", "heap_objects", "heap_released", "heap_sys",
			"last_gc", "lookups", "mallocs", "mcache_inuse", "mcache_sys", "mspan_inuse", "mspan_sys", "next_gc", "num_gc", "pause_ns", "pause_total_ns", "stack_inuse", "stack_sys", "sys", "total_alloc",
		},
	}
	for kind, want := range members {
		w := ask(h, "GET", "/stat?type="+kind, "")
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("GET /stat?type=%s = %s: %v", kind, w.Body, err)
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("GET /stat?type=%s: members (-want +got)\n%s", kind, diff)
		}
		if kind == "server" && got["uptime"] != float64(time.Minute) {
			t.Errorf("uptime = %v, want a minute in nanoseconds", got["uptime"])
		}
	}
	for _, query := range []string{"", "?type=", "?type=nothing", "?type=MEMORY"} {
		wantProblem(t, ask(h, "GET", "/stat"+query, ""), "GET /stat"+query, 404, "not_found", "memory")
	}
	wantProblem(t, ask(h, "GET", "/stat?type=channel&key=a%00", ""), "GET /stat of a bad key", 400, "bad_key")
	n.keys.broken = message.ErrUnavailable
	wantProblem(t, ask(h, "GET", "/stat?type=channel&key=k1", ""), "GET /stat with a failing store", 503, "unavailable")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	n := newNode()
	var store, ring error
	n.Ready = []web.Check{{Name: "store", Err: func() error { return store }}, {Name: "ring", Err: func() error { return ring }}}
	h := web.Ops(n.Config, loopback)
	wantAnswer(t, ask(h, "GET", "/readyz", ""), "GET /readyz", 200, "ok\n")
	store = errors.New("100 bytes free, min_free_bytes is 200")
	wantAnswer(t, ask(h, "GET", "/readyz", ""), "GET /readyz with a full disk", 503, "store: 100 bytes free, min_free_bytes is 200\n")
	ring = errors.New("gone")
	wantAnswer(t, ask(h, "GET", "/readyz", ""), "GET /readyz with two reasons", 503, "store: 100 bytes free, min_free_bytes is 200\nring: gone\n")
	wantAnswer(t, ask(h, "GET", "/livez", ""), "GET /livez", 200, "ok\n")
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.Level = new(slog.LevelVar)
	h := web.Ops(n.Config, loopback)
	wantAnswer(t, ask(h, "GET", "/loglevel", ""), "GET /loglevel", 200, `{"level":"INFO"}`)
	wantAnswer(t, ask(h, "PUT", "/loglevel", "debug\n"), "PUT /loglevel debug", 200, `{"level":"DEBUG"}`)
	if got := n.Level.Level(); got != slog.LevelDebug {
		t.Errorf("after PUT /loglevel debug the level is %v", got)
	}
	wantProblem(t, ask(h, "PUT", "/loglevel", "loud"), "PUT /loglevel loud", 400, "bad_body", "debug, info, warn or error")
	wantProblem(t, ask(h, "PUT", "/loglevel", strings.Repeat("x", 65)), "PUT /loglevel of 65 bytes", 413, "too_large")
	wantProblem(t, ask(h, "POST", "/loglevel", "debug"), "POST /loglevel", 405, "method", "GET, PUT")
	wantAnswer(t, ask(h, "GET", "/loglevel", ""), "GET /loglevel", 200, `{"level":"DEBUG"}`)
}

func TestPprof(t *testing.T) {
	t.Parallel()
	h := web.Ops(newNode().Config, loopback)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=1", "/debug/pprof/symbol", "/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=0.1"} {
		if w := ask(h, "GET", path, ""); w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("GET %s = %d with %d bytes, want 200 and some", path, w.Code, w.Body.Len())
		}
	}
	if w := ask(h, "POST", "/debug/pprof/symbol", "0x1"); w.Code != http.StatusOK {
		t.Errorf("POST /debug/pprof/symbol = %d, want 200", w.Code)
	}
	if w := ask(h, "GET", "/debug/pprof/nothing", ""); w.Code != http.StatusNotFound {
		t.Errorf("GET /debug/pprof/nothing = %d, want 404", w.Code)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	n := newNode().withKeys()
	reg := prometheus.NewRegistry()
	n.Metrics = web.NewMetrics(reg)
	n.Exposition = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	admin, public, ops := web.Admin(n.Config, web.Trust{}), web.Public(n.Config), web.Ops(n.Config, loopback)
	ask(admin, "POST", "/v1/push/k1", "x", "X-API-Key: s3cret")
	ask(admin, "POST", "/v1/push/k2", "x", "X-API-Key: s3cret")
	ask(admin, "POST", "/v1/push/k3", "x")
	ask(admin, "POST", "/v1/push/k3", "x", "X-API-Key: x")
	ask(public, "GET", "/1/server/get?k=k1", "")
	ask(public, "GET", "/secret/path", "")
	ask(public, "POST", "/1/time/get", "")
	text := ask(ops, "GET", "/metrics", "").Body.String()
	for _, want := range []string{
		`gopush_http_requests_total{code="200",route="/v1/push/{key}"} 2`,
		`gopush_http_requests_total{code="401",route="/v1/push/{key}"} 2`,
		`gopush_http_requests_total{code="404",route="none"} 1`,
		`gopush_http_request_seconds_count{route="/v1/push/{key}"} 4`,
		`gopush_http_refused_total{reason="api_key_missing"} 1`,
		`gopush_http_refused_total{reason="api_key_wrong"} 1`,
		`gopush_http_refused_total{reason="bad_parameter"} 1`,
		`gopush_http_refused_total{reason="not_found"} 1`,
		`gopush_http_refused_total{reason="method"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("GET /metrics lacks %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Error("GET /metrics has a path that a stranger made up, want routes only")
	}
}
