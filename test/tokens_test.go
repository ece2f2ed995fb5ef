package test

import (
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tokenConns are connections opened with one token.
type tokenConns struct {
	resp []*peer
	web  []*wsPeer
}

func (n *node) open(key, token string) (c tokenConns) {
	n.t.Helper()
	for range 2 {
		c.resp = append(c.resp, n.subscribe(key, token, "1"))
		c.web = append(c.web, n.subscribeWS(key, "&ver=1&token="+url.QueryEscape(token)))
	}
	return c
}

// expectOpen has all get a message that was pushed.
func (c tokenConns) expectOpen(t *testing.T, want string) {
	t.Helper()
	for _, p := range c.resp {
		if m := p.next(); string(m.Msg) != want {
			t.Errorf("got %s, want %s", m.Msg, want)
		}
	}
	for _, p := range c.web {
		if m := p.next(); string(m.Msg) != want {
			t.Errorf("got %s over WebSocket, want %s", m.Msg, want)
		}
	}
}

func (c tokenConns) expectClosed() {
	for i := range c.resp {
		c.resp[i].expectEnd("")
		c.web[i].expectClose(1008)
	}
}

// revoke revokes the token in body, or all tokens of key.
func (n *node) revoke(key, body, want string) {
	n.t.Helper()
	if a := do(n.t, "DELETE", n.adminURL("/v1/keys/"+key+"/tokens"), body); a.status != http.StatusOK || a.body != want {
		n.t.Errorf("revoke %s of %s: %d %s, want %s", body, key, a.status, a.body, want)
	}
}

// refused subscribes with token and expects the dialect's error.
func (n *node) refused(key, token, want string) {
	n.t.Helper()
	p := dial(n.t, n.public[0])
	p.send(command("sub", key, "60", token))
	p.expectEnd(want)
	web := n.upgrade(key, "&token="+url.QueryEscape(token))
	web.expectText(want)
	web.expectClose(1008)
}

// A key has several tokens. To revoke one closes exactly the connections opened with it, and a
// token lives on over a restart until then.
func TestSeveralTokens(t *testing.T) {
	onEngines(t, []string{"--auth", "token"}, func(t *testing.T, n *node) {
		n.refused("k", "any", "-c\r\n")
		phone, tablet := n.register("k", ""), n.register("k", `{"lifetime":3600}`)
		if phone == tablet {
			t.Fatal("the same token was minted twice")
		}
		chosen := n.register("k", `{"token":"chosen & ž"}`)
		n.register("other", `{"token":"chosen & ž"}`) // the same word for another key is another token
		byPhone, byTablet, byChosen, other := n.open("k", phone), n.open("k", tablet), n.open("k", chosen), n.open("other", chosen)
		n.refused("k", phone[1:], "-a\r\n")

		n.revoke("k", `{"token":"`+phone+`"}`, `{"closed":4,"revoked":1}`)
		byPhone.expectClosed()
		n.push("k", "1", "?expire=0")
		byTablet.expectOpen(t, "1")
		byChosen.expectOpen(t, "1")
		n.refused("k", phone, "-a\r\n")
		n.revoke("k", `{"token":"`+phone+`"}`, `{"closed":0,"revoked":0}`)

		n.revoke("k", "", `{"closed":8,"revoked":2}`)
		byTablet.expectClosed()
		byChosen.expectClosed()
		n.refused("k", chosen, "-c\r\n")
		n.push("other", "2", "?expire=0")
		other.expectOpen(t, "2")
	})
}

// A restart forgets neither a token nor that one was revoked, and what is on disk is no token.
func TestTokensOnDisk(t *testing.T) {
	t.Parallel()
	n := serve(t, "--auth", "token")
	kept, gone := n.register("k", ""), n.register("k", "")
	n.revoke("k", `{"token":"`+gone+`"}`, `{"closed":0,"revoked":1}`)
	for range 2 {
		n = n.restart("--auth", "token")
		n.open("k", kept)
		n.refused("k", gone, "-a\r\n")
		n.refused("other", kept, "-c\r\n")
	}
	if err := n.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	err := filepath.WalkDir(filepath.Join(n.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), kept) || strings.Contains(string(data), gone) {
			t.Errorf("a token stands in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// No token is in what the node says, whatever is done with it and however much it logs.
func TestTokensAreNotTold(t *testing.T) {
	t.Parallel()
	const secret, wrong, apiKey = "token-that-is-secret", "wrong-but-perhaps-mistyped", "secret-of-a-backend"
	n := serve(t, "--auth", "token", "--log-level", "debug", "--log-format", "json", "--api-keys", "backend:"+apiKey)
	n.register("k", `{"token":"`+secret+`"}`)
	conns := n.open("k", secret)
	n.refused("k", wrong, "-a\r\n")
	for _, token := range []string{secret, wrong} {
		for _, path := range []string{"/1/msg/get?k=k&m=0&token=", "/msg/get?key=k&mid=0&token=", "/1/msg/get?k=%00&m=0&token=", "/sub?key=k&heartbeat=60&token=", "/none?token="} {
			do(t, "GET", n.publicURL(path+token), "")
		}
		do(t, "POST", n.adminURL("/v1/keys/k/tokens?token="+token), `{"tokens":"`+token+`"}`)
		do(t, "POST", n.adminURL("/v1/keys/k/tokens"), `{"token":"`+token+`","lifetime":0}`)
	}
	do(t, "GET", n.adminURL("/v1/keys/k"), "", "Authorization", "Bearer "+apiKey)
	do(t, "GET", n.adminURL("/v1/keys/k"), "", "X-API-Key", wrong)
	p := dial(t, n.public[0])
	p.send(command("sub", "k", "60", secret, "1", "x", wrong))
	p.expectEnd("-p\r\n")
	n.revoke("k", `{"token":"`+secret+`"}`, `{"closed":4,"revoked":1}`)
	conns.expectClosed()
	told := map[string]string{
		"/stat?type=config": do(t, "GET", n.opsURL("/stat?type=config"), "").body,
		"/metrics":          do(t, "GET", n.opsURL("/metrics"), "").body,
		"cmdline of /stat":  do(t, "GET", n.opsURL("/stat?type=server"), "").body,
	}
	if err := n.stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	told["the log"] = n.stderr.String()
	for _, text := range []string{secret, wrong, apiKey} {
		for where, what := range told {
			if strings.Contains(what, text) {
				t.Errorf("%s stands in %s:\n%s", text, where, what)
			}
		}
	}
	if !strings.Contains(told["the log"], `"level":"DEBUG"`) || !strings.Contains(told["/stat?type=config"], "backend:***") {
		t.Errorf("nothing was told at all:\n%s\n%s", told["the log"], told["/stat?type=config"])
	}
}

// History is for those who may subscribe, unless the operator says that it is open.
func TestTokensGuardHistory(t *testing.T) {
	t.Parallel()
	n := serve(t, "--auth", "token")
	token := n.register("k", "")
	n.push("k", "1", "?expire=60")
	n.push("none", "1", "?expire=60")
	for _, tt := range []struct{ path, want string }{
		{"/1/msg/get?k=k&m=0", `{"ret":65534}`},
		{"/1/msg/get?k=k&m=0&token=", `{"ret":65534}`},
		{"/1/msg/get?k=k&m=0&token=wrong", `{"ret":65534}`},
		{"/1/msg/get?k=none&m=0&token=" + token, `{"ret":65534}`},
		{"/1/msg/get?k=k&m=0&cb=f", `f({"ret":65534})`},
		{"/msg/get?key=k&mid=0", `{"msg":"ok","ret":65534}`},
	} {
		if a := do(t, "GET", n.publicURL(tt.path), ""); a.body != tt.want {
			t.Errorf("%s answers %s, want %s", tt.path, a.body, tt.want)
		}
	}
	for _, path := range []string{"/1/msg/get?k=k&m=0&token=", "/msg/get?key=k&mid=0&token="} {
		if a := do(t, "GET", n.publicURL(path+token), ""); !strings.Contains(a.body, `"msgs"`) {
			t.Errorf("%s with a good token answers %s", path, a.body)
		}
	}
	n = n.restart("--auth", "token", "--legacy-history", "open")
	if a := do(t, "GET", n.publicURL("/1/msg/get?k=none&m=0"), ""); !strings.Contains(a.body, `"msgs"`) {
		t.Errorf("with legacy_history = open: %s", a.body)
	}
	n = n.restart()
	a := do(t, "POST", n.adminURL("/v1/keys/k/tokens"), "")
	if a.status != http.StatusConflict || !strings.Contains(a.body, "auth = token") {
		t.Errorf("with auth = none a token is registered: %d %s, want 409 and what to set", a.status, a.body)
	}
}
