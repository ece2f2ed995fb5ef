package main

import (
	"fmt"
	"strings"
)

// target is what a figure is meant to be at most.
type target struct {
	what     string
	workload string
	subject  string // that must lose nothing, besides
	measured func(o *outcome, subject string) []float64
	most     float64
	unit     string
	digits   int
}

// share returns a figure by that of another subject in the same round.
func share(by, name string) func(*outcome, string) []float64 {
	return func(o *outcome, subject string) []float64 { return o.ratios(subject, by, name) }
}

// inverse is for what is better the more it is: that of another subject by a figure.
func inverse(of, name string) func(*outcome, string) []float64 {
	return func(o *outcome, subject string) []float64 { return o.ratios(of, subject, name) }
}

// plain returns a figure as it is.
func plain(name string) func(*outcome, string) []float64 {
	return func(o *outcome, subject string) []float64 { return o.of(subject).values(name) }
}

// targets are what gopush is meant to cost, beside the floor and the best of the others.
func targets() (all []target) {
	cpu, late := cpuPerDelivery().name, p99().name
	for _, n := range []struct{ id, name string }{{"2000", "2,000"}, {"10000", "10,000"}} {
		one, eight := "broadcast, one at a time, "+n.name, "broadcast, 8 under way, "+n.name
		all = append(all,
			target{one + ", TCP", "broadcast-1-" + n.id, gopushTCP, share(floor, cpu), 0.9, "× floor", 2},
			target{one + ", TCP without io_uring", "broadcast-1-" + n.id, gopushEpoll, share(floor, cpu), 1.1, "× floor", 2},
			target{one + ", WebSocket", "broadcast-1-" + n.id, gopushWS, share(floor, cpu), 0.9, "× floor", 2},
			target{eight, "broadcast-8-" + n.id, gopushTCP, share(redis, cpu), 0.85, "× redis", 2},
			target{eight + ", p99 latency", "broadcast-8-" + n.id, gopushTCP, share(redis, late), 1, "× redis", 2},
		)
	}
	all = append(all,
		target{"broadcast, 16 a write, 2,000", "broadcast-16-2000", gopushTCP, plain(cpu), 0.45, "µs", 2},
		target{"unicast over HTTP", "unicast-http", gopushTCP, plain(cpu), 30, "µs", 1},
		target{"unicast, stored", "unicast-stored", gopushTCP, plain(cpu), 60, "µs", 1},
		target{"idle connection, TCP", "idle", gopushTCP, plain("bytes_per_connection"), 500, "bytes", 0},
		target{"idle connection, WebSocket", "idle", gopushWS, plain("bytes_per_connection"), 500, "bytes", 0},
		target{"connect and subscribe, TCP", "connect", gopushTCP, plain("cpu_us_per_connection"), 40, "µs", 1},
		target{"connect and subscribe, WebSocket", "connect", gopushWS, plain("cpu_us_per_connection"), 60, "µs", 1},
		target{"messages lost, doubled or out of order at a resume", "resume", gopushTCP, wrong, 0, "", 0},
	)
	return append(all, likeRedisTargets()...)
}

// likeRedisTargets are what gopush is meant to cost where clients of Redis use it.
func likeRedisTargets() (all []target) {
	cpu, each := cpuPerDelivery().name, "bytes_per_connection"
	for _, t := range []struct{ what, workload string }{
		{"PUBLISH to one subscriber each, one command a write", "redis-publish-1"},
		{"PUBLISH to one subscriber each, 64 commands a write", "redis-publish-64"},
		{"PUBLISH to 10,000 subscribers, one at a time", "redis-broadcast-1"},
		{"PUBLISH to 10,000 subscribers, 8 under way", "redis-broadcast-8"},
	} {
		all = append(all, target{t.what, t.workload, gopushRedis, share(redis, cpu), 1, "× redis", 2})
	}
	all = append(
		all,
		target{"XADD to a blocked XREAD", "redis-wake", gopushStreams, share(redisStreams, cpu), 1, "× redis", 2},
		target{"a blocked XREAD", "redis-blocked", gopushStreams, share(redisStreams, each), 1, "× redis", 2},
	)
	for _, n := range []string{"1", "64", "512"} {
		all = append(all, target{
			"XADD on disk, " + n + " under way, pushes/s of redis", "redis-disk-" + n, gopushStreams,
			inverse(redisStreams, "pushes_per_second"), 1, "× gopush", 2,
		})
	}
	return all
}

// wrong returns how many messages of each run did not come exactly once and in order.
func wrong(o *outcome, subject string) (all []float64) {
	for _, run := range o.of(subject).Runs {
		if run != nil {
			all = append(all, run["tally.lost"]+run["tally.doubled"]+run["tally.out_of_order"])
		}
	}
	return all
}

// targetTable returns all targets and how far they are met, in Markdown.
func targetTable(outcomes map[string]*outcome) string {
	var b strings.Builder
	row(&b, []string{"what", "target", "measured", ""})
	row(&b, []string{"---", "---", "---", "---"})
	for _, t := range targets() {
		want := strings.TrimSpace(fmt.Sprintf("≤ %s %s", number(t.most, t.digits), t.unit))
		o := outcomes[t.workload]
		values := t.measured(o, t.subject)
		row(&b, []string{t.what, want, spread(values, t.digits), t.verdict(values, o.of(t.subject).missing())})
	}
	return b.String()
}

// verdict compares the median of values with the target. What is cheap because messages are
// missing is not met.
func (t target) verdict(values []float64, missing string) string {
	if len(values) == 0 {
		return "not measured"
	}
	got := median(values)
	switch {
	case missing != "":
		return "**missed**:" + missing
	case got > t.most && t.most == 0:
		return "**missed**"
	case got > t.most:
		return fmt.Sprintf("**missed by %.0f %%**", 100*(got/t.most-1))
	case t.most > 0:
		return fmt.Sprintf("met by %.0f %%", 100*(1-got/t.most))
	}
	return "met"
}
