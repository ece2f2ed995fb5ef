package comet_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"gopush/internal/comet"
	"gopush/internal/redis"
)

// guest is a connection that was given away.
type guest struct {
	net.Conn
	unread []byte
}

// startHost starts a gateway that gives guests away, on an admin listener with secure, or without.
func startHost(t *testing.T, engine comet.Engine, secure *tls.Config) (g *redisGateway, links, rpc chan guest) {
	t.Helper()
	g = startRedis(t, engine)
	ln, err := g.Listen(t.Context(), comet.Admin, "127.0.0.1:0", secure)
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	links, rpc = make(chan guest, 1), make(chan guest, 1)
	ln.ServeRedis(redis.New(redis.Config{Now: time.Now, Limits: func() redis.Limits { return redis.Limits{} }}), redis.Trust{Admin: true, Open: true})
	ln.ServeLinks("GOPUSH.LINK", func(c net.Conn, unread []byte) { links <- guest{c, unread} })
	ln.ServeRPC(isRPC, func(c net.Conn, unread []byte) { rpc <- guest{c, unread} })
	return g, links, rpc
}

// isRPC knows connections that begin with "/rpc".
func isRPC(b []byte) (yes, undecided bool) {
	const begin = "/rpc"
	yes = bytes.HasPrefix(b, []byte(begin))
	return yes, !yes && strings.HasPrefix(begin, string(b))
}

// hosts runs test over all engines, and TLS.
func hosts(t *testing.T, test func(t *testing.T, engine comet.Engine, secure *tls.Config)) {
	engines(t, func(t *testing.T, engine comet.Engine) { test(t, engine, nil) })
	t.Run("tls", func(t *testing.T) {
		t.Parallel()
		test(t, comet.EngineAuto, selfSigned(t))
	})
}

// selfSigned returns how TLS is spoken with a certificate that nobody trusts.
func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
}

// dialHost connects, with TLS if secure.
func dialHost(t *testing.T, addr string, secure bool) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// wantGuest checks that a guest has, with what was read of it, all of text, and can be spoken with.
func wantGuest(t *testing.T, guests chan guest, peer net.Conn, text string) {
	t.Helper()
	var g guest
	select {
	case g = <-guests:
	case <-time.After(patience):
		t.Fatal("nobody was given away")
	}
	defer g.Close()
	g.SetDeadline(time.Now().Add(patience))
	rest := make([]byte, len(text)-len(g.unread))
	if _, err := io.ReadFull(g, rest); err != nil || string(g.unread)+string(rest) != text {
		t.Errorf("the guest has %q and then %q, %v; want %q", g.unread, rest, err, text)
	}
	fmt.Fprint(g, "welcome\n")
	if line, err := bufio.NewReader(peer).ReadString('\n'); line != "welcome\n" {
		t.Errorf("the guest was told %q, %v", line, err)
	}
}

func TestLinksAreGivenAway(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, engine comet.Engine, secure *tls.Config) {
		g, links, _ := startHost(t, engine, secure)
		for _, text := range []string{
			command("GOPUSH.LINK"),
			command("gopush.Link", "1", "name") + command("PING") + strings.Repeat("x", 100_000),
		} {
			peer := dialHost(t, g.addr, secure != nil)
			go io.WriteString(peer, text)
			wantGuest(t, links, peer, text)
		}
		eventuallyGone(t, g.gateway)
		if n := g.Stats.HandedToLinks.Load(); n != 2 {
			t.Errorf("%d links are counted, want 2", n)
		}
		if n := g.Stats.Redis.Load(); n != 0 {
			t.Errorf("%d connections speak Redis, want none", n)
		}
	})
}

func TestRPCIsGivenAway(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, engine comet.Engine, secure *tls.Config) {
		g, _, rpc := startHost(t, engine, secure)
		peer := dialHost(t, g.addr, secure != nil)
		const text = "/rpc and more"
		go io.WriteString(peer, text)
		wantGuest(t, rpc, peer, text)
		eventuallyGone(t, g.gateway)
		if n := g.Stats.HandedToRPC.Load(); n != 1 {
			t.Errorf("%d connections of RPC are counted, want 1", n)
		}
	})
}

// TestGuestsAreToldWhereverTheirBytesAreCut sends what a guest begins with in two pieces.
func TestGuestsAreToldWhereverTheirBytesAreCut(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine comet.Engine) {
		g, links, rpc := startHost(t, engine, nil)
		for _, row := range []struct {
			text   string
			guests chan guest
		}{{command("GOPUSH.LINK", "1") + "more", links}, {"/rpc more", rpc}} {
			for cut := 1; cut < len(row.text); cut++ {
				before := g.Stats.Accepted.Load()
				peer := dialHost(t, g.addr, false)
				io.WriteString(peer, row.text[:cut])
				for g.Stats.Accepted.Load() == before {
					time.Sleep(time.Millisecond)
				}
				go io.WriteString(peer, row.text[cut:])
				wantGuest(t, row.guests, peer, row.text)
			}
		}
	})
}

func TestOnlyGuestsAreGivenAway(t *testing.T) {
	t.Parallel()
	const unknown = "-ERR unknown command 'gopush.link', with args beginning with: \r\n"
	engines(t, func(t *testing.T, engine comet.Engine) {
		g, links, rpc := startHost(t, engine, nil)
		plain := startRedis(t, engine)
		for _, row := range []struct{ name, addr, text, want string }{
			{"not the first command", g.addr, command("PING") + command("gopush.link"), "+PONG\r\n" + unknown},
			{"in one line", g.addr, "gopush.link\r\n", unknown},
			{"not RPC after all", g.addr, "/rpq\r\n", "-ERR unknown command '/rpq', with args beginning with: \r\n"},
			{"public", g.gateway.addr, command("GOPUSH.LINK"), "-p\r\n"},
			{"public RPC", g.gateway.addr, "/rpc", "-p\r\n"},
			{"nobody takes links", plain.addr, command("gopush.link"), unknown},
			{"nobody takes RPC", plain.addr, "/rpc\r\n", "-ERR unknown command '/rpc', with args beginning with: \r\n"},
		} {
			peer := dialHost(t, row.addr, false)
			io.WriteString(peer, row.text)
			got := make([]byte, len(row.want))
			if n, err := io.ReadFull(peer, got); string(got[:n]) != row.want {
				t.Errorf("%s: %q was answered %q, %v, want %q", row.name, row.text, got[:n], err, row.want)
			}
		}
		if len(links)+len(rpc) > 0 {
			t.Errorf("%d and %d were given away", len(links), len(rpc))
		}
	})
}
