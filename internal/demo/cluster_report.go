package demo

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// ClusterReport is what a run on a cluster comes to.
type ClusterReport struct {
	Text                         string // name of it
	Lines, Rooms, Devices, Nodes int
	Counts                           // of all devices together, of what was acknowledged
	Acknowledged                 int // pushes
	Refused                      int // attempts that a node refused, or that reached none: they were made again
	Unanswered                   int // pushes whose answer was cut off: they may have been taken, or not
	Gaps, Reconnects             int // gaps that devices were told of; connections after their first
	Live, CaughtUp               Latency
	Session                      time.Duration // after which a node that is not heard of is out
	Recovered                    time.Duration // from the kill until every room had a push acknowledged again
	Took                         time.Duration // from the first connect to the last delivery
}

// Err returns nil if every device got every line that was acknowledged once, in order and unaltered.
func (r *ClusterReport) Err() error {
	return (&Report{Counts: r.Counts}).Err()
}

// Print writes the report as a table.
func (r *ClusterReport) Print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, n int, note string, args ...any) {
		fmt.Fprintf(t, "%-12s\t%s\t  "+note+"\n", append([]any{name, thousands(n)}, args...)...)
	}
	fmt.Fprintln(t)
	row("acknowledged", r.Acknowledged, "of %s pushes: %s lines of %s to each of %s rooms, at %d nodes in turn",
		thousands(r.Lines*r.Rooms), thousands(r.Lines), r.Text, thousands(r.Rooms), r.Nodes)
	row("refused", r.Refused, "attempts after kill -9 of a node, made again")
	row("unanswered", r.Unanswered, "pushes whose answer was cut off by it: they may have come")
	row("delivered", r.Delivered, "of %s, to %s devices on all nodes", thousands(r.Lines*r.Devices), thousands(r.Devices))
	row("lost", r.Lost, "were acknowledged and never came")
	row("doubled", r.Doubled, "came again")
	row("out of order", r.OutOfOrder, "came after a later line")
	row("altered", r.Altered, "are no line that was pushed")
	row("gaps", r.Gaps, "told to devices by a node")
	row("reconnects", r.Reconnects, "of devices that were away, or whose node was killed")
	fmt.Fprintf(t, "%-12s\t%.1f s\t  after kill -9 every room was pushed to again; a node that is not heard of is out after %v\n", "recovered", r.Recovered.Seconds(), r.Session)
	fmt.Fprintf(t, "%-12s\t%.1f s\t  in all\n\n", "took", r.Took.Seconds())
	fmt.Fprintf(t, "%-12s\tp50\tp90\tp99\tp99.9\tmax\tmessages\t\n", "latency")
	r.Live.print(t, "live", "from the push")
	r.CaughtUp.print(t, "caught up", "from the reconnect")
	return t.Flush()
}
