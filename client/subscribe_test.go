package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gopush/client"
	"gopush/internal/message"
	"gopush/internal/wire"
)

func wantMids(t *testing.T, got []int64, want ...int64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestResumesAfterTheLastMessageDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{
			func(p *peer) { p.wantSub(40); p.send("+h\r\n"); p.sendMessages(40, 44, 48) },
			func(p *peer) { p.wantSub(48); p.send("+h\r\n"); p.sendMessages(48, 52) },
			func(p *peer) { p.wantSub(52) },
			func(p *peer) { p.wantSub(52); p.send("+h\r\n"); p.sendMessages(52, 56); p.drain() },
		})
		cfg.After = "0-40"
		wantMids(t, collect(t, cfg, 56), 44, 48, 52, 56)
	})
}

// Of several addresses the next is tried when a connection was lost, refused or not made.
func TestSeveralAddressesAreTriedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{
			func(p *peer) { p.wantSub(0); p.send("+h\r\n"); p.sendMessages(0, 4) },
			func(p *peer) { p.wantSub(4); p.send("-n\r\n") },
			func(p *peer) {},
			func(p *peer) { p.wantSub(4); p.send("+h\r\n"); p.sendMessages(4, 8); p.drain() },
		})
		var dialled []string
		dial := cfg.Dial
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled = append(dialled, addr)
			return dial(ctx, network, addr)
		}
		cfg.Addr = "a:1, tcp://b,c:3"
		wantMids(t, collect(t, cfg, 8), 4, 8)
		if want := []string{"a:1", "b:6969", "c:3", "a:1"}; !slices.Equal(dialled, want) {
			t.Errorf("connected to %v, want %v", dialled, want)
		}
	})
}

func TestDropsWhatItHad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{
			func(p *peer) { p.wantSub(0); p.send("+h\r\n"); p.sendMessages(0, 4, 8, 8, 4) },
			func(p *peer) { p.wantSub(8); p.send("+h\r\n"); p.sendMessages(0, 4, 8, 12); p.drain() },
		})
		wantMids(t, collect(t, cfg, 12), 4, 8, 12)
	})
}

// What is pushed while a first connection without messages is lost must come: the position
// is the time that the server told before it.
func TestBeginsNowAndKeepsThatPosition(t *testing.T) {
	t.Parallel()
	const now = 17000000000000003
	const position = 17000000000000000 - 4
	synctest.Test(t, func(t *testing.T) {
		var connects []string
		cfg := config(t, script{
			func(p *peer) {}, // closed before the time was told
			func(p *peer) { p.answerTime(now) },
			func(p *peer) { p.wantSub(position); p.send("+h\r\n") },
			func(p *peer) { p.wantSub(position); p.send("+h\r\n"); p.sendMessages(0, now+1); p.drain() },
		})
		cfg.After = ""
		cfg.OnConnect = func(after string) { connects = append(connects, after) }
		wantMids(t, collect(t, cfg, now+1), now+1)
		if want := []string{"1699999999999-9996", "1699999999999-9996"}; !slices.Equal(connects, want) {
			t.Errorf("OnConnect told %q, want %q", connects, want)
		}
	})
}

func TestServerTimeThatIsNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"not HTTP":   "+h\r\n",
		"not found":  "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"not JSON":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"ret":        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"ret\":65535}",
		"no end":     "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 100_000),
		"no bytes":   "",
		"long space": "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + strings.Repeat(" ", 9999999),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, script{
					func(p *peer) { http.ReadRequest(p.in); p.send(answer) },
					func(p *peer) { p.answerTime(1000) },
					func(p *peer) { p.wantSub(996); p.send("+h\r\n"); p.sendMessages(0, 1004); p.drain() },
				})
				cfg.After = ""
				wantMids(t, collect(t, cfg, 1004), 1004)
			})
		})
	}
}

func TestCallbackErrorEndsAndLeavesTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{
			func(p *peer) { p.wantSub(0); p.send("+h\r\n"); p.sendMessages(0, 4, 8, 12); p.drain() },
		})
		wantMids(t, collect(t, cfg, 8), 4, 8)
	})
}

func TestCallbackErrorIsNoRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{func(p *peer) { p.wantSub(0); p.send("+h\r\n"); p.sendMessages(0, 4); p.drain() }})
		err := client.Subscribe(t.Context(), cfg, func(client.Message) error { return io.ErrUnexpectedEOF })
		if err != io.ErrUnexpectedEOF {
			t.Errorf("Subscribe = %v, want the callback's error itself", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	refuse := func(text string) func(*peer) {
		return func(p *peer) { p.wantSub(0); p.send(text) }
	}
	welcome := func(p *peer) { p.wantSub(0); p.send("+h\r\n") }
	stall := func(p *peer) { p.wantSub(0); time.Sleep(9 * time.Second) }
	for name, tc := range map[string]struct {
		script script
		want   error
	}{
		"token":                           {script{refuse("-a\r\n")}, client.ErrToken},
		"parameters":                      {script{refuse("-p\r\n")}, client.ErrRefused},
		"unknown key":                     {script{refuse("-c\r\n")}, client.ErrUnknownKey},
		"token revoked":                   {script{welcome, refuse("-a\r\n")}, client.ErrToken},
		"refused while subscribed":        {script{refuse("+h\r\n-a\r\n")}, client.ErrToken},
		"other node is tried again":       {script{refuse("-n\r\n"), refuse("-p\r\n")}, client.ErrRefused},
		"unknown error is tried again":    {script{refuse("-zzz\r\n"), refuse("-p\r\n")}, client.ErrRefused},
		"full after a drop tried again":   {script{welcome, refuse("-c\r\n"), refuse("-a\r\n")}, client.ErrToken},
		"unknown key long after the drop": {script{welcome, stall, stall, stall, stall, stall, refuse("-c\r\n")}, client.ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, tc.script)
				cfg.Backoff = func(int) time.Duration { return time.Second }
				err := client.Subscribe(t.Context(), cfg, func(client.Message) error { return errDone })
				if !errors.Is(err, tc.want) {
					t.Errorf("Subscribe = %v, want %v", err, tc.want)
				}
			})
		})
	}
}

func TestGaps(t *testing.T) {
	t.Parallel()
	message := func(mid, prev int64) string { return bulk(body("1", mid, prev)) }
	gap := func(after, from string) client.Gap { return client.Gap{After: "0-" + after, From: "0-" + from} }
	for name, tc := range map[string]struct {
		conns []string // what the server sends on each connection after +h
		want  []client.Gap
	}{
		"none":                              {[]string{message(44, 40) + message(48, 44) + message(100, 48)}, nil},
		"live-only messages between":        {[]string{message(44, 40) + message(48, 40) + message(100, 44)}, nil},
		"notice":                            {[]string{"+g 60\r\n" + message(60, 56) + message(100, 60)}, []client.Gap{gap("40", "60")}},
		"notice twice in a row":             {[]string{"+g 60\r\n", "+g 60\r\n" + message(100, 56)}, []client.Gap{gap("40", "60")}},
		"notice that grew":                  {[]string{"+g 60\r\n", "+g 80\r\n" + message(100, 76)}, []client.Gap{gap("40", "60"), gap("40", "80")}},
		"nothing left, then a live message": {[]string{"+g 60\r\n" + message(100, 60)}, []client.Gap{gap("40", "60")}},
		"no record of the key":              {[]string{"+g 0\r\n", "+g 0\r\n" + message(100, 0)}, []client.Gap{gap("40", "0")}},
		"told by prev":                      {[]string{message(100, 60)}, []client.Gap{gap("40", "100")}},
		"told by prev after the notice":     {[]string{"+g 60\r\n" + message(100, 80)}, []client.Gap{gap("40", "60"), gap("40", "100")}},
		"the record is lost after a delivery": {
			[]string{"+g 60\r\n" + message(60, 56), "+g 0\r\n" + message(100, 0)},
			[]client.Gap{gap("40", "60"), gap("60", "0")},
		},
		"again after a delivery": {
			[]string{"+g 60\r\n" + message(60, 56), "+g 80\r\n" + message(100, 76)},
			[]client.Gap{gap("40", "60"), gap("60", "80")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s script
				for _, text := range tc.conns {
					s = append(s, func(p *peer) { p.want("*6\r\n"); go p.drain(); p.send("+h\r\n" + text) })
				}
				var gaps []client.Gap
				cfg := config(t, s)
				cfg.After = "0-40"
				cfg.OnGap = func(g client.Gap) { gaps = append(gaps, g) }
				collect(t, cfg, 100)
				if !slices.Equal(gaps, tc.want) {
					t.Errorf("OnGap told %v, want %v", gaps, tc.want)
				}
			})
		})
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		wantAt := func(p *peer, at time.Duration) {
			p.want("h")
			if since := time.Since(start); since != at {
				t.Errorf("heartbeat after %v, want %v", since, at)
			}
		}
		cfg := config(t, script{func(p *peer) {
			p.want(sub("k", "60", "", 0))
			p.send("+h\r\n")
			wantAt(p, time.Minute)
			p.send("+h\r\n")
			wantAt(p, 2*time.Minute)
			p.send("+h\r\n")
			if rest := p.drain(); rest != "h" {
				t.Errorf("client sent %q to a silent server, want one heartbeat", rest)
			}
		}})
		cfg.Heartbeat = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		cfg.OnDisconnect = func(err error, _ time.Duration) { cancel() }
		client.Subscribe(ctx, cfg, nil)
		if gaveUp := time.Since(start); gaveUp != 3*time.Minute+15*time.Second {
			t.Errorf("gave a silent server up after %v, want the heartbeat and 15 s after its last byte", gaveUp)
		}
	})
}

func TestStaysAliveWhileTheCallbackRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{func(p *peer) {
			p.wantSub(0)
			p.send("+h\r\n")
			p.sendMessages(0, 4)
			for range 20 { // ten minutes
				p.want("h")
			}
			go p.drain()
			p.sendMessages(4, 8)
		}})
		var mids []int64
		err := client.Subscribe(t.Context(), cfg, func(m client.Message) error {
			mids = append(mids, m.Mid)
			if m.Mid == 8 {
				return errDone
			}
			time.Sleep(10*time.Minute + time.Second)
			return nil
		})
		if err != errDone {
			t.Errorf("Subscribe = %v, want %v", err, errDone)
		}
		wantMids(t, mids, 4, 8)
	})
}

func TestBackoffCountsAttemptsInARow(t *testing.T) {
	t.Parallel()
	refuse := func(p *peer) {}
	stay := func(d time.Duration) func(*peer) {
		return func(p *peer) { p.wantSub(0); p.send("+h\r\n"); time.Sleep(d) }
	}
	synctest.Test(t, func(t *testing.T) {
		var attempts []int
		var pauses []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		cfg := config(t, script{refuse, refuse, stay(9 * time.Second), stay(10 * time.Second), refuse})
		cfg.Backoff = func(attempt int) time.Duration {
			attempts = append(attempts, attempt)
			return time.Duration(attempt+1) * time.Hour
		}
		cfg.OnDisconnect = func(err error, pause time.Duration) {
			if pauses = append(pauses, pause); len(pauses) == 5 {
				cancel()
			}
		}
		start := time.Now()
		if err := client.Subscribe(ctx, cfg, nil); err != context.Canceled {
			t.Errorf("Subscribe = %v, want %v", err, context.Canceled)
		}
		if want := []int{0, 1, 2, 0, 1}; !slices.Equal(attempts, want) {
			t.Errorf("Backoff was asked for attempts %v, want %v", attempts, want)
		}
		if took, want := time.Since(start), 7*time.Hour+19*time.Second; took != want {
			t.Errorf("five connections took %v, want %v: the pauses that Backoff returned", took, want)
		}
	})
}

func TestFullJitter(t *testing.T) {
	t.Parallel()
	half := func(bound time.Duration) time.Duration { return bound / 2 }
	for attempt, want := range map[int]time.Duration{
		0: 50 * time.Millisecond, 1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 8: 12800 * time.Millisecond,
		9: 15 * time.Second, 10: 15 * time.Second, 63: 15 * time.Second, 1 << 40: 15 * time.Second,
	} {
		if got := client.FullJitter(attempt, half); got != want {
			t.Errorf("FullJitter(%d, half) = %v, want %v", attempt, got, want)
		}
	}
}

func TestContextEndsEveryWait(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]script{
		"refused":               {func(p *peer) {}},
		"the time is not told":  {func(p *peer) { p.drain() }},
		"no welcome":            {func(p *peer) { p.answerTime(1000) }, func(p *peer) { p.drain() }},
		"nothing is pushed":     {func(p *peer) { p.answerTime(1000) }, func(p *peer) { p.wantSub(996); p.send("+h\r\n"); p.drain() }},
		"nothing is read there": {func(p *peer) { p.answerTime(1000) }, func(p *peer) { time.Sleep(time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, serve)
				cfg.After, cfg.Backoff = "", func(int) time.Duration { return time.Hour }
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()
				err := client.Subscribe(ctx, cfg, nil)
				if err != context.DeadlineExceeded || time.Since(start) != 5*time.Second {
					t.Errorf("Subscribe = %v after %v, want %v after 5s", err, time.Since(start), context.DeadlineExceeded)
				}
			})
		})
	}
}

func TestServerThatIsNotGopush(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not RESP":         "HTTP/1.1 400 Bad Request\r\n\r\n",
		"wrong welcome":    "+OK\r\n",
		"message first":    bulk(body("1", 4, 0)),
		"no JSON":          "+h\r\n" + bulk("hello"),
		"no mid":           "+h\r\n" + bulk(`{"msg":1}`),
		"no msg":           "+h\r\n" + bulk(`{"mid":4}`),
		"bad gap":          "+h\r\n+g x\r\n",
		"negative gap":     "+h\r\n+g -1\r\n",
		"length too large": "+h\r\n$1025\r\n",
		"endless line":     "+h\r\n+" + strings.Repeat("x", 2000),
		"nothing at all":   "",
		"half a welcome":   "+h",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, script{
					func(p *peer) { p.wantSub(0); p.send(text); p.drain() },
					func(p *peer) { p.wantSub(0); p.send("+h\r\n"); p.sendMessages(0, 8); p.drain() },
				})
				cfg.MaxMessageBytes = 1024
				start := time.Now()
				wantMids(t, collect(t, cfg, 8), 8)
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("connected again after %v, want at most the 10s that connecting may take", took)
				}
			})
		})
	}
}

func TestUnknownNoticesAreIgnored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{func(p *peer) {
			p.wantSub(0)
			p.send("+h\r\n+later 5\r\n+h\r\n")
			p.sendMessages(0, 4)
			p.drain()
		}})
		wantMids(t, collect(t, cfg, 4), 4)
	})
}

func TestBytesMayComeOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text := "+h\r\n+g 8\r\n" + bulk(body(`"ä\r\n$3\r\n"`, 8, 4)) + "+h\r\n" + bulk(body(`{"a":[1,2]}`, 12, 8))
		cfg := config(t, script{func(p *peer) {
			p.wantSub(0)
			for i := range len(text) {
				p.send(text[i : i+1])
			}
			p.drain()
		}})
		wantMids(t, collect(t, cfg, 12), 8, 12)
	})
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 100_000)
	for msg, want := range map[string]struct {
		payload string
		text    bool
	}{
		`{"a":1.50,"a":"x"}`:       {`{"a":1.50,"a":"x"}`, false},
		`12345678901234567890`:     {`12345678901234567890`, false},
		`null`:                     {`null`, false},
		`"plain \"text\" \u00e4ö"`: {`plain "text" äö`, true},
		`""`:                       {``, true},
		`"` + long + `"`:           {long, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(t, script{func(p *peer) { p.wantSub(0); p.send("+h\r\n" + bulk(body(msg, 17000000000000004, 8))); p.drain() }})
			client.Subscribe(t.Context(), cfg, func(m client.Message) error {
				if string(m.Payload) != want.payload || m.Text != want.text {
					t.Errorf("msg %.50s: Payload %.50q, Text %v, want %.50q, %v", msg, m.Payload, m.Text, want.payload, want.text)
				}
				if m.Key != "k" || m.ID != "1700000000000-4" || m.Mid != 17000000000000004 || m.Prev != 8 || m.GID != 0 {
					t.Errorf("message is %+v", m)
				}
				return errDone
			})
		})
	}
}

// What a Redis client stored with several fields arrives as a JSON object.
func TestFieldsAreAnObject(t *testing.T) {
	t.Parallel()
	payload := message.AppendFields(nil, [][]byte{[]byte("b"), []byte(`"1"`), []byte("a"), nil, []byte("b"), []byte("2")})
	m := message.Message{Key: "k", Mid: 17000000000000004, Prev: 8, Form: message.Fields, Payload: payload}
	var encoder wire.Encoder
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, script{func(p *peer) { p.wantSub(0); p.send("+h\r\n" + string(encoder.Frame(wire.Prev, &m))); p.drain() }})
		client.Subscribe(t.Context(), cfg, func(m client.Message) error {
			if want := `{"b":"\"1\"","a":"","b":"2"}`; string(m.Payload) != want || m.Text || m.ID != "1700000000000-4" {
				t.Errorf("message is %+v, Payload %q, want %q", m, m.Payload, want)
			}
			return errDone
		})
	})
}

func TestMistakesInConfig(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*client.Config)
		want   string
	}{
		"no key":           {func(c *client.Config) { c.Key = "" }, "bad key"},
		"key with newline": {func(c *client.Config) { c.Key = "a\nb" }, "control character"},
		"token":            {func(c *client.Config) { c.Token = "\xff" }, "token is not UTF-8"},
		"heartbeat":        {func(c *client.Config) { c.Heartbeat = 29 * time.Second }, "heartbeat 29s"},
		"half a second":    {func(c *client.Config) { c.Heartbeat = 30500 * time.Millisecond }, "whole seconds"},
		"id":               {func(c *client.Config) { c.After = "latest" }, `id "latest"`},
		"size":             {func(c *client.Config) { c.MaxMessageBytes = -1 }, "MaxMessageBytes -1"},
		"no address":       {func(c *client.Config) { c.Addr = "" }, "want HOST:PORT"},
		"scheme":           {func(c *client.Config) { c.Addr = "http://a:1" }, "want HOST:PORT, or tcp://"},
		"one of several":   {func(c *client.Config) { c.Addr = "a:1,,b:2" }, "want HOST:PORT"},
		"port":             {func(c *client.Config) { c.Addr = "a:b" }, "address"},
		"path on TCP":      {func(c *client.Config) { c.Addr = "tcp://a:1/sub" }, "want only a host and port"},
		"query":            {func(c *client.Config) { c.Addr = "ws://a:1/?key=k" }, "want only a host and port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, nil)
			tc.change(&cfg)
			err := client.Subscribe(t.Context(), cfg, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Subscribe = %v, want an error with %q", err, tc.want)
			}
		})
	}
}
