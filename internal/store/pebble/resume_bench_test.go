package pebble_test

import (
	"context"
	"testing"

	"gopush/internal/channel"
)

// BenchmarkResume has 15,000 devices come back, each with a key that has 10 messages.
func BenchmarkResume(b *testing.B) {
	const devices, messages = 15_000, 10
	s := filled(b, b.TempDir(), messages, devices)
	defer s.Close()
	h, err := channel.Open(context.Background(), channel.Config{Store: s, Node: "n"})
	if err != nil {
		b.Fatal(err)
	}
	last := make([]int64, devices)
	for i := range last {
		info, err := s.Info(context.Background(), keyName(i))
		if err != nil {
			b.Fatal(err)
		}
		last[i] = info.Last
	}
	for _, c := range []struct {
		name   string
		key    func(i int) int
		behind int64 // the device's mid, before the last one of its key
		want   int
	}{
		{"10 missed", func(i int) int { return i % devices }, messages * 4, messages},
		{"10 missed of one key", func(int) int { return 0 }, messages * 4, messages},
		{"nothing missed", func(i int) int { return i % devices }, 0, 0},
		{"key unknown", func(i int) int { return devices + i%devices }, 0, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				key, mid := c.key(i), int64(1)
				if key < devices {
					mid = last[key] - c.behind
				}
				p, err := h.Resume(context.Background(), keyName(key), mid, true)
				if err != nil || len(p.Messages) != c.want || !p.Last {
					b.Fatalf("Resume = %d messages, last %v, %v; want %d", len(p.Messages), p.Last, err, c.want)
				}
			}
		})
	}
}
