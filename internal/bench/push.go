package bench

import (
	"fmt"
	"io"
)

// PushConfig says how pushes are measured.
type PushConfig struct {
	Config
	Publishers int // at a time, each with a kept-alive connection and a key of its own
	Messages   int // that each of them pushes, one after the other
	Size       int // of a payload, in bytes, at least MinPayload
	Expire     int // of stored messages, in seconds
}

// PushReport is what Push measured.
type PushReport struct {
	Publishers int       `json:"publishers"`
	Messages   int       `json:"messages"`
	Size       int       `json:"payload_bytes"`
	Runs       []PushRun `json:"runs"`
	Tally      Tally     `json:"tally"`     // at the subscribers, one for each key
	ReadBack   Tally     `json:"read_back"` // of what was stored
}

// PushRun is one run of Push.
type PushRun struct {
	Subject         string  `json:"subject"` // "expire=0" or "stored"
	PushesPerSecond float64 `json:"pushes_per_second"`
	CPUPerPush      float64 `json:"cpu_us_per_push"` // of the server, with the delivery to one subscriber
	AllocsPerPush   float64 `json:"allocs_per_push"`
	Acknowledged    Latency `json:"acknowledged"` // until the answer to the push
	Delivered       Latency `json:"delivered"`    // until read at the subscriber
}

// WriteTable writes the report for people.
func (r *PushReport) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%d publishers with a key and a subscriber each, %d messages of %d bytes from each\n", r.Publishers, r.Messages, r.Size)
	subject := func(run PushRun) string { return run.Subject }
	err := writeTable(w, subject, r.Runs, []column[PushRun]{
		{"pushes/s", "%.0f", func(run PushRun) float64 { return run.PushesPerSecond }},
		{"µs CPU/push", "%.1f", func(run PushRun) float64 { return run.CPUPerPush }},
		{"allocs/push", "%.0f", func(run PushRun) float64 { return run.AllocsPerPush }},
		{"ack p50 ms", "%.2f", func(run PushRun) float64 { return run.Acknowledged.P50 / 1000 }},
		{"p99", "%.2f", func(run PushRun) float64 { return run.Acknowledged.P99 / 1000 }},
		{"max", "%.1f", func(run PushRun) float64 { return run.Acknowledged.Max / 1000 }},
		{"delivery p50 ms", "%.2f", func(run PushRun) float64 { return run.Delivered.P50 / 1000 }},
		{"p99", "%.2f", func(run PushRun) float64 { return run.Delivered.P99 / 1000 }},
	})
	if err != nil {
		return err
	}
	if err := writeTally(w, r.Tally); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "read back: %d stored messages; %d lost, %d doubled, %d out of order\n",
		r.ReadBack.Received, r.ReadBack.Lost, r.ReadBack.Doubled, r.ReadBack.OutOfOrder)
	return err
}
