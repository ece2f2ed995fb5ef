package test

import (
	"net/http"
	"strings"
	"testing"
)

// badRequest is a request that is refused: with a status, and for gopush-cluster's clients
// with a ret.
type badRequest struct {
	name, method, path, body string
	status                   int
	want                     string // in the answer
	reason                   string // counted in gopush_http_refused_total
}

const (
	parameterError = `{"ret":65534}`
	oldError       = `{"msg":"ok","ret":65534}`
)

func badAdminRequests() []badRequest {
	const private, many, clean = "/1/admin/push/private", "/1/admin/push/mprivate?expire=0", "/1/admin/msg/del"
	long, large := strings.Repeat("k", 256), `"`+strings.Repeat("x", 1<<20)+`"`
	return []badRequest{
		{"no JSON", "POST", private + "?key=witness&expire=60", "hello", 200, parameterError, "bad_body"},
		{"half of a JSON value", "POST", private + "?key=witness&expire=60", `{"a":`, 200, parameterError, "bad_body"},
		{"two JSON values", "POST", private + "?key=witness&expire=60", `{} {}`, 200, parameterError, "bad_body"},
		{"no body", "POST", private + "?key=witness&expire=60", ``, 200, parameterError, "bad_body"},
		{"no JSON on the old path", "POST", "/admin/push?key=witness&expire=60", "hello", 200, parameterError, "bad_body"},
		{"no key", "POST", private + "?expire=60", `{}`, 200, parameterError, "bad_key"},
		{"an empty key", "POST", private + "?key=&expire=60", `{}`, 200, parameterError, "bad_key"},
		{"a key with NUL", "POST", private + "?key=a%00b&expire=60", `{}`, 200, parameterError, "bad_key"},
		{"a key with a line end", "POST", private + "?key=a%0Ab&expire=60", `{}`, 200, parameterError, "bad_key"},
		{"a key that is not UTF-8", "POST", private + "?key=%FF&expire=60", `{}`, 200, parameterError, "bad_key"},
		{"a key of 256 bytes", "POST", private + "?expire=60&key=" + long, `{}`, 200, parameterError, "bad_key"},
		{"no expire", "POST", private + "?key=witness", `{}`, 200, parameterError, "bad_parameter"},
		{"a negative expire", "POST", private + "?key=witness&expire=-1", `{}`, 200, parameterError, "bad_parameter"},
		{"an expire of 33 bits", "POST", private + "?key=witness&expire=4294967296", `{}`, 200, parameterError, "bad_parameter"},
		{"a message too large", "POST", private + "?key=witness&expire=60", large, 413, parameterError, "too_large"},
		{"a GET", "GET", private + "?key=witness&expire=60", ``, 405, "", "method"},

		{"no object", "POST", many, `[]`, 200, parameterError, "bad_body"},
		{"no message", "POST", many, `{"k":"witness"}`, 200, parameterError, "bad_body"},
		{"an empty message", "POST", many, `{"m":"","k":"witness"}`, 200, parameterError, "bad_body"},
		{"a message that is no JSON", "POST", many, `{"m":"hello","k":"witness"}`, 200, parameterError, "bad_body"},
		{"no keys", "POST", many, `{"m":"{}"}`, 200, parameterError, "bad_body"},
		{"empty keys", "POST", many, `{"m":"{}","k":",,"}`, 200, parameterError, "bad_body"},
		{"keys in a list", "POST", many, `{"m":"{}","k":["witness"]}`, 200, parameterError, "bad_body"},
		{"some bad keys", "POST", many, `{"m":"{}","k":"other,a\u0000b,` + long + `"}`, 200, `{"data":{"fk":["a\u0000b","` + long + `"]},"ret":0}`, "bad_key"},

		{"clean without a key", "POST", clean, ``, 200, parameterError, "bad_key"},
		{"clean with a bad key", "POST", clean, `key=%00`, 200, parameterError, "bad_key"},
		{"another path", "POST", "/1/admin/push/public?expire=60", `{}`, 404, "", "not_found"},
		{"a slash behind the path", "POST", private + "/?key=witness&expire=60", `{}`, 404, "", "not_found"},

		{"v1: a key with a control character", "POST", "/v1/push/a%01b", `{}`, 400, "bad_key", "bad_key"},
		{"v1: a key of 256 bytes", "POST", "/v1/push/" + long, `{}`, 400, "max_key_bytes is 255", "bad_key"},
		{"v1: a message too large", "POST", "/v1/push/witness", large, 413, "max_message_bytes", "too_large"},
		{"v1: an expire that is a word", "POST", "/v1/push/witness?expire=never", `{}`, 400, "expire", "bad_parameter"},
		{"v1: an unknown parameter", "POST", "/v1/push/witness?expires=60", `{}`, 400, "expires", "bad_parameter"},
		{"v1: a batch that is no JSON", "POST", "/v1/push", `hello`, 400, "", "bad_body"},
		{"v1: a batch of nothing", "POST", "/v1/push", `{"messages":[]}`, 400, "", "bad_body"},
		{"v1: an unknown member", "POST", "/v1/push", `{"message":[]}`, 400, "", "bad_body"},
		{"v1: base64 that is none", "POST", "/v1/push", `{"messages":[{"key":"witness","base64":"%"}]}`, 400, "base64", "bad_body"},
		{"v1: another method", "PUT", "/v1/push/witness", `{}`, 405, "POST", "method"},
	}
}

func badPublicRequests() []badRequest {
	return []badRequest{
		{"no key", "GET", "/1/server/get?p=1", "", 200, parameterError, "bad_key"},
		{"an unknown protocol", "GET", "/1/server/get?k=a&p=3", "", 200, parameterError, "bad_parameter"},
		{"no mid", "GET", "/1/msg/get?k=a", "", 200, parameterError, "bad_parameter"},
		{"a mid that overflows", "GET", "/1/msg/get?k=a&m=9223372036854775808", "", 200, parameterError, "bad_parameter"},
		{"the old path without a mid", "GET", "/msg/get?key=a", "", 200, oldError, "bad_parameter"},
		{"a callback that is code", "GET", "/1/time/get?cb=alert(1)%2F%2F", "", 200, parameterError, "bad_parameter"},
		{"a long callback", "GET", "/1/time/get?cb=" + strings.Repeat("a", 129), "", 200, parameterError, "bad_parameter"},
		{"a POST", "POST", "/1/time/get", "", 405, "", "method"},
		{"an admin path", "POST", "/1/admin/push/private?key=witness&expire=60", `{}`, 404, "", "not_found"},
		{"a v1 path", "POST", "/v1/push/witness", `{}`, 404, "", "not_found"},
	}
}

// What is refused says why, is counted, and changes nothing: the witness gets none of it.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	n := serve(t)
	w := newWitness(n)
	check := func(url func(string) string, list []badRequest) {
		for _, tt := range list {
			t.Run(tt.name, func(t *testing.T) {
				n := n.in(t)
				counter := `gopush_http_refused_total{reason="` + tt.reason + `"}`
				before := n.count(counter)
				a := do(t, tt.method, url(tt.path), tt.body)
				if a.status != tt.status || !strings.Contains(a.body, tt.want) {
					t.Errorf("%s %.100s answered %d %.200s, want %d with %.200s", tt.method, tt.path, a.status, a.body, tt.status, tt.want)
				}
				if a.header.Get("Content-Length") == "" {
					t.Errorf("answered without Content-Length: %v", a.header)
				}
				if n.count(counter) <= before {
					t.Errorf("%s was not counted", counter)
				}
			})
		}
	}
	check(n.adminURL, badAdminRequests())
	check(n.publicURL, badPublicRequests())
	if got := do(t, "GET", n.publicURL("/1/msg/get?k=witness&m=0"), "").body; got != `{"ret":0}` {
		t.Errorf("stored for the witness: %s, want nothing", got)
	}
	w.check(t)
}

// Heads that break HTTP are answered, counted and closed, on a fresh connection and on one in use.
func TestBadHeads(t *testing.T) {
	tests := []struct {
		name, sent string
		status     int
	}{
		{"a header without a colon", "GET /1/time/get HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", http.StatusBadRequest},
		{"no Host", "GET /1/time/get HTTP/1.1\r\n\r\n", http.StatusBadRequest},
		{"two hosts", "GET /1/time/get HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", http.StatusBadRequest},
		{"a space in the path", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusBadRequest},
		{"two lengths", "POST /1/time/get HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", http.StatusBadRequest},
		{"a negative length", "POST /1/time/get HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", http.StatusBadRequest},
		{"an unknown transfer encoding", "POST /1/time/get HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n", http.StatusNotImplemented},
		{"a head that is too long", "GET /1/time/get HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 20) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				fresh := dial(t, n.public[0])
				if resp, _ := fresh.request(tt.sent); resp.StatusCode != tt.status {
					t.Errorf("answered with %s, want %d", resp.Status, tt.status)
				}
				used := dial(t, n.public[0])
				used.plainRequest()
				if resp, _ := used.request(tt.sent); resp.StatusCode != tt.status {
					t.Errorf("on a connection in use: answered with %s, want %d", resp.Status, tt.status)
				}
			})
		}
		want := float64(2*len(tests) - 1) // a first head that is too long is a connection's too_long
		eventually(t, "each bad head is counted", func() bool {
			return n.count(`gopush_http_refused_total{reason="bad_head"}`) == want && n.closed("too_long") == 1
		})
		w.check(t)
	})
}
