package bench

import (
	"fmt"
	"io"
	"time"
)

// FailoverConfig says how the end of a node of a cluster is measured.
type FailoverConfig struct {
	Config
	Registries  []string      // "static", "zookeeper" and "etcd", in turn
	Ends        []string      // "kill" and "term": how the node ends, in turn
	Connections int           // devices on that node, each with a key of its own, which it owns
	Publishers  int           // that push to these keys at another node, each when its last push was answered
	Size        int           // of a payload in bytes, at least MinPayload
	Session     time.Duration // how long a node that is not heard of counts as there
}

// FailoverReport is what Failover measured.
type FailoverReport struct {
	Connections int           `json:"connections"`
	Publishers  int           `json:"publishers"`
	Session     float64       `json:"session_s"`
	Runs        []FailoverRun `json:"runs"`
	Tally       Tally         `json:"tally"`
}

// FailoverRun is one run of Failover. All counts from the signal.
type FailoverRun struct {
	Subject  string  `json:"subject"`     // "kill, static"
	Resumed  float64 `json:"resumed_s"`   // until all devices were subscribed elsewhere
	Pushed   float64 `json:"pushed_s"`    // until every publisher had a push acknowledged that it began after the signal
	All      float64 `json:"all_keys_s"`  // until every key had one
	Delivery float64 `json:"caught_up_s"` // until every device had all that was acknowledged by then
	Moves    int     `json:"moves"`       // connections that ended or were refused
	Refused  int     `json:"refused"`     // pushes, which were made again
	Unknown  int     `json:"unknown"`     // pushes whose answer was cut off; the store told whether they were taken
	Tally    Tally   `json:"tally"`
}

// WriteTable writes the report for people.
func (r *FailoverReport) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s on the node that ends, %s at another; the session timeout is %g s\n",
		plural(r.Connections, "device"), plural(r.Publishers, "publisher"), r.Session)
	seconds := func(name string, value func(FailoverRun) float64) column[FailoverRun] {
		return column[FailoverRun]{name, "%.2f", value}
	}
	columns := []column[FailoverRun]{
		seconds("all resumed s", func(run FailoverRun) float64 { return run.Resumed }),
		seconds("pushes again s", func(run FailoverRun) float64 { return run.Pushed }),
		seconds("to all keys s", func(run FailoverRun) float64 { return run.All }),
		seconds("all caught up s", func(run FailoverRun) float64 { return run.Delivery }),
		{"refused", "%.0f", func(run FailoverRun) float64 { return float64(run.Refused) }},
		{"unknown", "%.0f", func(run FailoverRun) float64 { return float64(run.Unknown) }},
	}
	if err := writeTable(w, func(run FailoverRun) string { return run.Subject }, r.Runs, columns); err != nil {
		return err
	}
	return writeTally(w, "at the devices", r.Tally)
}
