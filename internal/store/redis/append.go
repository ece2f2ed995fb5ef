package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
)

const (
	entryArgs    = 9       // of append.lua for an entry
	callBytes    = 4 << 20 // of payload in one call, so that nobody else waits long; one entry may have more
	callMessages = 256
)

// part is the entries of one key that one call of append.lua stores.
type part struct {
	key     string
	entries []int // of those that Append was called with
	bytes   int
	refused bool // one before it was not stored: none of it is, but what of it was stored before is found
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
	for parts := divide(entries); len(parts) > 0; parts = s.appendFirst(ctx, parts, entries, results) {
	}
	return results
}

// appendFirst stores the first part of each key, and returns the parts that are left: of a key whose first part was stored.
func (s *Store) appendFirst(ctx context.Context, parts []part, entries []channel.Entry, results []error) (rest []part) {
	first := make([]part, 0, len(parts))
	of := map[string]int{}
	for _, p := range parts {
		if _, found := of[p.key]; found {
			rest = append(rest, p)
			continue
		}
		of[p.key] = len(first)
		first = append(first, p)
	}
	calls, at := make([]scriptCall, 0, len(first)), make([]int, 0, len(first))
	for i := range first {
		call := s.appendCall(&first[i], entries)
		if err := s.readyFor(ctx, call.names[0]); err != nil {
			s.setResults(results, &first[i], entries, rueidis.NewErrorResult(err))
			continue
		}
		calls, at = append(calls, call), append(at, i)
	}
	for i, r := range s.runKept(ctx, calls) {
		s.setResults(results, &first[at[i]], entries, r)
	}
	for i := range rest {
		before := first[of[rest[i].key]].entries
		rest[i].follow(results[before[len(before)-1]], entries, results)
	}
	return slices.DeleteFunc(rest, func(p part) bool { return len(p.entries) == 0 })
}

// follow has p come after a part whose last result is err. What cannot be stored then has its result; p is empty if that is all.
func (p *part) follow(err error, entries []channel.Entry, results []error) {
	if err == nil {
		return
	}
	p.refused = true
	result := errors.Join(channel.ErrOrder, errors.New("one before it was not stored"))
	known := func(i int) bool { return len(entries[i].IdemKey) > 0 }
	if d := (*channel.Duplicate)(nil); !errors.As(err, &d) && !errors.Is(err, channel.ErrOrder) {
		result = fmt.Errorf("%w: one before it failed: %w", channel.ErrUnavailable, err)
		known = func(int) bool { return false }
	}
	p.entries = slices.DeleteFunc(p.entries, func(i int) bool {
		results[i] = result
		return !known(i)
	})
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
	args := make([]string, 0, 4+entryArgs*len(p.entries))
	args = append(args, s.times()...)
	args = append(args, strconv.FormatInt(s.maxStored.Load(), 10), formatOwner(entries[p.entries[0]].Owner))
	for _, i := range p.entries {
		e := &entries[i]
		minMid := ""
		if e.Trim.MinMid > 0 {
			minMid = formatID(e.Trim.MinMid)
		}
		args = append(args, formatMid(e.Mid), formatMid(e.Prev), formatTime(e.Expires), strconv.Itoa(e.GID), strconv.Itoa(int(e.Form)),
			rueidis.BinaryString(e.Payload), strconv.Itoa(e.Trim.Keep), minMid, formatID(e.Mid))
	}
	names, args := s.addIdemNames(s.names(p.key), args, p, entries)
	return scriptCall{appendScript, names, args}
}

// addIdemNames adds the idempotency keys of p to what append.lua is called with, if there are any.
func (s *Store) addIdemNames(names, args []string, p *part, entries []channel.Entry) (_, _ []string) {
	for n, i := range p.entries {
		if len(entries[i].IdemKey) == 0 {
			continue
		}
		if len(names) == len(kinds) {
			args = append(args, strconv.FormatInt(s.window.Load(), 10), formatBool(p.refused))
		}
		names, args = append(names, s.idemName(&entries[i])), append(args, strconv.Itoa(n+1))
	}
	return names, args
}

// setResults sets the results of the entries of p.
func (s *Store) setResults(results []error, p *part, entries []channel.Entry, r rueidis.RedisResult) {
	stored, last, firsts, err := parseAppended(r)
	err = s.failed(err)
	for n, i := range p.entries {
		switch e := &entries[i]; {
		case err != nil:
			results[i] = fmt.Errorf("append to %q: %w", p.key, err)
		case len(firsts) > 1 && firsts[0] == int64(n+1):
			results[i] = &channel.Duplicate{Mid: firsts[1]}
			firsts = firsts[2:]
		case n >= stored:
			results[i] = fmt.Errorf("append %d after %d to %q, whose last was %d: %w", e.Mid, e.Prev, p.key, last, channel.ErrOrder)
		}
	}
}

// parseAppended reads what append.lua replies. firsts are numbers of entries and mids in turn.
func parseAppended(r rueidis.RedisResult) (stored int, last int64, firsts []int64, err error) {
	values, err := r.AsIntSlice()
	if err != nil {
		return 0, 0, nil, err
	}
	if err := refusedOwner(values); err != nil {
		return 0, 0, nil, err
	}
	if len(values) < 2 || len(values)%2 != 0 {
		return 0, 0, nil, fmt.Errorf("append.lua replied %v", values)
	}
	return int(values[0]), values[1], values[2:], nil
}
