package redis

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"

	"gopush/internal/message"
)

const (
	// maxCursors is how many positions of SCAN are remembered; then the oldest is forgotten, and whoever has it begins again.
	maxCursors = 4096
	// maxScanned is how many keys one SCAN looks at, at most.
	maxScanned = 10_000
)

// cursors gives numbers to positions in the order of a store's keys, so that a SCAN is gone on with on any connection.
type cursors struct {
	mu    sync.Mutex
	first uint64   // number of the oldest one that is remembered
	at    []string // by number, less first
}

// newCursors begins with a number that is hardly one of those of another process.
func newCursors() *cursors {
	return &cursors{first: 1 + rand.Uint64N(1<<52)}
}

// put remembers a position and returns its number.
func (c *cursors) put(at string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.at) == maxCursors {
		c.at = append(c.at[:0], c.at[maxCursors/2:]...)
		c.first += maxCursors / 2
	}
	c.at = append(c.at, at)
	return c.first + uint64(len(c.at)-1)
}

// find returns the position of a number. That of 0 is the beginning.
func (c *cursors) find(number uint64) (at string, found bool) {
	if number == 0 {
		return "", true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if number < c.first || number-c.first >= uint64(len(c.at)) {
		return "", false
	}
	return c.at[number-c.first], true
}

// scanning is what SCAN asks for.
type scanning struct {
	count   int
	match   bool // only what pattern stands for
	pattern string
	none    bool // keys of a type of which there are none
}

// scan is SCAN cursor [MATCH pattern] [COUNT n] [TYPE type].
func scan(c *call) {
	number, err := strconv.ParseUint(string(c.args[1]), 10, 64)
	at, found := c.server.cursors.find(number)
	if err != nil || !found {
		c.error("ERR invalid cursor")
		return
	}
	s, ok := c.scanOptions(c.args[2:])
	if !ok {
		return
	}
	server := c.server
	c.work(func(ctx context.Context, r *reply) {
		keys, next, err := server.cfg.Keys.Keys(ctx, at, s.count)
		if err != nil {
			r.failed(err)
			return
		}
		r.array(2)
		if next == "" {
			r.text("0")
		} else {
			r.text(strconv.FormatUint(server.cursors.put(next), 10))
		}
		r.strings(s.choose(keys))
	})
}

func (c *call) scanOptions(options [][]byte) (s scanning, ok bool) {
	s.count = 10
	for ; len(options) > 1; options = options[2:] {
		switch value := options[1]; {
		case is(options[0], "COUNT"):
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				c.error(textNotInt)
				return s, false
			}
			if n < 1 {
				c.syntax()
				return s, false
			}
			s.count = int(min(n, maxScanned))
		case is(options[0], "MATCH"):
			s.match, s.pattern = true, string(value)
		case is(options[0], "TYPE"):
			s.none = !is(value, "stream")
		default:
			c.syntax()
			return s, false
		}
	}
	if len(options) > 0 {
		c.syntax()
		return s, false
	}
	return s, true
}

// choose returns those of keys that are asked for.
func (s *scanning) choose(keys []string) []string {
	chosen := keys[:0]
	for _, key := range keys {
		if !s.none && (!s.match || message.Match(s.pattern, key)) {
			chosen = append(chosen, key)
		}
	}
	return chosen
}
