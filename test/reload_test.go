package test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// reload has n read its configuration again, and returns when it has said want.
func (n *node) reload(want string) {
	n.t.Helper()
	before := len(n.stderr.String())
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		n.t.Fatal(err)
	}
	eventually(n.t, fmt.Sprintf("%q after SIGHUP", want), func() bool {
		return strings.Contains(n.stderr.String()[before:], want)
	})
}

// SIGHUP takes over API keys, log level and limits, and says what it cannot take over.
func TestReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gopush.toml")
	keysFile := filepath.Join(filepath.Dir(file), "keys")
	write := func(keys string, lines ...string) {
		writeFile(t, keysFile, []byte(keys))
		writeFile(t, file, []byte(strings.Join(append(lines, fmt.Sprintf("api_keys_file = %q", keysFile)), "\n")))
	}
	write("first:secret-of-first\n# second:secret-of-second\n", `max_message_bytes = 50`, `max_stored_per_key = 100`, `loops = 1`)
	n := serve(t, "--config", file, "--min-heartbeat", "30s")
	expectReloaded(n, "secret-of-first", "secret-of-second", 50, "INFO", "30")
	n.fill("k", 50)

	write("second:secret-of-second", `max_message_bytes = 60`, `max_stored_per_key = 5`, `log_level = "debug"`, `loops = 2`, `store_timeout = "9s"`, `min_heartbeat = "1s"`)
	n.reload(`msg="settings changed that need a restart" settings="[loops store_timeout]"`)
	expectReloaded(n, "secret-of-second", "secret-of-first", 60, "DEBUG", "30") // the flag stands above the file
	n.push("k", "last", "?expire=60")
	n.expectInfo("k", 5, 0)
	if said := n.stderr.String(); !strings.Contains(said, "level=DEBUG") {
		t.Errorf("nothing is logged at the new level:\n%s", said)
	}

	write("third:secret-of-third", `max_message_bytes = 70`, `log_level = "loud"`)
	n.reload(`msg="configuration not reloaded; the old one stays"`)
	if said := n.stderr.String(); !strings.Contains(said, "log_level") || strings.Contains(said, "secret-of") {
		t.Errorf("the mistake is not told, or a secret is:\n%s", said)
	}
	expectReloaded(n, "secret-of-second", "secret-of-third", 60, "DEBUG", "30")

	write("", `max_message_bytes = 60`, `log_level = "debug"`)
	n.reload(`msg="configuration reloaded"`)
	if a := do(t, "GET", n.adminURL("/v1/keys/k"), "", "X-API-Key", "secret-of-second"); a.status != 200 {
		t.Errorf("without any API key this machine is let in, whatever it shows: got %d %s", a.status, a.body)
	}
}

// Who listens with an API key that is taken away hears nothing more.
func TestReloadEndsConnectionsOfAPIKeys(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	writeFile(t, keys, []byte("first:secret-of-first\nsecond:secret-of-second\n"))
	n := serve(t, "--api-keys-file", keys, "--admin", "0.0.0.0:0")
	subscribed := func(name, secret string) *peer {
		p := dial(t, onLoopback(t, n.admin[1]))
		p.send(command("AUTH", name, secret) + command("PSUBSCRIBE", "*"))
		p.expect("+OK\r\n*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n")
		return p
	}
	first, second := subscribed("first", "secret-of-first"), subscribed("second", "secret-of-second")
	writeFile(t, keys, []byte("second:secret-of-second\n"))
	n.reload(`msg="connections closed whose API key is none any more" connections=1`)
	first.expectEnd("")
	n.push("k", "x", "?expire=0")
	second.expect("*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nk\r\n$1\r\nx\r\n")
}

// expectReloaded checks what the last configuration has changed.
func expectReloaded(n *node, good, bad string, maxMessage int, level, heartbeat string) {
	n.t.Helper()
	for status, secret := range map[int]string{200: good, 401: bad} {
		if a := do(n.t, "GET", n.adminURL("/v1/keys/k"), "", "X-API-Key", secret); a.status != status {
			n.t.Errorf("with %s: %d %s, want %d", secret, a.status, a.body, status)
		}
	}
	for size, status := range map[int]int{maxMessage: 200, maxMessage + 1: 413} {
		if a := do(n.t, "POST", n.adminURL("/v1/push/other?expire=0"), strings.Repeat("x", size)); a.status != status {
			n.t.Errorf("a message of %d bytes: %d %s, want %d", size, a.status, a.body, status)
		}
	}
	if a := do(n.t, "GET", n.opsURL("/loglevel"), ""); a.body != `{"level":"`+level+`"}` {
		n.t.Errorf("/loglevel is %s, want %s", a.body, level)
	}
	p := dial(n.t, n.public[0])
	p.send(command("sub", "k", "29"))
	p.expectEnd("-p\r\n")
	p = dial(n.t, n.public[0])
	p.send(command("sub", "k", heartbeat))
	p.expect("+h\r\n")
	p.Close()
	eventually(n.t, "the subscriber has gone", func() bool { return n.count("gopush_keys_subscribed") == 0 })
}

// SIGHUP reads the certificates again: new connections see the new one, and those that are open
// stay. Files that are no certificate change nothing.
func TestReloadCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, first := selfSigned(t, dir)
	n := serve(t, "--public", "127.0.0.1:0?tls_cert="+url.QueryEscape(cert)+"&tls_key="+url.QueryEscape(key))
	old := n.subscribeTLS(first)

	_, _, second := selfSigned(t, dir)
	n.reload(`msg="configuration reloaded"`)
	fresh := n.subscribeTLS(second)
	if _, err := tls.Dial("tcp", n.public[1], &tls.Config{RootCAs: first}); err == nil {
		t.Error("the old certificate is still shown")
	}
	if err := os.Truncate(key, 10); err != nil {
		t.Fatal(err)
	}
	n.reload(`msg="configuration not reloaded; the old one stays"`)
	again := n.subscribeTLS(second)

	n.push("k", "1", "?expire=0")
	for _, p := range []*peer{old, fresh, again} {
		p.message()
	}
}

// subscribeTLS subscribes to k on the second public address, which must show a certificate of pool.
func (n *node) subscribeTLS(pool *x509.CertPool) *peer {
	n.t.Helper()
	p := dial(n.t, n.public[1])
	c := tls.Client(p.Conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if err := c.Handshake(); err != nil {
		n.t.Fatal(err)
	}
	p = &peer{n.t, c, bufio.NewReader(c)}
	p.send(command("sub", "k", "60"))
	p.expect("+h\r\n")
	return p
}
