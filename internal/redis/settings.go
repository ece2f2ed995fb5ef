package redis

import (
	"net"
	"strconv"
	"strings"

	"gopush/internal/message"
)

// parameter is one that CONFIG GET shows.
type parameter struct{ name, value string }

// parameters returns what programs ask for before they begin, in Redis's names, as it is here.
func (s *Server) parameters() []parameter {
	facts, limits := s.cfg.Facts(), s.cfg.Limits()
	_, port, _ := net.SplitHostPort(facts.Addr)
	durable := "no"
	if facts.Durable {
		durable = "yes"
	}
	return []parameter{
		{"appendfsync", "always"},
		{"appendonly", durable},
		{"cluster-enabled", "no"},
		{"databases", "1"},
		{"maxmemory", "0"},
		{"maxmemory-policy", "noeviction"},
		{"notify-keyspace-events", ""},
		{"port", port},
		{"proto-max-bulk-len", strconv.Itoa(limits.MaxMessageBytes)},
		{"save", ""},
		{"timeout", "0"},
	}
}

// configGet is CONFIG GET pattern …
func configGet(c *call) {
	var found []parameter
	for _, p := range c.server.parameters() {
		if matchesAny(c.args[2:], p.name) {
			found = append(found, p)
		}
	}
	c.mapping(len(found))
	for _, p := range found {
		c.text(p.name)
		c.text(p.value)
	}
}

// matchesAny tells whether one of patterns stands for name, in any case.
func matchesAny(patterns [][]byte, name string) bool {
	for _, pattern := range patterns {
		if message.Match(strings.ToLower(string(pattern)), name) {
			return true
		}
	}
	return false
}
