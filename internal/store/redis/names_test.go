package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
)

// TestKeysOfAnyBytes: in a Redis Cluster, too, all of a key is in one place, whatever braces it has, and no two keys share one.
func TestKeysOfAnyBytes(t *testing.T) {
	t.Parallel()
	keys := []string{"}", "{", "{}", "}{", "}}", "a}b", "a{b}c", "{a}b", "{a}c", "}a", "}a}", "-}a", "-}}a", "-}}a.", "}a.", "a.", " ", "*", "[a]", "ä\U0010ffff"}
	for name, addrs := range map[string][]string{
		"single":  {redisserver.Start(t).Addr},
		"cluster": redisserver.StartCluster(t, false).Addrs(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustOpen(t, redis.Config{Addresses: addrs, Prefix: "pre*[fix]?:"})
			other := mustOpen(t, redis.Config{Addresses: addrs, Prefix: "pre*[fix]?:o:"})
			mustAppend(t, other, "other")
			for i, key := range keys {
				mustAppend(t, s, key)
				mustRepeat(t, s, key)
				if err := s.CreateGroup(t.Context(), key, fmt.Sprint(i), 0, false); err != nil {
					t.Errorf("CreateGroup of %q: %v", key, err)
				}
				if err := s.PutToken(t.Context(), key, [32]byte{byte(i)}, 0, message.Never); err != nil {
					t.Errorf("PutToken of %q: %v", key, err)
				}
			}
			var got []string
			for cursor := ""; ; {
				page, next, err := s.Keys(t.Context(), cursor, 3)
				if err != nil {
					t.Fatalf("Keys: %v", err)
				}
				got = append(got, page...)
				if cursor = next; next == "" {
					break
				}
			}
			want := slices.Sorted(slices.Values(keys))
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("Keys = %q, want %q", got, want)
			}
			for i, key := range keys {
				groups, err := s.GroupsOf(t.Context(), key)
				if err != nil || len(groups) != 1 || groups[0].Name != fmt.Sprint(i) {
					t.Errorf("GroupsOf %q = %v, %v, want %d", key, groups, err, i)
				}
			}
		})
	}
}

// mustRepeat appends something with idempotency keys that would be those of other keys if names were but put together, twice.
func mustRepeat(t *testing.T, s *redis.Store, key string) {
	t.Helper()
	for i, idemKey := range []string{"}", "b}", "."} {
		for again := range 2 {
			info, err := s.Info(t.Context(), key)
			if err != nil {
				t.Fatalf("Info of %q: %v", key, err)
			}
			e := entry(key, info.Last+message.MidStep, info.Last)
			e.IdemKey = []byte(idemKey)
			err = appendTo(s, e)
			if duplicate := errors.As(err, new(*channel.Duplicate)); duplicate != (again == 1) || err != nil && !duplicate {
				t.Errorf("Append %d to %q, time %d: %v", i, key, again, err)
			}
		}
	}
}
