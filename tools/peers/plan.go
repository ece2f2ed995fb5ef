package main

import (
	"slices"
	"strings"
)

// section is a table of the page and its plot: a row for each subject of each workload.
type section struct {
	id        string   // of its mark on the page, and of the file of its plot
	title     string   // of the plot
	metrics   []metric // of the other columns; the first is plotted
	base      string   // one column more: the first metric by that of this subject in the same round; "": none
	workloads []workload
}

// metric is a figure as people read it.
type metric struct {
	name   string  // in the JSON of gopush bench
	per    float64 // what it is divided by
	title  string  // with the unit
	digits int     // behind the point
}

// workload is one load under which all of its subjects are put in turn.
type workload struct {
	id       string // also the name of its file in bench/results
	title    string
	args     string // of gopush bench
	subjects []string
}

// command returns what follows "gopush bench" to measure a subject, "gopush ws" or "redis streams" (of a failover "kill etcd"), and the
// variables that it needs.
func (w *workload) command(subject string) (args, env []string) {
	server, kind, special := strings.Cut(subject, " ")
	if strings.HasPrefix(w.args, failoverArgs) {
		return append(strings.Fields(w.args), "--end", server, "--registry", kind), nil
	}
	args = append(strings.Fields(w.args), "--subject", server)
	switch {
	case subject == gopushEpoll:
		env = []string{"GOPUSH_ENGINE=epoll"}
	case special:
		args = append(args, "--protocol", kind)
		env = []string{"GOPUSH_ENGINE=io_uring"} // or fail
	}
	return args, env
}

// The subjects, as gopush bench names them. What "floor" costs is the least.
const (
	floor       = "floor"
	gopushTCP   = "gopush tcp"
	gopushWS    = "gopush ws"
	gopushEpoll = "gopush epoll" // over TCP, without io_uring
	redis       = "redis"
	nats        = "nats"
	mosquitto   = "mosquitto"
	nchan       = "nchan"

	// The same clients of Redis, of pub/sub and of streams.
	gopushRedis   = "gopush redis"
	gopushStreams = "gopush streams"
	redisStreams  = "redis streams"
)

// servers are all but the floor.
func servers() []string {
	return []string{gopushTCP, gopushWS, redis, nats, mosquitto, nchan}
}

// everybody takes part in a broadcast.
func everybody() []string { return append([]string{floor}, servers()...) }

// everyWay is everybody, and gopush in the way it has where io_uring is refused.
func everyWay() []string {
	all := everybody()
	return slices.Insert(all, slices.Index(all, gopushWS)+1, gopushEpoll)
}

// Figures of several sections.
func cpuPerDelivery() metric             { return metric{"cpu_us_per_delivery", 1, "µs CPU a delivery", 2} }
func perSecond(what, name string) metric { return metric{name, 1, what + "/s", 0} }
func p50() metric                        { return metric{"latency.p50_us", 1000, "p50 ms", 1} }
func p99() metric                        { return metric{"latency.p99_us", 1000, "p99 ms", 1} }

func broadcastMetrics() []metric {
	return []metric{
		cpuPerDelivery(), perSecond("deliveries", "deliveries_per_second"),
		{"messages_per_read", 1, "messages a read", 2},
		p50(), p99(),
		{"bytes_per_message", 1, "bytes a message", 0},
	}
}

func unicastMetrics() []metric {
	return []metric{
		{"cpu_us_per_delivery", 1, "µs CPU a message", 1},
		perSecond("messages", "messages_per_second"),
		{"latency.p50_us", 1000, "p50 ms", 2},
		{"latency.p99_us", 1000, "p99 ms", 2},
	}
}

// sections are all that is measured, in the order of the page. There are so many messages that a
// run lasts some seconds.
func sections() []section {
	return slices.Concat(broadcasts(), []section{unicast(), idle(), connect(), resume()}, likeRedis(), clusters())
}

func broadcasts() []section {
	broadcast := func(id, title string, workloads ...workload) section {
		return section{id: id, title: title, metrics: broadcastMetrics(), base: floor, workloads: workloads}
	}
	const few, many = "2,000 connections", "10,000 connections"
	return []section{
		broadcast("broadcast-1", "Broadcast, one message at a time",
			workload{"broadcast-1-2000", few, "broadcast -n 2000 -m 200", everyWay()},
			workload{"broadcast-1-10000", many, "broadcast -n 10000 -m 40", everyWay()}),
		broadcast("broadcast-8", "Broadcast, 8 messages under way",
			workload{"broadcast-8-2000", few, "broadcast -n 2000 -m 400 --window 8 --pipelined", everybody()},
			workload{"broadcast-8-10000", many, "broadcast -n 10000 -m 64 --window 8 --pipelined", everybody()}),
		broadcast("broadcast-16", "Broadcast, calls of 16 messages, as fast as they can be made",
			workload{"broadcast-16-2000", few, "broadcast -n 2000 -m 768 --window 128 --batch 16 --pipelined", everybody()}),
	}
}

func unicast() section {
	return section{
		id: "unicast", title: "Unicast over 2,000 keys, push and delivery together", metrics: unicastMetrics(),
		workloads: []workload{
			{"unicast-http", "4 publishers, HTTP", "unicast -n 2000 -m 40000", []string{gopushTCP, gopushWS, nchan}},
			{"unicast-pipelined", "1 publisher, pipelined", "unicast -n 2000 -m 100000 -p 1 --pipelined", servers()},
			{"unicast-stored", "64 publishers, HTTP, stored", "unicast -n 2000 -m 40000 -p 64 --expire 3600", []string{gopushTCP}},
		},
	}
}

func idle() section {
	return section{
		id: "idle", title: "Memory of an idle connection",
		metrics:   []metric{{"bytes_per_connection", 1, "bytes a connection", 0}},
		workloads: []workload{{"idle", "2,000 to 18,000 connections", "idle --steps 2000,18000", servers()}},
	}
}

func connect() section {
	return section{
		id: "connect", title: "Connect and subscribe", base: floor,
		metrics: []metric{
			{"cpu_us_per_connection", 1, "µs CPU a connection", 1},
			perSecond("connections", "connections_per_second"),
			p50(), p99(),
		},
		workloads: []workload{{"connect", "10,000 connections", "connect -n 10000", everybody()}},
	}
}

func resume() section {
	return section{
		id: "resume", title: "Devices come back at once, each with a backlog",
		metrics: []metric{
			{"seconds", 1, "seconds until all have all", 2},
			{"cpu_us_per_device", 1, "µs CPU a device", 0},
			{"cpu_us_per_message", 1, "µs CPU a message", 1},
			perSecond("messages", "messages_per_second"),
		},
		workloads: []workload{{"resume", "15,000 devices × 10 messages", "resume -n 15000 --backlog 10", []string{gopushTCP, gopushWS}}},
	}
}
