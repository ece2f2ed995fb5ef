package redis

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
)

const (
	scanCount = 256 // names that a server looks at in one call
	scanCalls = 64  // calls for one page
)

// place is how far Keys has come: what a server's SCAN goes on with, and the last name that it gave of what comes there. A server
// that is gone meanwhile, or came, is a page of keys that is missed or comes twice.
type place struct {
	server string
	cursor uint64
	after  string
}

func (p place) String() string {
	if p == (place{}) {
		return ""
	}
	return p.server + " " + strconv.FormatUint(p.cursor, 10) + " " + p.after
}

func parsePlace(s string) (p place, err error) {
	if s == "" {
		return p, nil
	}
	server, rest, _ := strings.Cut(s, " ")
	cursor, after, _ := strings.Cut(rest, " ")
	p.cursor, err = strconv.ParseUint(cursor, 10, 64)
	p.server, p.after = server, after
	if err != nil {
		return place{}, fmt.Errorf("cursor %q: %w", s, err)
	}
	return p, nil
}

// Keys implements channel.Store: SCAN on one server after the other. As with SCAN a key that is there all the time comes, unless
// servers change meanwhile, and may come twice. A page may be empty before the last one.
func (s *Store) Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error) {
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	p, err := parsePlace(cursor)
	if err != nil {
		return nil, "", err
	}
	servers, err := s.masters(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("%w: list keys: %w", channel.ErrUnavailable, err)
	}
	for range scanCalls {
		if keys, p, err = s.scan(ctx, servers, p, limit); err != nil {
			return nil, "", fmt.Errorf("%w: list keys: %w", channel.ErrUnavailable, err)
		}
		if len(keys) > 0 || p == (place{}) {
			break
		}
	}
	return keys, p.String(), nil
}

// masters returns the servers that have keys, by address.
func (s *Store) masters(ctx context.Context) (map[string]rueidis.Client, error) {
	nodes := s.client.Nodes()
	if s.client.Mode() != rueidis.ClientModeCluster {
		addrs := slices.Sorted(maps.Keys(nodes))
		return map[string]rueidis.Client{"-": nodes[addrs[0]]}, nil // a Sentinel may name another one
	}
	for addr, node := range nodes {
		role, err := node.Do(ctx, node.B().Role().Build()).ToArray()
		if err != nil || len(role) == 0 {
			return nil, fmt.Errorf("role of %s: %w", addr, err)
		}
		if name, _ := role[0].ToString(); name != "master" {
			delete(nodes, addr)
		}
	}
	return nodes, nil
}

// scan returns at most limit keys from p on, and where to go on.
func (s *Store) scan(ctx context.Context, servers map[string]rueidis.Client, p place, limit int) ([]string, place, error) {
	addrs := slices.Sorted(maps.Keys(servers))
	at, found := slices.BinarySearch(addrs, p.server)
	if !found {
		p = place{}
	}
	if at == len(addrs) {
		return nil, place{}, nil
	}
	p.server = addrs[at]
	node := servers[p.server]
	match := escapeGlob(s.cfg.Prefix) + string(recordKind) + "{*"
	page, err := node.Do(ctx, node.B().Scan().Cursor(p.cursor).Match(match).Count(scanCount).Build()).AsScanEntry()
	if err != nil {
		return nil, p, err
	}
	slices.SortFunc(page.Elements, cmp.Compare[string])
	names := slices.Compact(page.Elements)
	start, _ := slices.BinarySearchFunc(names, p.after, func(name, after string) int {
		if name <= after {
			return -1
		}
		return 1
	})
	names = names[start:]
	if len(names) > limit {
		names = names[:limit]
		p.after = names[limit-1]
	} else {
		p.cursor, p.after = page.Cursor, ""
	}
	if p.cursor == 0 && p.after == "" {
		p = place{}
		if at+1 < len(addrs) {
			p.server = addrs[at+1]
		}
	}
	keys, err := s.existing(ctx, names)
	return keys, p, err
}

// existing returns the keys that exist of those whose records have the names.
func (s *Store) existing(ctx context.Context, names []string) (keys []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	commands := make([]rueidis.Completed, len(names))
	for i, name := range names {
		commands[i] = s.client.B().Get().Key(name).Build()
	}
	now := s.nowMS()
	for i, r := range s.do(ctx, commands...) {
		record, err := r.ToString()
		if err != nil && !rueidis.IsRedisNil(err) {
			return nil, err
		}
		if key, ok := s.keyOf(recordKind, names[i]); ok && exists(record, now) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// exists tells whether a record, as record.lua writes it, is of a key that exists, and that is not to be forgotten.
func exists(record string, now int64) bool {
	fields := strings.Fields(record)
	if len(fields) < 6 {
		return false
	}
	used, _ := strconv.ParseInt(fields[3], 10, 64)
	expires, _ := strconv.ParseInt(fields[4], 10, 64)
	return fields[5] == "1" && max(used+rememberUse.Milliseconds(), expires) > now
}
