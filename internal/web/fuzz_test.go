package web_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"gopush/internal/message"
	"gopush/internal/web"
)

// FuzzCallback: what a JSONP answer begins with is an identifier path or nothing.
func FuzzCallback(f *testing.F) {
	for _, name := range []string{"", "f", "a.b[0]", "$_", "alert(1)//", "a\n", "é", strings.Repeat("x", 129), "a[", "a]b", "\xff"} {
		f.Add(name)
	}
	h := web.Public(newNode().Config)
	f.Fuzz(func(t *testing.T, name string) {
		body := ask(h, "GET", "/1/server/get?cb="+url.QueryEscape(name), "").Body.String()
		if body == `{"ret":65534}` {
			return
		}
		if body != name+`({"ret":65534})` {
			t.Fatalf("GET with cb=%q = %s", name, body)
		}
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.[]"
		if len(name) > 128 || strings.Trim(name, letters) != "" {
			t.Fatalf("GET with cb=%q calls it", name)
		}
	})
}

// FuzzLegacyPush: ret is 0 exactly when the body is one JSON value, and then it is pushed as it is.
func FuzzLegacyPush(f *testing.F) {
	for _, body := range []string{"", "1", "{}{}", ` {"a":1} `, "nul", `"` + "\xff" + `"`, "[[[", "1 2"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n := newNode()
		w := ask(web.Admin(n.Config, loopback), "POST", "/1/admin/push/private?key=k&expire=1", string(body))
		want, pushes := `{"ret":65534}`, 0
		if json.Valid(body) {
			want, pushes = `{"ret":0}`, 1
		}
		wantAnswer(t, w, "POST", 200, want)
		if len(n.keys.pushed) != pushes || pushes == 1 && !bytes.Equal(n.keys.pushed[0].Payload, body) {
			t.Fatalf("POST of %q pushed %q", body, n.keys.payloads())
		}
	})
}

// FuzzLegacyPushMany: the answer is JSON, and no key is pushed to twice.
func FuzzLegacyPushMany(f *testing.F) {
	for _, body := range []string{"", "null", `{"m":"1","k":"a,b,a"}`, `{"m":"1","k":",,"}`, `{"m":1}`, `{"m":"{}","k":"` + "\xff,\x7f" + `"}`, `{"k":"a","m":"[1]"} `} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n := newNode()
		w := ask(web.Admin(n.Config, loopback), "POST", "/1/admin/push/mprivate?expire=1", string(body))
		var got struct {
			Ret  int
			Data struct{ Fk []string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("POST of %q = %d %s: %v", body, w.Code, w.Body, err)
		}
		if got.Ret != 0 && len(n.keys.pushed) > 0 || got.Ret == 0 && len(n.keys.pushed)+len(got.Data.Fk) == 0 {
			t.Fatalf("POST of %q = %s, pushed %q", body, w.Body, n.keys.payloads())
		}
		seen := map[string]bool{}
		for _, p := range n.keys.pushed {
			if seen[p.Key] || !json.Valid(p.Payload) || message.CheckKey(p.Key, 255) != nil {
				t.Fatalf("POST of %q pushed %q", body, n.keys.payloads())
			}
			seen[p.Key] = true
		}
	})
}

// FuzzBatch: a batch is refused whole, or each push has its result, in order.
func FuzzBatch(f *testing.F) {
	for _, body := range []string{
		"", "null", "{}", `{"messages":null}`, `{"messages":[null]}`, `{"messages":[{"key":"k","payload":null}]}`,
		`{"messages":[{"keys":["a","b"],"base64":"AP8=","expire":0},{"key":"a","payload":{"x":[1]}}]}`, `{"messages":[{"keys":[null],"base64":null,"payload":"x"}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n := newNode()
		w := ask(web.Admin(n.Config, loopback), "POST", "/v1/push", string(body))
		var got struct {
			Results []struct {
				Key, ID string
				Error   *struct{ Code string }
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !utf8.Valid(w.Body.Bytes()) {
			t.Fatalf("POST of %q = %d %s: %v", body, w.Code, w.Body, err)
		}
		if w.Code == 400 && len(got.Results)+len(n.keys.pushed) == 0 {
			return
		}
		pushed := n.keys.pushed
		for _, r := range got.Results {
			if r.Error != nil {
				continue
			}
			if len(pushed) == 0 || pushed[0].Key != r.Key || r.ID == "" {
				t.Fatalf("POST of %q = %s, pushed %q", body, w.Body, n.keys.payloads())
			}
			pushed = pushed[1:]
		}
		if w.Code != 200 || len(pushed) > 0 || len(got.Results) == 0 {
			t.Fatalf("POST of %q = %d %s, pushed %q", body, w.Code, w.Body, n.keys.payloads())
		}
	})
}

// FuzzPath: a key in a path is what it decodes to, or nothing is pushed.
func FuzzPath(f *testing.F) {
	for _, key := range []string{"k", ".", "..", "/", "a/b", "%2F", "\x00", "\xff", "?", "#", "你", "", "a b", "+;,:@&="} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		n := newNode()
		r := httptest.NewRequest("POST", "/v1/push/"+url.PathEscape(key)+"?expire=0", nil)
		r.RemoteAddr = "127.0.0.1:5"
		r.Host = ""
		w := httptest.NewRecorder()
		web.Admin(n.Config, loopback).ServeHTTP(w, r)
		got := n.keys.payloads()
		if good := message.CheckKey(key, 255) == nil; good != (len(got) == 1) || good && got[0] != key+" 0s " {
			t.Fatalf("POST to the key %q = %d %s, pushed %q", key, w.Code, w.Body, got)
		}
	})
}
