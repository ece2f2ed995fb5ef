package web_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/message"
	"gopush/internal/web"
)

const (
	jsonType       = "application/json;charset=utf-8"
	javascriptType = "application/javascript;charset=utf-8"
)

func TestLegacyPublicPaths(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.put(t, "k1", `{"a": 1}`, `plain "text"`)
	n.keys.put(t, "a b/c", `"x"`)
	h := web.Public(n.Config)
	tests := []struct{ name, target, want string }{
		{"server, WebSocket", "/1/server/get?k=k1&p=1", `{"data":{"server":"ws.example:8090"},"ret":0}`},
		{"server, TCP", "/1/server/get?k=k1&p=2", `{"data":{"server":"tcp.example:6969"},"ret":0}`},
		{"server, other protocol", "/1/server/get?k=k1&p=3", `{"ret":65534}`},
		{"server, protocol not as it is written", "/1/server/get?k=k1&p=01", `{"ret":65534}`},
		{"server, no protocol", "/1/server/get?k=k1", `{"ret":65534}`},
		{"server, empty key", "/1/server/get?k=&p=1", `{"ret":65534}`},
		{"server, no key", "/1/server/get?p=1", `{"ret":65534}`},
		{"server, key with a control byte", "/1/server/get?k=a%00&p=1", `{"ret":65534}`},
		{"server, names of the old edition", "/1/server/get?key=k1&proto=1", `{"ret":65534}`},
		{"servers, WebSocket", "/2/server/get?k=k1&p=1", `{"data":{"server":["ws.example:8090","10.0.0.1:8090"]},"ret":0}`},
		{"servers, TCP", "/2/server/get?k=k1&p=2", `{"data":{"server":["tcp.example:6969"]},"ret":0}`},
		{"servers, no protocol", "/2/server/get?k=k1", `{"ret":65534}`},
		{"old server", "/server/get?key=k1&proto=2", `{"data":{"server":"tcp.example:6969"},"msg":"ok","ret":0}`},
		{"old server, no protocol", "/server/get?key=k1", `{"msg":"ok","ret":65534}`},
		{"old server, names of version 1", "/server/get?k=k1&p=2", `{"msg":"ok","ret":65534}`},

		{"messages, all", "/1/msg/get?k=k1&m=0", `{"data":{"msgs":[{"msg":{"a":1},"mid":17672256000000000,"gid":0},{"msg":"plain \"text\"","mid":17672256000000004,"gid":0}]},"ret":0}`},
		{"messages, after one", "/1/msg/get?k=k1&m=17672256000000000", `{"data":{"msgs":[{"msg":"plain \"text\"","mid":17672256000000004,"gid":0}]},"ret":0}`},
		{"messages, after a negative mid", "/1/msg/get?k=a+b%2Fc&m=-1", `{"data":{"msgs":[{"msg":"x","mid":17672256000000008,"gid":0}]},"ret":0}`},
		{"messages, none left", "/1/msg/get?k=k1&m=17672256000000004", `{"ret":0}`},
		{"messages, after the last of all mids", "/1/msg/get?k=k1&m=9223372036854775807", `{"ret":0}`},
		{"messages, unknown key", "/1/msg/get?k=k2&m=0", `{"ret":0}`},
		{"messages, no mid", "/1/msg/get?k=k1", `{"ret":65534}`},
		{"messages, mid not a number", "/1/msg/get?k=k1&m=1.5", `{"ret":65534}`},
		{"messages, mid past int64", "/1/msg/get?k=k1&m=9223372036854775808", `{"ret":65534}`},
		{"messages, no key", "/1/msg/get?m=0", `{"ret":65534}`},
		{"messages, key too long", "/1/msg/get?m=0&k=" + strings.Repeat("k", 256), `{"ret":65534}`},
		{"old messages", "/msg/get?key=k1&mid=0", `{"data":{"msgs":["{\"msg\":\"{\\\"a\\\": 1}\",\"mid\":17672256000000000,\"gid\":0}","{\"msg\":\"plain \\\"text\\\"\",\"mid\":17672256000000004,\"gid\":0}"],"pmsgs":[]},"msg":"ok","ret":0}`},
		{"old messages, none", "/msg/get?key=k2&mid=0", `{"msg":"ok","ret":0}`},
		{"old messages, no mid", "/msg/get?key=k1", `{"msg":"ok","ret":65534}`},

		{"time is before what is pushed now", "/1/time/get", `{"data":{"timeid":17672255999999996},"ret":0}`},
		{"old time", "/time/get", `{"data":{"timeid":17672255999999996},"msg":"ok","ret":0}`},
		{"unknown parameters are ignored", "/1/time/get?x=1", `{"data":{"timeid":17672255999999996},"ret":0}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := ask(h, "GET", tt.target, "")
			wantAnswer(t, w, "GET "+tt.target, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != jsonType {
				t.Errorf("GET %s: Content-Type %q, want %q", tt.target, got, jsonType)
			}
		})
	}
}

func TestJSONP(t *testing.T) {
	t.Parallel()
	h := web.Public(newNode().Config)
	longest := strings.Repeat("c", 128)
	tests := []struct{ name, target, want, contentType string }{
		{"a name", "/1/time/get?cb=f", `f({"data":{"timeid":17672255999999996},"ret":0})`, javascriptType},
		{"errors too", "/1/server/get?cb=f", `f({"ret":65534})`, javascriptType},
		{"no messages", "/1/msg/get?k=k1&m=0&cb=f", `f({"ret":0})`, javascriptType},
		{"old name", "/time/get?callback=f", `f({"data":{"timeid":17672255999999996},"msg":"ok","ret":0})`, javascriptType},
		{"a path", "/1/server/get?cb=a.b$[0].c_1", `a.b$[0].c_1({"ret":65534})`, javascriptType},
		{"the longest", "/1/server/get?cb=" + longest, longest + `({"ret":65534})`, javascriptType},
		{"empty is none", "/1/server/get?cb=", `{"ret":65534}`, jsonType},
		{"too long", "/1/time/get?cb=" + longest + "c", `{"ret":65534}`, jsonType},
		{"a call", "/1/time/get?cb=alert(1)//", `{"ret":65534}`, jsonType},
		{"markup", "/1/time/get?cb=%3Cscript%3E", `{"ret":65534}`, jsonType},
		{"a digit first", "/1/time/get?cb=1a", `{"ret":65534}`, jsonType},
		{"a part missing", "/1/time/get?cb=a..b", `{"ret":65534}`, jsonType},
		{"a line more", "/1/time/get?cb=a%0A", `{"ret":65534}`, jsonType},
		{"letters beyond ASCII", "/1/time/get?cb=%C3%A9", `{"ret":65534}`, jsonType},
		{"old paths refuse too", "/time/get?callback=a%20b", `{"msg":"ok","ret":65534}`, jsonType},
		{"version 1 ignores the old name", "/1/server/get?callback=f", `{"ret":65534}`, jsonType},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := ask(h, "GET", tt.target, "")
			wantAnswer(t, w, "GET "+tt.target, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != tt.contentType {
				t.Errorf("GET %s: Content-Type %q, want %q", tt.target, got, tt.contentType)
			}
		})
	}
}

func TestMessagesCanStandInOldScripts(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.put(t, "k1", "\"\u2028<\u2029\"")
	h := web.Public(n.Config)
	w := ask(h, "GET", "/1/msg/get?k=k1&m=0&cb=f", "")
	wantAnswer(t, w, "GET messages", 200, `f({"data":{"msgs":[{"msg":"\u2028<\u2029","mid":17672256000000000,"gid":0}]},"ret":0})`)
}

func TestLegacyPathsAreExact(t *testing.T) {
	t.Parallel()
	n := newNode()
	public, admin := web.Public(n.Config), web.Admin(n.Config, loopback)
	for _, path := range []string{"/", "/1/time/get/", "/1/time", "//1/time/get", "/1//time/get", "/1/./time/get", "/1/time%2Fget", "/3/server/get", "/1/TIME/get", "/1/admin/push/private", "/v1/push/k1", "/metrics"} {
		wantProblem(t, ask(public, "GET", path, ""), "GET "+path, http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"/1/admin/push", "/1/admin/push/private/", "/admin/push/", "/1/time/get", "/2/admin/msg/del"} {
		wantProblem(t, ask(admin, "POST", path, ""), "POST "+path, http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"/1/server/get", "/2/server/get", "/1/msg/get", "/1/time/get", "/server/get", "/msg/get", "/time/get", "/sub"} {
		for _, method := range []string{"POST", "HEAD", "PUT", "OPTIONS"} {
			w := ask(public, method, path, "")
			wantProblem(t, w, method+" "+path, http.StatusMethodNotAllowed, "method", "GET")
			if got := w.Header().Get("Allow"); got != "GET" {
				t.Errorf("%s %s: Allow %q, want GET", method, path, got)
			}
		}
	}
	for _, path := range []string{"/1/admin/push/private", "/admin/push", "/1/admin/push/mprivate", "/1/admin/msg/del", "/admin/msg/clean"} {
		w := ask(admin, "GET", path, "")
		wantProblem(t, w, "GET "+path, http.StatusMethodNotAllowed, "method", "POST")
		if got := w.Header().Get("Allow"); got != "POST" {
			t.Errorf("GET %s: Allow %q, want POST", path, got)
		}
	}
}

func TestServerWithoutAddresses(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.Addresses = nil
	h := web.Public(n.Config)
	for target, want := range map[string]string{
		"/1/server/get?k=k1&p=1":      `{"ret":1001}`,
		"/2/server/get?k=k1&p=2&cb=f": `f({"ret":1001})`,
		"/server/get?key=k1&proto=1":  `{"msg":"ok","ret":1001}`,
		"/1/server/get?k=k1&p=9":      `{"ret":65534}`,
	} {
		wantAnswer(t, ask(h, "GET", target, ""), "GET "+target, 200, want)
	}
}

func TestMessagesWithAFailingStore(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.broken = message.ErrUnavailable
	h := web.Public(n.Config)
	wantAnswer(t, ask(h, "GET", "/1/msg/get?k=k1&m=0", ""), "GET messages", 200, `{"ret":65535}`)
	wantAnswer(t, ask(h, "GET", "/msg/get?key=k1&mid=0", ""), "GET old messages", 200, `{"msg":"ok","ret":65535}`)
}

func TestMessagesNeedTheToken(t *testing.T) {
	t.Parallel()
	const some = `{"data":{"msgs":[{"msg":1,"mid":17672256000000000,"gid":0}]},"ret":0}`
	tests := []struct {
		name, target, want string
		open               bool
	}{
		{"right", "/1/msg/get?k=k1&m=0&token=t1", some, false},
		{"wrong", "/1/msg/get?k=k1&m=0&token=t2", `{"ret":65534}`, false},
		{"empty", "/1/msg/get?k=k1&m=0&token=", `{"ret":65534}`, false},
		{"none", "/1/msg/get?k=k1&m=0", `{"ret":65534}`, false},
		{"of another key", "/1/msg/get?k=k2&m=0&token=t1", `{"ret":65534}`, false},
		{"none on the old path", "/msg/get?key=k1&mid=0", `{"msg":"ok","ret":65534}`, false},
		{"none with legacy_history = open", "/1/msg/get?k=k1&m=0", some, true},
		{"none is asked for the time", "/1/time/get", `{"data":{"timeid":17672255999999996},"ret":0}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode().withTokens(t)
			n.settings.OpenHistory = tt.open
			n.keys.put(t, "k1", "1")
			wantAnswer(t, ask(web.Public(n.Config), "GET", tt.target, ""), "GET "+tt.target, 200, tt.want)
		})
	}
}

// pages returns a node whose k1 has three messages, each larger than what is read at a time.
func pages(t *testing.T) (*node, []string) {
	t.Helper()
	n := newNode()
	var payloads []string
	for i := range 3 {
		payloads = append(payloads, `"`+strings.Repeat(fmt.Sprint(i), 300<<10)+`"`)
	}
	n.keys.put(t, "k1", payloads...)
	return n, payloads
}

func TestLongHistoryHasItsLengthAndLittleIsHeld(t *testing.T) {
	t.Parallel()
	n, p := pages(t)
	s := httptest.NewServer(web.Public(n.Config))
	defer s.Close()
	resp, err := http.Get(s.URL + "/1/msg/get?k=k1&m=0&cb=f")
	if err != nil {
		t.Fatalf("GET messages: %v", err)
	}
	defer resp.Body.Close()
	got := readAll(t, resp.Body)
	want := fmt.Sprintf(`f({"data":{"msgs":[{"msg":%s,"mid":%d,"gid":0},{"msg":%s,"mid":%d,"gid":0},{"msg":%s,"mid":%d,"gid":0}]},"ret":0})`,
		p[0], firstMid, p[1], firstMid+4, p[2], firstMid+8)
	if got != want || resp.ContentLength != int64(len(want)) {
		t.Errorf("GET messages = %d bytes, Content-Length %d, want %d bytes of three messages", len(got), resp.ContentLength, len(want))
	}
}

// stalled is an answer whose caller takes what is small, and no page before the gate is open.
type stalled struct {
	*httptest.ResponseRecorder
	holding *atomic.Int32
	gate    chan struct{}
}

func (s stalled) Write(b []byte) (int, error) {
	if len(b) > 64<<10 {
		s.holding.Add(1)
		<-s.gate
	}
	return s.ResponseRecorder.Write(b)
}

// However many callers do not read their histories, pages are held for some only. The others wait, and get all.
func TestFewPagesAreHeldForCallersThatDoNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, _ := pages(t)
		h := web.Public(n.Config)
		var holding atomic.Int32
		gate := make(chan struct{})
		answers := make([]stalled, 200)
		for i := range answers {
			answers[i] = stalled{httptest.NewRecorder(), &holding, gate}
			go h.ServeHTTP(answers[i], httptest.NewRequestWithContext(t.Context(), "GET", "/1/msg/get?k=k1&m=0", nil))
		}
		synctest.Wait()
		if got := holding.Load(); got != 64 {
			t.Errorf("%d pages are held, want 64", got)
		}
		close(gate)
		synctest.Wait()
		for i, a := range answers {
			if got, want := a.Body.Len(), a.Header().Get("Content-Length"); fmt.Sprint(got) != want || got < 900<<10 {
				t.Errorf("answer %d has %d bytes, want %s", i, got, want)
			}
		}
	})
}

func TestLongHistoryMayLoseAMessageWhileItIsRead(t *testing.T) {
	t.Parallel()
	n, p := pages(t)
	n.keys.read = func(reads int) {
		if reads == 5 { // four found the size: three messages and nothing
			n.keys.Delete(t.Context(), "k1", firstMid)
			n.keys.put(t, "k1", `"new"`)
		}
	}
	w := ask(web.Public(n.Config), "GET", "/1/msg/get?k=k1&m=0", "")
	want := fmt.Sprintf(`{"data":{"msgs":[{"msg":%s,"mid":%d,"gid":0},{"msg":%s,"mid":%d,"gid":0}`, p[1], firstMid+4, p[2], firstMid+8)
	want += strings.Repeat(" ", len(fmt.Sprintf(`{"msg":%s,"mid":%d,"gid":0},`, p[0], firstMid))) + `]},"ret":0}`
	wantAnswer(t, w, "GET messages while one expires", 200, want)
}

func TestHistoryThatFailsHalfwayIsCut(t *testing.T) {
	t.Parallel()
	n, _ := pages(t)
	n.keys.read = func(reads int) {
		if reads == 6 {
			n.keys.broken = message.ErrUnavailable
		}
	}
	s := httptest.NewServer(web.Public(n.Config))
	defer s.Close()
	resp, err := http.Get(s.URL + "/1/msg/get?k=k1&m=0")
	if err != nil {
		return // cut before the head left
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("GET messages with a store that fails halfway = a whole answer, want it cut")
	}
}

// goneCaller is an answer of which nothing can be written: its caller has closed.
type goneCaller struct{ *httptest.ResponseRecorder }

func (goneCaller) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// That a caller closes while it is answered is its own doing: counted as that, and no error in the log.
func TestCallerThatHasGoneIsNoErrorOfOurs(t *testing.T) {
	t.Parallel()
	n, _ := pages(t)
	reg, log := prometheus.NewRegistry(), new(bytes.Buffer)
	n.Metrics, n.Log = web.NewMetrics(reg), slog.New(slog.NewTextHandler(log, nil))
	for _, path := range []string{"/1/msg/get?k=k1&m=0", "/1/time/get"} {
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("GET %s of a caller who has gone: %v, want that the answer is given up", path, p)
				}
			}()
			web.Public(n.Config).ServeHTTP(goneCaller{httptest.NewRecorder()}, httptest.NewRequest("GET", path, nil))
		}()
	}
	got := 0.0
	for name, count := range (&plainNode{n, reg}).counts(t) {
		if strings.HasPrefix(name, "gopush_http_refused_total") && strings.Contains(name, `"gone"`) {
			got += count
		}
	}
	if got != 2 || log.Len() > 0 {
		t.Errorf("counted %v with reason gone, want 2; logged %q, want nothing", got, log)
	}
}

func TestSubscribeGetsTheConnection(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.Subscribe = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack on /sub: %v", err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+r.URL.Query().Get("key"))
	})
	s := httptest.NewServer(web.Public(n.Config))
	defer s.Close()
	resp, err := http.Get(s.URL + "/sub?key=k1")
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("GET /sub = %v, %v, want 101", resp, err)
	}
	defer resp.Body.Close()
	if got := readAll(t, resp.Body); got != "k1" {
		t.Errorf("GET /sub?key=k1: the handler wrote %q, want k1", got)
	}
}
