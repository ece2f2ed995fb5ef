package main

import (
	"fmt"
	"strings"
)

// target is what a figure is meant to be at most.
type target struct {
	what     string
	workload string
	measured func(o *outcome) []float64
	most     float64
	unit     string
	digits   int
}

// share returns a figure of a subject by that of another in the same round.
func share(subject, by, name string) func(*outcome) []float64 {
	return func(o *outcome) []float64 { return o.ratios(subject, by, name) }
}

// plain returns a figure of a subject.
func plain(subject, name string) func(*outcome) []float64 {
	return func(o *outcome) []float64 { return o.of(subject).values(name) }
}

// targets are what gopush is meant to cost, beside the floor and the best of the others.
func targets() (all []target) {
	cpu, late := cpuPerDelivery().name, p99().name
	for _, n := range []struct{ id, name string }{{"2000", "2,000"}, {"10000", "10,000"}} {
		one, eight := "broadcast, one at a time, "+n.name, "broadcast, 8 under way, "+n.name
		all = append(all,
			target{one + ", TCP", "broadcast-1-" + n.id, share(gopushTCP, floor, cpu), 0.9, "× floor", 2},
			target{one + ", TCP without io_uring", "broadcast-1-" + n.id, share(gopushEpoll, floor, cpu), 1.1, "× floor", 2},
			target{one + ", WebSocket", "broadcast-1-" + n.id, share(gopushWS, floor, cpu), 0.9, "× floor", 2},
			target{eight, "broadcast-8-" + n.id, share(gopushTCP, redis, cpu), 0.85, "× redis", 2},
			target{eight + ", p99 latency", "broadcast-8-" + n.id, share(gopushTCP, redis, late), 1, "× redis", 2},
		)
	}
	return append(all,
		target{"broadcast, 16 a write, 2,000", "broadcast-16-2000", plain(gopushTCP, cpu), 0.45, "µs", 2},
		target{"unicast over HTTP", "unicast-http", plain(gopushTCP, cpu), 30, "µs", 1},
		target{"unicast, stored", "unicast-stored", plain(gopushTCP, cpu), 60, "µs", 1},
		target{"idle connection, TCP", "idle", plain(gopushTCP, "bytes_per_connection"), 500, "bytes", 0},
		target{"idle connection, WebSocket", "idle", plain(gopushWS, "bytes_per_connection"), 500, "bytes", 0},
		target{"connect and subscribe, TCP", "connect", plain(gopushTCP, "cpu_us_per_connection"), 40, "µs", 1},
		target{"connect and subscribe, WebSocket", "connect", plain(gopushWS, "cpu_us_per_connection"), 60, "µs", 1},
		target{"messages lost, doubled or out of order at a resume", "resume", wrong(gopushTCP), 0, "", 0},
	)
}

// wrong returns how many messages of each run did not come exactly once and in order.
func wrong(subject string) func(*outcome) []float64 {
	return func(o *outcome) (all []float64) {
		for _, run := range o.of(subject).Runs {
			if run != nil {
				all = append(all, run["tally.lost"]+run["tally.doubled"]+run["tally.out_of_order"])
			}
		}
		return all
	}
}

// targetTable returns all targets and how far they are met, in Markdown.
func targetTable(outcomes map[string]*outcome) string {
	var b strings.Builder
	row(&b, []string{"what", "target", "measured", ""})
	row(&b, []string{"---", "---", "---", "---"})
	for _, t := range targets() {
		want := strings.TrimSpace(fmt.Sprintf("≤ %s %s", number(t.most, t.digits), t.unit))
		values := t.measured(outcomes[t.workload])
		got := spread(values, t.digits)
		row(&b, []string{t.what, want, got, t.verdict(values)})
	}
	return b.String()
}

// verdict compares the median of values with the target.
func (t target) verdict(values []float64) string {
	if len(values) == 0 {
		return "not measured"
	}
	got := median(values)
	switch {
	case got > t.most && t.most == 0:
		return "**missed**"
	case got > t.most:
		return fmt.Sprintf("**missed by %.0f %%**", 100*(got/t.most-1))
	case t.most > 0:
		return fmt.Sprintf("met by %.0f %%", 100*(1-got/t.most))
	}
	return "met"
}
