package web_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"gopush/internal/web"
)

func TestTokensAreRegisteredAndRevoked(t *testing.T) {
	t.Parallel()
	n := newNode().withTokens(t)
	h := web.Admin(n.Config, loopback)
	steps := []struct{ request, body, want string }{
		{"POST /v1/keys/k2/tokens", `{"token":"abc","lifetime":60}`, `{"token":"abc","expires":"2026-01-01T00:01:00Z"}`},
		{"POST /v1/keys/k2/tokens", `{"token":"def"}`, `{"token":"def","expires":"2026-01-31T00:00:00Z"}`},
		{"POST /v1/keys/k2/tokens", `{"token":"ghi"}`, `{"token":"ghi","expires":"2026-01-31T00:00:00Z"}`},
		{"DELETE /v1/keys/k2/tokens", `{"token":"abc"}`, `{"closed":3,"revoked":1}`},
		{"DELETE /v1/keys/k2/tokens", `{"token":"abc"}`, `{"closed":3,"revoked":0}`},
		{"DELETE /v1/keys/k2/tokens", ``, `{"closed":3,"revoked":2}`},
	}
	for _, tt := range steps {
		method, target, _ := strings.Cut(tt.request, " ")
		wantAnswer(t, ask(h, method, target, tt.body), tt.request+" "+tt.body, 200, tt.want)
	}
	if got, want := fmt.Sprint(n.keys.kicked), "[k2 1 k2 1 k2 0]"; got != want {
		t.Errorf("revoking closed connections by KEY and number of tags %s, want %s", got, want)
	}
}

func TestTokensAreMinted(t *testing.T) {
	t.Parallel()
	n := newNode().withTokens(t)
	h := web.Admin(n.Config, loopback)
	for _, body := range []string{"", "{}", `{"token":""}`, `{"lifetime":3600}`} {
		w := ask(h, "POST", "/v1/keys/k2/tokens", body)
		var got struct {
			Token   string
			Expires time.Time
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("POST tokens %s = %d %s, want a token", body, w.Code, w.Body)
		}
		if _, err := n.Tokens.Check(t.Context(), "k2", got.Token); err != nil || !got.Expires.After(now) {
			t.Errorf("POST tokens %s = %s, which is %v, want it to be good", body, w.Body, err)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s", 256)
	tests := []struct {
		name, request, body string
		status              int
		code                string
		words               []string
	}{
		{"revoke an empty token", "DELETE /v1/keys/k1/tokens", `{"token":""}`, 400, "bad_body", []string{"no body at all"}},
		{"revoke nothing said", "DELETE /v1/keys/k1/tokens", `{}`, 400, "bad_body", []string{"no body at all"}},
		{"revoke, unknown member", "DELETE /v1/keys/k1/tokens", `{"tokens":["t1"]}`, 400, "bad_body", []string{"tokens"}},
		{"revoke, token in the URL", "DELETE /v1/keys/k1/tokens?token=t1", "", 400, "bad_parameter", []string{"token"}},
		{"register, token in the URL", "POST /v1/keys/k1/tokens?token=t1", "", 400, "bad_parameter", []string{"token"}},
		{"register, unknown member", "POST /v1/keys/k1/tokens", `{"expire":60}`, 400, "bad_body", []string{"expire"}},
		{"register, lifetime 0", "POST /v1/keys/k1/tokens", `{"lifetime":0}`, 400, "bad_body", []string{"lifetime"}},
		{"register, lifetime negative", "POST /v1/keys/k1/tokens", `{"lifetime":-1}`, 400, "bad_body", []string{"lifetime"}},
		{"register, lifetime too long", "POST /v1/keys/k1/tokens", `{"lifetime":4294967295}`, 400, "bad_token", []string{"lifetime"}},
		{"register, token too long", "POST /v1/keys/k1/tokens", `{"token":"` + long + `"}`, 400, "bad_token", []string{"255"}},
		{"register, token with a control byte", "POST /v1/keys/k1/tokens", `{"token":"a\n"}`, 400, "bad_token", nil},
		{"register, body too large", "POST /v1/keys/k1/tokens", strings.Repeat(" ", 4097), 413, "too_large", []string{"4096"}},
		{"register for a bad key", "POST /v1/keys/a%00/tokens", ``, 400, "bad_key", nil},
		{"other method", "GET /v1/keys/k1/tokens", ``, 405, "method", []string{"DELETE, POST"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode().withTokens(t)
			method, target, _ := strings.Cut(tt.request, " ")
			w := ask(web.Admin(n.Config, loopback), method, target, tt.body)
			wantProblem(t, w, tt.request, tt.status, tt.code, tt.words...)
			if strings.Contains(w.Body.String(), long) {
				t.Errorf("%s = %s, want no token in it", tt.request, w.Body)
			}
			if _, err := n.Tokens.Check(t.Context(), "k1", "t1"); err != nil || len(n.keys.kicked) > 0 {
				t.Errorf("after %s the token is %v, closed %q, want nothing changed", tt.request, err, n.keys.kicked)
			}
		})
	}
}

func TestTokensWithoutAuth(t *testing.T) {
	t.Parallel()
	h := web.Admin(newNode().Config, loopback)
	for _, method := range []string{"POST", "DELETE"} {
		wantProblem(t, ask(h, method, "/v1/keys/k1/tokens", ""), method+" tokens with auth = none", 409, "auth_none", "auth = token")
	}
}

func TestNoTokenAndNoQueryIsLogged(t *testing.T) {
	t.Parallel()
	n := newNode().withTokens(t).withKeys()
	n.keys.fail["bug"] = fmt.Errorf("a bug")
	public, admin := web.Public(n.Config), web.Admin(n.Config, web.Trust{})
	const secret = "hidden-Secret_42"
	requests := []struct{ target, body string }{
		{"/1/msg/get?k=k1&m=0&token=" + secret, ""},
		{"/1/msg/get?k=k1&m=x&token=" + secret, ""},
		{"/msg/get?key=k9&mid=0&token=" + secret + "&callback=(", ""},
		{"/nowhere?token=" + secret, ""},
		{"/v1/keys/k1/tokens", `{"token":"` + secret + `"}`},
		{"/v1/keys/k1/tokens", `{"token":"` + secret + `","lifetime":4294967295}`},
		{"/v1/keys/k1/tokens?token=" + secret, ""},
		{"/v1/push/bug?" + secret, secret},
		{"/v1/push/bug", secret},
	}
	for _, tt := range requests {
		for _, method := range []string{"GET", "POST", "DELETE", "HEAD"} {
			ask(public, method, tt.target, tt.body)
			ask(admin, method, tt.target, tt.body, "Authorization: Bearer s3cret")
			ask(admin, method, tt.target, tt.body, "Authorization: Bearer "+secret)
		}
	}
	log := n.log.String()
	if strings.Contains(log, secret) || strings.Contains(log, "s3cret") {
		t.Errorf("a secret was logged:\n%s", log)
	}
	if !strings.Contains(log, "a bug") || !strings.Contains(log, "reason=api_key_wrong") {
		t.Errorf("the log is not that of this test:\n%s", log)
	}
}
