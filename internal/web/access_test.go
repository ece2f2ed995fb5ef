package web_test

import (
	"net/http"
	"strings"
	"testing"

	"gopush/internal/web"
)

func TestAccess(t *testing.T) {
	t.Parallel()
	const (
		v1     = "POST /v1/push/k1"
		legacy = "POST /1/admin/push/private?key=k1&expire=0"
	)
	tests := []struct {
		name     string
		loopback bool
		request  string
		headers  []string
		code     string // "": let in
	}{
		{"beyond loopback, no key", false, v1, nil, "api_key_missing"},
		{"beyond loopback, key", false, v1, []string{"Authorization: Bearer s3cret"}, ""},
		{"beyond loopback, scheme in other case", false, v1, []string{"Authorization: bearer s3cret"}, ""},
		{"beyond loopback, key in its own header", false, v1, []string{"X-API-Key: s3cret"}, ""},
		{"beyond loopback, wrong key", false, v1, []string{"Authorization: Bearer s3creT"}, "api_key_wrong"},
		{"beyond loopback, wrong key in its own header", false, v1, []string{"X-API-Key: x"}, "api_key_wrong"},
		{"beyond loopback, Bearer goes first", false, v1, []string{"Authorization: Bearer x", "X-API-Key: s3cret"}, "api_key_wrong"},
		{"beyond loopback, other scheme", false, v1, []string{"Authorization: Basic s3cret"}, "api_key_missing"},
		{"beyond loopback, empty key", false, v1, []string{"Authorization: Bearer "}, "api_key_missing"},
		{"beyond loopback, legacy path without key", false, legacy, nil, "api_key_missing"},
		{"beyond loopback, legacy path with key", false, legacy, []string{"X-API-Key: s3cret"}, ""},
		{"beyond loopback, any name with a key", false, v1, []string{"Host: any.example", "Origin: https://any.example", "X-API-Key: s3cret"}, ""},
		{"beyond loopback, a loopback peer is no one special", false, v1, []string{"From: 127.0.0.1:5"}, "api_key_missing"},

		{"trusted network, legacy path", false, legacy, []string{"From: 10.1.2.3:4"}, ""},
		{"trusted network, IPv6", false, legacy, []string{"From: [fd00::1]:4"}, ""},
		{"trusted network, mapped address", false, legacy, []string{"From: [::ffff:10.1.2.3]:4"}, ""},
		{"trusted network, v1 path", false, v1, []string{"From: 10.1.2.3:4"}, "api_key_missing"},
		{"other network, legacy path", false, legacy, []string{"From: 10.2.2.3:4"}, "api_key_missing"},
		{"other network that claims", false, legacy, []string{"From: 10.2.2.3:4", "X-Forwarded-For: 10.1.2.3"}, "api_key_missing"},
		{"trusted network, wrong key", false, legacy, []string{"From: 10.1.2.3:4", "X-API-Key: x"}, "api_key_wrong"},
		{"trusted network, web page", false, legacy, []string{"From: 10.1.2.3:4", "Origin: https://evil.example"}, "origin"},
		{"trusted network, web page by a name made for it", false, legacy, []string{"From: 10.1.2.3:4", "Host: evil.example", "Origin: http://evil.example"}, "origin"},
		{"trusted network, allowed page", false, legacy, []string{"From: 10.1.2.3:4", "Origin: https://console.example"}, ""},

		{"trusted network through a trusted proxy", false, legacy, []string{"From: 10.9.0.1:4", "X-Forwarded-For: 10.1.2.3"}, ""},
		{"trusted network through a trusted proxy, by Forwarded", false, legacy, []string{"From: 10.9.0.1:4", "Forwarded: for=10.1.2.3"}, ""},
		{"stranger through a trusted proxy", false, legacy, []string{"From: 10.9.0.1:4", "X-Forwarded-For: 10.1.2.3, 203.0.113.1"}, "api_key_missing"},
		{"somebody hidden by a trusted proxy", false, legacy, []string{"From: 10.9.0.1:4", "X-Forwarded-For: unknown"}, "api_key_missing"},
		{"trusted network through a proxy that is not", false, legacy, []string{"From: 10.1.2.3:4", "X-Forwarded-For: 10.1.2.4"}, "proxied"},
		{"key through a proxy that is not trusted", false, legacy, []string{"From: 10.2.2.3:4", "X-Forwarded-For: 10.1.2.4", "X-API-Key: s3cret"}, ""},
		{"proxies that disagree", false, legacy, []string{"From: 10.9.0.1:4", "X-Forwarded-For: 10.1.2.3", "Forwarded: for=10.1.2.4"}, "forwarded"},
		{"proxies that agree", false, legacy, []string{"From: 10.9.0.1:4", "X-Forwarded-For: 10.1.2.3", "Forwarded: for=10.1.2.3"}, ""},

		{"loopback, stranger through a trusted proxy", true, v1, []string{"From: 127.0.0.9:5", "X-Forwarded-For: 203.0.113.1"}, "api_key_missing"},
		{"loopback, key through a trusted proxy", true, v1, []string{"From: 127.0.0.9:5", "X-Forwarded-For: 203.0.113.1", "X-API-Key: s3cret"}, ""},
		{"loopback through a trusted proxy", true, v1, []string{"From: 127.0.0.9:5", "X-Forwarded-For: 127.0.0.1"}, ""},
		{"loopback, a claim to be near", true, v1, []string{"From: 127.0.0.9:5", "X-Forwarded-For: 127.0.0.1, 203.0.113.1"}, "api_key_missing"},
		{"loopback, trusted proxy for itself", true, v1, []string{"From: 127.0.0.9:5"}, ""},
		{"loopback through a proxy that is not trusted", true, v1, []string{"X-Forwarded-For: 127.0.0.1"}, "proxied"},
		{"loopback through nginx's other header", true, v1, []string{"X-Real-IP: 127.0.0.1"}, "proxied"},
		{"loopback, stranger through a trusted proxy that writes nginx's other header alone", true, v1, []string{"From: 127.0.0.9:5", "X-Real-IP: 203.0.113.1"}, "api_key_missing"},
		{"loopback, trusted network through the PROXY protocol", true, legacy, []string{"From: 10.1.2.3:4"}, ""},
		{"loopback, stranger through the PROXY protocol", true, v1, []string{"From: 203.0.113.1:4"}, "api_key_missing"},
		{"loopback, somebody hidden by the PROXY protocol", true, v1, []string{"From: unknown"}, "api_key_missing"},

		{"loopback, no key", true, v1, nil, ""},
		{"loopback, legacy path", true, legacy, nil, ""},
		{"loopback, right key", true, v1, []string{"X-API-Key: s3cret"}, ""},
		{"loopback, wrong key", true, v1, []string{"X-API-Key: x"}, "api_key_wrong"},
		{"loopback by name", true, v1, []string{"Host: localhost:6970"}, ""},
		{"loopback by name in other case", true, v1, []string{"Host: LOCALHOST."}, ""},
		{"loopback by IPv6", true, v1, []string{"Host: [::1]:6970"}, ""},
		{"loopback by IPv6 without port", true, v1, []string{"Host: [::1]"}, ""},
		{"loopback by another address", true, v1, []string{"Host: 127.9.9.9"}, ""},
		{"loopback, no host", true, v1, []string{"Host: "}, ""},
		{"loopback, allowed host", true, v1, []string{"Host: Push.internal:80"}, ""},
		{"loopback, foreign host", true, v1, []string{"Host: evil.example:6970"}, "host"},
		{"loopback, foreign address", true, v1, []string{"Host: 10.1.2.3:6970"}, "host"},
		{"loopback, host that begins well", true, v1, []string{"Host: localhost.evil.example"}, "host"},
		{"loopback, address that begins well", true, v1, []string{"Host: 127.0.0.1.evil.example"}, "host"},
		{"loopback, foreign host on a legacy path", true, legacy, []string{"Host: evil.example"}, "host"},
		{"loopback, foreign host with a key", true, v1, []string{"Host: evil.example", "X-API-Key: s3cret"}, ""},
		{"loopback, foreign page", true, v1, []string{"Origin: https://evil.example"}, "origin"},
		{"loopback, page of no origin", true, v1, []string{"Origin: null"}, "origin"},
		{"loopback, page of another port", true, v1, []string{"Origin: http://127.0.0.1:3000"}, "origin"},
		{"loopback, page of ours", true, v1, []string{"Origin: http://127.0.0.1:6970"}, ""},
		{"loopback, allowed page", true, v1, []string{"Origin: https://console.example"}, ""},
		{"loopback, picture in a foreign page", true, "GET /v1/keys/k1", []string{"Sec-Fetch-Site: cross-site"}, "origin"},
		{"loopback, picture in a page of another port", true, "GET /v1/keys/k1", []string{"Sec-Fetch-Site: same-site"}, "origin"},
		{"loopback, address typed into a browser", true, "GET /v1/keys/k1", []string{"Sec-Fetch-Site: none"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode().withKeys()
			method, target, _ := strings.Cut(tt.request, " ")
			w := ask(web.Admin(n.Config, web.Trust{Loopback: tt.loopback}), method, target, "1", tt.headers...)
			wantAccess(t, w.Code, w.Body.String(), w.Header(), tt.request, tt.code)
			if pushed := len(n.keys.payloads()) > 0; pushed != (tt.code == "" && method == "POST") {
				t.Errorf("%s %q pushed: %v", tt.request, tt.headers, pushed)
			}
		})
	}
}

// wantAccess checks that a request was let in, or refused with code and what goes with it.
func wantAccess(t *testing.T, status int, body string, h http.Header, what, code string) {
	t.Helper()
	want := map[string]struct {
		status  int
		setting string
	}{
		"":                {200, ""},
		"api_key_missing": {401, "api_keys"},
		"api_key_wrong":   {401, "api_keys"},
		"host":            {403, "allowed_hosts"},
		"origin":          {403, "admin_origins"},
		"forwarded":       {400, "Forwarded"},
		"proxied":         {401, "trusted_proxies"},
	}[code]
	if code == "proxied" {
		code = "api_key_missing"
	}
	if status != want.status || code != "" && !strings.Contains(body, `"code":"`+code+`"`) || !strings.Contains(body, want.setting) {
		t.Errorf("%s = %d %s, want %d %s, naming %q", what, status, body, want.status, code, want.setting)
	}
	if got := h.Get("WWW-Authenticate"); (got != "") != (status == 401) {
		t.Errorf("%s = %d with WWW-Authenticate %q, want one exactly with 401", what, status, got)
	}
}

func TestLoopbackWithoutKeysIgnoresOne(t *testing.T) {
	t.Parallel()
	n := newNode()
	w := ask(web.Admin(n.Config, loopback), "POST", "/v1/push/k1", "1", "X-API-Key: s3cret")
	wantAccess(t, w.Code, w.Body.String(), w.Header(), "a key where none is configured", "")
	w = ask(web.Admin(n.Config, web.Trust{}), "POST", "/v1/push/k1", "1", "X-API-Key: s3cret")
	wantAccess(t, w.Code, w.Body.String(), w.Header(), "a key where none is configured, beyond loopback", "api_key_missing")
}

func TestAPIKeysAreReloaded(t *testing.T) {
	t.Parallel()
	n := newNode().withKeys()
	h := web.Admin(n.Config, web.Trust{})
	old := n.settings
	n.settings = &web.Settings{MaxKeyBytes: 255, MaxMessageBytes: 5}
	w := ask(h, "POST", "/v1/push/k1", "1", "X-API-Key: s3cret")
	wantAccess(t, w.Code, w.Body.String(), w.Header(), "a key that was removed", "api_key_missing")
	n.settings = old
	w = ask(h, "POST", "/v1/push/k1", "1", "X-API-Key: s3cret")
	wantAccess(t, w.Code, w.Body.String(), w.Header(), "a key that was added", "")
}

func TestAccessToOps(t *testing.T) {
	t.Parallel()
	n := newNode().withKeys()
	open := web.Ops(n.Config, web.Trust{})
	local := web.Ops(n.Config, loopback)
	for _, path := range []string{"/livez", "/readyz"} {
		for _, h := range []http.Handler{open, local} {
			if w := ask(h, "GET", path, "", "Host: evil.example", "X-API-Key: wrong"); w.Code != 200 {
				t.Errorf("GET %s without a key = %d, want 200", path, w.Code)
			}
		}
	}
	for _, path := range []string{"/stat?type=memory", "/debug/pprof/", "/loglevel"} {
		for _, tt := range []struct {
			h      http.Handler
			header string
			code   string
		}{
			{open, "", "api_key_missing"},
			{open, "From: 10.1.2.3:4", "api_key_missing"},
			{open, "X-API-Key: s3cret", ""},
			{local, "", ""},
			{local, "Host: evil.example", "host"},
			{local, "Sec-Fetch-Site: cross-site", "origin"},
		} {
			w := ask(tt.h, "GET", path, "", tt.header)
			wantAccess(t, w.Code, w.Body.String(), w.Header(), "GET "+path+" "+tt.header, tt.code)
		}
	}
}
