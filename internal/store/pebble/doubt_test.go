package pebble_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// deaf is a sink that does nothing.
type deaf struct{}

func (deaf) Post(*channel.Channel, uint32, *message.Message)     {}
func (deaf) Kick(*channel.Channel, uint32, []uint64, chan<- int) {}
func (deaf) Flush()                                              {}
func (deaf) Crowded() bool                                       { return false }
func (deaf) Admit()                                              {}

// listener has the mids that it was posted.
type listener struct {
	deaf
	mu   sync.Mutex
	mids []int64
}

func (l *listener) Post(_ *channel.Channel, _ uint32, m *message.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mids = append(l.mids, m.Mid)
}

// A push whose sync failed may be in the store when that has been opened again. Until then nothing is released above it, though the store can be
// read meanwhile and does not have it: who listens gets it after all.
func TestWhatAFailedSyncMayHaveStoredIsNotPassed(t *testing.T) {
	t.Parallel()
	f := &faults{kind: isSync, err: syscall.EIO}
	s, err := pebble.Open(pebble.Config{Dir: "data", FS: errorfs.Wrap(vfs.NewMem(), f)})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := channel.Open(t.Context(), channel.Config{Store: s, Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		s.Close()
	})
	heard := new(listener)
	if _, _, _, err := hub.Subscribe(hub.Attach(heard), "k", 1); err != nil {
		t.Fatal(err)
	}
	push := func(expire time.Duration, idem string) message.Receipt {
		p := message.Push{Key: "k", Payload: []byte("p"), Expire: expire}
		if idem != "" {
			p.IdemKey = []byte(idem)
		}
		return hub.Publish(t.Context(), []message.Push{p})[0]
	}
	if r := push(time.Hour, ""); r.Err != nil {
		t.Fatal(r.Err)
	}
	f.from.Store(1)
	f.to.Store(math.MaxInt64)
	if r := push(time.Hour, "once"); !errors.Is(r.Err, message.ErrUnknown) {
		t.Fatalf("a push whose sync fails: %v, want %v", r.Err, message.ErrUnknown)
	}
	for range 20 { // while the store has failed
		push(0, "")
	}
	f.heal()
	var again message.Receipt
	for again = push(time.Hour, "once"); again.Err != nil; again = push(time.Hour, "once") {
		if t.Context().Err() != nil {
			t.Fatal(again.Err)
		}
	}
	last := push(time.Hour, "")
	if last.Err != nil {
		t.Fatal(last.Err)
	}
	heard.mu.Lock()
	defer heard.mu.Unlock()
	got := false
	for i, mid := range heard.mids {
		if i > 0 && mid <= heard.mids[i-1] {
			t.Errorf("%d came after %d", mid, heard.mids[i-1])
		}
		got = got || mid == again.Mid
	}
	if !got {
		t.Errorf("the push that was acknowledged as %d did not come; these did: %d", again.Mid, heard.mids)
	}
}
