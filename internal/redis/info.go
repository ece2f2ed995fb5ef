package redis

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"
)

// section is a part of what INFO shows.
type section struct {
	name  string
	admin bool // to admins only
	lines func(s *Server, f *Facts) []string
}

// sections returns all, in the order of Redis.
func sections() []section {
	return []section{
		{"Server", false, infoServer},
		{"Clients", true, infoClients},
		{"Memory", true, infoMemory},
		{"Persistence", false, infoPersistence},
		{"Stats", true, infoStats},
		{"Replication", false, infoReplication},
		{"Cluster", false, func(*Server, *Facts) []string { return []string{"cluster_enabled:0"} }},
		{"Keyspace", true, func(*Server, *Facts) []string { return nil }},
	}
}

// info is INFO [section …].
func info(c *call) {
	facts := c.server.cfg.Facts()
	if !c.session.is(admin) {
		facts = Facts{Version: facts.Version, Started: facts.Started}
	}
	var text strings.Builder
	for _, s := range sections() {
		if s.admin && !c.session.is(admin) || !asked(c.args[1:], s.name) {
			continue
		}
		if text.Len() > 0 {
			text.WriteString("\r\n")
		}
		text.WriteString("# " + s.name + "\r\n")
		for _, line := range s.lines(c.server, &facts) {
			text.WriteString(line + "\r\n")
		}
	}
	c.verbatim(text.String())
}

// asked tells whether names have the section of this name; none asks for all.
func asked(names [][]byte, section string) bool {
	if len(names) == 0 {
		return true
	}
	return slices.ContainsFunc(names, func(name []byte) bool {
		return is(name, section) || is(name, "default") || is(name, "all") || is(name, "everything")
	})
}

func infoServer(s *Server, f *Facts) []string {
	now := s.cfg.Now()
	up := int64(max(0, now.Sub(f.Started)) / time.Second)
	_, port, _ := net.SplitHostPort(f.Addr)
	lines := []string{
		"redis_version:" + compatible,
		"gopush_version:" + f.Version,
		"redis_mode:standalone",
		"os:" + runtime.GOOS,
		fmt.Sprint("arch_bits:", 32<<(^uint(0)>>63)),
		fmt.Sprint("server_time_usec:", now.UnixMicro()),
		fmt.Sprint("uptime_in_seconds:", up),
		fmt.Sprint("uptime_in_days:", up/(24*60*60)),
	}
	if f.Addr == "" {
		return lines
	}
	return append(lines, "gopush_node:"+f.Node, fmt.Sprint("process_id:", os.Getpid()), "tcp_port:"+port)
}

func infoClients(_ *Server, f *Facts) []string {
	return []string{fmt.Sprint("connected_clients:", f.Connections), fmt.Sprint("blocked_clients:", f.Blocked)}
}

func infoMemory(*Server, *Facts) []string {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	objects, total, released := samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()
	return []string{
		fmt.Sprint("used_memory:", objects),
		"used_memory_human:" + human(objects),
		fmt.Sprint("used_memory_rss:", total-released),
		"used_memory_rss_human:" + human(total-released),
		"maxmemory:0",
		"maxmemory_human:0B",
		"maxmemory_policy:noeviction",
	}
}

// human is a number of bytes as Redis shows it to people.
func human(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	v, units := float64(n)/1024, "KMGTPE"
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	return fmt.Sprintf("%.2f%c", v, units[0])
}

func infoPersistence(*Server, *Facts) []string {
	return []string{"loading:0", "async_loading:0"}
}

func infoStats(s *Server, f *Facts) []string {
	return []string{
		fmt.Sprint("total_connections_received:", f.Accepted),
		fmt.Sprint("total_commands_processed:", s.Stats.Commands.Load()),
		fmt.Sprint("total_error_replies:", s.Stats.errors()),
		fmt.Sprint("gopush_subscriptions:", f.Subscribers),
		fmt.Sprint("gopush_pushed:", f.Pushed),
		fmt.Sprint("gopush_stored:", f.Stored),
	}
}

func infoReplication(*Server, *Facts) []string {
	return []string{"role:master", "connected_slaves:0", "master_failover_state:no-failover", "master_repl_offset:0"}
}
