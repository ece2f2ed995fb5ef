package link_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/cluster/link"
	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

func TestWrongSecretsAreRefused(t *testing.T) {
	t.Parallel()
	one := start(t, "n1", nil)
	two := start(t, "n2", func(cfg *link.Config) { cfg.Secret = []byte("another secret of ours") })
	none := start(t, "n3", func(cfg *link.Config) { cfg.Secret = nil })
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{two.addr}}, {Name: "n3", Addrs: []string{none.addr}}, {Name: "n4", Addrs: []string{one.addr}}})
	for name, want := range map[string]string{
		"n2": "set the same cluster.secret on all nodes",
		"n3": "node n3 is in no cluster: set cluster.secret",
		"n4": "this is node n1, not n4: see the advertise_admin",
	} {
		waitFor(t, name+" refuses", func() bool { return strings.Contains(one.links.To(name).Err().Error(), want) })
		if one.links.To(name).Up() {
			t.Errorf("%s is linked", name)
		}
	}
	if two.links.Stats.Refused[link.BadSecret].Load() == 0 || one.links.Stats.Refused[link.BadSecret].Load() == 0 {
		t.Error("a wrong secret was not counted at both ends")
	}
	one.handler.event(t, "missed n2 1") // it counts as one that cannot be reached
}

// A node with another secret tries again each second, and whoever reaches the listener may try as often as it likes.
func TestWhoIsRefusedAgainAndAgainIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var lines atomic.Int64
	n := start(t, "n1", func(cfg *link.Config) { cfg.Log = slog.New(slog.NewTextHandler(counter{&lines}, nil)) })
	for range 5 {
		s := dial(t, n)
		s.say(link.Command, "1", "n2", nonce)
		s.say("PROVE", strings.Repeat("x", 32), "{}")
		s.all(t)
	}
	if logged, counted := lines.Load(), n.links.Stats.Refused[link.BadSecret].Load(); logged != 1 || counted != 5 {
		t.Errorf("5 refusals are %d lines of the log and counted as %d, want 1 and 5", logged, counted)
	}
}

// counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(1)
	return len(b), nil
}

// stranger is a connection to a node without a link behind it.
type stranger struct {
	net.Conn
	buf  []byte
	used int
}

func dial(t testing.TB, n *node) *stranger {
	t.Helper()
	conn, err := net.Dial("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &stranger{Conn: conn}
}

func (s *stranger) say(words ...string) {
	b := resp.AppendArray(nil, len(words))
	for _, w := range words {
		b = resp.AppendBulk(b, w)
	}
	s.Write(b)
}

// all returns what comes until the connection is closed.
func (s *stranger) all(t testing.TB) string {
	t.Helper()
	b, err := io.ReadAll(s)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("after %q: %v", b, err)
	}
	return string(b)
}

// frame returns the next push.
func (s *stranger) frame(t testing.TB) []string {
	t.Helper()
	for {
		args, n, err := resp.ParsePush(nil, s.buf[s.used:], resp.Limits{MaxArgs: 100, MaxArgBytes: 1 << 20, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatalf("%v: %q", err, s.buf[s.used:])
		}
		if n > 0 {
			s.used += n
			var words []string
			for _, a := range args {
				words = append(words, string(a))
			}
			return words
		}
		b := make([]byte, 4096)
		n, err = s.Read(b)
		if err != nil {
			t.Fatalf("after %q: %v", s.buf[s.used:], err)
		}
		s.buf = append(s.buf, b[:n]...)
	}
}

func TestHandshakesThatAreRefused(t *testing.T) {
	t.Parallel()
	n := start(t, "n1", nil)
	tests := []struct {
		name, want string
		first      []string
		second     []string
	}{
		{"another version", "-VERSION node n1 speaks version 1 of links, n2 version 7: run the same version of gopush on all nodes\r\n", []string{link.Command, "7", "n2", nonce}, nil},
		{"a later version with more words", "-VERSION node n1 speaks version 1 of links, n2 version 7: run the same version of gopush on all nodes\r\n", []string{link.Command, "7", "n2", nonce, "more"}, nil},
		{"no nonce", "-ERR GOPUSH.LINK has a version, a name and a nonce\r\n", []string{link.Command, "1"}, nil},
		{"a short nonce", "-ERR GOPUSH.LINK has a version, a name and a nonce of 32 bytes\r\n", []string{link.Command, "1", "n2", "n"}, nil},
		{"another command", "-ERR no link: no handshake: GOPUSH.LINK is due\r\n", []string{"PUSH", "k", "p"}, nil},
		{"no proof", "-ERR no link: no handshake: PROVE is due\r\n", []string{link.Command, "1", "n2", nonce}, []string{"PUSH", "k", "p"}},
		{"a wrong proof", "-SECRET node n1 does not accept the cluster secret of n2: set the same cluster.secret on all nodes\r\n", []string{link.Command, "1", "n2", nonce}, []string{"PROVE", nonce, "{}"}},
		{"a reflected proof", "-SECRET node n1 does not accept the cluster secret of n1: set the same cluster.secret on all nodes\r\n", []string{link.Command, "1", "n1", nonce}, []string{"PROVE", nonce, "{}"}},
		{"too long", "-ERR no link: no handshake: malformed: resp: argument of 9000 bytes, the limit is 8192\r\n", []string{link.Command, "1", strings.Repeat("n", 9000)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := dial(t, n)
			s.say(tt.first...)
			if tt.second != nil {
				if f := s.frame(t); f[0] != "challenge" || f[1] != "n1" || len(f[2]) != 32 {
					t.Fatalf("challenge = %q", f)
				}
				s.say(tt.second...)
			}
			if got := s.all(t); got != tt.want {
				t.Errorf("%q was answered %q, want %q", tt.first, got, tt.want)
			}
		})
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	t.Parallel()
	n := start(t, "n1", nil)
	s := dial(t, n)
	began := time.Now()
	s.say(link.Command, "1", "n2", strings.Repeat("n", 32))
	s.frame(t)
	s.all(t)
	if d := time.Since(began); d < 4*time.Second || d > 8*time.Second {
		t.Errorf("closed after %v, want 5 s", d)
	}
}

func TestLinksOverTLS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	two := start(t, "n2", nil)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go two.accept(listener)
	one := start(t, "n1", func(cfg *link.Config) { cfg.TLS = &tls.Config{RootCAs: pool}; cfg.Beat = 100 * time.Millisecond })
	strict := start(t, "n3", func(cfg *link.Config) { cfg.TLS = &tls.Config{} })
	strict.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{listener.Addr().String()}}})
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{listener.Addr().String()}}})
	one.handler.event(t, "up n2 n2")
	time.Sleep(300 * time.Millisecond) // reads that time out do not harm it
	to := one.links.To("n2")
	to.Follow("k", 0)
	one.handler.event(t, "followed k")
	for i := range 200 {
		if r := publish(t, to, message.Push{Key: "k", Payload: make([]byte, i*1000)}); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
	}
	one.handler.wait(t, "200 messages", func() bool { return one.handler.count == 200 })
	waitFor(t, "a certificate of nobody's is refused", func() bool { return strings.Contains(strict.links.To("n2").Err().Error(), "certificate") })
}

// certificate makes one for 127.0.0.1, and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestGreetings(t *testing.T) {
	t.Parallel()
	var joined atomic.Bool
	one := start(t, "n1", nil)
	two := start(t, "n2", func(cfg *link.Config) {
		self := cfg.Self
		cfg.Self = func() link.Hello {
			h := self()
			h.Joined, h.Weight, h.TCP = joined.Load(), 3, []string{"h:1"}
			return h
		}
	})
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{two.addr}}})
	one.handler.event(t, "up n2 n2")
	h, ok := one.links.To("n2").Hello()
	if want := (link.Hello{Name: "n2", Instance: "n2-1", Weight: 3, TCP: []string{"h:1"}}); fmt.Sprint(h, ok) != fmt.Sprint(want, true) {
		t.Errorf("Hello = %+v, want %+v", h, want)
	}
	joined.Store(true)
	two.links.Announce()
	one.handler.event(t, "greeted n2 true")
	one.links.Announce() // nobody has to be told
	if _, err := one.links.To("n2").Stats(t.Context()); err != nil {
		t.Error(err)
	}
}

// A larger max_message_bytes than the peer's is as good as an equal one.
func TestLimitsMayDiffer(t *testing.T) {
	t.Parallel()
	one := start(t, "n1", func(cfg *link.Config) { cfg.MaxMessageBytes = 4 << 20 })
	two := start(t, "n2", nil)
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{two.addr}}})
	one.handler.event(t, "up n2 n2")
	to := one.links.To("n2")
	if r := publish(t, to, message.Push{Key: "k", Payload: make([]byte, 3<<20)}); r[0].Err == nil || !to.Up() {
		t.Errorf("above the peer's limit: %v", r[0].Err)
	}
	one.links.SetMaxMessageBytes(8 << 20)
	publish(t, to, message.Push{Key: "k", Payload: make([]byte, 7<<20)})
	two.links.SetMaxMessageBytes(16 << 20)
	one.handler.event(t, "greeted n2 false")
	publish(t, to, message.Push{Key: "k", Payload: make([]byte, 15<<20)})
	if !to.Up() {
		t.Error("the link broke")
	}
}
