package test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/client"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its own certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	a.file = filepath.Join(a.dir, "ca.pem")
	writeFile(t, a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign writes a certificate for 127.0.0.1 and hosts, and its key, valid for so long.
func (a *authority) sign(name string, valid time.Duration, hosts ...net.IP) (certFile, keyFile string) {
	a.t.Helper()
	key := newKey(a.t)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
		IPAddresses: append(hosts, net.IPv4(127, 0, 0, 1)), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	writeFile(a.t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(a.t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return certFile, keyFile
}

// listening is an address that speaks TLS, for a flag; peers must show a certificate that clientCA signed, if it is not "".
func listening(host, cert, key, clientCA string) string {
	addr := host + "?tls_cert=" + url.QueryEscape(cert) + "&tls_key=" + url.QueryEscape(key)
	if clientCA != "" {
		addr += "&tls_client_ca=" + url.QueryEscape(clientCA)
	}
	return addr
}

// Certificates are read again when their files change, without a word to the node; what cannot be used changes nothing, is
// logged once, and the expiry is a metric.
func TestCertificatesAreReadAgain(t *testing.T) {
	t.Parallel()
	one, two := newAuthority(t, "one"), newAuthority(t, "two")
	cert, key := one.sign("server", time.Hour)
	n := serve(t, "--public", listening("127.0.0.1:0", cert, key, ""), "--ops", listening("127.0.0.1:0", cert, key, ""))
	old := n.subscribeTLS(one.pool)
	left := func() float64 { return n.count(`gopush_certificate_expiry_seconds{of="public ` + n.public[1] + `"}`) }
	if v := left(); v < 3000 || v > 3600 {
		t.Errorf("the certificate is said to expire in %v s, want nearly 3600", v)
	}

	newCert, newKey := two.sign("server", 2*time.Hour)
	rename(t, newKey, key)
	eventually(t, "a word on the key that does not fit", func() bool { return strings.Contains(n.stderr.String(), "cannot be used") })
	n.subscribeTLS(one.pool)
	rename(t, newCert, cert)
	eventually(t, "the new certificate", func() bool { return shows(n.public[1], two.pool) && shows(n.ops[1], two.pool) })
	if v := left(); v < 7000 {
		t.Errorf("the new certificate is said to expire in %v s, want nearly 7200", v)
	}
	if got := strings.Count(n.stderr.String(), "cannot be used"); got != 2 {
		t.Errorf("what cannot be used was logged %d times, want once for each address", got)
	}

	fresh := n.subscribeTLS(two.pool)
	n.push("k", "1", "?expire=0")
	for _, p := range []*peer{old, fresh} {
		p.message()
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// shows tells whether addr shows a certificate that pool trusts.
func shows(addr string, pool *x509.CertPool) bool {
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool})
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Where an address has tls_client_ca a peer must show a certificate that it signed, and an API key as well.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	cert, key := ours.sign("server", time.Hour)
	n := serve(t, "--admin", listening("0.0.0.0:0", cert, key, ours.file), "--ops", listening("127.0.0.1:0", cert, key, ours.file), "--api-keys", "backend:secret-secret-secret")
	clientCert, clientKey := ours.sign("client", time.Hour)
	strangerCert, strangerKey := others.sign("stranger", time.Hour)
	_, port, err := net.SplitHostPort(n.admin[1])
	if err != nil {
		t.Fatal(err)
	}
	admin := "127.0.0.1:" + port
	for _, tt := range []struct {
		name      string
		cert, key string
		secret    string
		want      int // 0: no connection
	}{
		{"nothing", "", "", "secret-secret-secret", 0},
		{"a certificate of others", strangerCert, strangerKey, "secret-secret-secret", 0},
		{"a certificate alone", clientCert, clientKey, "", http.StatusUnauthorized},
		{"both", clientCert, clientKey, "secret-secret-secret", http.StatusOK},
	} {
		c := showingClient(t, ours.pool, tt.cert, tt.key)
		r, err := http.NewRequest(http.MethodPost, "https://"+admin+"/v1/push/k?expire=0", strings.NewReader("1"))
		if err != nil {
			t.Fatal(err)
		}
		if tt.secret != "" {
			r.Header.Set("Authorization", "Bearer "+tt.secret)
		}
		got := 0
		if resp, err := c.Do(r); err == nil {
			resp.Body.Close()
			got = resp.StatusCode
		}
		if got != tt.want {
			t.Errorf("push with %s: status %d, want %d", tt.name, got, tt.want)
		}
		resp, err := c.Get("https://" + n.ops[1] + "/livez")
		if err == nil {
			resp.Body.Close()
		}
		if welcome := tt.cert == clientCert; welcome != (err == nil) {
			t.Errorf("/livez with %s: %v", tt.name, err)
		}
	}
}

// The commands show a certificate where a listener asks for it.
func TestCommandsShowCertificates(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	cert, key := ours.sign("server", time.Hour)
	n := serve(t, "--admin", listening("127.0.0.1:0", cert, key, ours.file), "--public", listening("127.0.0.1:0", cert, key, ours.file))
	shownCert, shownKey := ours.sign("client", time.Hour)
	shown := []string{"--tls-cert", shownCert, "--tls-key", shownKey, "--tls-ca", ours.file}
	for _, tt := range []struct {
		name, out, err string
		args           []string
	}{
		{"push", "stored, sent to", "", append([]string{"push", "--addr", "https://" + n.admin[1], "k", "hi"}, shown...)},
		{"sub", "hi\n", "", append([]string{"sub", "--after", "0", "--count", "1", "--addr", "tls://" + n.public[1], "k"}, shown...)},
		{"nothing shown", "", "certificate required", []string{"push", "--addr", "https://" + n.admin[1], "--tls-ca", ours.file, "k", "hi"}},
		{"nobody trusted", "", "signed by unknown authority", []string{"push", "--addr", "https://" + n.admin[1], "k", "hi"}},
		{"half of it", "", "--tls-cert and --tls-key are given together", []string{"push", "--tls-cert", shownCert, "k", "hi"}},
		{"no certificate", "", "no certificate (PEM) is in", []string{"push", "--tls-ca", "tls_test.go", "k", "hi"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, gopush, tt.args...)
		var out, complaint strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &complaint
		err := cmd.Run()
		cancel()
		if (err == nil) != (tt.err == "") || !strings.Contains(out.String(), tt.out) || !strings.Contains(complaint.String(), tt.err) {
			t.Errorf("%s: %v, %q, %q; want %q, %q", tt.name, err, &out, &complaint, tt.out, tt.err)
		}
	}
}

func showingClient(t *testing.T, pool *x509.CertPool, cert, key string) *http.Client {
	t.Helper()
	cfg := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// tls_min_version refuses older versions.
func TestOldestVersionOfTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t, t.TempDir())
	for _, tt := range []struct {
		flags []string
		least uint16
	}{{nil, tls.VersionTLS12}, {[]string{"--tls-min-version", "1.3"}, tls.VersionTLS13}} {
		n := serve(t, append(tt.flags, "--public", listening("127.0.0.1:0", cert, key, ""))...)
		for version := uint16(tls.VersionTLS11); version <= tls.VersionTLS13; version++ {
			c, err := tls.Dial("tcp", n.public[1], &tls.Config{RootCAs: pool, MinVersion: version, MaxVersion: version})
			if err == nil {
				c.Close()
			}
			if (err == nil) != (version >= tt.least) {
				t.Errorf("%v: %s: %v", tt.flags, tls.VersionName(version), err)
			}
		}
	}
}

// What others have written speaks TLS with a node: redis-cli, curl, openssl; and package client.
func TestClientsOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca")
	cert, key := ca.sign("server", time.Hour)
	n := serve(t, "--public", listening("127.0.0.1:0", cert, key, ""), "--admin", listening("127.0.0.1:0", cert, key, ca.file))
	mine, mineKey := ca.sign("client", time.Hour)
	_, port, err := net.SplitHostPort(n.admin[1])
	if err != nil {
		t.Fatal(err)
	}

	device := subscribeSDK(t.Context(), "device", client.Config{Addr: "tls://" + n.public[1], Key: "k", TLS: &tls.Config{RootCAs: ca.pool}})
	eventually(t, "package client is subscribed", func() bool { return n.count("gopush_keys_subscribed") == 1 })

	out := runProgram(t, "redis-cli", "-h", "127.0.0.1", "-p", port, "--tls", "--cacert", ca.file, "--cert", mine, "--key", mineKey, "XADD", "k", "*", "msg", "from redis-cli")
	if !strings.Contains(out, "-") {
		t.Errorf("redis-cli: %q", out)
	}
	out = runProgram(t, "curl", "-sS", "--cacert", ca.file, "--cert", mine, "--key", mineKey, "-d", "from curl", "https://"+n.admin[1]+"/v1/push/k")
	if !strings.Contains(out, `"mid"`) && !strings.Contains(out, `"id"`) {
		t.Errorf("curl: %q", out)
	}
	eventually(t, "both at package client", func() bool { return device.count() == 2 })
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) { opensslSubscribes(t, n, ca, version) })
	}
}

// runProgram returns what a program says.
func runProgram(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(within(t), needProgram(t, program), args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// opensslSubscribes has openssl s_client subscribe; with TLS 1.3 it changes keys in between, and asks for ours to be.
func opensslSubscribes(t *testing.T, n *node, ca *authority, version string) {
	cmd := exec.Command(needProgram(t, "openssl"), "s_client", "-connect", n.public[1], "-CAfile", ca.file, "-verify_return_error", version)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	key := "openssl" + version
	fmt.Fprint(in, command("sub", key, "60"))
	eventually(t, "+h for openssl", func() bool { return strings.Count(said.String(), "+h\r\n") == 1 })
	if version == "-tls1_3" {
		for i := range 5 {
			fmt.Fprint(in, "K\n") // to openssl: change keys, and have the other end change its own
			eventually(t, "new keys", func() bool { return strings.Count(said.String(), "KEYUPDATE") == i+1 })
		}
	}
	fmt.Fprint(in, "hh")
	eventually(t, "answers to heartbeats", func() bool { return strings.Count(said.String(), "+h\r\n") == 3 })
	n.push(key, "to openssl", "?expire=0")
	eventually(t, "the message", func() bool { return strings.Contains(said.String(), "to openssl") })
}

// Where admin listeners ask for certificates nodes show each other theirs; one without, or with one that somebody else has signed, is
// not linked with.
func TestClusterOfNodesThatShowCertificates(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{idle: true})
	var hosts []net.IP
	for _, m := range c.members {
		hosts = append(hosts, m.gate.ln.Addr().(*net.TCPAddr).IP)
	}
	ca, others := newAuthority(t, "cluster"), newAuthority(t, "others")
	cert, key := ca.sign("node", time.Hour, hosts...)
	strangeCert, strangeKey := others.sign("stranger", time.Hour)
	for _, m := range c.members {
		m.at[1] = listening(m.at[1], cert, key, ca.file)
	}
	c.flags = []string{"--cluster.tls", "--cluster.tls-ca", ca.file, "--cluster.tls-cert", cert, "--cluster.tls-key", key}
	stranger := c.members[2]
	stranger.flags = append(stranger.flags, "--cluster.tls-cert", strangeCert, "--cluster.tls-key", strangeKey)
	for _, m := range c.members {
		m.start()
	}
	good := c.members[:2]
	for _, m := range good {
		c.agreeOn(m, c.members...) // they reach the stranger
	}
	keyOfFirst := c.keyOf(good[0])
	p := good[0].subscribe(keyOfFirst, "", "1")
	r, err := showingClient(t, ca.pool, cert, key).Post("https://"+good[1].admin[0]+"/v1/push/"+keyOfFirst+"?expire=60", "", strings.NewReader(`"over TLS"`))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if m := p.message(); !strings.Contains(m, `"msg":"over TLS"`) {
		t.Errorf("got %s", m)
	}
	eventually(t, "who shows another certificate is not linked", func() bool { return stranger.readyz().status == http.StatusServiceUnavailable })
}
