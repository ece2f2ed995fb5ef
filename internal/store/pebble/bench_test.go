package pebble_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// BenchmarkAppend appends 128-byte messages, durably: each of 64 publishers has keys of its own.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name           string
		keys, messages int // of one Append
		maxStored      int
	}{
		{"1 at a time", 1, 1, 0},
		{"64 keys at a time", 64, 1, 0},
		{"64 of a key at a time", 1, 64, 0},
		{"1 at a time at the cap", 1, 1, 100},
		{"64 keys at a time at the cap", 64, 1, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := pebble.Open(pebble.Config{Dir: b.TempDir(), MaxStoredPerKey: c.maxStored})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			var left atomic.Int64
			left.Store(int64(b.N))
			var publishers sync.WaitGroup
			for p := range 64 {
				publishers.Go(func() { publish(b, s, &left, p, c.keys, c.messages) })
			}
			publishers.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// publish appends messages until none of left are left.
func publish(b *testing.B, s *pebble.Store, left *atomic.Int64, p, keys, messages int) {
	entries, last, payload := make([]channel.Entry, keys*messages), make([]int64, keys), make([]byte, 128)
	for left.Add(-int64(len(entries))) > -int64(len(entries)) {
		now := time.Now()
		for i := range entries {
			k := i % keys
			m := message.Message{Key: fmt.Sprint("publisher ", p, " key ", k), Mid: message.NextMid(now, last[k]), Prev: last[k], Expires: now.Add(time.Hour), Payload: payload}
			last[k] = m.Mid
			entries[i] = channel.Entry{Message: m}
		}
		for _, err := range s.Append(context.Background(), entries) {
			if err != nil {
				b.Error(err)
				return
			}
		}
	}
}

// BenchmarkRange reads a page of 100 of a key's 1000 messages.
func BenchmarkRange(b *testing.B) {
	s := filled(b, b.TempDir(), 1000, 1)
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		got, err := s.Range(context.Background(), "key 0", 0, 1<<62, false, 100, 0)
		if err != nil || len(got) != 100 {
			b.Fatalf("Range = %d messages, %v", len(got), err)
		}
	}
}

// BenchmarkCursor has 64 devices, each with a key of its own, read messages of 128 bytes with their cursors: some at a time, and
// acknowledge them, or not.
func BenchmarkCursor(b *testing.B) {
	const devices = 64
	for _, c := range []struct {
		name  string
		count int
		ack   bool
	}{
		{"read 1", 1, false},
		{"read and ack 1", 1, true},
		{"read and ack 100", 100, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := filled(b, b.TempDir(), b.N/devices+1, devices)
			defer s.Close()
			for i := range devices {
				if err := s.CreateGroup(b.Context(), keyName(i), "g", 0, false); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			var running sync.WaitGroup
			for i := range devices {
				running.Go(func() { consume(b, s, keyName(i), c.count, c.ack) })
			}
			running.Wait()
		})
	}
}

// consume reads all that a group of key has not delivered.
func consume(b *testing.B, s *pebble.Store, key string, count int, ack bool) {
	q := message.GroupRead{Key: key, Group: "g", Consumer: "c", Count: count}
	for {
		found, err := s.ReadGroup(context.Background(), q)
		if err != nil || len(found) == 0 {
			if err != nil {
				b.Error(err)
			}
			return
		}
		mids := make([]int64, len(found))
		for i := range found {
			mids[i] = found[i].Mid
		}
		if !ack {
			continue
		}
		if n, err := s.Ack(context.Background(), key, "g", mids...); err != nil || n != len(mids) {
			b.Errorf("Ack = %d, %v, want %d", n, err, len(mids))
			return
		}
	}
}

// BenchmarkOpen opens stores with different numbers of messages, 10 to a key. Part of them is in
// the log, as much as a memtable holds, since closing does not write it to a table.
func BenchmarkOpen(b *testing.B) {
	for _, messages := range []int{10, 1_000_000} {
		b.Run(fmt.Sprint(messages, " messages"), func(b *testing.B) {
			dir := b.TempDir()
			if err := filled(b, dir, 10, messages/10).Close(); err != nil {
				b.Fatal(err)
			}
			before := heap()
			var after uint64
			for b.Loop() {
				s, err := pebble.Open(pebble.Config{Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				after = heap()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(int64(after)-int64(before)), "bytes/store")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// filled returns a store that has keys of messages each.
func filled(b *testing.B, dir string, messages, keys int) *pebble.Store {
	b.Helper()
	s, err := pebble.Open(pebble.Config{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	now, payload := time.Now(), make([]byte, 128)
	var publishers sync.WaitGroup
	for range 4 {
		publishers.Go(func() {
			for n := left.Add(1) - 1; n < int64(keys); n = left.Add(1) - 1 {
				entries, last := make([]channel.Entry, messages), int64(0)
				for i := range entries {
					m := message.Message{Key: keyName(int(n)), Mid: message.NextMid(now, last), Prev: last, Expires: now.Add(time.Hour), Payload: payload}
					entries[i], last = channel.Entry{Message: m}, m.Mid
				}
				for _, err := range s.Append(context.Background(), entries) {
					if err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	publishers.Wait()
	return s
}

func keyName(i int) string { return fmt.Sprint("key ", i) }
