package bench

import (
	"fmt"
	"io"
)

// ResumeConfig says how devices that come back are measured.
type ResumeConfig struct {
	Config
	Connections int // devices, each with a key of its own
	Backlog     int // messages that wait for each of them
	Size        int // of a payload in bytes, at least MinPayload
}

// ResumeReport is what Resume measured.
type ResumeReport struct {
	Connections int         `json:"connections"`
	Backlog     int         `json:"backlog"`
	Size        int         `json:"payload_bytes"`
	Runs        []ResumeRun `json:"runs"`
	Tally       Tally       `json:"tally"`
}

// ResumeRun is one run of Resume. All counts from the moment at which all devices are to come
// back.
type ResumeRun struct {
	Subject           string  `json:"subject"`
	Seconds           float64 `json:"seconds"` // until all have all
	CPUPerDevice      float64 `json:"cpu_us_per_device"`
	CPUPerMessage     float64 `json:"cpu_us_per_message"`
	MessagesPerSecond float64 `json:"messages_per_second"`
	Subscribed        Latency `json:"subscribed"` // until a device is subscribed
	Resumed           Latency `json:"resumed"`    // until a message that waited has come
	Cost              Cost    `json:"cost"`
	Tally             Tally   `json:"tally"`
}

// WriteTable writes the report for people.
func (r *ResumeReport) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s come back at once, %s of %d bytes wait for each\n",
		plural(r.Connections, "device"), plural(r.Backlog, "message"), r.Size)
	n := float64(r.Connections)
	columns := []column[ResumeRun]{
		{"seconds", "%.2f", func(run ResumeRun) float64 { return run.Seconds }},
		{"µs CPU/device", "%.0f", func(run ResumeRun) float64 { return run.CPUPerDevice }},
		{"µs CPU/message", "%.1f", func(run ResumeRun) float64 { return run.CPUPerMessage }},
		{"messages/s", "%.0f", func(run ResumeRun) float64 { return run.MessagesPerSecond }},
		{"switches/device", "%.2f", func(run ResumeRun) float64 { return run.Cost.Switches / n }},
		{"allocs/device", "%.0f", func(run ResumeRun) float64 { return run.Cost.Allocs / n }},
		{"RSS MiB", "%.1f", func(run ResumeRun) float64 { return run.Cost.RSS / (1 << 20) }},
	}
	columns = append(columns, latencies("subscribed", func(run ResumeRun) Latency { return run.Subscribed })...)
	columns = append(columns, latencies("message", func(run ResumeRun) Latency { return run.Resumed })...)
	if err := writeTable(w, func(run ResumeRun) string { return run.Subject }, r.Runs, columns); err != nil {
		return err
	}
	return writeTally(w, "at the devices", r.Tally)
}
