package bench_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"gopush/internal/bench"
)

// resumes are what a server may do to the backlog of each of three devices, and what they count.
func resumes() []struct {
	name   string
	resume func(n int, frame []byte) []byte
	want   bench.Tally
} {
	var held []byte
	return []struct {
		name   string
		resume func(n int, frame []byte) []byte
		want   bench.Tally
	}{
		{"all is well", func(_ int, frame []byte) []byte { return frame }, bench.Tally{Received: 18}},
		{
			"a message of the backlog is lost",
			func(n int, frame []byte) []byte {
				if n == 2 {
					return nil
				}
				return frame
			},
			bench.Tally{Received: 15, Lost: 3},
		},
		{
			"the last of the backlog comes twice",
			func(n int, frame []byte) []byte {
				if n == 4 {
					return bytes.Repeat(frame, 2)
				}
				return frame
			},
			bench.Tally{Received: 21, Doubled: 3},
		},
		{
			"two of the backlog change places",
			func(n int, frame []byte) []byte {
				switch n {
				case 2:
					held = frame
					return nil
				case 3:
					return append(frame, held...)
				}
				return frame
			},
			bench.Tally{Received: 18, OutOfOrder: 3},
		},
	}
}

// A device has seen one message, has a backlog of four, and gets one at the end.
func TestResumeCountsTheBacklog(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"gopush tcp", "gopush ws"} {
		for _, tt := range resumes() {
			t.Run(subject+", "+tt.name, func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				f.resume = tt.resume
				cfg := bench.ResumeConfig{
					Config:      bench.Config{Subjects: []string{subject}, Target: &f.Target},
					Connections: 3, Backlog: 4, Size: 60,
				}
				if tt.want.Err() != nil {
					cfg.Patience = short
				}
				report, err := bench.Resume(t.Context(), cfg)
				if report == nil || report.Tally != tt.want || errors.Is(err, bench.ErrFailed) != (tt.want.Err() != nil) {
					t.Fatalf("Resume counted %+v (%v), want %+v", report, err, tt.want)
				}
			})
		}
	}
}

// mixed is 40 messages to 3 connections of which every 5 ms one leaves for a moment.
func mixed(f *fake) bench.LoadConfig {
	cfg := load(f)
	cfg.Window, cfg.Messages, cfg.Rate, cfg.Expire = 0, 40, 400, 60
	cfg.Churn, cfg.Away = 200, 10*time.Millisecond
	return cfg
}

func TestMixedCountsAcrossConnections(t *testing.T) {
	t.Parallel()
	report, err := bench.Load(t.Context(), mixed(newFake(t)))
	if want := (bench.Tally{Received: 46}); err != nil || report.Tally != want || report.ReadBack != want {
		t.Fatalf("Load counted %+v (%v), want %+v", report, err, want)
	}
	if run := report.Runs[0]; run.Returned == 0 || run.Resumed.Max == 0 {
		t.Errorf("%d connections came back, and missed messages took %+v, want some", run.Returned, run.Resumed)
	}
}

func TestMixedSeesWhatIsLostWhileAway(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.resume = func(int, []byte) []byte { return nil }
	cfg := mixed(f)
	cfg.Patience = short
	report, err := bench.Load(t.Context(), cfg)
	if report == nil || report.Tally.Lost == 0 || !errors.Is(err, bench.ErrFailed) {
		t.Errorf("Load counted %+v (%v), want what was lost", report, err)
	}
}

func TestMixedSeesWhatComesTwice(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.resume = func(_ int, frame []byte) []byte { return bytes.Repeat(frame, 2) }
	report, err := bench.Load(t.Context(), mixed(f))
	if report == nil || report.Tally.Doubled == 0 || report.Tally.Lost > 0 || !errors.Is(err, bench.ErrFailed) {
		t.Errorf("Load counted %+v (%v), want what came twice", report, err)
	}
}

func TestMixedCountsClosedConnections(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.change = func(_, n int, frame []byte) []byte {
		if n == 3 {
			return nil
		}
		return frame
	}
	cfg := mixed(f)
	cfg.Churn, cfg.Patience = 0.001, short // the first one leaves, and no other
	report, err := bench.Load(t.Context(), cfg)
	if report == nil || report.Tally.Closed == 0 || !errors.Is(err, bench.ErrFailed) {
		t.Errorf("Load counted %+v (%v), want connections that were closed", report, err)
	}
}

func TestTableOfResume(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	report, err := bench.Resume(t.Context(), bench.ResumeConfig{
		Config:      bench.Config{Subjects: []string{"gopush tcp"}, Target: &f.Target},
		Connections: 3, Backlog: 4, Size: 60,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := report.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 devices come back at once, 4 messages of 60 bytes wait for each\n", "seconds", "at the devices: 18 messages; 0 lost"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
