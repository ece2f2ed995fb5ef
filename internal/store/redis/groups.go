package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"gopush/internal/message"
)

// runGroup calls a script that begins with group.lua, and returns what it replies after OK.
func (s *Store) runGroup(ctx context.Context, sc script, what, key, group string, args ...string) ([]rueidis.RedisMessage, error) {
	reply, err := s.runKey(ctx, sc, key, append([]string{group}, args...)...)
	if err == nil {
		var values []rueidis.RedisMessage
		if values, err = reply.ToArray(); err == nil {
			values, err = checked(values)
		}
		if err == nil {
			return values, nil
		}
	}
	return nil, fmt.Errorf("%s group %q of %q: %w", what, group, key, err)
}

// checked returns what comes after OK, or the error that stands in its place.
func checked(values []rueidis.RedisMessage) ([]rueidis.RedisMessage, error) {
	if len(values) == 0 {
		return nil, errors.New("an empty reply")
	}
	first, err := values[0].ToString()
	switch {
	case err != nil:
		return nil, err
	case first == "OK":
		return values[1:], nil
	case first == "NOKEY":
		return nil, message.ErrNoKey
	case first == "NOGROUP":
		return nil, message.ErrNoGroup
	case first == "EXISTS":
		return nil, message.ErrGroupExists
	case first == "FULL":
		return nil, message.ErrTooManyGroups
	}
	return nil, fmt.Errorf("the reply %q", first)
}

// runCount is runGroup for a script that replies a number.
func (s *Store) runCount(ctx context.Context, sc script, what, key, group string, args ...string) (int, error) {
	values, err := s.runGroup(ctx, sc, what, key, group, args...)
	if err != nil {
		return 0, err
	}
	n, err := values[0].AsInt64()
	return int(n), err
}

// formatPosition writes the mid of a group; "" is the key's last.
func formatPosition(mid int64) string {
	if mid == message.LastMid {
		return ""
	}
	return formatMid(mid)
}

func formatBool(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func (s *Store) mostDevices() string { return strconv.FormatInt(s.maxDevices.Load(), 10) }

// CreateGroup implements channel.Groups.
func (s *Store) CreateGroup(ctx context.Context, key, group string, last int64, create bool) error {
	_, err := s.runGroup(ctx, createGroupScript, "create", key, group, formatPosition(last), formatBool(create), s.mostDevices())
	return err
}

// SetGroup implements channel.Groups.
func (s *Store) SetGroup(ctx context.Context, key, group string, last int64) error {
	_, err := s.runGroup(ctx, setGroupScript, "set", key, group, formatPosition(last))
	return err
}

// DestroyGroup implements channel.Groups.
func (s *Store) DestroyGroup(ctx context.Context, key, group string) (bool, error) {
	n, err := s.runCount(ctx, destroyGroupScript, "destroy", key, group)
	return n > 0, err
}

// GroupsOf implements channel.Groups.
func (s *Store) GroupsOf(ctx context.Context, key string) ([]message.Group, error) {
	values, err := s.runGroup(ctx, groupsOfScript, "list", key, "")
	if err != nil {
		return nil, err
	}
	groups, err := parseGroups(values)
	if err != nil {
		return nil, fmt.Errorf("groups of %q: %w", key, err)
	}
	return groups, nil
}

// parseGroups reads what groupsof.lua replies.
func parseGroups(values []rueidis.RedisMessage) ([]message.Group, error) {
	if len(values) != 4 {
		return nil, fmt.Errorf("groupsof.lua replied %d values", len(values))
	}
	infos, err := values[1].ToArray()
	if err != nil {
		return nil, err
	}
	places, err := values[2].AsStrSlice()
	if err != nil {
		return nil, err
	}
	living, err := parseIDs(&values[3])
	if err != nil {
		return nil, err
	}
	where := map[string]string{}
	for i := 0; i+1 < len(places); i += 2 {
		where[places[i]] = places[i+1]
	}
	var groups []message.Group
	for i := range infos {
		g, err := parseGroup(&infos[i], where)
		if err != nil {
			return nil, err
		}
		seen, _ := slices.BinarySearch(living, g.Last+1)
		g.Lag = int64(len(living) - seen)
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b message.Group) int { return cmp.Compare(a.Name, b.Name) })
	return groups, nil
}

// parseGroup reads what XINFO GROUPS says of a group, and where it is.
func parseGroup(info *rueidis.RedisMessage, where map[string]string) (g message.Group, err error) {
	fields, err := info.ToArray()
	if err != nil || len(fields) < 6 { // "name", …, "consumers", …, "pending", …
		return g, fmt.Errorf("no group: %v", err)
	}
	if g.Name, err = fields[1].ToString(); err != nil {
		return g, err
	}
	consumers, err := fields[3].AsInt64()
	if err != nil {
		return g, err
	}
	pending, err := fields[5].AsInt64()
	if err != nil {
		return g, err
	}
	g.Consumers, g.Pending = int(consumers), int(pending)
	place := strings.Fields(where[g.Name])
	if len(place) != 3 {
		return g, fmt.Errorf("group %q is not gopush's", g.Name)
	}
	if g.Last, err = parseMid(place[0]); err != nil {
		return g, err
	}
	g.Read, err = strconv.ParseInt(place[1], 10, 64)
	return g, err
}

// parseIDs reads ids as mids.
func parseIDs(r *rueidis.RedisMessage) (mids []int64, err error) {
	values, err := r.ToArray()
	if err != nil {
		return nil, err
	}
	for i := range values {
		mid, err := parseID(&values[i])
		if err != nil {
			return nil, err
		}
		mids = append(mids, mid)
	}
	return mids, nil
}
