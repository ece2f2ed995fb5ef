package bench

import (
	"fmt"
	"io"
)

// ConnectConfig says how connecting is measured.
type ConnectConfig struct {
	Config
	Connections int     // each subscribes to a key of its own
	Rate        float64 // connections a second, each due at its time; 0: as fast as they can
}

// ConnectReport is what Connect measured.
type ConnectReport struct {
	Connections int          `json:"connections"`
	Rate        float64      `json:"rate,omitempty"`
	Runs        []ConnectRun `json:"runs"`
	Tally       Tally        `json:"tally"`
}

// ConnectRun is one run of Connect.
type ConnectRun struct {
	Subject              string  `json:"subject"`
	CPUPerConnection     float64 `json:"cpu_us_per_connection"` // of the server, to accept and to subscribe
	ConnectionsPerSecond float64 `json:"connections_per_second"`
	Latency              Latency `json:"latency"` // from before the connect until subscribed; with Rate since it was due
	Cost                 Cost    `json:"cost"`
	Tally                Tally   `json:"tally"`
}

// WriteTable writes the report for people.
func (r *ConnectReport) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s, each subscribed to a key of its own\n", plural(r.Connections, "connection"))
	n := float64(r.Connections)
	columns := append([]column[ConnectRun]{
		{"µs CPU/connection", "%.1f", func(run ConnectRun) float64 { return run.CPUPerConnection }},
		{"connections/s", "%.0f", func(run ConnectRun) float64 { return run.ConnectionsPerSecond }},
		{"switches each", "%.2f", func(run ConnectRun) float64 { return run.Cost.Switches / n }},
		{"allocs each", "%.1f", func(run ConnectRun) float64 { return run.Cost.Allocs / n }},
	}, latencies("subscribed", func(run ConnectRun) Latency { return run.Latency })...)
	if err := writeTable(w, func(run ConnectRun) string { return run.Subject }, r.Runs, columns); err != nil {
		return err
	}
	return writeTally(w, "at the subscribers", r.Tally)
}
