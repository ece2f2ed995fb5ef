package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// readyz returns what a member answers there.
func (m *member) readyz() answer { return do(m.c.t, "GET", m.opsURL("/readyz"), "") }

// A node that has another secret than the rest is not ready, and says why, there and in the log; those who have the right one stay
// ready. Nothing tells the secret.
func TestClusterWrongSecretShows(t *testing.T) {
	t.Parallel()
	const wrong = "quite another secret 7f3a"
	c := newCluster(t, clusterConfig{idle: true})
	c.members[2].flags = append(c.members[2].flags, "--cluster.secret", wrong)
	for _, m := range c.members {
		m.start()
	}
	good, stranger := c.members[:2], c.members[2]
	c.agree(good...)
	eventually(t, "readyz of the node with another secret tells of it", func() bool {
		a := stranger.readyz()
		return a.status == http.StatusServiceUnavailable && strings.Contains(a.body, "links: ") && strings.Contains(a.body, "set the same cluster.secret on all nodes")
	})
	if said := stranger.stderr.String(); !strings.Contains(said, `level=WARN msg="node not linked"`) || !strings.Contains(said, "set the same cluster.secret") {
		t.Errorf("the node with another secret logs:\n%s", said)
	}
	for _, m := range good {
		if a := m.readyz(); a.status != http.StatusOK {
			t.Errorf("%s, with the right secret: readyz %d %s", m.name, a.status, a.body)
		}
		eventually(t, m.name+" logs whom it refuses", func() bool { return strings.Contains(m.stderr.String(), "link refused") })
	}
	for _, m := range c.members {
		for _, secret := range []string{wrong, clusterSecret} {
			if strings.Contains(m.stderr.String(), secret) {
				t.Errorf("%s logs a secret", m.name)
			}
		}
	}
}

// A process under the name of a node of the list that is there already owns nothing: it says so in readyz and the log, sends what
// is pushed to it to who has the name, and takes its place when that has ended.
func TestClusterNamesakeStandsBy(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{nodes: 2})
	first := c.members[0]
	second := &member{c: c, name: first.name, at: freeAddresses(t), gate: newGate(t, first.at[1])}
	second.start()
	eventually(t, "the second process of a name says that it is one", func() bool {
		return strings.Contains(second.readyz().body, "registry: another process serves under the name n1")
	})
	if said := second.stderr.String(); !strings.Contains(said, `level=ERROR msg="this node owns no keys"`) {
		t.Errorf("the second process of a name logs:\n%s", said)
	}
	c.agree(c.members...)
	key := c.keyOf(first)
	p := first.subscribe(key, "", "1")
	eventually(t, "what is pushed to the second process goes to the first", func() bool { return second.tryPush(key, `"hello"`, "?expire=60") == nil })
	if m := p.message(); !strings.Contains(m, `"msg":"hello"`) {
		t.Errorf("got %s", m)
	}
	if got := first.readyz(); got.status != http.StatusOK {
		t.Errorf("who has the name: readyz %d %s", got.status, got.body)
	}
	first.kill()
	eventually(t, "the second process takes the place of the first", func() bool {
		return !strings.Contains(second.readyz().body, "another process")
	})
}

// When a node is restarted in order nobody warns of anything.
func TestClusterRestartInOrderIsCalm(t *testing.T) {
	t.Parallel()
	for name, registry := range registries() {
		if name == "zookeeper" {
			continue // says the same as etcd, and takes longer
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, clusterConfig{registry: registry})
			m, before := c.members[0], map[*member]int{}
			for _, other := range c.members[1:] {
				before[other] = len(other.stderr.String())
			}
			if err := m.stop(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond) // the others try to reach it
			m.start()
			c.agree(c.members...)
			for _, other := range c.members[1:] {
				for line := range strings.Lines(other.stderr.String()[before[other]:]) {
					if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
						t.Errorf("%s warns when n1 is restarted: %s", other.name, line)
					}
				}
			}
		})
	}
}

// With cluster.tls nodes link over TLS only, with those whose certificate cluster.tls_ca has signed.
func TestClusterTLS(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{idle: true})
	var hosts []net.IP
	for _, m := range c.members {
		hosts = append(hosts, m.gate.ln.Addr().(*net.TCPAddr).IP)
	}
	cert, key, pool := selfSigned(t, t.TempDir(), hosts...)
	c.flags = []string{"--cluster.tls", "--cluster.tls-ca", cert}
	for _, m := range c.members {
		m.at[1] += "?tls_cert=" + url.QueryEscape(cert) + "&tls_key=" + url.QueryEscape(key)
	}
	stranger := c.members[2]
	otherCA, _, _ := selfSigned(t, t.TempDir())
	stranger.flags = append(stranger.flags, "--cluster.tls-ca", otherCA)
	for _, m := range c.members {
		m.start()
	}
	good := c.members[:2]
	for _, m := range good {
		c.agreeOn(m, c.members...) // they reach the stranger
	}
	keyOfFirst := c.keyOf(good[0])
	p := good[0].subscribe(keyOfFirst, "", "1")
	secured(t, pool, good[1], keyOfFirst, `"over TLS"`)
	if m := p.message(); !strings.Contains(m, `"msg":"over TLS"`) {
		t.Errorf("got %s", m)
	}
	eventually(t, "who trusts another authority says whom it does not believe", func() bool {
		said := stranger.stderr.String()
		return strings.Contains(said, "TLS (cluster.tls = true)") && strings.Contains(said, "certificate signed by unknown authority")
	})
	if a := stranger.readyz(); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "links: ") {
		t.Errorf("a node that trusts another authority: readyz %d %s", a.status, a.body)
	}
	plain := dial(t, good[0].gate.addr())
	plain.send(command("GOPUSH.LINK", "1", "n2", strings.Repeat("x", 32)))
	if got, _ := io.ReadAll(plain.r); bytes.Contains(got, []byte("challenge")) {
		t.Errorf("a link without TLS is answered %q", got)
	}
}

// secured pushes over the admin listener of a member that speaks TLS.
func secured(t *testing.T, pool *x509.CertPool, m *member, key, payload string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}, DisableKeepAlives: true}, Timeout: patience}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", "https://"+m.admin[0]+"/v1/push/"+key+"?expire=60", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("push over TLS: %s %s", resp.Status, body)
	}
}
