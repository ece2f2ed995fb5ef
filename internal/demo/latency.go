package demo

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept in microseconds, to three digits.
const (
	latencyUnit = time.Microsecond
	maxLatency  = time.Hour // longer ones count as this
)

// latencies collects durations. It may be used concurrently.
type latencies struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram // guarded by mu
}

func newLatencies() *latencies {
	return &latencies{histogram: hdrhistogram.New(1, int64(maxLatency/latencyUnit), 3)}
}

func (l *latencies) add(d time.Duration) {
	d = min(max(d, latencyUnit), maxLatency)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.histogram.RecordValue(int64(d / latencyUnit)) // within its bounds, so it does not fail
}

// Latency summarizes how long messages took.
type Latency struct {
	Count                    int
	P50, P90, P99, P999, Max time.Duration // 0 when Count is
}

func (l *latencies) summary() Latency {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := func(percent float64) time.Duration {
		return time.Duration(l.histogram.ValueAtPercentile(percent)) * latencyUnit
	}
	return Latency{
		Count: int(l.histogram.TotalCount()),
		P50:   at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: time.Duration(l.histogram.Max()) * latencyUnit,
	}
}

// journal tells when each line was pushed to each room. The pusher writes it, devices read it.
type journal struct {
	began time.Time        // never changed
	at    [][]atomic.Int64 // by room and line: nanoseconds since began when the push was called
}

func newJournal(rooms, lines int) *journal {
	j := &journal{began: time.Now(), at: make([][]atomic.Int64, rooms)}
	for room := range j.at {
		j.at[room] = make([]atomic.Int64, lines)
	}
	return j
}

func (j *journal) now() time.Duration { return time.Since(j.began) }

func (j *journal) note(room, line int) { j.at[room][line].Store(int64(j.now())) }

func (j *journal) pushed(room, line int) time.Duration {
	return time.Duration(j.at[room][line].Load())
}
