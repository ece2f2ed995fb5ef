package bench_test

import (
	"errors"
	"testing"
	"time"

	"gopush/internal/bench"
)

func TestConnectCountsConnections(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 200} {
		f := newFake(t)
		report, err := bench.Connect(t.Context(), bench.ConnectConfig{
			Config:      bench.Config{Subjects: []string{"gopush tcp", "gopush ws"}, Target: &f.Target},
			Connections: 5, Rate: rate,
		})
		if want := (bench.Tally{Received: 10}); err != nil || report.Tally != want || len(report.Runs) != 2 {
			t.Fatalf("rate %g: Connect counted %+v (%v), want %+v in 2 runs", rate, report, err, want)
		}
		for _, run := range report.Runs {
			if run.Latency.P50 == 0 || rate > 0 && run.ConnectionsPerSecond > 300 {
				t.Errorf("rate %g: %+v, want a latency, and no more than the rate", rate, run)
			}
		}
	}
}

func TestConnectTellsWhenConnectionsAreNotThere(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change = func(i, _ int, frame []byte) []byte { return []byte{} }
	report, err := bench.Connect(t.Context(), bench.ConnectConfig{
		Config:      bench.Config{Subjects: []string{"gopush tcp"}, Target: &f.Target, Patience: short},
		Connections: 3,
	})
	if want := (bench.Tally{Lost: 3}); report == nil || report.Tally != want || !errors.Is(err, bench.ErrFailed) {
		t.Errorf("Connect counted %+v (%v), want %+v", report, err, want)
	}
}

func TestIdleTellsWhenConnectionsAreNotThere(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change = func(i, _ int, frame []byte) []byte { return nil }
	report, err := bench.Idle(t.Context(), bench.IdleConfig{
		Config: bench.Config{Subjects: []string{"gopush tcp"}, Target: &f.Target, Runs: 1, Patience: short},
		Steps:  []int{1, 3},
		Calm:   time.Millisecond,
	})
	if want := (bench.Tally{Lost: 3, Closed: 3}); report == nil || report.Tally != want || !errors.Is(err, bench.ErrFailed) {
		t.Errorf("Idle counted %+v (%v), want %+v", report, err, want)
	}
}
