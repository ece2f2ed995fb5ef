//go:build unix

package pebble_test

import (
	"context"
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
	"gopush/internal/store/pebble"
)

// BenchmarkPublish pushes 128-byte messages, each publisher the next one when the last was answered.
// What a part of a stored push costs is the difference of two ways: live only; stored by a store
// that answers at once; by pebble on a disk that does not sync; by pebble. cpu-µs/op is of the
// whole process, publishers included.
func BenchmarkPublish(b *testing.B) {
	for _, way := range []struct {
		name   string
		expire time.Duration
		open   func(b *testing.B, d *disk) channel.Store
	}{
		{"live", 0, openNowhere},
		{"stored nowhere", time.Hour, openNowhere},
		{"stored, not synced", time.Hour, func(b *testing.B, d *disk) channel.Store {
			d.lies = true
			return openOn(b, d)
		}},
		{"stored", time.Hour, openOn},
	} {
		for _, load := range []struct{ publishers, keys int }{{1, 1}, {64, 64}, {256, 256}, {64, 1}} {
			b.Run(fmt.Sprintf("%s/%d publishers/%d keys", way.name, load.publishers, load.keys), func(b *testing.B) {
				d := &disk{FS: vfs.Default}
				h, s := runHub(b, way.open(b, d))
				for k := range load.keys {
					if _, _, _, err := h.Subscribe(s, keyName(k), 1); err != nil {
						b.Fatal(err)
					}
				}
				pushFrom(b, h, d, load.publishers, func(p, _ int) []message.Push {
					return []message.Push{{Key: keyName(p % load.keys), Payload: make([]byte, 128), Expire: way.expire}}
				})
			})
		}
	}
}

// BenchmarkPublishMany pushes 1000 messages in a call, one to each of 1000 keys: always the same ones, or
// those of 20,000 devices in turn, more than the store remembers records of.
func BenchmarkPublishMany(b *testing.B) {
	for _, c := range []struct {
		name   string
		expire time.Duration
		keys   int
	}{
		{"live", 0, 1000},
		{"stored", time.Hour, 1000},
		{"stored, of many keys", time.Hour, 20_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := &disk{FS: vfs.Default}
			h, _ := runHub(b, openOn(b, d))
			names, payload, from := make([]string, c.keys), make([]byte, 128), 0
			for i := range names {
				names[i] = keyName(i)
			}
			pushFrom(b, h, d, 1, func(_, left int) []message.Push {
				pushes := make([]message.Push, min(left, 1000))
				for i := range pushes {
					pushes[i] = message.Push{Key: names[(from+i)%c.keys], Payload: payload, Expire: c.expire}
				}
				from += len(pushes)
				return pushes
			})
		})
	}
}

// pushFrom pushes b.N messages: what next returns for a publisher and the number that is left.
func pushFrom(b *testing.B, h *channel.Hub, d *disk, publishers int, next func(p, left int) []message.Push) {
	b.ReportAllocs()
	b.ResetTimer()
	synced, busy, cpu := d.syncs.Load(), d.busy.Load(), processCPU(b)
	var left atomic.Int64
	left.Store(int64(b.N))
	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			for {
				n := left.Load()
				if n <= 0 {
					return
				}
				pushes := next(p, int(n))
				left.Add(-int64(len(pushes)))
				for _, r := range h.Publish(context.Background(), pushes) {
					if r.Err != nil {
						b.Error(r.Err)
						return
					}
				}
			}
		})
	}
	running.Wait()
	b.StopTimer()
	b.ReportMetric(float64((processCPU(b)-cpu).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	if n := d.syncs.Load() - synced; n > 0 {
		b.ReportMetric(float64(b.N)/float64(n), "messages/sync")
		b.ReportMetric(100*float64(d.busy.Load()-busy)/float64(b.Elapsed()), "%syncing")
	}
}

// runHub runs a hub over store until b ends. Whoever subscribes with the sink gets nothing.
func runHub(b *testing.B, store channel.Store) (*channel.Hub, channel.SinkID) {
	h, err := channel.Open(context.Background(), channel.Config{Store: store, Node: "n"})
	if err != nil {
		b.Fatal(err)
	}
	s := h.Attach(deaf{})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	b.Cleanup(func() {
		stop()
		running.Wait()
		store.Close()
	})
	return h, s
}

func openOn(b *testing.B, d *disk) channel.Store {
	s, err := pebble.Open(pebble.Config{Dir: b.TempDir(), FS: d, MaxStoredPerKey: 1000})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// openNowhere returns a store that keeps nothing.
func openNowhere(*testing.B, *disk) channel.Store { return nowhere{memory.New(memory.Config{})} }

type nowhere struct{ *memory.Store }

func (nowhere) Append(_ context.Context, entries []channel.Entry) []error {
	return make([]error, len(entries))
}

// disk counts the syncs of the log.
type disk struct {
	vfs.FS
	lies  bool // it does not sync
	syncs atomic.Int64
	busy  atomic.Int64 // ns within syncs
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.log(name)(d.FS.Create(name, c))
}

func (d *disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.log(to)(d.FS.ReuseForWrite(from, to, c))
}

func (d *disk) log(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err == nil && path.Ext(name) == ".log" {
			f = &logFile{f, d}
		}
		return f, err
	}
}

type logFile struct {
	vfs.File
	disk *disk
}

func (f *logFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *logFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *logFile) sync(do func() error) error {
	f.disk.syncs.Add(1)
	if f.disk.lies {
		return nil
	}
	began := time.Now()
	defer func() { f.disk.busy.Add(int64(time.Since(began))) }()
	return do()
}

// processCPU returns the CPU time that the process has used.
func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
