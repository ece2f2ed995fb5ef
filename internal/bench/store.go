package bench

import (
	"cmp"
	"fmt"
	"io"
)

// StoreConfig says what is stored.
type StoreConfig struct {
	Config
	Keys       int // at least as many as publishers: each has keys of its own
	Publishers int // connections, at least one
	Batch      int // pushes that a publisher has under way: it writes so many at once and waits for all answers, at least one
	Messages   int // of each run
	Size       int // of a payload in bytes, at least MinPayload
}

// StoreReport is what Stored measured.
type StoreReport struct {
	Store      Store      `json:"store"`
	Keys       int        `json:"keys"`
	Publishers int        `json:"publishers"`
	Batch      int        `json:"batch"`
	Messages   int        `json:"messages"`
	Size       int        `json:"payload_bytes"`
	Runs       []StoreRun `json:"runs"`
	Tally      Tally      `json:"tally"` // of all runs
}

// StoreRun is one run of Stored.
type StoreRun struct {
	Subject         string  `json:"subject"`
	PushesPerSecond float64 `json:"pushes_per_second"`
	CPUPerPush      float64 `json:"cpu_us_per_push"`
	Answered        Latency `json:"answered"` // from a publisher's write until all of it was answered
	Cost            Cost    `json:"cost"`
	Tally           Tally   `json:"tally"` // of what was read at the end, beside all that was pushed
}

// WriteTable writes the report for people.
func (r *StoreReport) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s of %d bytes to %s, %d under way (%s, %d each), store: %s\n", plural(r.Messages, "message"), r.Size,
		plural(r.Keys, "key"), r.Publishers*r.Batch, plural(r.Publishers, "publisher"), r.Batch, cmp.Or(r.Store, AsItComes))
	columns := []column[StoreRun]{
		{"pushes/s", "%.0f", func(run StoreRun) float64 { return run.PushesPerSecond }},
		{"µs CPU/push", "%.2f", func(run StoreRun) float64 { return run.CPUPerPush }},
		{"switches/push", "%.3f", func(run StoreRun) float64 { return run.Cost.Switches / float64(r.Messages) }},
		{"allocs/push", "%.4g", func(run StoreRun) float64 { return run.Cost.Allocs / float64(r.Messages) }},
		{"RSS MiB", "%.1f", func(run StoreRun) float64 { return run.Cost.RSS / (1 << 20) }},
	}
	columns = append(columns, latencies("answer", func(run StoreRun) Latency { return run.Answered })...)
	if err := writeTable(w, func(run StoreRun) string { return run.Subject }, r.Runs, columns); err != nil {
		return err
	}
	return writeTally(w, "read back", r.Tally)
}
