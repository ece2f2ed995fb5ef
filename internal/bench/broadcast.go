package bench

import (
	"fmt"
	"io"
)

// BroadcastConfig says how the CPU of a delivery is measured.
type BroadcastConfig struct {
	Config
	Connections int // all subscribed to one key
	Messages    int // of each run
	Size        int // of a payload, in bytes, at least MinPayload
	Window      int // messages under way at a time, at least one
}

// BroadcastReport is what Broadcast measured.
type BroadcastReport struct {
	Connections int            `json:"connections"`
	Messages    int            `json:"messages"`
	Size        int            `json:"payload_bytes"`
	Window      int            `json:"window"`
	Runs        []BroadcastRun `json:"runs"`
	Ratios      []float64      `json:"ratios,omitempty"` // CPU of the node by that of the floor run before it
	Tally       Tally          `json:"tally"`
}

// BroadcastRun is one run of Broadcast.
type BroadcastRun struct {
	Subject             string  `json:"subject"`             // "floor" or "gopush PROTOCOL"
	CPUPerDelivery      float64 `json:"cpu_us_per_delivery"` // of the server, the push included
	DeliveriesPerSecond float64 `json:"deliveries_per_second"`
	MessagesPerRead     float64 `json:"messages_per_read"` // above 1 the server joins, or the receiver lags
	AllocsPerMessage    float64 `json:"allocs_per_message"`
	AllocsPerDelivery   float64 `json:"allocs_per_delivery"`
	Latency             Latency `json:"latency"` // until read at a subscriber
}

// ratios returns the CPU of each run of the node by that of the run of the floor before it.
func ratios(runs []BroadcastRun) (all []float64) {
	floor := 0.0
	for _, run := range runs {
		if run.Subject == floorName {
			floor = run.CPUPerDelivery
		} else if floor > 0 {
			all = append(all, run.CPUPerDelivery/floor)
		}
	}
	return all
}

// WriteTable writes the report for people.
func (r *BroadcastReport) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%d connections on one key, %d messages of %d bytes, window %d\n", r.Connections, r.Messages, r.Size, r.Window)
	subject := func(run BroadcastRun) string { return run.Subject }
	err := writeTable(w, subject, r.Runs, []column[BroadcastRun]{
		{"µs CPU/delivery", "%.2f", func(run BroadcastRun) float64 { return run.CPUPerDelivery }},
		{"deliveries/s", "%.0f", func(run BroadcastRun) float64 { return run.DeliveriesPerSecond }},
		{"messages/read", "%.2f", func(run BroadcastRun) float64 { return run.MessagesPerRead }},
		{"allocs/message", "%.0f", func(run BroadcastRun) float64 { return run.AllocsPerMessage }},
		{"allocs/delivery", "%.4f", func(run BroadcastRun) float64 { return run.AllocsPerDelivery }},
		{"p50 ms", "%.1f", func(run BroadcastRun) float64 { return run.Latency.P50 / 1000 }},
		{"p99 ms", "%.1f", func(run BroadcastRun) float64 { return run.Latency.P99 / 1000 }},
		{"max ms", "%.1f", func(run BroadcastRun) float64 { return run.Latency.Max / 1000 }},
	})
	if err != nil {
		return err
	}
	if len(r.Ratios) > 0 {
		fmt.Fprintf(w, "CPU by that of the floor: %s\n", spread("%.2f", r.Ratios))
	}
	return writeTally(w, r.Tally)
}
