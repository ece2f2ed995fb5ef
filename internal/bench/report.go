package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// column is one figure of a run of type R as tables show it: the median of the runs of a
// subject, and behind it the least and the greatest.
type column[R any] struct {
	name   string
	format string // of the figure, as "%.2f"
	value  func(R) float64
}

// writeTable writes a line for each subject, in the order of their first runs.
func writeTable[R any](w io.Writer, subject func(R) string, runs []R, columns []column[R]) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "median (min–max)\t")
	for _, c := range columns {
		fmt.Fprint(t, c.name, "\t")
	}
	fmt.Fprintln(t)
	for _, s := range subjects(subject, runs) {
		of := slices.DeleteFunc(slices.Clone(runs), func(r R) bool { return subject(r) != s })
		fmt.Fprintf(t, "%s, %s\t", s, plural(len(of), "run"))
		for _, c := range columns {
			fmt.Fprint(t, c.of(of), "\t")
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func subjects[R any](subject func(R) string, runs []R) (names []string) {
	for _, r := range runs {
		if name := subject(r); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (c column[R]) of(runs []R) string {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = c.value(r)
	}
	return spread(c.format, values)
}

// spread is "median (min–max)" of values, of which there is at least one.
func spread(format string, values []float64) string {
	if len(values) == 1 {
		return fmt.Sprintf(format, values[0])
	}
	format += " (" + format + "–" + format + ")"
	return fmt.Sprintf(format, median(values), slices.Min(values), slices.Max(values))
}

// median is the middle one of values, or the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// latencies are the columns of what took so long.
func latencies[R any](what string, of func(R) Latency) []column[R] {
	return []column[R]{
		{what + " p50 ms", "%.2f", func(run R) float64 { return of(run).P50 / 1000 }},
		{"p99", "%.2f", func(run R) float64 { return of(run).P99 / 1000 }},
		{"max", "%.1f", func(run R) float64 { return of(run).Max / 1000 }},
	}
}

// writeTally writes what was counted at receivers.
func writeTally(w io.Writer, at string, t Tally) error {
	_, err := fmt.Fprintf(w, "%s: %d messages; %d lost, %d doubled, %d out of order, %d connections closed\n",
		at, t.Received, t.Lost, t.Doubled, t.OutOfOrder, t.Closed)
	return err
}
