package redis_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
)

// BenchmarkAppend stores messages of 200 bytes, a batch in a call, each to another key, on a Redis without a log; and for
// comparison sends as many bare XADDs. redis-ns/message is CPU of Redis for each message.
//
//	go test -bench Append -run '^$' ./internal/store/redis
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("append/batch=%d", batch), func(b *testing.B) { benchAppend(b, batch, 1000, nil) })
		b.Run(fmt.Sprintf("owned/batch=%d", batch), func(b *testing.B) { benchAppend(b, batch, 1000, &channel.Owner{Name: "node-1/0123456789", Epoch: 1}) })
		b.Run(fmt.Sprintf("xadd/batch=%d", batch), func(b *testing.B) { benchXADD(b, batch, 1000) })
	}
}

const benchKeys = 1024

// benchAppend appends as owner, who owns all the keys; nil: nobody asks.
func benchAppend(b *testing.B, batch, most int, owner *channel.Owner) {
	server := redisserver.Start(b)
	s, err := redis.Open(redis.Config{Addresses: []string{server.Addr}, MaxStoredPerKey: most})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	keys, last := make([]string, benchKeys), make([]int64, benchKeys)
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
		if owner == nil {
			continue
		}
		if _, err := s.Own(b.Context(), keys[i], *owner); err != nil {
			b.Fatal(err)
		}
	}
	payload, entries := make([]byte, 200), make([]channel.Entry, batch)
	cpu, at := startCPU(b, server.Addr), 0
	for b.Loop() {
		now := time.Now()
		for i := range entries {
			k := at % benchKeys
			at++
			mid := message.NextMid(now, last[k])
			entries[i].Message = message.Message{Key: keys[k], Mid: mid, Prev: last[k], Expires: now.Add(time.Hour), Payload: payload}
			entries[i].Owner = owner
			last[k] = mid
		}
		for _, err := range s.Append(b.Context(), entries) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	cpu.report(b, at)
}

func benchXADD(b *testing.B, batch, most int) {
	server := redisserver.Start(b)
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr}, DisableCache: true, AlwaysPipelining: true})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	payload := rueidis.BinaryString(make([]byte, 200))
	cpu, at := startCPU(b, server.Addr), 0
	for b.Loop() {
		commands := make(rueidis.Commands, batch)
		for i := range commands {
			name := "key " + strconv.Itoa(at%benchKeys)
			at++
			commands[i] = c.B().Xadd().Key(name).Maxlen().Exact().Threshold(strconv.Itoa(most)).Id("*").FieldValue().FieldValue("v", payload).Build()
		}
		for _, r := range c.DoMulti(b.Context(), commands...) {
			if err := r.Error(); err != nil {
				b.Fatal(err)
			}
		}
	}
	cpu.report(b, at)
}

// cpu is what a Redis has used.
type cpu struct {
	client rueidis.Client
	before float64 // s
}

func startCPU(b *testing.B, addr string) *cpu {
	b.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	c := &cpu{client: client}
	c.before = c.used(b)
	return c
}

func (c *cpu) used(b *testing.B) (seconds float64) {
	b.Helper()
	info, err := c.client.Do(b.Context(), c.client.B().Info().Section("cpu").Build()).ToString()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			seconds += n
		}
	}
	return seconds
}

func (c *cpu) report(b *testing.B, messages int) {
	b.Helper()
	b.StopTimer()
	b.ReportMetric((c.used(b)-c.before)*1e9/float64(messages), "redis-ns/message")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
}
