package main

// likeRedis are the sections in which the same clients of Redis use a node and redis-server. Workloads are called redis-…: "make
// bench-redis" measures these.
func likeRedis() []section {
	return append(pubsub(), storing("memory"), storing("disk"), waking(), blocked())
}

func bothRedis() []string   { return []string{gopushRedis, redis} }
func bothStreams() []string { return []string{gopushStreams, redisStreams} }

// pubsub is PUBLISH. As redis-benchmark does it, publishers write one command, or 64, and wait for all answers.
func pubsub() []section {
	return []section{
		{
			id: "redis-publish", title: "PUBLISH to 1,000 keys with one subscriber each", metrics: unicastMetrics(), base: redis,
			workloads: []workload{
				{"redis-publish-1", "8 publishers, one command a write", "unicast -n 1000 -p 8 --window 1024 -m 100000", bothRedis()},
				{"redis-publish-64", "8 publishers, 64 commands a write", "unicast -n 1000 -p 8 --batch 64 --window 1024 -m 400000", bothRedis()},
			},
		},
		{
			id: "redis-broadcast", title: "PUBLISH to one key with 10,000 subscribers", metrics: broadcastMetrics(), base: redis,
			workloads: []workload{
				{"redis-broadcast-1", "one message at a time", "broadcast -n 10000 -m 40", bothRedis()},
				{"redis-broadcast-8", "8 messages under way", "broadcast -n 10000 -m 64 --window 8 --pipelined", bothRedis()},
			},
		},
	}
}

// storing is XADD that is answered in memory or on disk.
func storing(where string) section {
	s := section{
		id: "redis-" + where, title: "XADD to 1,000 keys, stored in memory", base: redisStreams,
		metrics: []metric{
			{"cpu_us_per_push", 1, "µs CPU a push", 2},
			perSecond("pushes", "pushes_per_second"),
			{"answered.p50_us", 1000, "p50 ms", 2},
			{"answered.p99_us", 1000, "p99 ms", 2},
		},
	}
	messages := []string{"60000", "400000", "400000"}
	if where == "disk" {
		s.title = "XADD to 1,000 keys, stored on disk"
		s.metrics[0], s.metrics[1] = s.metrics[1], s.metrics[0]
		messages = []string{"20000", "200000", "250000"} // less than what has redis-server rewrite its log
	}
	for i, load := range []struct{ underWay, title, args string }{
		{"1", "1 under way", "-p 1"},
		{"64", "64 under way, 8 publishers", "-p 8 --batch 8"},
		{"512", "512 under way, 8 publishers", "-p 8 --batch 64"},
	} {
		args := "store --store " + where + " " + load.args + " -m " + messages[i]
		s.workloads = append(s.workloads, workload{s.id + "-" + load.underWay, load.title, args, bothStreams()})
	}
	return s
}

// waking is what a message costs that somebody waits for with XREAD, until he waits again.
func waking() section {
	metrics := unicastMetrics()
	metrics[0].title, metrics[1].title = "µs CPU a wake-up", "wake-ups/s"
	return section{
		id: "redis-wake", title: "XADD to 10,000 keys with a blocked XREAD each", metrics: metrics, base: redisStreams,
		workloads: []workload{{
			"redis-wake", "8 publishers, keys at random",
			"unicast -n 10000 -p 8 --random --window 64 -m 60000 --expire 3600 --store memory", bothStreams(),
		}},
	}
}

func blocked() section {
	return section{
		id: "redis-blocked", title: "Memory of a blocked XREAD", base: redisStreams,
		metrics:   []metric{{"bytes_per_connection", 1, "bytes a reader", 0}},
		workloads: []workload{{"redis-blocked", "100 to 10,000 readers", "idle --steps 100,10000 --store memory", bothStreams()}},
	}
}
