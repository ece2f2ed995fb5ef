package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
)

const (
	entryArgs    = 8       // of append.lua for an entry
	callBytes    = 4 << 20 // of payload in one call, so that nobody else waits long; one entry may have more
	callMessages = 256
)

// part is the entries of one key that one call of append.lua stores.
type part struct {
	key     string
	entries []int // of those that Append was called with
	bytes   int
}

// Append implements channel.Store.
func (s *Store) Append(ctx context.Context, entries []channel.Entry) []error {
	results := make([]error, len(entries))
	if len(entries) == 0 {
		return results
	}
	if err := s.ready(ctx); err != nil {
		for i := range results {
			results[i] = err
		}
		return results
	}
	parts := divide(entries)
	calls := make([]scriptCall, len(parts))
	for i := range parts {
		calls[i] = s.appendCall(&parts[i], entries)
	}
	for i, r := range s.runAppends(ctx, calls) {
		s.setResults(results, &parts[i], entries, r)
	}
	return results
}

// divide puts entries of the same key together, in order. Parts of one key are in order too.
func divide(entries []channel.Entry) []part {
	parts, last := make([]part, 0, len(entries)), map[string]int{}
	for i := range entries {
		e := &entries[i]
		at, found := last[e.Key]
		if !found || len(parts[at].entries) == callMessages || parts[at].bytes+len(e.Payload) > callBytes {
			at = len(parts)
			parts, last[e.Key] = append(parts, part{key: e.Key}), at
		}
		parts[at].entries = append(parts[at].entries, i)
		parts[at].bytes += len(e.Payload)
	}
	return parts
}

func (s *Store) appendCall(p *part, entries []channel.Entry) scriptCall {
	args := make([]string, 0, 3+entryArgs*len(p.entries))
	args = append(args, s.times()...)
	args = append(args, strconv.FormatInt(s.maxStored.Load(), 10))
	for _, i := range p.entries {
		e := &entries[i]
		minMid := ""
		if e.Trim.MinMid > 0 {
			minMid = formatMid(e.Trim.MinMid)
		}
		args = append(args, formatMid(e.Mid), formatMid(e.Prev), formatTime(e.Expires), strconv.Itoa(e.GID), strconv.Itoa(int(e.Form)),
			rueidis.BinaryString(e.Payload), strconv.Itoa(e.Trim.Keep), minMid)
	}
	return scriptCall{appendScript, s.names(p.key), args}
}

// setResults sets the results of the entries of p.
func (s *Store) setResults(results []error, p *part, entries []channel.Entry, r rueidis.RedisResult) {
	reply, err := r.AsStrSlice()
	if err == nil && (len(reply) != 2 || len(reply[0]) != len(p.entries)) {
		err = fmt.Errorf("append.lua replied %q", reply)
	}
	err = s.failed(err)
	for n, i := range p.entries {
		switch e := &entries[i]; {
		case err != nil:
			results[i] = fmt.Errorf("append to %q: %w", p.key, err)
		case reply[0][n] != '1':
			results[i] = fmt.Errorf("append %d after %d to %q, whose last was %s: %w", e.Mid, e.Prev, p.key, reply[1], channel.ErrOrder)
		}
	}
}
