package test

import (
	"encoding/json"
	"strings"
	"testing"
)

// register has a token minted for key.
func (n *node) register(key, body string) string {
	n.t.Helper()
	a := do(n.t, "POST", n.adminURL("/v1/keys/"+key+"/tokens"), body)
	var got struct{ Token string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Token == "" {
		n.t.Fatalf("register a token of %s: %d %s", key, a.status, a.body)
	}
	return got.Token
}

func TestLegacyTokens(t *testing.T) {
	onEngines(t, []string{"--auth", "token"}, func(t *testing.T, n *node) {
		good, other := n.register("k", ""), n.register("other", "")
		tests := []struct{ name, key, token, want string }{
			{"a key that no token was registered for", "unknown", good, "-c\r\n"},
			{"no token", "k", "", "-a\r\n"},
			{"a wrong token", "k", "wrong", "-a\r\n"},
			{"the token of another key", "k", other, "-a\r\n"},
			{"half a token", "k", good[:len(good)/2], "-a\r\n"},
			{"a token too long", "k", strings.Repeat("t", 4000), "-a\r\n"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				n := n.in(t)
				p := dial(t, n.public[0])
				p.send(command("sub", tt.key, "30", tt.token) + "h")
				p.expectEnd(tt.want)
				web := n.upgrade(tt.key, "&token="+tt.token)
				web.expectText(tt.want)
				web.expectClose(1008)
			})
		}
		p := dial(t, n.public[0])
		p.send(command("sub", "k", "30", good) + "hh") // what comes while the token is checked waits
		p.expect("+h\r\n+h\r\n+h\r\n")
		web := n.upgrade("k", "&ver=1&token="+good)
		web.send(frame(fin|opText, "h"))
		web.expectText("+h\r\n")
		web.expectText("+h\r\n")
		n.push("k", "1", "?expire=0")
		p.message()
		web.message()

		n.subscribe("other", other)
		if a := do(t, "DELETE", n.adminURL("/v1/keys/k/tokens"), `{"token":"`+good+`"}`); a.body != `{"closed":2,"revoked":1}` {
			t.Errorf("revoke answered %d %s", a.status, a.body)
		}
		p.expectEnd("")
		web.expectClose(1008)
		p, web = n.upgradeRefused(good)
		p.expectEnd("-c\r\n")
		web.expectText("-c\r\n")
		web.expectClose(1008)
	})
}

// upgradeRefused subscribes to k with token in both dialects and leaves the answers to be read.
func (n *node) upgradeRefused(token string) (*peer, *wsPeer) {
	n.t.Helper()
	p := dial(n.t, n.public[0])
	p.send(command("sub", "k", "30", token))
	return p, n.upgrade("k", "&token="+token)
}
