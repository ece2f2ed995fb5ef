package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/internal/bench"
)

// short is patience for tests in which something is meant to be missing.
const short = 300 * time.Millisecond

// load is what tests begin with: 10 messages to 3 connections, two on their way at a time.
func load(f *fake) bench.LoadConfig {
	return bench.LoadConfig{
		Config:      bench.Config{Subjects: []string{"gopush tcp"}, Target: &f.Target, Runs: 1},
		Connections: 3, Publishers: 1, Batch: 1, Messages: 10, Size: 60, Window: 2,
	}
}

func broadcast(ctx context.Context, f *fake, more func(*bench.LoadConfig)) (*bench.LoadReport, error) {
	cfg := load(f)
	cfg.Shared = true
	if more != nil {
		more(&cfg)
	}
	return bench.Load(ctx, cfg)
}

// A broadcast is 10 messages to 3 connections, after 3 that warm up; if nothing is missing then, one
// more ends it.
func TestBroadcastCountsWhatEachConnectionGets(t *testing.T) {
	t.Parallel()
	var held []byte // back, to be sent after the next message
	tests := []struct {
		name   string
		change func(i, n int, frame []byte) []byte
		want   bench.Tally
	}{
		{
			"all is well",
			func(_, _ int, frame []byte) []byte { return frame },
			bench.Tally{Received: 42},
		},
		{
			"one message is lost on the way to one connection",
			func(i, n int, frame []byte) []byte {
				if i == 1 && n == 5 {
					return []byte{}
				}
				return frame
			},
			bench.Tally{Received: 38, Lost: 1},
		},
		{
			"the last message is lost on the way to all",
			func(_, n int, frame []byte) []byte {
				if n == 12 {
					return []byte{}
				}
				return frame
			},
			bench.Tally{Received: 36, Lost: 3},
		},
		{
			"one message comes twice",
			func(i, n int, frame []byte) []byte {
				if i == 2 && n == 6 {
					return bytes.Repeat(frame, 2)
				}
				return frame
			},
			bench.Tally{Received: 43, Doubled: 1},
		},
		{
			"a message comes again after others",
			func(i, n int, frame []byte) []byte {
				if i != 0 {
					return frame
				}
				if n == 4 {
					held = bytes.Clone(frame)
				}
				if n == 8 {
					return append(frame, held...)
				}
				return frame
			},
			bench.Tally{Received: 43, Doubled: 1},
		},
		{
			"a mid does not grow",
			func(i, n int, frame []byte) []byte {
				if i == 0 && n == 8 {
					return bytes.Replace(frame, []byte(`"mid":36,`), []byte(`"mid":32,`), 1)
				}
				return frame
			},
			bench.Tally{Received: 42, OutOfOrder: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.change = tt.change
			report, err := broadcast(t.Context(), f, func(c *bench.LoadConfig) {
				if tt.want.Lost > 0 {
					c.Patience = short
				}
			})
			if report == nil {
				t.Fatalf("Broadcast: %v, want a report", err)
			}
			if report.Tally != tt.want {
				t.Errorf("Broadcast counted %+v, want %+v", report.Tally, tt.want)
			}
			if failed := tt.want.Err() != nil; errors.Is(err, bench.ErrFailed) != failed {
				t.Errorf("Broadcast answered %v; want ErrFailed: %v", err, failed)
			}
		})
	}
}

func TestBroadcastSeesMessagesThatChangedPlaces(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var held []byte
	f.change = func(i, n int, frame []byte) []byte {
		switch {
		case i == 1 && n == 5:
			held = bytes.Clone(frame)
			return []byte{}
		case i == 1 && n == 6:
			return append(frame, held...)
		}
		return frame
	}
	report, err := broadcast(t.Context(), f, nil)
	if want := (bench.Tally{Received: 42, OutOfOrder: 1}); report == nil || report.Tally != want {
		t.Errorf("Broadcast counted %+v (%v), want %+v", report, err, want)
	}
}

func TestBroadcastOfWhichNothingComesHasFigures(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change = func(_, n int, frame []byte) []byte {
		if n < 3 {
			return frame
		}
		return []byte{}
	}
	report, err := broadcast(t.Context(), f, func(c *bench.LoadConfig) { c.Patience = short })
	if !errors.Is(err, bench.ErrFailed) {
		t.Fatalf("Broadcast answered %v, want ErrFailed", err)
	}
	if text, err := json.Marshal(report); err != nil {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

func TestBroadcastCountsClosedConnections(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change = func(i, n int, frame []byte) []byte {
		if i == 2 && n >= 8 {
			return nil
		}
		return frame
	}
	report, err := broadcast(t.Context(), f, func(c *bench.LoadConfig) { c.Patience = short })
	if report == nil || report.Tally.Closed != 1 || report.Tally.Lost == 0 {
		t.Errorf("Broadcast counted %+v (%v), want 1 closed and what it lost", report, err)
	}
}

func TestBroadcastReadsBytesHoweverTheyAreCut(t *testing.T) {
	t.Parallel()
	for _, p := range []bench.Protocol{bench.TCP, bench.WebSocket, bench.TLS, bench.WSS} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			kept := map[int][]byte{}
			f.change = func(i, n int, frame []byte) []byte {
				if n < 3 || n > 12 {
					return frame
				}
				out := append(kept[i], frame...)
				cut := len(out) - (12-n)*7 // each leaves less for the next, the last nothing
				kept[i] = bytes.Clone(out[cut:])
				return out[:cut]
			}
			report, err := broadcast(t.Context(), f, func(c *bench.LoadConfig) {
				c.Subjects, c.Window = []string{"gopush " + string(p)}, 20
			})
			if err != nil || report.Tally.Received != 42 {
				t.Errorf("Broadcast counted %+v (%v), want all 42 messages", report, err)
			}
		})
	}
}

func TestBroadcastAsksForRoom(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change = func(_, _ int, _ []byte) []byte { return []byte("-c\r\n") }
	_, err := broadcast(t.Context(), f, nil)
	if err == nil || !strings.Contains(err.Error(), `refused with "-c\r\n"`) {
		t.Errorf("Broadcast answered %v, want what the server refused with", err)
	}
}

func TestBroadcastInTurnWithTheFloor(t *testing.T) {
	t.Parallel()
	floor := compiledFloor(t)
	report, err := broadcast(t.Context(), newFake(t), func(c *bench.LoadConfig) {
		c.Floor, c.Subjects, c.Runs = floor, []string{"floor", "gopush tcp"}, 2
	})
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, run := range report.Runs {
		subjects = append(subjects, run.Subject)
		if (run.ByFloor == 1) != (run.Subject == "floor") || run.ByFloor <= 0 {
			t.Errorf("%s costs %g times the floor", run.Subject, run.ByFloor)
		}
	}
	if got, want := strings.Join(subjects, ", "), "floor, gopush tcp, floor, gopush tcp"; got != want {
		t.Errorf("runs of %s, want %s", got, want)
	}
	if want := (bench.Tally{Received: 4 * 42}); report.Tally != want {
		t.Errorf("counted %+v, want %+v", report.Tally, want)
	}
}

func TestTheFloorKnowsNoKeys(t *testing.T) {
	t.Parallel()
	floor := compiledFloor(t)
	cfg := bench.Config{Floor: floor, Subjects: []string{"floor"}, Runs: 1}
	connect, err := bench.Connect(t.Context(), bench.ConnectConfig{Config: cfg, Connections: 5})
	if want := (bench.Tally{Received: 5}); err != nil || connect.Tally != want {
		t.Errorf("Connect counted %+v (%v), want %+v", connect, err, want)
	}
	load := bench.LoadConfig{Config: cfg, Connections: 5, Publishers: 1, Batch: 1, Messages: 5, Size: 60, Window: 1}
	if _, err := bench.Load(t.Context(), load); err == nil || !strings.Contains(err.Error(), "knows no keys") {
		t.Errorf("Load to keys answered %v, want that the floor knows none", err)
	}
}

// compiledFloor is the program made of bench/floor.c.
func compiledFloor(t *testing.T) string {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler: install gcc")
	}
	floor := filepath.Join(t.TempDir(), "floor")
	if out, err := exec.Command(compiler, "-Wall", "-Wextra", "-Werror", "-o", floor, "../../bench/floor.c").CombinedOutput(); err != nil {
		t.Fatalf("compile the floor: %v\n%s", err, out)
	}
	return floor
}

func TestInterruptedMeasurementEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake(t)
	f.change = func(_, n int, frame []byte) []byte {
		if n == 6 {
			cancel()
			return []byte{}
		}
		return frame
	}
	if _, err := broadcast(ctx, f, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Broadcast answered %v, want context.Canceled", err)
	}
}

func TestMeasurementEndsWithItsWorkers(t *testing.T) {
	t.Parallel()
	_, err := broadcast(t.Context(), newFake(t), func(c *bench.LoadConfig) { c.Binary, c.Processes = "true", 2 })
	if err == nil || !strings.Contains(err.Error(), "a worker") {
		t.Errorf("Broadcast over workers that end at once answered %v, want that a worker ended", err)
	}
}

func TestTableOfLoad(t *testing.T) {
	t.Parallel()
	report, err := broadcast(t.Context(), newFake(t), func(c *bench.LoadConfig) { c.Runs = 2 })
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := report.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"3 connections on one key, 1 publisher, 10 messages of 60 bytes, window 2\n", "µs CPU/delivery", "gopush tcp, 2 runs",
		"at the subscribers: 84 messages; 0 lost, 0 doubled, 0 out of order, 0 connections closed\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
