package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"gopush/client"
)

// A server that says when to come back is obeyed: to the millisecond, however the row of attempts stands.
func TestComesBackWhenItIsTold(t *testing.T) {
	t.Parallel()
	after := func(d time.Duration, text string) func(*peer) {
		return func(p *peer) { p.wantSub(0); p.send("+h\r\n"); time.Sleep(d); p.send(text) }
	}
	refuse := func(text string) func(*peer) { return func(p *peer) { p.wantSub(0); p.send(text) } }
	gone := func(*peer) {}
	const backoff = time.Hour // for each attempt in the row
	for _, row := range []struct {
		name   string
		server script
		pauses []time.Duration
	}{
		{"told to go", script{after(20*time.Second, "+r 1500\r\n")}, []time.Duration{1500 * time.Millisecond}},
		{"told to go at once", script{after(time.Second, "+r 0\r\n")}, []time.Duration{0}},
		{"not welcome", script{refuse("+r 700\r\n")}, []time.Duration{700 * time.Millisecond}},
		{"told to go at each connection", script{after(time.Second, "+r 0\r\n"), after(time.Second, "+r 5\r\n")}, []time.Duration{0, 5 * time.Millisecond}},
		{"never welcome", script{refuse("+r 0\r\n"), refuse("+r 0\r\n"), refuse("+r 7200000\r\n")}, []time.Duration{0, 1 * backoff, 2 * backoff}},
		{"sent on and on", script{after(0, "+r 0\r\n"), after(0, "+r 0\r\n")}, []time.Duration{0, backoff}},
		{"for days", script{refuse("+r 999999999999\r\n")}, []time.Duration{10 * time.Minute}},
		{"before now", script{refuse("+r -5\r\n")}, []time.Duration{0}},
		{"lost, then told", script{gone, after(time.Second, "+r 20\r\n")}, []time.Duration{0, 20 * time.Millisecond}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				cfg := config(t, row.server)
				cfg.Backoff = func(attempt int) time.Duration { return time.Duration(attempt) * backoff }
				var got []time.Duration
				cfg.OnDisconnect = func(err error, pause time.Duration) {
					if got = append(got, pause); len(got) == len(row.pauses) {
						cancel()
					}
				}
				if err := client.Subscribe(ctx, cfg, nil); err != context.Canceled {
					t.Errorf("Subscribe = %v, want %v", err, context.Canceled)
				}
				if fmt.Sprint(got) != fmt.Sprint(row.pauses) {
					t.Errorf("pauses %v, want %v", got, row.pauses)
				}
			})
		})
	}
}

// firstDisconnect subscribes until a connection has ended, and returns the pause and why.
func firstDisconnect(t *testing.T, cfg client.Config) (pause time.Duration, why error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.OnDisconnect = func(err error, d time.Duration) { why, pause = err, d; cancel() }
	if err := client.Subscribe(ctx, cfg, nil); err != context.Canceled {
		t.Errorf("Subscribe = %v, want %v", err, context.Canceled)
	}
	return pause, why
}

func TestComesBackWhenAWebSocketSays(t *testing.T) {
	t.Parallel()
	host := webSocketServer(t, httptest.NewServer, func(d device, _ url.Values) {
		d.send("+h\r\n")
		d.Close(websocket.StatusGoingAway, "draining, retry-after-ms=2500")
	})
	pause, err := firstDisconnect(t, client.Config{Addr: "ws://" + host + "/behind", Key: "k", After: "0", Backoff: noPause})
	if !errors.Is(err, client.ErrLater) || !strings.Contains(err.Error(), "in 2.5s") || pause != 2500*time.Millisecond {
		t.Errorf("pause %v after %v, want 2.5s and that the server asked for it", pause, err)
	}
}

// Whole seconds are told to many: each waits up to one more.
func TestComesBackWhenHTTPSays(t *testing.T) {
	t.Parallel()
	for path, header := range map[string]string{"/sub": "3", "/1/time/get": "3", "date": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)} {
		t.Run(strings.Trim(path, "/"), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusServiceUnavailable)
				io.WriteString(w, "later\n")
			}))
			t.Cleanup(server.Close)
			cfg := client.Config{Addr: strings.Replace(server.URL, "http:", "ws:", 1), Key: "k", After: "0", Backoff: noPause}
			least := 3 * time.Second
			switch path {
			case "/1/time/get":
				cfg.After = ""
			case "date":
				least = 10 * time.Minute
			}
			pause, err := firstDisconnect(t, cfg)
			if !errors.Is(err, client.ErrLater) || pause < least || pause >= least+time.Second {
				t.Errorf("pause %v after %v, want %v to a second more", pause, err, least)
			}
		})
	}
}
