package memory_test

import (
	"context"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// BenchmarkAppend appends to a key that has as many messages as it may have.
func BenchmarkAppend(b *testing.B) {
	const full = 1000
	for _, c := range []struct {
		name string
		cap  int
		trim message.Trim
	}{
		{"no cap", 0, message.Trim{}},
		{"at the cap", full, message.Trim{}},
		{"trimmed", 0, message.Trim{Keep: full}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := memory.New(memory.Config{MaxStoredPerKey: c.cap})
			now, last, payload := time.Now(), int64(0), make([]byte, 128)
			entries := make([]channel.Entry, 1)
			add := func() {
				m := message.Message{Key: "k", Mid: last + 4, Prev: last, Expires: now.Add(time.Hour), Payload: payload}
				entries[0], last = channel.Entry{Message: m, Trim: c.trim}, m.Mid
				if err := s.Append(context.Background(), entries)[0]; err != nil {
					b.Fatal(err)
				}
			}
			for range full {
				add()
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if c.cap == 0 && c.trim == (message.Trim{}) && i%full == 0 {
					s.Trim(context.Background(), "k", full, 0)
				}
				add()
			}
		})
	}
}

// BenchmarkRange reads a page of 100 of a key's 10,000 messages.
func BenchmarkRange(b *testing.B) {
	s, entries := memory.New(memory.Config{}), make([]channel.Entry, 10_000)
	for i := range entries {
		entries[i].Message = message.Message{Key: "k", Mid: int64(4*i + 4), Prev: int64(4 * i), Expires: message.Never, Payload: make([]byte, 128)}
	}
	s.Append(context.Background(), entries)
	b.ReportAllocs()
	for b.Loop() {
		if got, err := s.Range(context.Background(), "k", 0, 1<<62, false, 100, 0); err != nil || len(got) != 100 {
			b.Fatalf("Range = %d messages, %v", len(got), err)
		}
	}
}
