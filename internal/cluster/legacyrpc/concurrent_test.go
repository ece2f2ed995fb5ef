package legacyrpc_test

import (
	"bytes"
	"context"
	"fmt"
	"net/rpc"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/cluster/legacyrpc"
	"gopush/internal/message"
)

func TestManyCallAtOnce(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	var callers sync.WaitGroup
	for i := range 4 {
		c := n.dial(t)
		for j := range 25 {
			callers.Go(func() {
				key := fmt.Sprintf("k%d-%d", i, j)
				for k := range 20 {
					args := &CometPushPrivateArgs{Key: key, Msg: fmt.Appendf(nil, "%d", k), Expire: 60}
					if err := c.Call("CometRPC.PushPrivate", args, new(int)); err != nil {
						t.Errorf("push: %v", err)
						return
					}
				}
				reply := MessageGetResp{}
				if err := c.Call("MessageRPC.GetPrivate", &MessageGetPrivateArgs{Key: key}, &reply); err != nil || len(reply.Msgs) != 20 {
					t.Errorf("stored for %q: %d messages, %v, want 20", key, len(reply.Msgs), err)
					return
				}
				for k, m := range reply.Msgs {
					if string(m.Msg) != fmt.Sprint(k) {
						t.Errorf("message %d of %q is %s", k, key, m.Msg)
					}
				}
			})
		}
	}
	callers.Wait()
}

// counted counts how many pushes are under way, and has them wait until as many are as may be.
type counted struct {
	legacyrpc.Keys
	most     int64
	now      atomic.Int64
	exceeded atomic.Bool
	full     chan struct{}
	fill     sync.Once
}

func (c *counted) Publish(ctx context.Context, pushes []message.Push) []message.Receipt {
	switch now := c.now.Add(1); {
	case now > c.most:
		c.exceeded.Store(true)
	case now == c.most:
		c.fill.Do(func() { close(c.full) })
	}
	defer c.now.Add(-1)
	<-c.full
	return c.Keys.Publish(ctx, pushes)
}

func TestWhatIsUnderWayIsBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		payload int
		most    int64
	}{
		{"calls", 1, 256},
		{"bytes", maxMessageBytes, 64}, // 4 MiB
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := &counted{most: tt.most, full: make(chan struct{})}
			n := start(t, func(cfg *legacyrpc.Config, _ *node) { k.Keys, cfg.Keys = cfg.Keys, k })
			c := n.dial(t)
			done := make(chan *rpc.Call, 400)
			payload := bytes.Repeat([]byte("1"), tt.payload)
			go func() {
				for i := range cap(done) {
					c.Go("CometRPC.PushPrivate", &CometPushPrivateArgs{Key: fmt.Sprint(i), Msg: payload}, new(int), done)
				}
			}()
			for range cap(done) {
				if call := <-done; call.Error != nil {
					t.Fatal(call.Error)
				}
			}
			if k.exceeded.Load() {
				t.Errorf("more than %d calls were under way", tt.most)
			}
		})
	}
}

func TestCloseAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	n := start(t, func(_ *legacyrpc.Config, n *node) { n.held = make(chan struct{}) })
	idle, c := n.dial(t), n.dial(t)
	call(t, idle, "CometRPC.Ping", 0, new(int), "")
	push := c.Go("CometRPC.PushPrivate", &CometPushPrivateArgs{Key: "k", Msg: []byte("1"), Expire: 60}, new(int), make(chan *rpc.Call, 1))
	n.waitPushed(t)
	closed := make(chan struct{})
	go func() { n.server.Close(); close(closed) }()
	if err := idle.Call("CometRPC.Ping", 0, new(int)); err == nil { // ends when Close has begun
		for idle.Call("CometRPC.Ping", 0, new(int)) == nil {
		}
	}
	select {
	case <-closed:
		t.Error("Close returned while a call was under way")
	default:
	}
	close(n.held)
	if <-push.Done; push.Error != nil {
		t.Errorf("a push that was under way: %v, want an answer", push.Error)
	}
	<-closed
	if err := n.dial(t).Call("CometRPC.Ping", 0, new(int)); err == nil {
		t.Error("a call after Close was answered")
	}
	n.wantEnd(t, legacyrpc.Shutdown)
}

func (n *node) waitPushed(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		n.mu.Lock()
		some := len(n.pushed) > 0
		n.mu.Unlock()
		if some {
			return
		}
	}
	t.Fatal("nothing was pushed")
}
