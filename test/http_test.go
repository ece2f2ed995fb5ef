package test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// oddKeys are keys that paths do not like, and how they stand in one.
var oddKeys = []struct{ name, path, key string }{
	{"an escaped slash", "a%2Fb", "a/b"},
	{"a slash at both ends", "%2fa%2F", "/a/"},
	{"a dot", ".", "."},
	{"two dots", "..", ".."},
	{"an escaped dot", "%2E", "."},
	{"two escaped dots", "%2e%2E", ".."},
	{"an escaped percent sign", "%252F", "%2F"},
	{"a space", "a%20b", "a b"},
	{"a plus", "a+b", "a+b"},
	{"a semicolon and a question mark", "a;b%3Fc", "a;b?c"},
	{"other scripts", "%C5%BE馬🐎", "ž馬🐎"},
}

// Any key can stand in a path, percent-encoded, and is pushed to, told of, read, kicked and emptied.
func TestV1KeysInPaths(t *testing.T) {
	t.Parallel()
	n := serve(t)
	for _, tt := range oddKeys {
		t.Run(tt.name, func(t *testing.T) {
			n := n.in(t)
			p, other := n.subscribe(tt.key, "", "1"), n.subscribe("other", "", "1")
			if got, want := n.raw("POST", "/v1/push/"+tt.path+"?expire=60", `"hello"`), `"stored":true,"subscribers":1}`; !strings.HasSuffix(got, want) {
				t.Fatalf("a push to %s is answered %s, want …%s", tt.path, got, want)
			}
			if m := p.next(); string(m.Msg) != `"hello"` {
				t.Errorf("the subscriber of %q got %s", tt.key, m.Msg)
			}
			var info struct {
				Key                 string
				Subscribers, Stored int
			}
			if got := n.raw("GET", "/v1/keys/"+tt.path, ""); json.Unmarshal([]byte(got), &info) != nil || info.Key != tt.key || info.Subscribers != 1 || info.Stored != 1 {
				t.Errorf("info of %s: %s, want 1 subscriber and 1 message of %q", tt.path, got, tt.key)
			}
			if got := n.raw("GET", "/v1/keys/"+tt.path+"/messages", ""); !strings.Contains(got, `"payload":"hello"`) {
				t.Errorf("messages of %s: %s", tt.path, got)
			}
			if got := n.raw("DELETE", "/v1/keys/"+tt.path+"/messages", ""); got != `{"deleted":1}` {
				t.Errorf("delete of %s: %s", tt.path, got)
			}
			if got := n.raw("DELETE", "/v1/keys/"+tt.path+"/connections", ""); got != `{"closed":1}` {
				t.Errorf("kick of %s: %s", tt.path, got)
			}
			p.expectEnd("")
			expectNothing(t, n, other, "other")
		})
	}
}

// raw asks the admin listener for a path as it stands, which no library changes, and returns
// the body of the answer.
func (n *node) raw(method, path, body string) string {
	n.t.Helper()
	p := dial(n.t, n.admin[0])
	defer p.Close()
	resp, answer := p.request(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body))
	if resp.StatusCode != http.StatusOK {
		n.t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	return answer
}

// pushAnswer is the answer to one push, or its part of the answer to many.
type pushAnswer struct {
	Key         string
	ID          string
	Stored      bool
	Subscribers int
	Error       *struct{ Code, Message string }
}

func parseJSON[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
		t.Fatalf("answered %d %.300s (%v)", a.status, a.body, err)
	}
	return v
}

// A payload is any bytes; a push tells its id, whether it is stored and who got it.
func TestV1Push(t *testing.T) {
	t.Parallel()
	n := serve(t, "--default-expire", "2d")
	tests := []struct{ name, payload, query, wantMsg string }{
		{"JSON", `{"a":[1,2]}`, "", `{"a":[1,2]}`},
		{"a text", "hello", "?expire=60", `"hello"`},
		{"nothing", "", "", `""`},
		{"bytes", "\x00\xff\xfe", "", `"\u0000��"`},
		{"live only", "1", "?expire=0", "1"},
		{"kept for ever", "2", "?expire=4294967295", "2"},
		{"as large as may be", strings.Repeat("x", 1<<20), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, key := n.in(t), url.PathEscape(tt.name)
			p := n.subscribe(tt.name, "", "1")
			got := parseJSON[pushAnswer](t, do(t, "POST", n.adminURL("/v1/push/"+key+tt.query), tt.payload))
			m, stored := p.next(), tt.query != "?expire=0"
			if want := fmt.Sprintf("%d-%d", m.Mid/10000, m.Mid%10000); got.ID != want || got.Stored != stored || got.Subscribers != 1 {
				t.Errorf("answered %+v, want id %s, stored %v and 1 subscriber", got, want, stored)
			}
			if tt.wantMsg != "" && string(m.Msg) != tt.wantMsg {
				t.Errorf("the subscriber got %s, want %s", m.Msg, tt.wantMsg)
			}
			if stored {
				n.expectListed(tt.name, tt.payload, got.ID)
			}
		})
	}
	p := n.history("JSON", "")
	if expires, err := time.Parse(time.RFC3339, p.Messages[0].Expires); err != nil || time.Until(expires) < 47*time.Hour || time.Until(expires) > 48*time.Hour {
		t.Errorf("with default_expire = 2d a message expires at %q", p.Messages[0].Expires)
	}
}

// expectListed reads the one message of key: JSON stands as such, anything else as base64.
func (n *node) expectListed(key, payload, id string) {
	n.t.Helper()
	p := n.history(key, "")
	if len(p.Messages) != 1 || p.Messages[0].ID != id {
		n.t.Fatalf("%d messages are stored, want the one with id %s", len(p.Messages), id)
	}
	got := string(p.Messages[0].Payload)
	if got == "" {
		decoded, err := base64.StdEncoding.DecodeString(p.Messages[0].Base64)
		if err != nil {
			n.t.Fatal(err)
		}
		got = string(decoded)
	}
	if got != payload {
		n.t.Errorf("stored is %.100q, pushed was %.100q", got, payload)
	}
}

// Many keys and many messages go in one call, each with a result. After one failed, the later
// ones of its key are skipped, and those of other keys are not.
func TestV1PushMany(t *testing.T) {
	t.Parallel()
	n := serve(t, "--max-message-bytes", "100")
	a, b := n.subscribe("a", "", "1"), n.subscribe("b", "", "1")
	large := strings.Repeat("x", 101)
	got := parseJSON[struct{ Results []pushAnswer }](t, do(t, "POST", n.adminURL("/v1/push"), `{"messages":[
		{"key":"a","payload":{"n":1},"expire":60},
		{"keys":["a","b","b"],"base64":"aGVsbG8="},
		{"key":"a","payload":"`+large+`"},
		{"key":"a","payload":2},
		{"key":"b","payload":3,"expire":0},
		{"keys":["bad\u0000key","c"],"payload":4},
		{"key":"a","payload":5}
	]}`)).Results
	want := []struct{ key, code string }{
		{"a", ""},
		{"a", ""},
		{"b", ""},
		{"b", ""},
		{"a", "too_large"},
		{"a", "skipped"},
		{"b", ""},
		{"bad\x00key", "bad_key"},
		{"c", ""},
		{"a", "skipped"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d results, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		code := ""
		if got[i].Error != nil {
			code = got[i].Error.Code
		}
		if got[i].Key != w.key || code != w.code || (code == "") != (got[i].ID != "") {
			t.Errorf("result %d is %+v (%q), want key %q and error %q", i, got[i], code, w.key, w.code)
		}
	}
	if got[6].Stored || !got[0].Stored || got[0].Subscribers != 1 || got[8].Subscribers != 0 {
		t.Errorf("results %+v, want b's last not stored, a with a subscriber, c without", got)
	}
	for p, msgs := range map[*peer][]string{a: {`{"n":1}`, `"hello"`}, b: {`"hello"`, `"hello"`, "3"}} {
		for _, want := range msgs {
			if m := p.next(); string(m.Msg) != want {
				t.Errorf("got %s, want %s", m.Msg, want)
			}
		}
	}
	n.expectInfo("a", 2, 1)
	n.expectInfo("b", 2, 1)
	n.expectInfo("c", 1, 0)
}

// History is read in pages from either end, and removed by id or all at once.
func TestV1History(t *testing.T) {
	t.Parallel()
	n := serve(t)
	n.fill("k", 25)
	var all []string
	for after, pages := "", 0; pages == 0 || after != ""; pages++ {
		p := n.history("k", "limit=10&after="+orZero(after))
		all, after = append(all, p.ids()...), p.Next
		if want := []int{10, 10, 5}[pages]; len(p.Messages) != want {
			t.Fatalf("page %d has %d messages, want %d", pages, len(p.Messages), want)
		}
	}
	tests := []struct {
		query    string
		from, to int // of all, as a slice; from above to: backwards
	}{
		{"", 0, 25},
		{"limit=3", 0, 3},
		{"limit=1000", 0, 25},
		{"after=" + all[9], 10, 25},
		{"after=" + all[9] + "&before=" + all[12], 10, 12},
		{"before=" + all[2], 0, 2},
		{"before=" + all[0], 0, 0},
		{"after=" + all[24], 25, 25},
		{"reverse=1&limit=4", 25, 21},
		{"reverse=true&before=" + all[21] + "&limit=4", 21, 17},
		{"reverse=1&after=" + all[21], 25, 22},
	}
	for _, tt := range tests {
		if got, want := n.history("k", tt.query).ids(), piece(all, tt.from, tt.to); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("messages?%s are %v, want %v", tt.query, got, want)
		}
	}
	if p := n.history("k", "reverse=1&limit=4"); p.Next != all[21] {
		t.Errorf("next of the newest 4 is %q, want %q: before it is more", p.Next, all[21])
	}
	for _, step := range []struct {
		query, want string
		left        int
	}{
		{"?id=" + all[0] + "&id=" + all[24] + "&id=1-0", `{"deleted":2}`, 23},
		{"?id=" + all[0], `{"deleted":0}`, 23},
		{"", `{"deleted":23}`, 0},
		{"", `{"deleted":0}`, 0},
	} {
		if a := do(t, "DELETE", n.adminURL("/v1/keys/k/messages"+step.query), ""); a.body != step.want {
			t.Errorf("delete %s answered %d %s, want %s", step.query, a.status, a.body, step.want)
		}
		n.expectInfo("k", step.left, 0)
	}
	if a := do(t, "GET", n.adminURL("/v1/keys/k"), ""); !strings.Contains(a.body, `"last":"`+all[24]+`"`) {
		t.Errorf("info after all was deleted is %s, want the last id still known", a.body)
	}
}

func orZero(after string) string {
	if after == "" {
		return "0"
	}
	return after
}

func (p historyPage) ids() (ids []string) {
	for _, m := range p.Messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// piece is all[from:to], or backwards if from is above to.
func piece(all []string, from, to int) (some []string) {
	for ; from < to; from++ {
		some = append(some, all[from])
	}
	for ; from > to; from-- {
		some = append(some, all[from-1])
	}
	return some
}

// A kick closes all connections of its key in every dialect and nothing else. Who was kicked may
// come back.
func TestV1Kick(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		var resp []*peer
		var web []*wsPeer
		for range 3 {
			resp = append(resp, n.subscribe("k"))
			web = append(web, n.subscribeWS("k", ""))
		}
		other := n.subscribe("other", "", "1")
		n.expectInfo("k", 0, 6)
		if a := do(t, "DELETE", n.adminURL("/v1/keys/k/connections"), ""); a.body != `{"closed":6}` {
			t.Errorf("kick answered %d %s, want 6 closed", a.status, a.body)
		}
		for i := range resp {
			resp[i].expectEnd("")
			web[i].expectClose(1008)
			resp[i].Close()
			web[i].Close()
		}
		n.expectClosed("kicked", 6)
		if a := do(t, "DELETE", n.adminURL("/v1/keys/k/connections"), ""); a.body != `{"closed":0}` {
			t.Errorf("a second kick answered %d %s, want 0 closed", a.status, a.body)
		}
		n.subscribe("k")
		n.expectInfo("k", 0, 1)
		expectNothing(t, n, other, "other")
	})
}
