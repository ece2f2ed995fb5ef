package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/message"
	"gopush/internal/redis"
)

func TestKeyCommands(t *testing.T) {
	t.Parallel()
	f := newFake()
	in := func(d time.Duration) time.Time { return f.now.Add(d) }
	f.keys.stored = map[string][]message.Message{
		"a": {{Mid: 4, Expires: in(10 * time.Second)}, {Mid: 8, Expires: in(1600 * time.Millisecond)}},
		"b": {{Mid: 4, Expires: message.Never, Payload: make([]byte, 100)}, {Mid: 8, Expires: in(time.Second)}},
		"c": nil,
	}
	f.admin(t).wants(
		row{"EXISTS a b x a", ":3"},
		row{"TYPE a", "+stream"},
		row{"TYPE x", "+none"},
		row{"TTL a", ":10"},
		row{"PTTL a", ":10000"},
		row{"TTL b", ":-1"},
		row{"TTL c", ":-1"},
		row{"TTL x", ":-2"},
		row{"DBSIZE", ":3"},
		row{"MEMORY USAGE x", "$-1"},
		row{"MEMORY USAGE b", ":293"},
		row{"MEMORY USAGE b SAMPLES 1", ":193"},
		row{"MEMORY USAGE b SAMPLES -1", "-ERR syntax error"},
		row{"MEMORY USAGE b SAMPLES x", "-ERR value is not an integer or out of range"},
		row{"MEMORY USAGE b FOO 1", "-ERR syntax error"},
		row{"MEMORY FOO b", "-ERR unknown subcommand 'FOO'. Try MEMORY HELP."},
		row{"KEYS *", "-ERR KEYS is not supported: it would hold up the node; use SCAN"},
		row{"DEL a a x", ":1"},
		row{"UNLINK b c", ":2"},
		row{"EXISTS a b c", ":0"},
	)
	f.keys.failure = errNoStore
	for _, line := range []string{"EXISTS a", "TTL a", "DEL a", "SCAN 0", "DBSIZE", "MEMORY USAGE a", "PUBLISH a x"} {
		f.admin(t).wants(row{line, "-ERR nothing was done, try again later: store unavailable"})
	}
}

// Whoever may read a key may ask this of it, as often as they like.
func TestKeysAreMeasuredByTheirNewestMessages(t *testing.T) {
	t.Parallel()
	f := newFake()
	old := message.Message{Mid: 4, Expires: f.now.Add(time.Hour), Payload: make([]byte, 1000)}
	f.keys.stored["k"] = append(f.keys.stored["k"], old)
	for i := range 999 {
		f.keys.stored["k"] = append(f.keys.stored["k"], message.Message{Mid: int64(8 + 4*i), Expires: f.now.Add(10 * time.Second)})
	}
	f.admin(t).wants(
		row{"TTL k", ":10"},
		row{"MEMORY USAGE k SAMPLES 0", ":64065"},
		row{"MEMORY USAGE k SAMPLES 1000", ":64065"},
	)
	if f.keys.read > 3*256 {
		t.Errorf("three commands read %d messages, want at most 256 each", f.keys.read)
	}
}

func TestPubSubCommands(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.keys.subscribers = map[string]int{"news.a": 2, "news.b": 1, "k": 4}
	f.admin(t).wants(
		row{"PUBLISH k hello", ":4"},
		row{"SPUBLISH x hello", ":0"},
		row{"PUBSUB NUMSUB k x", "*4\r\n$1\r\nk\r\n:4\r\n$1\r\nx\r\n:0"},
		row{"PUBSUB SHARDNUMSUB k", "*2\r\n$1\r\nk\r\n:4"},
		row{"PUBSUB NUMSUB", "*0"},
		row{"PUBSUB CHANNELS news.*", "*2\r\n$6\r\nnews.a\r\n$6\r\nnews.b"},
		row{"PUBSUB SHARDCHANNELS", "*3\r\n$1\r\nk\r\n$6\r\nnews.a\r\n$6\r\nnews.b"},
		row{"PUBSUB CHANNELS a b", "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP."},
		row{"PUBSUB NUMPAT", ":3"},
		row{"PUBSUB NUMPAT x", "-ERR wrong number of arguments for 'pubsub|numpat' command"},
	)
}

func TestScanGoesOnOnAnyConnection(t *testing.T) {
	t.Parallel()
	f := newFake()
	for i := range 25 {
		f.keys.stored[fmt.Sprintf("k%02d", i)] = nil
	}
	s := redis.New(f.Config)
	var found []string
	cursor := "0"
	for i := range 10 {
		reply := connect(t, f, s, int64(i+1), redis.Trust{Admin: true, Open: true}).tell("SCAN " + cursor + " MATCH k[01]*")
		words := strings.Split(strings.TrimSuffix(reply, "\r\n"), "\r\n")
		cursor = words[2]
		for n := 5; n < len(words); n += 2 {
			found = append(found, words[n])
		}
		if cursor == "0" {
			break
		}
	}
	if len(found) != 20 || !slices.IsSorted(found) {
		t.Errorf("SCAN found %q, want the 20 of 25 keys that match", found)
	}
	connect(t, f, s, 1, redis.Trust{Admin: true, Open: true}).wants(
		row{"SCAN x", "-ERR invalid cursor"},
		row{"SCAN 777", "-ERR invalid cursor"},
		row{"SCAN 18446744073709551615", "-ERR invalid cursor"},
		row{"SCAN 0 COUNT 0", "-ERR syntax error"},
		row{"SCAN 0 COUNT x", "-ERR value is not an integer or out of range"},
		row{"SCAN 0 COUNT", "-ERR syntax error"},
		row{"SCAN 0 FOO bar", "-ERR syntax error"},
		row{"SCAN 0 COUNT 1000 TYPE string", "*2\r\n$1\r\n0\r\n*0"},
		row{"SCAN 0 COUNT 1000 TYPE STREAM MATCH k07", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nk07"},
	)
}

// A position is remembered until some thousand others came.
func TestScanForgetsOldPositions(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.keys.stored = map[string][]message.Message{"a": nil, "b": nil}
	c := f.admin(t)
	cursor := strings.Split(c.tell("SCAN 0 COUNT 1"), "\r\n")[2]
	for range 2000 {
		c.tell("SCAN 0 COUNT 1")
	}
	c.wants(row{"SCAN " + cursor, "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb"})
	for range 4096 {
		c.tell("SCAN 0 COUNT 1")
	}
	c.wants(row{"SCAN " + cursor, "-ERR invalid cursor"})
}
