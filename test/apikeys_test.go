package test

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// A node does not start in a way that lets in others than this machine, unless someone said so.
func TestExposureHasToBeMeant(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"admin on all addresses", "api_keys: missing", []string{"--admin", "0.0.0.0:0"}},
		{"admin on all IPv6 addresses", "api_keys: missing", []string{"--admin", "[::]:0"}},
		{"admin by name", "api_keys: missing", []string{"--admin", "host.example:0"}},
		{"ops beside a loopback one", "api_keys: missing", []string{"--ops", "127.0.0.1:0", "--ops", ":0"}},
		{"trusted networks are no key", "api_keys: missing", []string{"--admin", ":0", "--trusted-networks", "10.0.0.0/8"}},
		{"public without auth", "public_without_auth: missing", []string{"--public", ":0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"serve", "--store", "memory"}, tt.args...)
			if stdout, stderr, code := runCommand(t, "", args...); code != 2 || !strings.Contains(stderr, tt.want) || stdout != "" {
				t.Errorf("gopush %v ended with %d and said %s%s, want 2 and %q", args, code, stdout, stderr, tt.want)
			}
		})
	}
}

// onLoopback is addr, which listens everywhere, as this machine reaches it.
func onLoopback(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// Beyond loopback every path needs one of the API keys, but for whether the node lives.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	n := serve(t, "--admin", "0.0.0.0:0", "--ops", "0.0.0.0:0", "--api-keys", "web:a-secret-of-web,ops:a-secret-of-ops")
	admin, ops := "http://"+onLoopback(t, n.admin[1]), "http://"+onLoopback(t, n.ops[1])
	credentials := []struct {
		name   string
		header []string
		status int
		code   string
	}{
		{"none", nil, 401, "api_key_missing"},
		{"the first", []string{"Authorization", "Bearer a-secret-of-web"}, 200, ""},
		{"the second", []string{"Authorization", "bearer a-secret-of-ops"}, 200, ""},
		{"another header", []string{"X-API-Key", "a-secret-of-ops"}, 200, ""},
		{"a wrong one", []string{"Authorization", "Bearer a-secret-of-web2"}, 401, "api_key_wrong"},
		{"half of one", []string{"X-API-Key", "a-secret"}, 401, "api_key_wrong"},
		{"its name", []string{"X-API-Key", "web"}, 401, "api_key_wrong"},
		{"with its name", []string{"X-API-Key", "web:a-secret-of-web"}, 401, "api_key_wrong"},
		{"another scheme", []string{"Authorization", "Basic a-secret-of-web"}, 401, "api_key_missing"},
	}
	paths := []struct{ method, url string }{
		{"POST", admin + "/v1/push/k?expire=0"},
		{"GET", admin + "/v1/keys/k"},
		{"GET", admin + "/v1/keys/k/messages"},
		{"DELETE", admin + "/v1/keys/k/messages"},
		{"DELETE", admin + "/v1/keys/k/connections"},
		{"POST", admin + "/1/admin/push/private?key=k&expire=0"},
		{"GET", ops + "/metrics"},
		{"GET", ops + "/stat?type=message"},
		{"GET", ops + "/loglevel"},
		{"GET", ops + "/debug/pprof/goroutine?debug=1"},
	}
	for _, c := range credentials {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range paths {
				a := do(t, p.method, p.url, "1", c.header...)
				if a.status != c.status || !strings.Contains(a.body, c.code) {
					t.Errorf("%s %s is answered %d %.200s, want %d %s", p.method, p.url, a.status, a.body, c.status, c.code)
				}
				if asks := a.header.Get("WWW-Authenticate") != ""; asks != (c.status == 401) {
					t.Errorf("%s %s: WWW-Authenticate is %q with %d", p.method, p.url, a.header.Get("WWW-Authenticate"), a.status)
				}
			}
			for _, path := range []string{"/livez", "/readyz"} {
				if a := do(t, "GET", ops+path, "", c.header...); a.status != http.StatusOK {
					t.Errorf("%s is answered %d %s, want 200 without a key", path, a.status, a.body)
				}
			}
		})
	}
	// On loopback any local program may, but who shows a key is judged by it.
	for status, header := range map[int][]string{200: nil, 401: {"X-API-Key", "wrong"}} {
		if a := do(t, "POST", n.adminURL("/v1/push/k?expire=0"), "1", header...); a.status != status {
			t.Errorf("with %v on loopback: %d %s, want %d", header, a.status, a.body, status)
		}
	}
}

// Old backends cannot send a key: their networks may stand in for one, on their paths only, and
// no page of a browser in them is let in.
func TestTrustedNetworks(t *testing.T) {
	t.Parallel()
	n := serve(t, "--admin", "0.0.0.0:0", "--api-keys", "web:a-secret-of-web", "--trusted-networks", "127.0.0.0/8")
	admin := "http://" + onLoopback(t, n.admin[1])
	for _, tt := range []struct {
		name, path string
		header     []string
		status     int
	}{
		{"a legacy path", "/1/admin/push/private?key=k&expire=0", nil, 200},
		{"an old path", "/admin/push?key=k&expire=0", nil, 200},
		{"a legacy path with a wrong key", "/1/admin/push/private?key=k&expire=0", []string{"X-API-Key", "wrong-secret"}, 401},
		{"a legacy path asked by a page", "/1/admin/push/private?key=k&expire=0", []string{"Origin", "https://evil.example"}, 403},
		{"a legacy path asked by a form", "/1/admin/push/private?key=k&expire=0", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a legacy path through a proxy that nobody trusts", "/1/admin/push/private?key=k&expire=0", []string{"X-Forwarded-For", "203.0.113.1"}, 401},
		{"another path", "/v1/push/k?expire=0", nil, 401},
	} {
		if a := do(t, "POST", admin+tt.path, "1", tt.header...); a.status != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.name, a.status, a.body, tt.status)
		}
	}
	far := serve(t, "--admin", "0.0.0.0:0", "--api-keys", "web:a-secret-of-web", "--trusted-networks", "203.0.113.0/24")
	if a := do(t, "POST", "http://"+onLoopback(t, far.admin[1])+"/admin/push?key=k&expire=0", "1", "X-Forwarded-For", "203.0.113.1"); a.status != 401 {
		t.Errorf("from outside of the trusted network: %d %s, want 401", a.status, a.body)
	}
}

// What a web page could have asked for is refused on loopback, whatever may subscribe.
func TestLoopbackListenersRefuseWebPages(t *testing.T) {
	t.Parallel()
	n := serve(t, "--allowed-hosts", "push.internal", "--admin-origins", "https://console.example",
		"--allowed-origins", "https://site.example,https://console.example", "--api-keys", "web:a-secret-of-web")
	for _, tt := range []struct {
		name, code string
		header     []string
	}{
		{"a program", "", nil},
		{"a program, by name", "", []string{"Host", "localhost:1234"}},
		{"a program, by IPv6", "", []string{"Host", "[::1]:1234"}},
		{"an allowed host", "", []string{"Host", "push.internal"}},
		{"a foreign host", "host", []string{"Host", "evil.example"}},
		{"a foreign host that begins well", "host", []string{"Host", "localhost.evil.example"}},
		{"an address of the network", "host", []string{"Host", "192.168.1.1"}},
		{"a foreign origin", "origin", []string{"Origin", "https://evil.example"}},
		{"an opaque origin", "origin", []string{"Origin", "null"}},
		{"an origin that may subscribe", "origin", []string{"Origin", "https://site.example"}},
		{"an origin for admins", "", []string{"Origin", "https://console.example"}},
		{"its own origin", "", []string{"Origin", "http://SELF"}},
		{"a link or an image", "origin", []string{"Sec-Fetch-Site", "cross-site"}},
		{"an address that was typed", "", []string{"Sec-Fetch-Site", "none"}},
		{"a page that has a key", "", []string{"Origin", "https://evil.example", "Authorization", "Bearer a-secret-of-web"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, ask := range []struct{ addr, request string }{
				{n.admin[0], "POST /v1/push/k?expire=0 HTTP/1.1\r\nContent-Length: 1\r\n"},
				{n.admin[0], "POST /1/admin/push/private?key=k&expire=0 HTTP/1.1\r\nContent-Length: 1\r\n"},
				{n.ops[0], "GET /metrics HTTP/1.1\r\nContent-Length: 1\r\n"},
			} {
				head := "Host: " + ask.addr + "\r\n"
				for i := 0; i+1 < len(tt.header); i += 2 {
					line := tt.header[i] + ": " + strings.Replace(tt.header[i+1], "SELF", ask.addr, 1) + "\r\n"
					if tt.header[i] == "Host" {
						head = ""
					}
					head += line
				}
				p := dial(t, ask.addr)
				resp, body := p.request(ask.request + head + "\r\n1")
				p.Close()
				if want := map[bool]int{true: 200, false: 403}[tt.code == ""]; resp.StatusCode != want || tt.code != "" && !strings.Contains(body, `"code":"`+tt.code+`"`) {
					t.Errorf("%.30s… is answered %s %.200s, want %d %s", ask.request, resp.Status, body, want, tt.code)
				}
			}
		})
	}
}
