package main

// The subjects of a cluster. What is pushed arrives at the node that owns all keys, or at another, the wrong one.
const (
	clusterTCP      = "cluster tcp"
	clusterWrongTCP = "cluster-wrong tcp"
)

// clusters are the sections that measure several nodes with one redis-server. Workloads are called cluster-…: "make
// bench-cluster" measures these.
func clusters() []section {
	return []section{failover(), spreadOut(), wrongNode(), tenNodes()}
}

// failover has how a node ends, and the registry, as its subjects.
func failover() section {
	seconds := func(name, title string) metric { return metric{name, 1, title, 2} }
	var subjects []string
	for _, registry := range []string{"static", "zookeeper", "etcd"} {
		subjects = append(subjects, "kill "+registry, "term "+registry)
	}
	return section{
		id: "cluster-failover", title: "A node with 5,000 devices ends: seconds until all have resumed elsewhere",
		metrics: []metric{
			seconds("resumed_s", "seconds until all have resumed"),
			seconds("pushed_s", "until pushes to its keys succeed"),
			seconds("all_keys_s", "until one to each of 5,000 keys has"),
			seconds("caught_up_s", "until all devices have all"),
			{"refused", 1, "pushes refused meanwhile", 0},
		},
		workloads: []workload{{"cluster-failover", "session timeout 6 s", failoverArgs + " -n 5000 --session-timeout 6s", subjects}},
	}
}

// failoverArgs begin those of a workload whose subjects are "HOW REGISTRY".
const failoverArgs = "failover"

// spreadOut is one key whose subscribers are on one node, or spread over three.
func spreadOut() section {
	both := []string{gopushTCP, clusterTCP}
	return section{
		id: "cluster-broadcast", title: "One key with 10,000 subscribers, on one node and spread over three", base: gopushTCP,
		metrics: []metric{
			cpuPerDelivery(),
			{"owner_cpu_us_per_delivery", 1, "µs, the owner", 2},
			{"relay_cpu_us_per_delivery", 1, "µs, a relay", 2},
			perSecond("deliveries", "deliveries_per_second"), p50(), p99(),
		},
		workloads: []workload{
			{"cluster-broadcast-1", "one message at a time", "broadcast -n 10000 -m 40", both},
			{"cluster-broadcast-8", "8 messages under way", "broadcast -n 10000 -m 64 --window 8 --pipelined", both},
		},
	}
}

// wrongNode is pushes that arrive at the node that owns their keys, and at another.
func wrongNode() section {
	both := []string{clusterTCP, clusterWrongTCP}
	metrics := unicastMetrics()
	metrics[0], metrics[1] = metrics[1], metrics[0]
	return section{
		id: "cluster-wrong", title: "Pushes that arrive at the node that owns their keys, and at another", metrics: metrics, base: clusterTCP,
		workloads: []workload{
			{"cluster-wrong-live", "1 publisher, pipelined, live only", "unicast -n 2000 -m 100000 -p 1 --pipelined --window 1024", both},
			{"cluster-wrong-http", "16 publishers, HTTP, live only", "unicast -n 2000 -m 40000 -p 16", both},
			{"cluster-wrong-stored", "64 publishers, HTTP, stored", "unicast -n 2000 -m 40000 -p 64 --expire 3600", both},
		},
	}
}

// tenNodes is as many subscribers as ten processes are needed for.
func tenNodes() section {
	return section{
		id: "cluster-crowd", title: "A broadcast to 100,000 subscribers of one key on ten nodes",
		metrics: []metric{
			{"latency.max_us", 1e6, "seconds until the last has it", 2},
			{"latency.p50_us", 1e6, "p50 s", 2},
			perSecond("deliveries", "deliveries_per_second"), cpuPerDelivery(),
			{"node_resident_bytes", 1 << 20, "MiB resident, the largest node", 1},
		},
		workloads: []workload{{"cluster-crowd", "10 nodes, 100,000 connections", "broadcast -n 100000 --nodes 10 -m 5", []string{clusterTCP}}},
	}
}
