package bench_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gopush/internal/bench"
)

// Messages to 3 keys: 3 that warm up, 10 that are measured, 3 that end it.
func TestUnicastCountsForEachKey(t *testing.T) {
	t.Parallel()
	all := func(_, _ int, frame []byte) []byte { return frame }
	var held [][]byte // back, of each key, to be sent after the next message
	tests := []struct {
		name   string
		more   func(*bench.LoadConfig)
		change func(i, n int, frame []byte) []byte
		want   bench.Tally
	}{
		{"in turn", func(*bench.LoadConfig) {}, all, bench.Tally{Received: 16}},
		{"at random", func(c *bench.LoadConfig) { c.Random = true }, all, bench.Tally{Received: 16}},
		{"by publishers with keys of their own", func(c *bench.LoadConfig) { c.Publishers = 2 }, all, bench.Tally{Received: 16}},
		{"pipelined", func(c *bench.LoadConfig) { c.Pipelined, c.Window = true, 8 }, all, bench.Tally{Received: 16}},
		{"at a rate", func(c *bench.LoadConfig) { c.Window, c.Rate = 0, 1000 }, all, bench.Tally{Received: 16}},
		{"over WebSocket", func(c *bench.LoadConfig) { c.Subjects = []string{"gopush ws"} }, all, bench.Tally{Received: 16}},
		// Batches of two leave 3, 1, of the measured, as they have to come before more are pushed.
		{"two in a call", func(c *bench.LoadConfig) { c.Batch = 2 }, all, bench.Tally{Received: 19}},
		{
			"the second message of each key is lost",
			func(c *bench.LoadConfig) { c.Window = 64 },
			func(_, n int, frame []byte) []byte {
				if n == 1 {
					return []byte{}
				}
				return frame
			},
			bench.Tally{Received: 10, Lost: 3},
		},
		{
			"the third message of each key comes twice",
			func(*bench.LoadConfig) {},
			func(_, n int, frame []byte) []byte {
				if n == 2 {
					return bytes.Repeat(frame, 2)
				}
				return frame
			},
			bench.Tally{Received: 19, Doubled: 3},
		},
		{
			"the second and the third message of each key change places",
			func(c *bench.LoadConfig) { c.Window = 64 },
			func(_, n int, frame []byte) []byte {
				switch n {
				case 1:
					held = append(held, frame)
					return []byte{}
				case 2:
					frame, held = append(frame, held[0]...), held[1:]
				}
				return frame
			},
			bench.Tally{Received: 16, OutOfOrder: 3},
		},
		{
			"all connections are closed at their third message",
			func(c *bench.LoadConfig) { c.Window = 64 },
			func(_, n int, frame []byte) []byte {
				if n == 2 {
					return nil
				}
				return frame
			},
			bench.Tally{Received: 6, Lost: 7, Closed: 3},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.change = tt.change
			cfg := load(f)
			if tt.want.Err() != nil {
				cfg.Patience = short
			}
			tt.more(&cfg)
			report, err := bench.Load(t.Context(), cfg)
			if report == nil {
				t.Fatalf("Load: %v, want a report", err)
			}
			if report.Tally != tt.want {
				t.Errorf("Load counted %+v, want %+v", report.Tally, tt.want)
			}
			if failed := tt.want.Err() != nil; errors.Is(err, bench.ErrFailed) != failed {
				t.Errorf("Load answered %v; want ErrFailed: %v", err, failed)
			}
		})
	}
}

func TestLatencyCountsFromWhenAMessageWasDue(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.slow = 20 * time.Millisecond // for a push: at 1,000 a second the last of 10 is 170 ms late
	cfg := load(f)
	cfg.Window, cfg.Rate = 0, 1000
	report, err := bench.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Runs[0].Latency; got.Max < 150_000 || got.P50 < 50_000 {
		t.Errorf("latencies %+v, want a median above 50 ms and a greatest above 150 ms", got)
	}
}

func TestWhatWasStoredIsReadBack(t *testing.T) {
	t.Parallel()
	for _, lost := range []int{0, 1} {
		f := newFake(t)
		f.resume = func(n int, frame []byte) []byte {
			if lost == 1 && n == 3 {
				return nil
			}
			return frame
		}
		cfg := load(f)
		cfg.Expire = 60
		if lost > 0 {
			cfg.Patience = short
		}
		report, err := bench.Load(t.Context(), cfg)
		if report == nil {
			t.Fatal(err)
		}
		if want := (bench.Tally{Received: 16}); report.Tally != want {
			t.Errorf("subscribers counted %+v, want %+v", report.Tally, want)
		}
		want := bench.Tally{Received: 16 - 3*lost, Lost: 3 * lost}
		if report.ReadBack != want || errors.Is(err, bench.ErrFailed) != (lost > 0) {
			t.Errorf("%d of each key lost: read back %+v, %v, want %+v", lost, report.ReadBack, err, want)
		}
	}
}

func TestLoadEndsWithTheErrorOfAPublisher(t *testing.T) {
	t.Parallel()
	for _, pipelined := range []bool{false, true} {
		f := newFake(t)
		refusing := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(refusing.Close)
		f.Admin = refusing.Listener.Addr().String()
		cfg := load(f)
		cfg.Pipelined = pipelined
		if _, err := bench.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "push: 404 Not Found") {
			t.Errorf("pipelined %v: Load answered %v, want what a push was refused with", pipelined, err)
		}
	}
}

func TestLoadTellsOfPushesThatWereNotAnswered(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.mute = func(n int) bool { return n == 2 }
	cfg := load(f)
	cfg.Patience = short
	if _, err := bench.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "nothing comes any more") {
		t.Errorf("Load answered %v, want that nothing comes any more", err)
	}
}

// What is for somebody else, or was cut, is no message of the measurement.
func TestLoadTellsOfMessagesThatAreNotTheSubscribers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ what, from, to, want string }{
		{"another key", ` 0000000 `, ` 0000001 `, "it is for key 1, and came to one of key 0"},
		{"another size", ` 0000060 `, ` 0000061 `, "not a message of this measurement"},
	} {
		f := newFake(t)
		f.change = func(_, _ int, frame []byte) []byte { return bytes.Replace(frame, []byte(tt.from), []byte(tt.to), 1) }
		cfg := load(f)
		cfg.Connections = 1
		if _, err := bench.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Load answered %v, want %q", tt.what, err, tt.want)
		}
	}
}
