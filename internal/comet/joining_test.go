package comet_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/comet"
)

// comer comes to subscribe to "k" after mid 0, over RESP or WebSocket, and tells what it is answered: "in", or when to come back.
func comer(addr string, web bool) (answer string, err error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(c)
	if !web {
		io.WriteString(c, "*6\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n60\r\n$1\r\nt\r\n$1\r\n1\r\n$1\r\n0\r\n")
		line, err := r.ReadString('\n')
		if line == "+h\r\n" {
			return "in", nil
		}
		return line, err
	}
	io.WriteString(c, "GET /sub?key=k&heartbeat=60&token=t HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return "in", nil
	}
	return resp.Status + " " + resp.Header.Get("Retry-After"), nil
}

// checkSlowly has each token take a while to be checked, and counts how many are at worst.
func checkSlowly(cfg *comet.Config, worst *atomic.Int64) {
	var checking atomic.Int64
	cfg.Limits.FirstPacketTimeout = patience // on a machine that is slow itself nobody is to be closed for that
	cfg.Revocations = func() uint64 { return 0 }
	cfg.Authorize = func(context.Context, string, string) (uint64, error) {
		now := checking.Add(1)
		for was := worst.Load(); now > was && !worst.CompareAndSwap(was, now); was = worst.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		checking.Add(-1)
		return 1, nil
	}
}

// storm has comers come until they are let in, and returns how many were told when to come back over WebSocket and over RESP.
func storm(t *testing.T, addr string, comers int) (webs, resps int64) {
	t.Helper()
	var coming sync.WaitGroup
	var told [2]atomic.Int64
	arriving := time.NewTicker(time.Millisecond)
	defer arriving.Stop()
	for i := range comers {
		<-arriving.C
		web := i%2 == 0
		coming.Go(func() {
			for answer := ""; answer != "in"; time.Sleep(100 * time.Millisecond) {
				var err error
				switch answer, err = comer(addr, web); {
				case answer == "in":
				case web && strings.HasPrefix(answer, "503 Service Unavailable ") && !strings.HasSuffix(answer, " "):
					told[0].Add(1)
				case !web && strings.HasPrefix(answer, "+r "):
					told[1].Add(1)
				default:
					t.Errorf("answered %q, %v", answer, err)
					return
				}
			}
		})
	}
	coming.Wait()
	return told[0].Load(), told[1].Load()
}

// Where joining takes a while, no more do at a time than may: the others wait to be accepted.
func TestAStormWaitsToBeAccepted(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine comet.Engine) {
		var worst atomic.Int64
		g := start(t, engine, func(cfg *comet.Config) {
			cfg.Limits.MaxJoining, cfg.Limits.JoiningWait = 8, time.Hour
			checkSlowly(cfg, &worst)
		})
		webs, resps := storm(t, g.addr, 400)
		t.Logf("400 were let in, at most %d at a time; accepting was paused %d times", worst.Load(), g.Stats.AcceptPaused.Load())
		if g.Stats.AcceptPaused.Load() == 0 || webs+resps > 0 {
			t.Errorf("accepting was paused %d times, %d were told to come back, want some and none", g.Stats.AcceptPaused.Load(), webs+resps)
		}
	})
}

// Where it would take too long who comes is told when to come back, and does in the end come in.
func TestAStormIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine comet.Engine) {
		var worst atomic.Int64
		g := start(t, engine, func(cfg *comet.Config) {
			cfg.Limits.MaxJoining, cfg.Limits.JoiningWait = 8, 10*time.Millisecond
			checkSlowly(cfg, &worst)
		})
		webs, resps := storm(t, g.addr, 400)
		counted := func() int64 { return g.Stats.Closed[comet.Busy].Load() }
		for end := time.Now().Add(patience); counted() < webs+resps && time.Now().Before(end); time.Sleep(time.Millisecond) {
			// counted when they have gone
		}
		t.Logf("400 were let in, at most %d at a time; %d were told to come back over WebSocket, %d over RESP", worst.Load(), webs, resps)
		if webs == 0 || resps == 0 || counted() < webs+resps {
			t.Errorf("%d were told to come back over WebSocket, %d over RESP, %d counted; want some, and all counted", webs, resps, counted())
		}
	})
}

// Who says nothing, or is not asked about, keeps nobody out.
func TestTheSilentDoNotCountAsJoining(t *testing.T) {
	t.Parallel()
	g := start(t, comet.EngineAuto, func(cfg *comet.Config) { cfg.Limits.MaxJoining, cfg.Limits.JoiningWait = 1, time.Hour })
	for range 20 {
		c, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "*")
	}
	if answer, err := comer(g.addr, false); answer != "in" {
		t.Errorf("answered %q, %v, want to be in", answer, err)
	}
}
