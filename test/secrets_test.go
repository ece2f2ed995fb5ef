package test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gopush/internal/redis/redisserver"
)

// The secrets of TestNoSecretIsTold, and what devices are sent: nothing but its receiver is told of any.
const (
	apiKeySecret    = "apikey-5b1e7c33"
	fileKeySecret   = "filekey-90aa41d2"
	clusterOnlyHere = "cluster-secret-61f0c8"
	redisPassword   = "redis-password-37bd"
	newPassword     = "redis-password-changed-e1"
	wrongKey        = "wrong-key-77c0ffee"
	tokenOfDevice   = "token-4d2a9b"
	tokenOfNobody   = "token-wrong-8c51"
	payload         = "payload-of-somebody-2f6e"
)

// told is all that a node has told anybody who is not to know.
type told struct {
	t    *testing.T
	mu   sync.Mutex
	said map[string]string // by where
}

func (d *told) add(where, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said[where] += text
}

// expectNo fails the test for each secret that is somewhere in what was told.
func (d *told) expectNo(secrets ...string) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for where, text := range d.said {
		for _, secret := range secrets {
			if at := strings.Index(text, secret); at >= 0 {
				d.t.Errorf("%s tells %s: …%s…", where, secret, text[max(0, at-100):min(len(text), at+len(secret)+20)])
			}
		}
	}
}

// A node that knows secrets of every sort, logs all that it can, and meets every sort of mistake tells none of them: not in its
// log, not to operators, not in what it answers others.
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, _ := selfSigned(t, dir)
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	server := redisserver.Start(t, "--requirepass", redisPassword, "--appendonly", "yes", "--appendfsync", "always")
	admin, keys, config := freeAddress(t), filepath.Join(dir, "keys"), filepath.Join(dir, "gopush.toml")
	writeFile(t, keys, []byte("file:"+fileKeySecret+"\n"))
	writeFile(t, config, fmt.Appendf(nil, "api_keys_file = %q\ncluster.secret = %q\n", keys, clusterOnlyHere))
	secure := "127.0.0.1:0?tls_cert=" + url.QueryEscape(cert) + "&tls_key=" + url.QueryEscape(key)
	flags := []string{
		"--config", config, "--log-level", "debug", "--auth", "token", "--api-keys", "web:" + apiKeySecret,
		"--public", secure, "--admin", admin, "--node", "n1", "--cluster.registry", "static:n1=" + admin + ",n2=" + freeAddress(t),
		"--advertise-admin", admin, "--store", "redis", "--redis.address", server.Addr, "--redis.password", redisPassword, "--legacy-rpc", "on",
	}
	n, ready := launch(t, dir, []string{gopush}, append(flags, "--public", "127.0.0.1:0", "--ops", "127.0.0.1:0")...)
	if err := ready(); err != nil {
		t.Fatal(err)
	}
	n.public = n.public[1:] // the other one speaks TLS
	d := &told{t: t, said: map[string]string{}}
	tellSecrets(n, d)
	lookEverywhere(n, d)

	writeFile(t, keys, []byte("file "+fileKeySecret+"\n"))
	n.reload("configuration not reloaded")
	writeFile(t, config, fmt.Appendf(nil, "api_keys_file = %q\ncluster.secret = %s\n", keys, clusterOnlyHere))
	n.reload("configuration not reloaded")
	writeFile(t, keys, []byte("file:"+fileKeySecret+"\n"))
	writeFile(t, config, fmt.Appendf(nil, "api_keys_file = %q\ncluster.secret = \"another-%s\"\n", keys, clusterOnlyHere))
	n.reload("need a restart")

	server.Kill()
	eventually(t, "a push fails while Redis is away", func() bool { return n.tryPush("k", payload, "?expire=60") != nil })
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	changed := dial(t, server.Addr)
	changed.send(command("AUTH", redisPassword) + command("CONFIG", "SET", "requirepass", newPassword) + command("CLIENT", "KILL", "TYPE", "normal"))
	changed.expect("+OK\r\n+OK\r\n")
	eventually(t, "a push fails when Redis has another password", func() bool { return n.tryPush("k", payload, "?expire=60") != nil })
	tellSecrets(n, d)
	lookEverywhere(n, d)
	if err := n.cmd.Process.Signal(syscall.SIGQUIT); err != nil { // the dump of all goroutines
		t.Fatal(err)
	}
	<-n.exited
	d.add("standard error", n.stderr.String())

	for _, args := range [][]string{
		append([]string{"check-config"}, flags...),
		{"check-config", "--api-keys", "web:" + apiKeySecret + ",web:" + fileKeySecret, "--cluster.secret", clusterOnlyHere, "--redis.password", redisPassword, "--loops", "x"},
		{"check-config", "--api-keys", apiKeySecret},
		{"check-config", "--redis.pasword", redisPassword},
		{"check-config", "--cluster.registry-password", redisPassword, "--cluster.registry", "zookeeper://a:1", "--store", "redis", "--redis.address", "a:1", "--cluster.secret", clusterOnlyHere},
		{"check-config", "--cluster.registry", "etcd://root:" + redisPassword + "@127.0.0.1:2379", "--store", "redis", "--redis.address", "a:1", "--cluster.secret", clusterOnlyHere},
		{"check-config", "--redis.address", ":" + redisPassword + "@127.0.0.1:6379", "--store", "redis"},
	} {
		stdout, stderr, _ := runCommand(t, "", args...)
		d.add("check-config", stdout+stderr)
	}
	secrets := []string{apiKeySecret, fileKeySecret, clusterOnlyHere, redisPassword, newPassword, wrongKey, tokenOfDevice, tokenOfNobody, payload}
	for line := range strings.Lines(string(keyPEM)) {
		if !strings.Contains(line, "-----") {
			secrets = append(secrets, strings.TrimSpace(line))
		}
	}
	for _, where := range []string{"standard error", "/metrics", "/stat?type=config", "CLIENT LIST", "check-config"} {
		if d.said[where] == "" {
			t.Errorf("nothing was said by %s", where)
		}
	}
	if !strings.Contains(d.said["standard error"], "level=DEBUG") {
		t.Error("nothing was logged at debug")
	}
	d.expectNo(secrets...)
}

// tellSecrets shows the node credentials, good and bad ones, in every way in which they can be shown, and in some in which they cannot.
func tellSecrets(n *node, d *told) {
	t := n.t
	for _, secret := range []string{apiKeySecret, fileKeySecret, wrongKey} {
		for _, header := range [][]string{{"Authorization", "Bearer " + secret}, {"X-API-Key", secret}, {"Authorization", "Basic " + secret}} {
			for _, path := range []string{"/v1/keys/k", "/v1/nowhere", "/1/admin/msg/del"} {
				d.add("answers to API keys", do(t, "GET", n.adminURL(path), "", header...).body)
			}
			d.add("answers to API keys", do(t, "POST", n.adminURL("/v1/push/k?expire=60"), payload, header...).body)
			d.add("answers to API keys", do(t, "GET", n.opsURL("/metrics"), "", header...).body)
		}
		raw := dial(t, n.admin[0])
		raw.write("POST /v1/push/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\r\n folded: " + secret + "\r\nContent-Length: zz\r\n\r\n")
		d.add("answers to broken heads", raw.rest())
		auth := dial(t, n.admin[0])
		auth.send(command("AUTH", secret) + command("AUTH", "web", secret) + command("HELLO", "3", "AUTH", "default", secret) + command("QUIT"))
		d.add("answers to AUTH", auth.rest())
	}
	do(t, "POST", n.adminURL("/v1/keys/k/tokens"), `{"token":"`+tokenOfDevice+`","lifetime":60}`)
	for _, token := range []string{tokenOfDevice, tokenOfNobody} {
		d.add("history", do(t, "GET", n.publicURL("/1/msg/get?k=unknown&m=0&token="+token), "").body)
		d.add("history", do(t, "GET", n.publicURL("/msg/get?key=k&mid=x&token="+token), "").body)
		sub := dial(t, n.public[0])
		sub.write(command("sub", "other", "60", token, "1"))
		d.add("legacy RESP", sub.rest())
		web := dial(t, n.public[0])
		web.write(handshake("other", "&token="+token) + "\x81\x00")
		d.add("legacy WebSocket", web.rest())
		device := dial(t, n.public[0])
		device.write(command("AUTH", "other", token) + command("XRANGE", "k", "-", "+") + command("CLIENT", "INFO") + command("QUIT"))
		d.add("Redis of devices", device.rest())
	}
	var nothing int
	rpcTo(t, n.admin[0]).Call("CometRPC.New", &cometNewArgs{Expire: -1, Key: "k", Token: tokenOfDevice}, &nothing)
	link := dial(t, n.admin[0])
	link.write(command("GOPUSH.LINK", "1", "n2", strings.Repeat("x", 32)) + command("PROVE", clusterOnlyHere, `{"name":"n2"}`))
	d.add("links", link.rest())
}

// rest returns what comes until the other side closes, or has nothing more to say when this side has not.
func (p *peer) rest() string {
	p.t.Helper()
	p.closeWrite()
	var all strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		if all.WriteString(line); err != nil {
			return all.String()
		}
	}
}

// lookEverywhere asks for all that a node tells operators.
func lookEverywhere(n *node, d *told) {
	for _, path := range []string{
		"/livez", "/readyz", "/metrics", "/loglevel", "/stat?type=memory", "/stat?type=server", "/stat?type=golang", "/stat?type=config", "/stat?type=channel",
		"/stat?type=message", "/stat?type=connection", "/stat?type=nothing", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2",
		"/debug/pprof/heap?debug=1", "/debug/pprof/allocs", "/debug/pprof/mutex?debug=1", "/debug/pprof/threadcreate?debug=1", "/debug/vars",
	} {
		d.add(path, do(n.t, "GET", n.opsURL(path), "").body)
	}
	for _, path := range []string{"/v1/cluster", "/v1/cluster/owner?key=k"} {
		d.add(path, do(n.t, "GET", n.adminURL(path), "").body)
	}
	watched := dial(n.t, n.admin[0])
	watched.send(command("AUTH", "web", apiKeySecret) + command("AUTH", wrongKey))
	watched.expect("+OK\r\n-WRONGPASS")
	asking := dial(n.t, n.admin[0])
	asking.write(command("CLIENT", "LIST") + command("INFO") + command("CONFIG", "GET", "*") + command("ACL", "LIST") + command("SLOWLOG", "GET") + command("QUIT"))
	d.add("CLIENT LIST", asking.rest())
}
