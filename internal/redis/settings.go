package redis

import (
	"bytes"
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

// configGet is CONFIG GET pattern … A name without a star or the like is replied as it was asked for.
func configGet(c *call) {
	var found []parameter
	for _, p := range c.server.parameters() {
		if name, ok := askedFor(c.args[2:], p.name); ok {
			found = append(found, parameter{name, p.value})
		}
	}
	c.mapping(len(found))
	for _, p := range found {
		c.text(p.name)
		c.text(p.value)
	}
}

// askedFor tells whether one of patterns stands for name, in any case, and what that is to be called.
func askedFor(patterns [][]byte, name string) (called string, ok bool) {
	for _, pattern := range patterns {
		switch {
		case !bytes.ContainsAny(pattern, "[*?") && is(pattern, name):
			return string(pattern), true
		case message.Match(strings.ToLower(string(pattern)), name):
			return name, true
		}
	}
	return "", false
}
