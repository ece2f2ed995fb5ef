package redis_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
)

func mustOpen(t *testing.T, cfg redis.Config) *redis.Store {
	t.Helper()
	s, err := redis.Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// raw returns a client of a server that knows nothing of gopush.
func raw(t *testing.T, addr string) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// send sends a command, and returns what it replies as a text.
func send(t *testing.T, c rueidis.Client, words ...string) string {
	t.Helper()
	reply, err := c.Do(t.Context(), c.B().Arbitrary(words...).Build()).ToAny()
	if err != nil && !rueidis.IsRedisNil(err) {
		t.Fatalf("%s: %v", words, err)
	}
	text, _ := reply.(string)
	return text
}

// entry returns an entry for key that is kept for an hour.
func entry(key string, mid, prev int64) channel.Entry {
	return channel.Entry{Message: message.Message{Key: key, Mid: mid, Prev: prev, Expires: time.Now().Add(time.Hour), Payload: []byte("payload")}}
}

// mustAppend appends the first message of key.
func mustAppend(t *testing.T, s *redis.Store, key string) {
	t.Helper()
	if err := appendTo(s, entry(key, message.MidAt(time.Now()), 0)); err != nil {
		t.Fatalf("Append to %q: %v", key, err)
	}
}

// appendTo appends e, within what a push may take.
func appendTo(s *redis.Store, e channel.Entry) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return s.Append(ctx, []channel.Entry{e})[0]
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t, "--requirepass", "secret")
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr}, Password: "secret", DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, "HSET", "newer:format", "version", "7", "created", "1")
	send(t, c, "SET", "other:format", "mine")
	gone, open := redisserver.Start(t), redisserver.Start(t)
	gone.Kill()
	for _, test := range []struct {
		name string
		cfg  redis.Config
		want string
	}{
		{"nobody there", redis.Config{Addresses: []string{gone.Addr}}, "connection refused"},
		{"no password", redis.Config{Addresses: []string{server.Addr}}, "see redis.username and redis.password"},
		{"a wrong password", redis.Config{Addresses: []string{server.Addr}, Password: "no"}, "see redis.username and redis.password"},
		{"a newer format", redis.Config{Addresses: []string{server.Addr}, Password: "secret", Prefix: "newer:"}, "has format 7, this gopush knows format 1: use the gopush that wrote it, or another redis.prefix"},
		{"another's name", redis.Config{Addresses: []string{server.Addr}, Password: "secret", Prefix: "other:"}, "WRONGTYPE"},
		{"several that are no cluster", redis.Config{Addresses: []string{server.Addr, server.Addr}, Password: "secret"}, "several addresses are those of a Redis Cluster"},
		{"no Sentinel", redis.Config{Addresses: []string{open.Addr}, SentinelMaster: "m"}, `is the master called "m"`},
		{"a prefix with braces", redis.Config{Addresses: []string{server.Addr}, Prefix: "{x}"}, "braces"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := redis.Open(test.cfg)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open = %v, want it to say %q", err, test.want)
			}
		})
	}
	mustOpen(t, redis.Config{Addresses: []string{server.Addr}, Password: "secret"})
}

// TestOpenWarns: an operator is told how acknowledged messages may be lost.
func TestOpenWarns(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"evicts", []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "may evict stored messages"},
		{"no log", nil, "loses acknowledged messages when it stops"},
		{"a second", []string{"--appendonly", "yes"}, "may lose acknowledged messages of the last second"},
		{"good", []string{"--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "100mb", "--maxmemory-policy", "noeviction"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			server := redisserver.Start(t, test.args...)
			mustOpen(t, redis.Config{Addresses: []string{server.Addr}, Log: slog.New(slog.NewTextHandler(&log, nil))}).Close()
			if got := log.String(); !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("Open logged %q, want %q", got, test.want)
			}
		})
	}
}

// TestForgets: Redis forgets by itself what need not be known any more, and not before.
func TestForgets(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s, c := mustOpen(t, redis.Config{Addresses: []string{server.Addr}}), raw(t, server.Addr)
	wantLeft := func(name string, least, most time.Duration) {
		t.Helper()
		ms, err := c.Do(t.Context(), c.B().Pttl().Key(name).Build()).AsInt64()
		if left := time.Duration(ms) * time.Millisecond; err != nil || left < least || left > most {
			t.Errorf("Redis forgets %s in %v, %v, want %v to %v", name, left, err, least, most)
		}
	}
	const day = 24 * time.Hour
	mustAppend(t, s, "plain")
	wantLeft("gopush:s{plain}", time.Hour-time.Minute, 2*time.Hour)
	wantLeft("gopush:r{plain}", 30*day, 32*day)

	mustAppend(t, s, "device")
	if err := s.CreateGroup(t.Context(), "device", "g", 0, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadGroup(t.Context(), message.GroupRead{Key: "device", Group: "g", Consumer: "c"}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range "rsgc" {
		wantLeft("gopush:"+string(kind)+"{device}", 30*day-time.Minute, 32*day)
	}

	once := entry("once", message.MidAt(time.Now()), 0)
	once.IdemKey = []byte("a long idempotency key, of which Redis has a hash")
	if err := appendTo(s, once); err != nil {
		t.Fatal(err)
	}
	names, err := c.Do(t.Context(), c.B().Keys().Pattern("gopush:i*").Build()).AsStrSlice()
	if err != nil || len(names) != 1 || len(names[0]) != len("gopush:i{once}")+22 {
		t.Fatalf("the idempotency keys are %q, %v", names, err)
	}
	wantLeft(names[0], day, day+time.Minute)
	s.SetIdempotencyWindow(time.Minute)
	once.IdemKey, once.Prev, once.Mid = []byte("b"), once.Mid, once.Mid+message.MidStep
	if err := appendTo(s, once); err != nil {
		t.Fatal(err)
	}
	wantLeft(names[0], day, day+time.Minute)

	e := entry("long", message.MidAt(time.Now()), 0)
	e.Expires = time.Now().Add(100 * day)
	early := entry("long", e.Mid+message.MidStep, e.Mid)
	for i, err := range s.Append(t.Context(), []channel.Entry{e, early}) {
		if err != nil {
			t.Fatalf("Append %d: %v", i, err)
		}
	}
	for _, kind := range "rsx" {
		wantLeft("gopush:"+string(kind)+"{long}", 100*day-time.Minute, 113*day)
	}
	if err := s.PutToken(t.Context(), "k", [32]byte{}, time.Hour, time.Now().Add(day)); err != nil {
		t.Fatal(err)
	}
	wantLeft("gopush:t{k}", 31*day-time.Minute, 31*day)
}

// TestForgetsOwners: a week after an owner came; who owns a key already writes nothing, unless half of it is over.
func TestForgetsOwners(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s, c := mustOpen(t, redis.Config{Addresses: []string{server.Addr}}), raw(t, server.Addr)
	const day = 24 * time.Hour
	own := func(epoch int64, least, most time.Duration) {
		t.Helper()
		if _, err := s.Own(t.Context(), "k", channel.Owner{Name: "a", Epoch: epoch}); err != nil {
			t.Fatalf("Own: %v", err)
		}
		ms, err := c.Do(t.Context(), c.B().Pttl().Key("gopush:o{k}").Build()).AsInt64()
		if left := time.Duration(ms) * time.Millisecond; err != nil || left < least || left > most {
			t.Errorf("Redis forgets the owner in %v, %v, want %v to %v", left, err, least, most)
		}
	}
	forget := func(in time.Duration) {
		t.Helper()
		if n, err := c.Do(t.Context(), c.B().Pexpire().Key("gopush:o{k}").Milliseconds(in.Milliseconds()).Build()).AsInt64(); n != 1 || err != nil {
			t.Fatalf("PEXPIRE = %d, %v", n, err)
		}
	}
	own(1, 7*day-time.Minute, 7*day)
	forget(4 * day)
	own(1, 4*day-time.Minute, 4*day)
	own(2, 7*day-time.Minute, 7*day)
	forget(3 * day)
	own(2, 7*day-time.Minute, 7*day)
	if n, err := s.Delete(t.Context(), "k"); n != 0 || err != nil {
		t.Fatalf("Delete = %d, %v", n, err)
	}
	if got := send(t, c, "GET", "gopush:o{k}"); got != "2 a" {
		t.Errorf("the owner is %q, want that of epoch 2", got)
	}
}

// TestNames: all names begin with the prefix, since a user may be allowed these alone.
func TestNames(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	c := raw(t, server.Addr)
	send(t, c, "ACL", "SETUSER", "gopush", "on", ">secret", "+@all", "~gopush:*")
	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}, Username: "gopush", Password: "secret"})
	e, err := s.BeginEpoch(t.Context(), 0)
	if err != nil {
		t.Fatalf("BeginEpoch: %v", err)
	}
	if _, err := s.SetLimitIn(t.Context(), e.Number, "n", 1); err != nil {
		t.Errorf("SetLimitIn: %v", err)
	}
	if _, err := s.Own(t.Context(), "k", channel.Owner{Name: "n", Epoch: e.Number}); err != nil {
		t.Errorf("Own: %v", err)
	}
	mustAppend(t, s, "k")
	mustRepeat(t, s, "k")
}
