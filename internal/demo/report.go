package demo

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is what a run comes to.
type Report struct {
	Text                  string // name of it
	Lines, Rooms, Devices int
	Counts                    // of all devices together
	Gaps, Reconnects      int // gaps that devices were told of; connections after their first
	Live, CaughtUp        Latency
	Down, Took            time.Duration // of the node after it was killed; from the first connect to the last delivery
}

// Err returns nil if every device got every line once, in order and unaltered.
func (r *Report) Err() error {
	wrong := r.Counts
	wrong.Delivered = 0
	if wrong == (Counts{}) {
		return nil
	}
	return fmt.Errorf("broken promises: %d lost, %d doubled, %d out of order, %d altered",
		r.Lost, r.Doubled, r.OutOfOrder, r.Altered)
}

// Print writes the report as a table.
func (r *Report) Print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, n int, note string, args ...any) {
		fmt.Fprintf(t, "%-12s\t%s\t  "+note+"\n", append([]any{name, thousands(n)}, args...)...)
	}
	fmt.Fprintln(t)
	row("pushed", r.Lines*r.Rooms, "%s lines of %s to each of %s rooms", thousands(r.Lines), r.Text, thousands(r.Rooms))
	row("delivered", r.Delivered, "of %s, to %s devices", thousands(r.Lines*r.Devices), thousands(r.Devices))
	row("lost", r.Lost, "never came")
	row("doubled", r.Doubled, "came again")
	row("out of order", r.OutOfOrder, "came after a later line")
	row("altered", r.Altered, "are no line that was pushed")
	row("gaps", r.Gaps, "told to devices by the node")
	row("reconnects", r.Reconnects, "of devices that were away, and after kill -9: the node was down for %v", r.Down.Round(time.Millisecond))
	fmt.Fprintf(t, "%-12s\t%.1f\t\n\n", "seconds", r.Took.Seconds())
	fmt.Fprintf(t, "%-12s\tp50\tp90\tp99\tp99.9\tmax\tmessages\t\n", "latency")
	r.Live.print(t, "live", "from the push")
	r.CaughtUp.print(t, "caught up", "from the reconnect")
	return t.Flush()
}

func (l *Latency) print(t io.Writer, name, since string) {
	fmt.Fprintf(t, "%-12s\t", name)
	for _, d := range []time.Duration{l.P50, l.P90, l.P99, l.P999, l.Max} {
		fmt.Fprintf(t, "%.1f ms\t", float64(d)/float64(time.Millisecond))
	}
	fmt.Fprintf(t, "%s\t  %s\n", thousands(l.Count), since)
}
