package bench

import (
	"fmt"
	"io"
	"time"
)

// IdleConfig says how memory for each idle connection is measured.
type IdleConfig struct {
	Config
	Steps []int         // numbers of connections, growing, at least two
	Calm  time.Duration // memory that has not changed for so long is settled; 0: 5 s
}

// IdleReport is what Idle measured.
type IdleReport struct {
	Steps []int     `json:"steps"`
	Runs  []IdleRun `json:"runs"`
	Tally Tally     `json:"tally"`
}

// IdleRun is one run of Idle: a connection is subscribed to a key of its own and silent.
type IdleRun struct {
	Subject       string  `json:"subject"`
	RSS           []int64 `json:"rss_bytes"`            // of the node, settled, after each step
	PerConnection float64 `json:"bytes_per_connection"` // slope from the first step to the last
	Tally         Tally   `json:"tally"`
}

// WriteTable writes the report for people.
func (r *IdleReport) WriteTable(w io.Writer) error {
	columns := []column[IdleRun]{{"bytes/connection", "%.0f", func(run IdleRun) float64 { return run.PerConnection }}}
	for i, n := range r.Steps {
		columns = append(columns, column[IdleRun]{fmt.Sprintf("MiB at %d", n), "%.2f", func(run IdleRun) float64 {
			return float64(run.RSS[i]) / (1 << 20)
		}})
	}
	subject := func(run IdleRun) string { return run.Subject }
	if err := writeTable(w, subject, r.Runs, columns); err != nil {
		return err
	}
	return writeTally(w, "at the subscribers", r.Tally)
}
