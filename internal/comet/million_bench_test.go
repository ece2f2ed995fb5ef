package comet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// The cost of very many connections without the kernel's part: everything is real but the sockets.
//
//	go test -run '^$' -bench Million ./internal/comet                # 1,000,000 connections
//	go test -run '^$' -bench Million -short ./internal/comet         # 100,000

func BenchmarkMillion(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	b.Run("own keys", func(b *testing.B) {
		s := newCrowd(b, n, func(i int) string { return fmt.Sprintf("user%07d", i) })
		b.Run("collect", s.benchCollect)
		b.Run("push", func(b *testing.B) { s.benchPush(b) })
		b.Run("push while collecting", func(b *testing.B) {
			defer collectAlways()()
			s.benchPush(b)
		})
	})
	b.Run("one key", func(b *testing.B) {
		s := newCrowd(b, n, func(int) string { return "everybody" })
		b.Run("collect", s.benchCollect)
		b.Run("broadcast", s.benchBroadcast)
	})
}

// An idle connection that is subscribed to a key of its own costs what docs/design.md promises,
// "The connection engine": its place in the loop, its channel, its key and the map together.
func TestAnIdleConnectionCostsLittleHeap(t *testing.T) {
	const n = 60_000 // maps grow by doubling: just after
	s := newCrowd(t, n, func(i int) string { return fmt.Sprintf("user%07d", i) })
	if got := s.heapPerConn(); got > 245 {
		t.Errorf("each of %d connections takes %.0f bytes of heap, want at most 245", n, got)
	}
}

// crowd is very many connections of a running gateway, without sockets.
type crowd struct {
	hub    *channel.Hub
	void   *void
	n      int
	key    func(i int) string // what connection i is subscribed to
	before uint64             // bytes of live heap without the connections
}

// newCrowd makes n connections, number i subscribed to key(i) in the words of a client. They go
// with the test.
func newCrowd(tb testing.TB, n int, key func(i int) string) *crowd {
	tb.Helper()
	hub, err := channel.Open(tb.Context(), channel.Config{Store: memory.New(memory.Config{}), Node: "n"})
	if err != nil {
		tb.Fatal(err)
	}
	g, v := newVoidGateway(tb, hub)
	s := &crowd{hub: hub, void: v, n: n, key: key, before: liveHeap()}
	tb.Cleanup(runBoth(hub, g))
	greeted := v.expect(n)
	for from := 0; from < n; from += slice {
		g.loops[0].do(func(l *loop) {
			for i := from; i < min(from+slice, n); i++ {
				l.input(l.add(&Listener{}, int32(i)), subCommand(key(i)))
			}
		})
	}
	<-greeted
	return s
}

// subCommand is how a client of the legacy RESP dialect subscribes.
func subCommand(key string) []byte {
	return fmt.Appendf(nil, "*5\r\n$3\r\nsub\r\n$%d\r\n%s\r\n$5\r\n86400\r\n$0\r\n\r\n$1\r\n1\r\n", len(key), key)
}

// runBoth runs a hub and a gateway until stop, which waits for their end.
func runBoth(hub *channel.Hub, g *Gateway) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	running.Go(func() { g.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// heapPerConn returns the bytes of live heap for each connection.
func (s *crowd) heapPerConn() float64 {
	return (float64(liveHeap()) - float64(s.before)) / float64(s.n)
}

// benchCollect measures one garbage collection.
func (s *crowd) benchCollect(b *testing.B) {
	before := readGC()
	for b.Loop() {
		runtime.GC()
	}
	after := readGC()
	b.ReportMetric(s.heapPerConn(), "heap-B/conn")
	b.ReportMetric((after.cpu-before.cpu)*1e3/float64(b.N), "gc-cpu-ms/op")
	b.ReportMetric(after.longest(before)*1e6, "longest-pause-µs")
}

// benchPush measures pushes to one connection each, one after the other, from Publish to the
// connection's write. In between others may have the processor.
func (s *crowd) benchPush(b *testing.B) {
	const hot = 10_000 // keys, spread over all, that are pushed to and have been before
	key := func(i int) string { return s.key(i * 7919 % s.n) }
	for i := range hot {
		s.push(key(i))
	}
	took := hdrhistogram.New(1, int64(time.Minute), 3)
	for b.Loop() {
		next := time.Now().Add(pushPause)
		took.RecordValue(int64(s.push(key(rand.IntN(hot)))))
		for time.Now().Before(next) {
			runtime.Gosched()
		}
	}
	b.ReportMetric(0, "ns/op") // says nothing
	for name, percent := range map[string]float64{"p50-µs": 50, "p99-µs": 99, "max-µs": 100} {
		b.ReportMetric(float64(took.ValueAtPercentile(percent))/1e3, name)
	}
}

// pushPause is from one push to the next.
const pushPause = 100 * time.Microsecond

// push pushes a live-only message to a key with one subscriber and returns how long it took until it was written.
func (s *crowd) push(key string) time.Duration {
	written := s.void.expect(1)
	began := time.Now()
	s.hub.Publish(context.Background(), []message.Push{{Key: key, Payload: payload128}})
	return (<-written).Sub(began)
}

// benchBroadcast measures one message to all that comes after a pause.
func (s *crowd) benchBroadcast(b *testing.B) {
	b.ReportAllocs()
	push := []message.Push{{Key: s.key(0), Payload: payload128}}
	for b.Loop() {
		written := s.void.expect(s.n)
		s.hub.Publish(context.Background(), push)
		<-written
		b.StopTimer()
		time.Sleep(restMost)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.n), "ns/delivery")
}

// liveHeap returns the bytes that are reachable.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what lies in a sync.Pool is let go by the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// collectAlways has garbage collected again and again, and never for another reason, until stop.
func collectAlways() (stop func()) {
	percent := debug.SetGCPercent(-1)
	ctx, cancel := context.WithCancel(context.Background())
	var collecting sync.WaitGroup
	collecting.Go(func() {
		for ctx.Err() == nil {
			runtime.GC()
		}
	})
	return func() {
		cancel()
		collecting.Wait()
		debug.SetGCPercent(percent)
	}
}

// gcCost is what garbage collections have cost so far.
type gcCost struct {
	cpu    float64 // seconds, on processors that had nothing else to do included
	pauses *metrics.Float64Histogram
}

func readGC() gcCost {
	samples := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	return gcCost{samples[0].Value.Float64(), samples[1].Value.Float64Histogram()}
}

// longest returns the longest pause since before, in seconds, rounded up.
func (c gcCost) longest(before gcCost) (seconds float64) {
	for i, n := range c.pauses.Counts {
		if n > before.pauses.Counts[i] {
			seconds = c.pauses.Buckets[i+1]
		}
	}
	return seconds
}
