package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// LoadConfig says what is pushed and who subscribes.
type LoadConfig struct {
	Config
	Shared      bool          // all connections subscribe to one key, else each to one of its own
	Connections int           // at least one
	Publishers  int           // at least one, at most as many as keys: each has keys of its own
	Pipelined   bool          // publishers write on before they are answered
	Batch       int           // messages that a publisher writes in one call, at least one
	Messages    int           // of each run
	Size        int           // of a payload in bytes, at least MinPayload
	Expire      int           // seconds that messages are kept; 0: they are live only
	Random      bool          // keys come at random, else in turn
	Window      int           // messages that may be on their way at a time; 0: any number
	Rate        float64       // messages a second, each due at its time; 0: as the window has room
	Churn       float64       // connections that leave a second, to resume; 0: all stay
	Away        time.Duration // that those are away
	Stalled     int           // of the connections, so many subscribe and never read; all is measured without any, and then so; needs Shared, and a node
}

// LoadReport is what Load measured.
type LoadReport struct {
	Connections int       `json:"connections"`
	Keys        int       `json:"keys"`
	Publishers  int       `json:"publishers"`
	Pipelined   bool      `json:"pipelined"`
	Batch       int       `json:"batch"`
	Messages    int       `json:"messages"`
	Size        int       `json:"payload_bytes"`
	Expire      int       `json:"expire_s"`
	Window      int       `json:"window,omitempty"`
	Rate        float64   `json:"rate,omitempty"`
	Churn       float64   `json:"churn,omitempty"`
	AwaySeconds float64   `json:"away_s,omitempty"`
	Stalled     int       `json:"stalled,omitempty"`
	Runs        []LoadRun `json:"runs"`
	Tally       Tally     `json:"tally"`     // of all runs
	ReadBack    Tally     `json:"read_back"` // of all runs
}

// LoadRun is one run of Load.
type LoadRun struct {
	Subject           string  `json:"subject"`
	CPUPerDelivery    float64 `json:"cpu_us_per_delivery"`    // of the server, the push included
	ByFloor           float64 `json:"cpu_by_floor,omitempty"` // that, by the same of the floor's run before it
	MessagesPerSecond float64 `json:"messages_per_second"`
	Deliveries        int     `json:"deliveries"` // messages times connections
	DeliveriesPerSec  float64 `json:"deliveries_per_second"`
	MessagesPerRead   float64 `json:"messages_per_read"`                   // above 1 the server joins, or the receiver lags
	BytesPerMessage   float64 `json:"bytes_per_message"`                   // read at a subscriber
	Returned          int     `json:"returned"`                            // connections that came back
	Cost              Cost    `json:"cost"`                                // of the server; of a cluster, of all nodes together, without redis-server
	OwnerCPU          float64 `json:"owner_cpu_us_per_delivery,omitempty"` // of a cluster: of the node that owns all keys, by the deliveries to its own subscribers
	RelayCPU          float64 `json:"relay_cpu_us_per_delivery,omitempty"` // the same of the other nodes, on average
	NodeRSS           float64 `json:"node_resident_bytes,omitempty"`       // of the node that has the most
	Latency           Latency `json:"latency"`                             // until read at a subscriber that was there; with Rate since the message was due
	Resumed           Latency `json:"resumed"`                             // of messages that were missed, since their subscriber was due to come back
	Tally             Tally   `json:"tally"`                               // of the whole run, with what was pushed before and after it was measured
	ReadBack          Tally   `json:"read_back"`                           // of what was stored, by subscribers that had seen nothing
	Answered          Latency `json:"answered"`                            // from a publisher's write until all of it was answered
}

func (cfg *LoadConfig) keys() int {
	if cfg.Shared {
		return 1
	}
	return cfg.Connections
}

func (cfg *LoadConfig) report(runs []LoadRun) *LoadReport {
	r := &LoadReport{
		Connections: cfg.Connections, Keys: cfg.keys(), Publishers: cfg.Publishers, Pipelined: cfg.Pipelined,
		Batch: cfg.Batch, Messages: cfg.Messages, Size: cfg.Size, Expire: cfg.Expire, Window: cfg.Window,
		Rate: cfg.Rate, Churn: cfg.Churn, AwaySeconds: cfg.Away.Seconds(), Stalled: cfg.Stalled,
		Runs: runs,
	}
	compare(runs)
	for _, run := range runs {
		r.Tally.add(run.Tally)
		r.ReadBack.add(run.ReadBack)
	}
	return r
}

// compare notes the CPU of each run by that of the run of the floor before it.
func compare(runs []LoadRun) {
	base := 0.0
	for i := range runs {
		if runs[i].Subject == floorName {
			base = runs[i].CPUPerDelivery
		}
		if base > 0 {
			runs[i].ByFloor = runs[i].CPUPerDelivery / base
		}
	}
}

// WriteTable writes the report for people.
func (r *LoadReport) WriteTable(w io.Writer) error {
	fmt.Fprintln(w, r.title())
	err := writeTable(w, func(run LoadRun) string { return run.Subject }, r.Runs, r.columns())
	if err != nil {
		return err
	}
	r.writeChange(w)
	if err := writeTally(w, "at the subscribers", r.Tally); err != nil || r.ReadBack == (Tally{}) {
		return err
	}
	return writeTally(w, "read back from the store", r.ReadBack)
}

// writeChange tells how stalled connections change the latency of the others: in medians of the runs.
func (r *LoadReport) writeChange(w io.Writer) {
	if r.Stalled == 0 {
		return
	}
	var without, beside []float64
	for i, run := range r.Runs { // in turn
		if i%2 == 0 {
			without = append(without, run.Latency.P99)
		} else {
			beside = append(beside, run.Latency.P99)
		}
	}
	slices.Sort(without)
	slices.Sort(beside)
	a, b := without[len(without)/2], beside[len(beside)/2]
	fmt.Fprintf(w, "p99 of the others: %.0f µs without, %.0f µs beside %s: %+.1f %%\n", a, b, plural(r.Stalled, "stalled connection"), 100*(b-a)/a)
}

// title is "2,000 connections on one key, 1 publisher, 200 messages of 128 bytes, …".
func (r *LoadReport) title() string {
	keys := "on one key"
	if r.Keys > 1 {
		keys = "on a key each"
	}
	parts := []string{
		plural(r.Connections, "connection") + " " + keys, plural(r.Publishers, "publisher"),
		fmt.Sprintf("%s of %d bytes", plural(r.Messages, "message"), r.Size),
	}
	for _, part := range []struct {
		shown bool
		text  string
	}{
		{r.Pipelined, "pipelined"},
		{r.Batch > 1, fmt.Sprintf("%d in a write", r.Batch)},
		{r.Window > 0, fmt.Sprintf("window %d", r.Window)},
		{r.Rate > 0, fmt.Sprintf("%g a second", r.Rate)},
		{r.Expire > 0, fmt.Sprintf("stored for %d s", r.Expire)},
		{r.Churn > 0, fmt.Sprintf("%g connections a second leave for %g s", r.Churn, r.AwaySeconds)},
	} {
		if part.shown {
			parts = append(parts, part.text)
		}
	}
	return strings.Join(parts, ", ")
}

// clusterColumns are what is known of the nodes of a cluster.
func clusterColumns() []column[LoadRun] {
	return []column[LoadRun]{
		{"owner µs/delivery", "%.2f", func(run LoadRun) float64 { return run.OwnerCPU }},
		{"relay µs/delivery", "%.2f", func(run LoadRun) float64 { return run.RelayCPU }},
		{"MiB/node", "%.1f", func(run LoadRun) float64 { return run.NodeRSS / (1 << 20) }},
	}
}

func (r *LoadReport) columns() []column[LoadRun] {
	columns := []column[LoadRun]{
		{"µs CPU/delivery", "%.2f", func(run LoadRun) float64 { return run.CPUPerDelivery }},
		{"deliveries/s", "%.0f", func(run LoadRun) float64 { return run.DeliveriesPerSec }},
		{"messages/read", "%.2f", func(run LoadRun) float64 { return run.MessagesPerRead }},
		{"bytes", "%.0f", func(run LoadRun) float64 { return run.BytesPerMessage }},
		{"switches/delivery", "%.3f", func(run LoadRun) float64 { return per(run.Cost.Switches, float64(run.Deliveries)) }},
		{"allocs/delivery", "%.4g", func(run LoadRun) float64 { return per(run.Cost.Allocs, float64(run.Deliveries)) }},
		{"RSS MiB", "%.1f", func(run LoadRun) float64 { return run.Cost.RSS / (1 << 20) }},
	}
	if slices.ContainsFunc(r.Runs, func(run LoadRun) bool { return run.ByFloor > 0 }) {
		columns = slices.Insert(columns, 1, column[LoadRun]{"× floor", "%.2f", func(run LoadRun) float64 { return run.ByFloor }})
	}
	if slices.ContainsFunc(r.Runs, func(run LoadRun) bool { return run.NodeRSS > 0 }) {
		columns = append(columns, clusterColumns()...)
	}
	columns = append(columns, latencies("delivery", func(run LoadRun) Latency { return run.Latency })...)
	columns = append(columns, latencies("answer", func(run LoadRun) Latency { return run.Answered })...)
	if r.Churn > 0 {
		columns = append(columns, column[LoadRun]{"came back", "%.0f", func(run LoadRun) float64 { return float64(run.Returned) }})
		columns = append(columns, latencies("missed", func(run LoadRun) Latency { return run.Resumed })...)
	}
	return columns
}
