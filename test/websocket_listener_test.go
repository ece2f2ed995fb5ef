package test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const timeRequest = "GET /1/time/get HTTP/1.1\r\nHost: example.com\r\n\r\n"

// plainRequest has an HTTP request answered and its connection kept.
func (p *peer) plainRequest() {
	p.t.Helper()
	if resp, body := p.request(timeRequest); resp.StatusCode != http.StatusOK || resp.Close || !strings.Contains(body, `"ret":0`) {
		p.t.Fatalf("got %s %s, want a time and the connection kept", resp.Status, body)
	}
}

// A connection that served HTTP may become a WebSocket, however the requests were cut.
func TestWebSocketOnAKeptAliveConnection(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		t.Run("one after the other", func(t *testing.T) {
			p := n.in(t).dialPublic()
			p.plainRequest()
			p.plainRequest()
			p.send(handshake("k", "&ver=1"))
			p.upgraded().use(n.in(t))
		})
		t.Run("all in one packet", func(t *testing.T) {
			p := n.in(t).dialPublic()
			unasked := strings.Repeat(frame(fin|opPong, strings.Repeat("x", 100)), 100) // more than one read takes
			p.send(timeRequest + timeRequest + handshake("k", "&ver=1") + unasked + frame(fin|opText, "h"))
			p.request("")
			p.request("")
			web := p.upgraded()
			web.expectText("+h\r\n")
			web.expectText("+h\r\n")
			web.send(closeFrame(1000, ""))
			web.expectClose(1000)
		})
		t.Run("refused", func(t *testing.T) {
			p := n.in(t).dialPublic()
			p.plainRequest()
			p.send(handshake("", ""))
			web := p.upgraded()
			web.expectText("-p\r\n")
			web.expectClose(1008)
		})
		eventually(t, "no connection is counted as open but that of the metrics", func() bool {
			return n.count("gopush_connections") <= 2 // pushes have one too
		})
	})
}

func (n *node) dialPublic() *peer {
	n.t.Helper()
	return dial(n.t, n.public[0])
}

// use has a new subscriber of k greeted, get a message, a heartbeat answered, and close.
func (p *wsPeer) use(n *node) {
	p.t.Helper()
	p.expectText("+h\r\n")
	n.push("k", `"hello"`, "?expire=0")
	if m := p.next(); string(m.Msg) != `"hello"` {
		p.t.Errorf("got %s", m.Msg)
	}
	p.send(frame(fin|opText, "h"))
	p.expectText("+h\r\n")
	p.send(closeFrame(1000, ""))
	p.expectClose(1000)
}

// selfSigned writes a certificate for this machine and its key into dir.
func selfSigned(t *testing.T, dir string, hosts ...net.IP) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gopush test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: append(hosts, net.IPv4(127, 0, 0, 1)), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, certFile, certPEM)
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return certFile, keyFile, pool
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An address with a certificate speaks TLS and nothing else, beside one that does not.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t, t.TempDir())
	n := serve(t, "--first-packet-timeout", "1s", "--public", "127.0.0.1:0?tls_cert="+url.QueryEscape(cert)+"&tls_key="+url.QueryEscape(key))
	secure := n.public[1]
	dialTLS := func(t *testing.T) *peer {
		p := dial(t, secure)
		c := tls.Client(p.Conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
		return &peer{t, c, bufio.NewReader(c)}
	}
	silent := dial(t, secure)
	w := newWitness(n)

	t.Run("legacy RESP", func(t *testing.T) {
		p := dialTLS(t)
		p.sendBytewise(command("sub", "k", "30", "", "1") + "hh")
		p.expect("+h\r\n+h\r\n+h\r\n")
		n.in(t).push("k", strings.Repeat("x", 100_000), "?expire=0")
		if got := len(p.message()); got < 100_000 {
			t.Errorf("got a message of %d bytes", got)
		}
		p.closeWrite()
		p.expectEnd("")
	})
	t.Run("legacy RESP, refused", func(t *testing.T) {
		p := dialTLS(t)
		p.send(command("sub", "k", "29"))
		p.expectEnd("-p\r\n")
	})
	t.Run("WebSocket", func(t *testing.T) {
		p := dialTLS(t)
		p.send(handshake("k", "&ver=1"))
		p.upgraded().use(n.in(t))
	})
	t.Run("WebSocket after HTTP", func(t *testing.T) {
		p := dialTLS(t)
		p.plainRequest()
		p.send(handshake("k", "&ver=1"))
		p.upgraded().use(n.in(t))
	})
	t.Run("no TLS", func(t *testing.T) {
		p := dial(t, secure)
		p.send(command("sub", "k", "30"))
		if rest, _ := p.r.ReadString(0); strings.Contains(rest, "+h") {
			t.Errorf("answered without TLS: %q", rest)
		}
	})
	silent.expectEnd("") // no handshake within first_packet_timeout
	n.expectClosed("tls_handshake_failed", 2)
	w.check(t)
}

func TestAllowedOrigins(t *testing.T) {
	onEngines(t, []string{"--allowed-origins", "https://good.example"}, func(t *testing.T, n *node) {
		n.subscribeWS("k", "", "Origin: https://good.example")
		n.subscribeWS("k", "") // no page
		refused := []string{"https://evil.example", "http://good.example", "https://good.example.evil.example", "null"}
		for i, origin := range refused {
			for _, before := range []string{"", timeRequest} {
				p := n.dialPublic()
				if before != "" {
					p.plainRequest()
				}
				if resp, body := p.request(handshake("k", "", "Origin: "+origin)); resp.StatusCode != http.StatusForbidden {
					t.Errorf("origin %s is answered with %s %s, want 403", origin, resp.Status, body)
				}
				p.Close()
			}
			n.expectClosed("origin_refused", float64(2*i+2))
		}
	})
}
