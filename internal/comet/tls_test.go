package comet_test

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"gopush/internal/comet"
)

// overTLS has a gateway speak TLS, as an engine of start and of engines: tests speak plain with a relay in front of it, that
// cuts the records at random.
const overTLS comet.Engine = 1 << 7

// listenAs listens for peers of kind and returns where a test connects.
func listenAs(t testing.TB, g *comet.Gateway, engine comet.Engine, kind comet.Kind) (ln *comet.Listener, addr string) {
	t.Helper()
	var secure *tls.Config
	if engine&overTLS != 0 {
		secure = selfSigned(t)
	}
	ln, err := g.Listen(t.Context(), kind, "127.0.0.1:0", secure)
	if err != nil {
		t.Fatal(err)
	}
	if secure == nil {
		return ln, ln.Addr().String()
	}
	return ln, relayTLS(t, ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(4)})
}

// relayTLS listens until the test has ended, and returns where: what connects there is connected to addr, over TLS.
func relayTLS(t testing.TB, addr string, secure *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var relays sync.WaitGroup
	relays.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			relays.Go(func() { relay(c.(*net.TCPConn), addr, secure) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		relays.Wait()
	})
	return ln.Addr().String()
}

// relay moves bytes both ways until both have ended.
func relay(c *net.TCPConn, addr string, secure *tls.Config) {
	defer c.Close()
	socket, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer socket.Close()
	far := tls.Client(chopped{socket}, secure)
	if far.Handshake() != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		if _, err := io.Copy(c, far); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			c.SetLinger(0)
			socket.Close()
			c.Close()
		}
		c.CloseWrite()
	})
	if _, err := io.Copy(far, c); err != nil { // c may not read what there is for it
		socket.Close()
		c.SetWriteDeadline(time.Now().Add(time.Second))
	}
	far.CloseWrite()
	back.Wait()
}

// chopped is a connection that sends in pieces.
type chopped struct{ net.Conn }

func (c chopped) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := len(p) - n
		if rand.IntN(2) == 0 {
			piece = 1 + rand.IntN(piece)
		}
		k := 0
		k, err = c.Conn.Write(p[n : n+piece])
		n += k
	}
	return n, err
}
