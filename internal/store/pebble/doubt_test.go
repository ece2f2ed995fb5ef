package pebble_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
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

// listenTo runs a hub over s, which it closes in the end, and what listens to k there. timeout is as in channel.Config.
func listenTo(t *testing.T, s channel.Store, timeout time.Duration) (*channel.Hub, *listener) {
	t.Helper()
	hub, err := channel.Open(t.Context(), channel.Config{Store: s, Node: "n", StoreTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	heard := new(listener)
	sink := hub.Attach(heard)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		s.Close()
	})
	if _, _, _, err := hub.Subscribe(sink, "k", 1); err != nil {
		t.Fatal(err)
	}
	return hub, heard
}

// gated has each sync wait until it is let go, while it is shut.
type gated struct {
	shut   atomic.Bool
	syncs  chan struct{} // one for each that waits
	letsGo chan struct{} // one for each that may go on; closed: all may
}

func (g *gated) MaybeError(op errorfs.Op) error {
	if isSync(op) && g.shut.Load() {
		g.syncs <- struct{}{}
		<-g.letsGo
	}
	return nil
}

func (*gated) String() string { return "gated" }

// calls is a store that tells of each append that begins.
type calls struct {
	*pebble.Store
	began chan struct{}
}

func (s *calls) Append(ctx context.Context, e []channel.Entry) []error {
	s.began <- struct{}{}
	return s.Store.Append(ctx, e)
}

// Behind an append that was given up another one waits for its turn. When that has come, and its time is over before the disk is done, nothing is released
// above it either: that it is not there yet tells nothing.
func TestWhatTheCommitterStillStoresIsNotPassed(t *testing.T) {
	t.Parallel()
	g := &gated{syncs: make(chan struct{}, 100), letsGo: make(chan struct{})}
	inner, err := pebble.Open(pebble.Config{Dir: "data", FS: errorfs.Wrap(vfs.NewMem(), g)})
	if err != nil {
		t.Fatal(err)
	}
	s := &calls{Store: inner, began: make(chan struct{}, 100)}
	hub, heard := listenTo(t, s, 2*time.Second)
	goOn := sync.OnceFunc(func() {
		g.shut.Store(false)
		close(g.letsGo)
	})
	t.Cleanup(goOn)
	push := func(p message.Push) message.Receipt {
		p.Payload = []byte("p")
		return hub.Publish(t.Context(), []message.Push{p})[0]
	}
	doubted := message.Push{Key: "k", Expire: time.Hour, IdemKey: []byte("once")}
	for _, key := range []string{"k", "other"} {
		if r := push(message.Push{Key: key, Expire: time.Hour}); r.Err != nil {
			t.Fatal(r.Err)
		}
		<-s.began
	}
	g.shut.Store(true)
	if r := push(message.Push{Key: "other", Expire: time.Hour}); !errors.Is(r.Err, message.ErrUnknown) {
		t.Fatalf("the push that has the disk: %v, want %v", r.Err, message.ErrUnknown)
	}
	<-s.began
	<-g.syncs
	var second message.Receipt
	var pushing sync.WaitGroup
	pushing.Go(func() { second = push(doubted) })
	<-s.began
	time.Sleep(100 * time.Millisecond) // it gets in line; were it late, it would have the disk itself, which is no different to who listens
	g.letsGo <- struct{}{}
	<-g.syncs
	pushing.Wait()
	if !errors.Is(second.Err, message.ErrUnknown) {
		t.Fatalf("the push behind it: %v, want %v", second.Err, message.ErrUnknown)
	}
	for range 3 { // while it is written
		push(message.Push{Key: "k"})
	}
	goOn()
	again := push(doubted)
	for again.Err != nil && t.Context().Err() == nil {
		again = push(doubted)
	}
	heard.mu.Lock()
	defer heard.mu.Unlock()
	if !again.Duplicate || !slices.IsSorted(heard.mids) || !slices.Contains(heard.mids, again.Mid) {
		t.Errorf("the push that was acknowledged as %d (duplicate: %v) did not come in its place; these did: %d", again.Mid, again.Duplicate, heard.mids)
	}
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
	hub, heard := listenTo(t, s, 0)
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
