package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency says how long something took, in microseconds.
type Latency struct {
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	Max  float64 `json:"max_us"`
}

// newHistogram holds durations from a microsecond to a minute with three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(time.Microsecond), int64(time.Minute), 3)
}

// record notes d; more than a minute is a minute.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	h.RecordValue(int64(min(d, time.Minute)))
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(percent float64) float64 {
		return float64(h.ValueAtQuantile(percent)) / float64(time.Microsecond)
	}
	return Latency{P50: at(50), P99: at(99), P999: at(99.9), Max: at(100)}
}
