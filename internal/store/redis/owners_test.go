package redis_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
)

// subscriber is a sink that remembers what came for one key.
type subscriber struct {
	mu   sync.Mutex
	mids []int64
}

func (s *subscriber) Post(_ *channel.Channel, _ uint32, m *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mids = append(s.mids, m.Mid)
}

func (s *subscriber) Kick(_ *channel.Channel, _ uint32, _ []uint64, closed chan<- int) { closed <- 0 }
func (s *subscriber) Flush()                                                           {}
func (s *subscriber) Admit()                                                           {}
func (s *subscriber) Crowded() bool                                                    { return false }

func (s *subscriber) seen() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int64(nil), s.mids...)
}

// node is a hub with a store of its own, which is on the same Redis as the others', and a subscriber of k.
type node struct {
	hub        *channel.Hub
	subscriber subscriber
}

func startNode(t *testing.T, name string, store channel.Store) *node {
	t.Helper()
	hub, err := channel.Open(t.Context(), channel.Config{
		Store: store, Node: name, Owns: func(string) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{hub: hub}
	sink := hub.Attach(&n.subscriber)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	if err := hub.Load(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := hub.Subscribe(sink, "k", 0); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTwoOwners: while two nodes believe that they own a key, all that either acknowledged reaches the subscribers of both, in one order.
func TestTwoOwners(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	cfg := redis.Config{Addresses: []string{server.Addr}}
	nodes := []*node{startNode(t, "a", mustOpen(t, cfg)), startNode(t, "b", mustOpen(t, cfg))}
	var mu sync.Mutex
	acknowledged := map[int64]bool{}
	var pushing sync.WaitGroup
	for i, n := range nodes {
		for range 4 {
			pushing.Go(func() {
				for j := range 100 {
					push := message.Push{Key: "k", Payload: fmt.Appendf(nil, "%d of %d", j, i), Expire: time.Hour}
					r := n.hub.Publish(t.Context(), []message.Push{push})[0]
					if r.Err != nil {
						continue // it lost again and again
					}
					mu.Lock()
					acknowledged[r.Mid] = true
					mu.Unlock()
				}
			})
		}
	}
	pushing.Wait()

	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
	stored, err := s.Range(t.Context(), "k", 0, math.MaxInt64, false, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of 800 acknowledged, %d stored", len(acknowledged), len(stored))
	if len(acknowledged) < 400 {
		t.Errorf("%d of 800 pushes were acknowledged", len(acknowledged))
	}
	last := int64(0)
	for _, m := range stored {
		if m.Prev != last || m.Mid <= last {
			t.Errorf("%d, whose prev is %d, follows %d", m.Mid, m.Prev, last)
		}
		last = m.Mid
		delete(acknowledged, m.Mid)
	}
	if len(acknowledged) > 0 {
		t.Errorf("acknowledged and not stored: %v", acknowledged)
	}
	for i, n := range nodes {
		n.hub.Look("k")
		eventually(t, "a subscriber has all", func() bool { return len(n.subscriber.seen()) >= len(stored) })
		for j, mid := range n.subscriber.seen() {
			if j >= len(stored) || stored[j].Mid != mid {
				t.Fatalf("the subscriber of node %d got %d as message %d", i, mid, j)
			}
		}
	}
}
