package web_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gopush/internal/message"
	"gopush/internal/web"
)

func TestLegacyPush(t *testing.T) {
	t.Parallel()
	const private = "/1/admin/push/private?key=k1&expire=60"
	tests := []struct{ name, target, body, want, pushed string }{
		{"JSON is kept as it was sent", private, ` {"a" : 1}` + "\n", `{"ret":0}`, "k1 1m0s  {\"a\" : 1}\n"},
		{"a number", private, `1`, `{"ret":0}`, "k1 1m0s 1"},
		{"an old path", "/admin/push?key=k1&expire=60", `null`, `{"ret":0}`, "k1 1m0s null"},
		{"live only", "/1/admin/push/private?key=k1&expire=0", `[]`, `{"ret":0}`, "k1 0s []"},
		{"the longest expire", "/1/admin/push/private?key=k1&expire=4294967295", `[]`, `{"ret":0}`, "k1 1193046h28m15s []"},
		{"a key with anything in it", "/1/admin/push/private?key=a%2Fb+%E4%BD%A0&expire=60", `{}`, `{"ret":0}`, "a/b 你 1m0s {}"},
		{"no key", "/1/admin/push/private?expire=60", `{}`, `{"ret":65534}`, ""},
		{"empty key", "/1/admin/push/private?key=&expire=60", `{}`, `{"ret":65534}`, ""},
		{"key with a control byte", "/1/admin/push/private?key=a%0A&expire=60", `{}`, `{"ret":65534}`, ""},
		{"key not UTF-8", "/1/admin/push/private?key=%FF&expire=60", `{}`, `{"ret":65534}`, ""},
		{"no expire", "/1/admin/push/private?key=k1", `{}`, `{"ret":65534}`, ""},
		{"empty expire", "/1/admin/push/private?key=k1&expire=", `{}`, `{"ret":65534}`, ""},
		{"negative expire", "/1/admin/push/private?key=k1&expire=-1", `{}`, `{"ret":65534}`, ""},
		{"expire with a sign", "/1/admin/push/private?key=k1&expire=%2B1", `{}`, `{"ret":65534}`, ""},
		{"expire past 32 bits", "/1/admin/push/private?key=k1&expire=4294967296", `{}`, `{"ret":65534}`, ""},
		{"expire in hexadecimal", "/1/admin/push/private?key=k1&expire=0x10", `{}`, `{"ret":65534}`, ""},
		{"no body", private, ``, `{"ret":65534}`, ""},
		{"plain text", private, `hello`, `{"ret":65534}`, ""},
		{"half a value", private, `{"a":`, `{"ret":65534}`, ""},
		{"two values", private, `{} {}`, `{"ret":65534}`, ""},
		{"nested past what is taken", private, strings.Repeat("[", 20000) + strings.Repeat("]", 20000), `{"ret":65534}`, ""},
		{"key in the body", "/1/admin/push/private?expire=60", `{"key":"k1"}`, `{"ret":65534}`, ""},
		{"no JSONP", private + "&cb=f&callback=f", `1`, `{"ret":0}`, "k1 1m0s 1"},

		{"many", "/1/admin/push/mprivate?expire=60", `{"m":"{\"a\": 1}","k":"k1,k2"}`, `{"ret":0}`, `k1 1m0s {"a": 1}|k2 1m0s {"a": 1}`},
		{"many, a key twice", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"k2,k1,k2,,k1,"}`, `{"ret":0}`, "k2 1m0s 1|k1 1m0s 1"},
		{"many, other members", "/1/admin/push/mprivate?expire=0", `{"k":"a b","m":"\"x\"","z":"y"}`, `{"ret":0}`, `a b 0s "x"`},
		{"many, some fail", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"k1,full,bad` + `\n` + `key,k2"}`, `{"data":{"fk":["full","bad\nkey"]},"ret":0}`, "k1 1m0s 1|k2 1m0s 1"},
		{"many, no expire", "/1/admin/push/mprivate", `{"m":"1","k":"k1"}`, `{"ret":65534}`, ""},
		{"many, m missing", "/1/admin/push/mprivate?expire=60", `{"k":"k1"}`, `{"ret":65534}`, ""},
		{"many, m empty", "/1/admin/push/mprivate?expire=60", `{"m":"","k":"k1"}`, `{"ret":65534}`, ""},
		{"many, m not JSON", "/1/admin/push/mprivate?expire=60", `{"m":"x","k":"k1"}`, `{"ret":65534}`, ""},
		{"many, m not text", "/1/admin/push/mprivate?expire=60", `{"m":{"a":1},"k":"k1"}`, `{"ret":65534}`, ""},
		{"many, k missing", "/1/admin/push/mprivate?expire=60", `{"m":"1"}`, `{"ret":65534}`, ""},
		{"many, k empty", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":""}`, `{"ret":65534}`, ""},
		{"many, k a list", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":["k1"]}`, `{"ret":65534}`, ""},
		{"many, body a list", "/1/admin/push/mprivate?expire=60", `[]`, `{"ret":65534}`, ""},
		{"many, body null", "/1/admin/push/mprivate?expire=60", `null`, `{"ret":65534}`, ""},
		{"many, two bodies", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"k1"}{}`, `{"ret":65534}`, ""},
		{"many, no body", "/1/admin/push/mprivate?expire=60", ``, `{"ret":65534}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.keys.fail["full"] = message.ErrUnavailable
			w := ask(web.Admin(n.Config, loopback), "POST", tt.target, tt.body)
			wantAnswer(t, w, "POST "+tt.target, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != jsonType {
				t.Errorf("POST %s: Content-Type %q, want %q", tt.target, got, jsonType)
			}
			if got := strings.Join(n.keys.payloads(), "|"); got != tt.pushed {
				t.Errorf("POST %s pushed %q, want %q", tt.target, got, tt.pushed)
			}
		})
	}
}

func TestLegacyPushThatFails(t *testing.T) {
	t.Parallel()
	for _, err := range []error{message.ErrUnavailable, message.ErrUnknown} {
		n := newNode()
		n.keys.fail["k1"] = err
		w := ask(web.Admin(n.Config, loopback), "POST", "/1/admin/push/private?key=k1&expire=60", "1")
		wantAnswer(t, w, "POST with "+err.Error(), http.StatusOK, `{"ret":65535}`)
	}
}

func TestLegacyPushPastTheLimit(t *testing.T) {
	t.Parallel()
	n := newNode()
	n.settings.MaxMessageBytes, n.keys.maxBytes = 10, 10
	h := web.Admin(n.Config, loopback)
	many := func(m string) string {
		b, _ := json.Marshal(map[string]string{"m": m, "k": "k1"})
		return string(b)
	}
	tests := []struct {
		name, target, body string
		status             int
		want               string
	}{
		{"as long as may be", "/admin/push?key=k1&expire=0", `"12345678"`, 200, `{"ret":0}`},
		{"a byte more", "/admin/push?key=k1&expire=0", `"123456789"`, 413, `{"ret":65534}`},
		{"many, as long as may be", "/1/admin/push/mprivate?expire=0", many(`"12345678"`), 200, `{"ret":0}`},
		{"many, a byte more", "/1/admin/push/mprivate?expire=0", many(`"123456789"`), 413, `{"ret":65534}`},
		{"many, body past its own limit", "/1/admin/push/mprivate?expire=0", strings.Repeat(" ", web.MaxBatchBytes+1), 413, `{"ret":65534}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantAnswer(t, ask(h, "POST", tt.target, tt.body), "POST "+tt.target, tt.status, tt.want)
		})
	}
	want := []string{`k1 0s "12345678"`, `k1 0s "12345678"`}
	if got := n.keys.payloads(); !slices.Equal(got, want) {
		t.Errorf("pushed %q, want %q", got, want)
	}
}

func TestLegacyDelete(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, target, body, want string
		left                     int
	}{
		{"by the form", "/1/admin/msg/del", "key=k%2F1", `{"ret":0}`, 0},
		{"by the old path", "/admin/msg/clean", "key=k/1&x=y", `{"ret":0}`, 0},
		{"of a key that has none", "/1/admin/msg/del", "key=k2", `{"ret":0}`, 2},
		{"without a key", "/1/admin/msg/del", "", `{"ret":65534}`, 2},
		{"with an empty key", "/1/admin/msg/del", "key=", `{"ret":65534}`, 2},
		{"with the key in the query", "/1/admin/msg/del?key=k%2F1", "", `{"ret":65534}`, 2},
		{"with a form that is none", "/1/admin/msg/del", "key=%zz", `{"ret":65534}`, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			n.keys.put(t, "k/1", "1", "2")
			wantAnswer(t, ask(web.Admin(n.Config, loopback), "POST", tt.target, tt.body), "POST "+tt.target, http.StatusOK, tt.want)
			if got := len(n.keys.stored["k/1"]); got != tt.left {
				t.Errorf("POST %s %q left %d messages, want %d", tt.target, tt.body, got, tt.left)
			}
			if len(n.keys.kicked) > 0 {
				t.Errorf("POST %s closed connections of %q, want none closed", tt.target, n.keys.kicked)
			}
		})
	}
}
