package comet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/comet"
	"gopush/internal/message"
	"gopush/internal/redis"
)

// far is a hub whose keys are far but for "near". Approaching tells asked, and waits for its answer.
type far struct {
	*channel.Hub
	asked      chan string
	answer     chan error
	approached atomic.Int64
}

func (f *far) Near(key string) bool { return key == "near" }

func (f *far) Approach(_ context.Context, key string) error {
	f.approached.Add(1)
	f.asked <- key
	return <-f.answer
}

func startFar(t *testing.T, engine comet.Engine, set func(*comet.Config)) (*gateway, *far) {
	t.Helper()
	f := &far{asked: make(chan string, 16), answer: make(chan error, 16)}
	g := start(t, engine, func(cfg *comet.Config) {
		f.Hub = cfg.Keys.(*channel.Hub)
		cfg.Keys = f
		if set != nil {
			set(cfg)
		}
	})
	return g, f
}

// send connects and sends text.
func send(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// wantText reads as much as want has.
func wantText(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if string(got[:n]) != want {
		t.Errorf("got %q, %v, want %q", got[:n], err, want)
	}
}

func webSocket(key string) string {
	return "GET /sub?key=" + key + "&heartbeat=60 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
}

func TestAFarKeyIsApproachedBeforeSomebodySubscribes(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine comet.Engine) {
		g, f := startFar(t, engine, nil)
		c := send(t, g.addr, command("sub", "k", "60")+"hh")
		if key := <-f.asked; key != "k" {
			t.Errorf("approached %q, want k", key)
		}
		if n := g.hub.Subscribers("k"); n != 0 {
			t.Errorf("%d subscribe before the key is near", n)
		}
		f.answer <- nil
		wantText(t, c, "+h\r\n+h\r\n+h\r\n")

		near := send(t, g.addr, command("sub", "near", "60"))
		wantText(t, near, "+h\r\n")
		if n := f.approached.Load(); n != 1 {
			t.Errorf("%d keys were approached, want 1", n)
		}
	})
}

func TestWhoseKeyIsNotNearYetSubscribesAllTheSame(t *testing.T) {
	t.Parallel()
	g, f := startFar(t, comet.EngineAuto, nil)
	f.answer <- errors.New("no link")
	wantText(t, send(t, g.addr, command("sub", "k", "60")), "+h\r\n")
	if n := g.hub.Subscribers("k"); n != 1 {
		t.Errorf("%d subscribe, want 1", n)
	}
}

func TestWhoIsWrongHereIsRefused(t *testing.T) {
	t.Parallel()
	wrong := fmt.Errorf("approach: %w", &message.WrongNode{Key: "k", TCP: "h:1"})
	engines(t, func(t *testing.T, engine comet.Engine) {
		g, f := startFar(t, engine, nil)
		f.answer <- wrong
		legacy := send(t, g.addr, command("sub", "k", "60"))
		if got, _ := io.ReadAll(legacy); string(got) != "-n\r\n" {
			t.Errorf("legacy RESP was answered %q, want -n", got)
		}
		f.answer <- wrong
		browser := send(t, g.addr, webSocket("k"))
		got, _ := io.ReadAll(browser)
		_, frames, _ := strings.Cut(string(got), "\r\n\r\n")
		if want := "\x81\x04-n\r\n\x88\x0c\x03\xf0wrong_node"; frames != want {
			t.Errorf("WebSocket was answered %q, want %q", frames, want)
		}
		legacy.Close()
		browser.Close()
		eventuallyGone(t, g)
		if n := g.Stats.Closed[comet.WrongNode].Load(); n != 2 {
			t.Errorf("%d are counted as wrong here, want 2", n)
		}
	})
}

func TestOnlyGoodTokensApproach(t *testing.T) {
	t.Parallel()
	var revoked atomic.Uint64
	good := func(cfg *comet.Config) {
		cfg.Revocations = revoked.Load
		cfg.Authorize = func(_ context.Context, _, token string) (uint64, error) {
			if token != "good" || revoked.Load() > 0 {
				return 0, message.ErrToken
			}
			return 1, nil
		}
	}
	g, f := startFar(t, comet.EngineAuto, good)
	wantText(t, send(t, g.addr, command("sub", "k", "60", "bad")), "-a\r\n")
	if n := f.approached.Load(); n != 0 {
		t.Errorf("%d keys were approached for a bad token", n)
	}
	c := send(t, g.addr, command("sub", "k", "60", "good"))
	<-f.asked
	revoked.Add(1) // nobody is found to be closed for it
	f.answer <- nil
	wantText(t, c, "-a\r\n")
}

func TestWhoLeavesWhileAKeyIsApproachedLeavesNothing(t *testing.T) {
	t.Parallel()
	g, f := startFar(t, comet.EngineAuto, nil)
	c := send(t, g.addr, command("sub", "k", "60"))
	<-f.asked
	c.Close()
	eventuallyGone(t, g)
	f.answer <- nil
	f.answer <- nil
	wantText(t, send(t, g.addr, command("sub", "k", "60")), "+h\r\n")
	if n := g.hub.Subscribers("k"); n != 1 {
		t.Errorf("%d subscribe, want 1", n)
	}
}

func TestRedisApproachesWhatItListensTo(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine comet.Engine) {
		f := &far{asked: make(chan string, 16), answer: make(chan error, 16)}
		g := startRedisWith(t, engine, func(cfg *redis.Config) {
			f.Hub = cfg.Keys.(*channel.Hub)
			cfg.Far = f
		})
		c := g.dial(t)
		io.WriteString(c, command("SUBSCRIBE", "k", "near")+command("PING")) // what follows waits
		<-f.asked
		if n := g.hub.Subscribers("near"); n != 0 {
			t.Errorf("%d subscribe before all keys are near", n)
		}
		f.answer <- errors.New("no link")
		c.want("[subscribe k 1]", "[subscribe near 2]", "[pong ]")

		c = g.dial(t)
		f.answer <- &message.WrongNode{Key: "foo", Admin: "h:1"}
		io.WriteString(c, command("XREAD", "BLOCK", "0", "STREAMS", "foo", "$")+command("PING"))
		c.want("MOVED 12182 h:1", "PONG")
	})
}
