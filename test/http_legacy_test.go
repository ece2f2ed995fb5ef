package test

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	jsonType       = "application/json;charset=utf-8"
	javaScriptType = "application/javascript;charset=utf-8"
)

// expectLegacy checks an answer to the byte, with what old clients need of its head.
func expectLegacy(t *testing.T, a answer, want string) {
	t.Helper()
	if a.status != http.StatusOK || a.body != want {
		t.Errorf("answered %d %.300s, want %s", a.status, a.body, want)
	}
	wantType := jsonType
	if !strings.HasPrefix(want, "{") {
		wantType = javaScriptType
	}
	if got := a.header.Get("Content-Type"); got != wantType {
		t.Errorf("Content-Type is %s, want %s", got, wantType)
	}
	if got := a.header.Get("Content-Length"); got != strconv.Itoa(len(a.body)) {
		t.Errorf("Content-Length is %q of %d bytes", got, len(a.body))
	}
}

// Where clients of gopush-cluster ask for a server and the time, answers are theirs, to the byte.
func TestLegacyServers(t *testing.T) {
	t.Parallel()
	n := serve(t, "--advertise-tcp", "tcp1.example:6969,tcp2.example:6969", "--advertise-ws", "ws.example:443")
	for _, tt := range []struct{ path, want string }{
		{"/1/server/get?k=K&p=1", `{"data":{"server":"ws.example:443"},"ret":0}`},
		{"/1/server/get?k=K&p=2", `{"data":{"server":"tcp1.example:6969"},"ret":0}`},
		{"/2/server/get?k=K&p=2", `{"data":{"server":["tcp1.example:6969","tcp2.example:6969"]},"ret":0}`},
		{"/1/server/get?p=2&k=%C5%BE%2F&x=y", `{"data":{"server":"tcp1.example:6969"},"ret":0}`},
		{"/server/get?key=K&proto=2", `{"data":{"server":"tcp1.example:6969"},"msg":"ok","ret":0}`},
		{"/1/server/get?k=K&p=1&cb=f", `f({"data":{"server":"ws.example:443"},"ret":0})`},
		{"/server/get?key=K&proto=1&callback=a.b%5B0%5D", `a.b[0]({"data":{"server":"ws.example:443"},"msg":"ok","ret":0})`},
		{"/1/server/get?k=&p=1&cb=f", `f({"ret":65534})`},
		{"/1/server/get?k=K", `{"ret":65534}`},
		{"/1/server/get?k=K&p=0", `{"ret":65534}`},
		{"/server/get?key=K", `{"msg":"ok","ret":65534}`},
		{"/1/server/get?key=K&proto=1", `{"ret":65534}`}, // the old names
	} {
		expectLegacy(t, do(t, "GET", n.publicURL(tt.path), ""), tt.want)
	}
}

// Without advertised addresses clients are told the public ones.
func TestLegacyServersByDefault(t *testing.T) {
	t.Parallel()
	n := serve(t, "--public", "127.0.0.1:0")
	for _, protocol := range []string{"1", "2"} {
		expectLegacy(t, do(t, "GET", n.publicURL("/2/server/get?k=K&p="+protocol), ""),
			fmt.Sprintf(`{"data":{"server":["%s","%s"]},"ret":0}`, n.public[0], n.public[1]))
	}
	begin := time.Now()
	for _, tt := range []struct{ path, format string }{
		{"/1/time/get", `{"data":{"timeid":%d},"ret":0}`},
		{"/1/time/get?cb=f", `f({"data":{"timeid":%d},"ret":0})`},
		{"/time/get", `{"data":{"timeid":%d},"msg":"ok","ret":0}`},
		{"/time/get?callback=$", `$({"data":{"timeid":%d},"msg":"ok","ret":0})`},
	} {
		a := do(t, "GET", n.publicURL(tt.path), "")
		var got int64
		if _, err := fmt.Sscanf(a.body, tt.format, &got); err != nil {
			t.Errorf("%s is answered %s: %v", tt.path, a.body, err)
		}
		expectLegacy(t, a, fmt.Sprintf(tt.format, got))
		if at := time.Unix(0, got*100); at.Before(begin.Add(-time.Second)) || at.After(time.Now()) {
			t.Errorf("%s answers the time %v at %v", tt.path, at, begin)
		}
	}
}

// What old backends push, old and new clients fetch, each in its form.
func TestLegacyPushAndFetch(t *testing.T) {
	t.Parallel()
	n := serve(t)
	p := n.subscribe("k", "", "1")
	for _, push := range []struct{ path, body string }{
		{"/1/admin/push/private?key=k&expire=600", ` {"a": "é"} `},
		{"/admin/push?key=k&expire=600", `"b"`},
		{"/1/admin/push/private?key=k&expire=0", `"live"`},
		{"/1/admin/push/private?key=k&expire=4294967295", `3`},
	} {
		expectLegacy(t, do(t, "POST", n.adminURL(push.path), push.body), `{"ret":0}`)
	}
	var mids []any
	for _, want := range []string{`{"a":"é"}`, `"b"`, `"live"`, `3`} {
		m := p.next()
		if string(m.Msg) != want {
			t.Errorf("the subscriber got %s, want %s", m.Msg, want)
		}
		if want != `"live"` {
			mids = append(mids, m.Mid)
		}
	}
	all := fmt.Sprintf(`{"msg":{"a":"é"},"mid":%d,"gid":0},{"msg":"b","mid":%d,"gid":0},{"msg":3,"mid":%d,"gid":0}`, mids...)
	old := fmt.Sprintf(`"{\"msg\":\" {\\\"a\\\": \\\"é\\\"} \",\"mid\":%d,\"gid\":0}","{\"msg\":\"\\\"b\\\"\",\"mid\":%d,\"gid\":0}","{\"msg\":\"3\",\"mid\":%d,\"gid\":0}"`, mids...)
	for _, tt := range []struct{ path, want string }{
		{"/1/msg/get?k=k&m=0", `{"data":{"msgs":[` + all + `]},"ret":0}`},
		{"/1/msg/get?k=k&m=-1", `{"data":{"msgs":[` + all + `]},"ret":0}`},
		{"/1/msg/get?k=k&m=0&cb=f", `f({"data":{"msgs":[` + all + `]},"ret":0})`},
		{fmt.Sprint("/1/msg/get?k=k&m=", mids[1]), fmt.Sprintf(`{"data":{"msgs":[{"msg":3,"mid":%d,"gid":0}]},"ret":0}`, mids[2])},
		{fmt.Sprint("/1/msg/get?k=k&m=", mids[2]), `{"ret":0}`},
		{fmt.Sprint("/1/msg/get?k=k&m=", int64(math.MaxInt64)), `{"ret":0}`},
		{"/1/msg/get?k=nobody&m=0", `{"ret":0}`},
		{"/msg/get?key=k&mid=0", `{"data":{"msgs":[` + old + `],"pmsgs":[]},"msg":"ok","ret":0}`},
		{"/msg/get?key=k&mid=0&callback=f", `f({"data":{"msgs":[` + old + `],"pmsgs":[]},"msg":"ok","ret":0})`},
		{fmt.Sprint("/msg/get?key=k&mid=", mids[2]), `{"msg":"ok","ret":0}`},
	} {
		expectLegacy(t, do(t, "GET", n.publicURL(tt.path), ""), tt.want)
	}
}

// One call pushes to many keys, and tells those that failed. A key given twice gets it once.
func TestLegacyPushToMany(t *testing.T) {
	t.Parallel()
	n := serve(t)
	const many = "/1/admin/push/mprivate?expire=600"
	a, b := n.subscribe("a", "", "1"), n.subscribe("b", "", "1")
	expectLegacy(t, do(t, "POST", n.adminURL(many), `{"m":"{\"n\": 1}","k":"a,b,a,,c"}`), `{"ret":0}`)
	long := strings.Repeat("k", 256)
	expectLegacy(t, do(t, "POST", n.adminURL(many), `{"m":"2","k":"a,`+long+`,b"}`), `{"data":{"fk":["`+long+`"]},"ret":0}`)
	for _, p := range []*peer{a, b} {
		for _, want := range []string{`{"n":1}`, "2"} {
			if m := p.next(); string(m.Msg) != want {
				t.Errorf("got %s, want %s", m.Msg, want)
			}
		}
	}
	for key, stored := range map[string]int{"a": 2, "b": 2, "c": 1} {
		if got := len(n.storedLegacy(key)); got != stored {
			t.Errorf("%s has %d messages, want %d", key, got, stored)
		}
	}
	var keys []string
	for i := range 3000 {
		keys = append(keys, fmt.Sprint("device", i))
	}
	expectLegacy(t, do(t, "POST", n.adminURL(many), `{"m":"3","k":"`+strings.Join(keys, ",")+`"}`), `{"ret":0}`)
	n.expectInfo("device0", 1, 0)
	n.expectInfo("device2999", 1, 0)
}

// Old backends empty a key; its connections stay.
func TestLegacyDelete(t *testing.T) {
	t.Parallel()
	n := serve(t)
	for _, path := range []string{"/1/admin/msg/del", "/admin/msg/clean"} {
		n.push("a%20b", "1", "?expire=60")
		n.push("other", "1", "?expire=60")
		p := n.subscribe("a b", "", "1")
		expectLegacy(t, do(t, "POST", n.adminURL(path), "key=a+b", "Content-Type", "application/x-www-form-urlencoded"), `{"ret":0}`)
		n.expectInfo("a b", 0, 1)
		expectNothing(t, n, p, "a%20b")
		p.Close()
		eventually(t, "the subscriber has gone", func() bool { return n.count("gopush_keys_subscribed") == 0 })
	}
	n.expectInfo("other", 2, 0)
}

// expire=S is S seconds, S + 1 at most.
func TestLegacyExpire(t *testing.T) {
	t.Parallel()
	n := serve(t)
	begin := time.Now()
	expectLegacy(t, do(t, "POST", n.adminURL("/1/admin/push/private?key=k&expire=2"), "1"), `{"ret":0}`)
	pushed := time.Now()
	eventually(t, "the message expires", func() bool {
		asked := time.Now()
		gone := len(n.storedLegacy("k")) == 0
		if gone && time.Since(begin) < 2*time.Second {
			t.Errorf("gone %v after a push with expire=2", time.Since(begin))
		}
		if !gone && asked.Sub(pushed) > 3*time.Second {
			t.Fatalf("still there %v after a push with expire=2", asked.Sub(pushed))
		}
		return gone
	})
}
