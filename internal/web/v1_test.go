package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gopush/internal/message"
	"gopush/internal/web"
)

func TestV1Push(t *testing.T) {
	t.Parallel()
	const stored = `{"id":"1767225600000-0","stored":true,"subscribers":3}`
	const live = `{"id":"1767225600000-0","stored":false,"subscribers":3}`
	tests := []struct{ name, target, body, want, pushed string }{
		{"kept for default_expire", "/v1/push/k1", "hello", stored, "k1 168h0m0s hello"},
		{"kept as long as it says", "/v1/push/k1?expire=60", "hello", stored, "k1 1m0s hello"},
		{"live only", "/v1/push/k1?expire=0", "hello", live, "k1 0s hello"},
		{"any bytes", "/v1/push/k1?expire=0", "\x00\xff\r\n{", live, "k1 0s \x00\xff\r\n{"},
		{"no bytes", "/v1/push/k1?expire=0", "", live, "k1 0s "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			w := ask(web.Admin(n.Config, loopback), "POST", tt.target, tt.body)
			wantAnswer(t, w, "POST "+tt.target, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("POST %s: Content-Type %q, want application/json", tt.target, got)
			}
			if got := strings.Join(n.keys.payloads(), "|"); got != tt.pushed {
				t.Errorf("POST %s pushed %q, want %q", tt.target, got, tt.pushed)
			}
		})
	}
}

func TestKeysInPaths(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("k", 255)
	good := []struct{ path, key string }{
		{"k1", "k1"},
		{"a%2Fb", "a/b"},
		{"a%2fb%2F", "a/b/"},
		{".", "."},
		{"..", ".."},
		{"%2E", "."},
		{"%2e%2E", ".."},
		{"%2F", "/"},
		{"%2F..%2F", "/../"},
		{"a%20b", "a b"},
		{"a+b", "a+b"},
		{"a;b,c=d&e", "a;b,c=d&e"},
		{"%25", "%"},
		{"%252F", "%2F"},
		{"%3F%23", "?#"},
		{"%E4%BD%A0", "你"},
		{"你", "你"},
		{":@$!*'()", ":@$!*'()"},
		{"messages", "messages"},
		{longest, longest},
	}
	for _, tt := range good {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			h := web.Admin(n.Config, loopback)
			w := ask(h, "POST", "/v1/push/"+tt.path+"?expire=0", "x")
			if got := strings.Join(n.keys.payloads(), "|"); w.Code != 200 || got != tt.key+" 0s x" {
				t.Errorf("POST /v1/push/%s = %d, pushed %q, want 200 and a push to %q", tt.path, w.Code, got, tt.key)
			}
			n.keys.put(t, tt.key, "1")
			for _, what := range []string{"/messages", ""} {
				w := ask(h, "GET", "/v1/keys/"+tt.path+what, "")
				if w.Code != 200 || !strings.Contains(w.Body.String(), "1767225600000-4") {
					t.Errorf("GET /v1/keys/%s%s = %d %s, want the message of %q", tt.path, what, w.Code, w.Body, tt.key)
				}
			}
		})
	}
	bad := []struct {
		path   string
		status int
		code   string
	}{
		{"%00", 400, "bad_key"},
		{"a%0Ab", 400, "bad_key"},
		{"%7F", 400, "bad_key"},
		{"%C2%85", 400, "bad_key"},
		{"%FF", 400, "bad_key"},
		{"%E4%BD", 400, "bad_key"},
		{longest + "k", 400, "bad_key"},
		{"a/b", 404, "not_found"},
		{"../k1", 404, "not_found"},
		{"k1/", 404, "not_found"},
		{"/k1", 404, "not_found"},
		{"", 404, "not_found"},
	}
	for _, tt := range bad {
		t.Run("bad "+tt.path, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			w := ask(web.Admin(n.Config, loopback), "POST", "/v1/push/"+tt.path, "x")
			wantProblem(t, w, "POST /v1/push/"+tt.path, tt.status, tt.code)
			if got := n.keys.payloads(); len(got) > 0 {
				t.Errorf("POST /v1/push/%s pushed %q, want nothing", tt.path, got)
			}
		})
	}
}

func TestKeysInPathsThroughAServer(t *testing.T) {
	t.Parallel()
	n := newNode()
	s := httptest.NewServer(web.Admin(n.Config, loopback))
	defer s.Close()
	for _, key := range []string{".", "..", "a/../b", "//", "%2F", "a?b#c"} {
		u, _ := url.Parse(s.URL)
		u.Path, u.RawPath = "/v1/push/"+key, "/v1/push/"+strings.ReplaceAll(url.PathEscape(key), ".", "%2E")
		resp, err := http.Post(u.String(), "", strings.NewReader("x"))
		if err != nil {
			t.Fatalf("POST %s: %v", u, err)
		}
		body := readAll(t, resp.Body)
		resp.Body.Close()
		got := n.keys.payloads()
		if resp.StatusCode != 200 || got[len(got)-1] != key+" 168h0m0s x" {
			t.Errorf("POST %s = %d %s, pushed %q, want a push to %q", u, resp.StatusCode, body, got, key)
		}
	}
}

func TestV1Refusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, request, body string
		status              int
		code                string
		words               []string
	}{
		{"unknown parameter", "POST /v1/push/k1?expires=1", "", 400, "bad_parameter", []string{`expires`}},
		{"parameter twice", "POST /v1/push/k1?expire=1&expire=2", "", 400, "bad_parameter", []string{"expire", "2 times"}},
		{"query that cannot be read", "POST /v1/push/k1?expire=%zz", "", 400, "bad_parameter", nil},
		{"expire not a number", "POST /v1/push/k1?expire=soon", "", 400, "bad_parameter", []string{"expire", "seconds"}},
		{"expire empty", "POST /v1/push/k1?expire=", "", 400, "bad_parameter", []string{"expire"}},
		{"expire negative", "POST /v1/push/k1?expire=-1", "", 400, "bad_parameter", []string{"expire"}},
		{"message past the limit", "POST /v1/push/k1", strings.Repeat("x", 1<<20+1), 413, "too_large", []string{"max_message_bytes", "1048576"}},
		{"other method", "GET /v1/push/k1", "", 405, "method", []string{"POST"}},
		{"other method on a list", "PUT /v1/keys/k1/messages", "", 405, "method", []string{"DELETE, GET"}},
		{"unknown path", "GET /v1/keys", "", 404, "not_found", nil},
		{"unknown part of a key", "GET /v1/keys/k1/nothing", "", 404, "not_found", nil},
		{"store that refuses", "POST /v1/push/down", "x", 503, "unavailable", []string{"try again"}},
		{"store that does not answer", "POST /v1/push/slow", "x", 504, "unknown", []string{"may or may not"}},
		{"bug of ours", "POST /v1/push/bug", "x", 500, "internal", []string{"log"}},

		{"batch not JSON", "POST /v1/push", "x", 400, "bad_body", nil},
		{"batch empty", "POST /v1/push", "", 400, "bad_body", nil},
		{"batch twice", "POST /v1/push", `{"messages":[{"key":"k","payload":1}]}{}`, 400, "bad_body", []string{"more than one"}},
		{"batch a list", "POST /v1/push", `[]`, 400, "bad_body", []string{"array"}},
		{"batch without messages", "POST /v1/push", `{}`, 400, "bad_body", []string{"messages"}},
		{"batch of no messages", "POST /v1/push", `{"messages":[]}`, 400, "bad_body", []string{"messages"}},
		{"batch, unknown member", "POST /v1/push", `{"messages":[],"expire":1}`, 400, "bad_body", []string{"expire"}},
		{"batch, unknown member of a message", "POST /v1/push", `{"messages":[{"key":"k","payload":1,"ttl":1}]}`, 400, "bad_body", []string{"ttl"}},
		{"batch, unknown parameter", "POST /v1/push?expire=1", `{"messages":[{"key":"k","payload":1}]}`, 400, "bad_parameter", []string{"expire"}},
		{"batch, neither payload nor base64", "POST /v1/push", `{"messages":[{"key":"k","payload":1},{"key":"k"}]}`, 400, "bad_body", []string{"messages[1]", "payload", "base64"}},
		{"batch, both payload and base64", "POST /v1/push", `{"messages":[{"key":"k","payload":1,"base64":""}]}`, 400, "bad_body", []string{"messages[0]", "exactly one"}},
		{"batch, bad base64", "POST /v1/push", `{"messages":[{"key":"k","base64":"a-b_"}]}`, 400, "bad_body", []string{"messages[0]", "base64"}},
		{"batch, base64 with bits to spare", "POST /v1/push", `{"messages":[{"key":"k","base64":"AP9="}]}`, 400, "bad_body", []string{"messages[0]", "base64"}},
		{"batch, neither key nor keys", "POST /v1/push", `{"messages":[{"payload":1}]}`, 400, "bad_body", []string{"messages[0]", "keys"}},
		{"batch, both key and keys", "POST /v1/push", `{"messages":[{"key":"k","keys":["l"],"payload":1}]}`, 400, "bad_body", []string{"messages[0]", "keys"}},
		{"batch, expire negative", "POST /v1/push", `{"messages":[{"key":"k","payload":1,"expire":-1}]}`, 400, "bad_body", []string{"expire", "-1"}},
		{"batch, expire a fraction", "POST /v1/push", `{"messages":[{"key":"k","payload":1,"expire":1.5}]}`, 400, "bad_body", []string{"expire", "1.5"}},
		{"batch, too many keys", "POST /v1/push", `{"messages":[{"key":"k","payload":1},{"payload":1,"keys":["k"` + strings.Repeat(`,"k"`, web.MaxBatchItems-1) + `]}]}`, 400, "bad_body", []string{"1000 messages times keys"}},
		{"batch past its limit", "POST /v1/push", strings.Repeat(" ", web.MaxBatchBytes+1), 413, "too_large", []string{"8388608 bytes"}},

		{"list, unknown parameter", "GET /v1/keys/k1/messages?m=0", "", 400, "bad_parameter", []string{`m`}},
		{"list, bad after", "GET /v1/keys/k1/messages?after=x", "", 400, "bad_parameter", []string{"after", "MS-SEQ"}},
		{"list, bad before", "GET /v1/keys/k1/messages?before=1-2-3", "", 400, "bad_parameter", []string{"before"}},
		{"list, the last of all ids", "GET /v1/keys/k1/messages?after=9223372036854775807", "", 400, "bad_parameter", []string{"after"}},
		{"list, limit 0", "GET /v1/keys/k1/messages?limit=0", "", 400, "bad_parameter", []string{"limit", "1000"}},
		{"list, limit too high", "GET /v1/keys/k1/messages?limit=1001", "", 400, "bad_parameter", []string{"limit"}},
		{"list, bad reverse", "GET /v1/keys/k1/messages?reverse=yes", "", 400, "bad_parameter", []string{"reverse"}},
		{"delete, bad id", "DELETE /v1/keys/k1/messages?id=1-0&id=x", "", 400, "bad_parameter", []string{"id"}},
		{"delete, empty id", "DELETE /v1/keys/k1/messages?id=", "", 400, "bad_parameter", []string{"id"}},
		{"delete, unknown parameter", "DELETE /v1/keys/k1/messages?ids=1-0", "", 400, "bad_parameter", []string{"ids"}},
		{"info, unknown parameter", "GET /v1/keys/k1?x", "", 400, "bad_parameter", []string{`x`}},
		{"kick, unknown parameter", "DELETE /v1/keys/k1/connections?id=1", "", 400, "bad_parameter", []string{"id"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.keys.fail = map[string]error{"down": message.ErrUnavailable, "slow": message.ErrUnknown, "bug": fmt.Errorf("a bug with \x00")}
			method, target, _ := strings.Cut(tt.request, " ")
			w := ask(web.Admin(n.Config, loopback), method, target, tt.body)
			wantProblem(t, w, tt.request, tt.status, tt.code, tt.words...)
			if got := w.Header().Get("Retry-After"); (got != "") != (tt.status == 503) {
				t.Errorf("%s = %d with Retry-After %q, want one exactly with 503", tt.request, w.Code, got)
			}
			if got := n.keys.payloads(); len(got)+len(n.keys.kicked) > 0 {
				t.Errorf("%s pushed %q and closed %q, want nothing done", tt.request, got, n.keys.kicked)
			}
			if logged := strings.Contains(n.log.String(), "a bug"); logged != (tt.status == 500) {
				t.Errorf("%s logged %q, want errors of ours there and no others", tt.request, n.log)
			}
		})
	}
}

func TestV1RefusesEncodedBodies(t *testing.T) {
	t.Parallel()
	n := newNode().withTokens(t)
	h := web.Admin(n.Config, loopback)
	for _, target := range []string{"/v1/push/k1", "/v1/push", "/v1/keys/k1/tokens"} {
		w := ask(h, "POST", target, "\x1f\x8b", "Content-Encoding: gzip")
		wantProblem(t, w, "POST "+target+" in gzip", 415, "encoding", "gzip")
	}
}

func TestV1Batch(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.fail["down"] = message.ErrUnavailable
	h := web.Admin(n.Config, loopback)
	body := `{"messages":[
		{"key":"k1","payload":{"a": 1 , "a":2.50},"expire":60},
		{"keys":["k2","down","k1"],"base64":"AP8=","expire":0},
		{"key":"down","payload":null},
		{"key":"k1","payload":null},
		{"key":"` + strings.Repeat("k", 256) + `","base64":""},
		{"key":"k3","base64":""}
	]}`
	w := ask(h, "POST", "/v1/push", body)
	var want strings.Builder
	want.WriteString(`{"results":[{"key":"k1","id":"1767225600000-0","stored":true,"subscribers":3},`)
	want.WriteString(`{"key":"k2","id":"1767225600000-4","stored":false,"subscribers":3},`)
	want.WriteString(`{"key":"down","error":{"code":"unavailable","message":"store unavailable; nothing was stored, try again later"}},`)
	want.WriteString(`{"key":"k1","id":"1767225600000-8","stored":false,"subscribers":3},`)
	want.WriteString(`{"key":"down","error":{"code":"skipped","message":"an earlier message of this call to the same key failed; send both again"}},`)
	want.WriteString(`{"key":"k1","id":"1767225600000-12","stored":true,"subscribers":3},`)
	want.WriteString(`{"key":"` + strings.Repeat("k", 256) + `","error":{"code":"bad_key","message":"bad key: 256 bytes, max_key_bytes is 255"}},`)
	want.WriteString(`{"key":"k3","id":"1767225600000-16","stored":true,"subscribers":3}]}`)
	wantAnswer(t, w, "POST /v1/push", 200, want.String())
	pushed := "k1 1m0s {\"a\": 1 , \"a\":2.50}|k2 0s \x00\xff|k1 0s \x00\xff|k1 168h0m0s null|k3 168h0m0s "
	if got := strings.Join(n.keys.payloads(), "|"); got != pushed {
		t.Errorf("POST /v1/push pushed %q, want %q", got, pushed)
	}
}

func TestV1BatchMayBeFull(t *testing.T) {
	t.Parallel()
	n := newNode()
	w := ask(web.Admin(n.Config, loopback), "POST", "/v1/push", `{"messages":[{"payload":1,"keys":["k"`+strings.Repeat(`,"k"`, web.MaxBatchItems-1)+`]}]}`)
	if got := len(n.keys.payloads()); w.Code != 200 || got != web.MaxBatchItems {
		t.Errorf("POST /v1/push of %d = %d, pushed %d, want all", web.MaxBatchItems, w.Code, got)
	}
}

func TestV1Messages(t *testing.T) {
	t.Parallel()
	const (
		m0   = `{"id":"1767225600000-0","payload":{"a":"<1>"},"expires":"2026-01-01T00:01:00Z"}`
		m1   = `{"id":"1767225600000-4","base64":"aGVsbG8=","expires":"2026-01-01T00:01:00Z"}`
		m2   = `{"id":"1767225600000-8","base64":"Iv8i","expires":"2026-01-01T00:01:00Z"}`
		m3   = `{"id":"1767225600000-12","base64":"","expires":"2026-01-01T00:01:00Z"}`
		next = `,"next":"1767225600000-`
	)
	tests := []struct{ name, query, want string }{
		{"all", "", `{"messages":[` + m0 + "," + m1 + "," + m2 + "," + m3 + `]}`},
		{"newest first", "?reverse=1", `{"messages":[` + m3 + "," + m2 + "," + m1 + "," + m0 + `]}`},
		{"a page", "?limit=2", `{"messages":[` + m0 + "," + m1 + `]` + next + `4"}`},
		{"the next page", "?limit=2&after=1767225600000-4", `{"messages":[` + m2 + "," + m3 + `]}`},
		{"a page, newest first", "?limit=3&reverse=true", `{"messages":[` + m3 + "," + m2 + "," + m1 + `]` + next + `4"}`},
		{"the next page, newest first", "?limit=3&reverse=1&before=1767225600000-4", `{"messages":[` + m0 + `]}`},
		{"between two", "?after=1767225600000&before=1767225600000-8", `{"messages":[` + m1 + `]}`},
		{"after a mid as old clients have it", "?after=17672256000000008", `{"messages":[` + m3 + `]}`},
		{"none", "?after=1767225600000-12", `{"messages":[]}`},
		{"before the first of all ids", "?before=0-0", `{"messages":[]}`},
	}
	n := newNode()
	n.keys.put(t, "k1", `{"a": "<1>"}`, "hello", "\"\xff\"", "")
	h := web.Admin(n.Config, loopback)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantAnswer(t, ask(h, "GET", "/v1/keys/k1/messages"+tt.query, ""), "GET messages"+tt.query, 200, tt.want)
		})
	}
}

func TestV1MessagesThatStay(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.stored["k1"] = []message.Message{{Mid: firstMid, Expires: message.Never, Payload: []byte("1")}}
	w := ask(web.Admin(n.Config, loopback), "GET", "/v1/keys/k1/messages", "")
	wantAnswer(t, w, "GET messages", 200, `{"messages":[{"id":"1767225600000-0","payload":1}]}`)
}

func TestV1MessagesWithoutPayload(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.stored["k1"] = []message.Message{{Mid: firstMid, Expires: message.Never}}
	w := ask(web.Admin(n.Config, loopback), "GET", "/v1/keys/k1/messages", "")
	wantAnswer(t, w, "GET messages", 200, `{"messages":[{"id":"1767225600000-0","base64":""}]}`)
}

func TestMessagesOfFieldsAreObjects(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.stored["k1"] = []message.Message{
		{Mid: firstMid, Expires: message.Never, Form: message.Fields, Payload: []byte("*4\r\n$1\r\nb\r\n$3\r\n<1>\r\n$1\r\na\r\n$1\r\n\xff\r\n")},
		{Mid: firstMid + 4, Expires: message.Never, Form: message.Fields, Payload: []byte("*1\r\n")},
	}
	const first, second = "17672256000000000", "17672256000000004"
	for _, tt := range []struct{ target, want string }{
		{"/v1/keys/k1/messages", `{"messages":[{"id":"1767225600000-0","payload":{"b":"<1>","a":"` + "\ufffd" + `"}},{"id":"1767225600000-4","base64":"KjENCg=="}]}`},
		{"/1/msg/get?k=k1&m=0", `{"data":{"msgs":[{"msg":{"b":"<1>","a":"` + "\ufffd" + `"},"mid":` + first + `,"gid":0},{"msg":"*1\r\n","mid":` + second + `,"gid":0}]},"ret":0}`},
		{"/msg/get?key=k1&mid=" + first, `{"data":{"msgs":["{\"msg\":\"*1\\r\\n\",\"mid\":` + second + `,\"gid\":0}"],"pmsgs":[]},"msg":"ok","ret":0}`},
		{"/msg/get?key=k1&mid=0", `{"data":{"msgs":["{\"msg\":\"{\\\"b\\\":\\\"<1>\\\",\\\"a\\\":\\\"` + "\ufffd" + `\\\"}\",\"mid\":` + first + `,\"gid\":0}","{\"msg\":\"*1\\r\\n\",\"mid\":` + second + `,\"gid\":0}"],"pmsgs":[]},"msg":"ok","ret":0}`},
	} {
		h := web.Public(n.Config)
		if strings.HasPrefix(tt.target, "/v1") {
			h = web.Admin(n.Config, loopback)
		}
		wantAnswer(t, ask(h, "GET", tt.target, ""), "GET "+tt.target, 200, tt.want)
	}
}

func TestV1MessagesStopAtAPageOfBytes(t *testing.T) {
	t.Parallel()
	n, _ := pages(t)
	w := ask(web.Admin(n.Config, loopback), "GET", "/v1/keys/k1/messages", "")
	if w.Body.Len() > 512<<10 || !strings.HasSuffix(w.Body.String(), `"next":"1767225600000-0"}`) {
		t.Errorf("GET three large messages = %d bytes, ending in %q, want one and where to go on", w.Body.Len(), w.Body.String()[w.Body.Len()-40:])
	}
}

func TestV1Keys(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.keys.put(t, "k1", "1", "2", "3")
	h := web.Admin(n.Config, loopback)
	steps := []struct{ request, want string }{
		{"GET /v1/keys/k1", `{"key":"k1","subscribers":3,"last":"1767225600000-8","stored":3}`},
		{"GET /v1/keys/k2", `{"key":"k2","subscribers":3,"stored":0}`},
		{"DELETE /v1/keys/k1/messages?id=1767225600000-0&id=1767225600000-4&id=1-0", `{"deleted":2}`},
		{"GET /v1/keys/k1", `{"key":"k1","subscribers":3,"last":"1767225600000-8","stored":1}`},
		{"DELETE /v1/keys/k1/messages", `{"deleted":1}`},
		{"DELETE /v1/keys/k1/messages", `{"deleted":0}`},
		{"DELETE /v1/keys/k1/connections", `{"closed":3}`},
	}
	for _, tt := range steps {
		method, target, _ := strings.Cut(tt.request, " ")
		wantAnswer(t, ask(h, method, target, ""), tt.request, 200, tt.want)
	}
	if got := fmt.Sprint(n.keys.kicked); got != "[k1 0]" {
		t.Errorf("closed connections of %s, want those of k1 once, all", got)
	}
	n.keys.broken = message.ErrUnavailable
	for _, request := range []string{"GET /v1/keys/k1", "GET /v1/keys/k1/messages", "DELETE /v1/keys/k1/messages", "DELETE /v1/keys/k1/connections"} {
		method, target, _ := strings.Cut(request, " ")
		wantProblem(t, ask(h, method, target, ""), request+" with a failing store", 503, "unavailable")
	}
}

func TestChangesAreMadeThoughTheCallerLeft(t *testing.T) {
	t.Parallel()
	n := newNode()
	h := web.Admin(n.Config, loopback)
	r := httptest.NewRequest("POST", "/v1/push/k1?expire=0", strings.NewReader("x"))
	r.RemoteAddr = "127.0.0.1:5"
	r.Host = "localhost"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	if w.Code != 200 || n.keys.ctxErr != nil {
		t.Errorf("a push of a caller that left = %d, its context %v, want it carried out within a bound", w.Code, n.keys.ctxErr)
	}
}
