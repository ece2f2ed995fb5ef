package test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// pushWay is one of the ways to push. It pushes payload, which names the way and its number.
type pushWay struct {
	name   string
	stored bool
	push   func(ctx context.Context, n *node, c *redis.Client, way string, number int) error
}

// wayPayload is what is pushed: JSON as it stays, whatever it passes through.
func wayPayload(way string, number int) string {
	return fmt.Sprintf(`{"from":%q,"number":"%d"}`, way, number)
}

func pushWays() []pushWay {
	byHTTP := func(path string) func(context.Context, *node, *redis.Client, string, int) error {
		return func(ctx context.Context, n *node, _ *redis.Client, way string, number int) error {
			request, err := http.NewRequestWithContext(ctx, "POST", n.adminURL(path), strings.NewReader(wayPayload(way, number)))
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", path, answer.Status)
			}
			return nil
		}
	}
	return []pushWay{
		{"http", true, byHTTP("/v1/push/k")},
		{"http-live", false, byHTTP("/v1/push/k?expire=0")},
		{"legacy", true, byHTTP("/1/admin/push/private?key=k&expire=600")},
		{"xadd", true, func(ctx context.Context, _ *node, c *redis.Client, way string, number int) error {
			return c.XAdd(ctx, &redis.XAddArgs{Stream: "k", Values: []string{"msg", wayPayload(way, number)}}).Err()
		}},
		{"xadd-fields", true, func(ctx context.Context, _ *node, c *redis.Client, way string, number int) error {
			return c.XAdd(ctx, &redis.XAddArgs{Stream: "k", Values: []string{"from", way, "number", fmt.Sprint(number)}}).Err()
		}},
		{"publish", false, func(ctx context.Context, _ *node, c *redis.Client, way string, number int) error {
			if receivers, err := c.Publish(ctx, "k", wayPayload(way, number)).Result(); err != nil || receivers != 5 {
				return fmt.Errorf("PUBLISH: %d receivers, %w", receivers, err)
			}
			return nil
		}},
	}
}

// What is pushed anywhere is seen everywhere, in one order.
func TestOneOrderForAllDialects(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		const each = 60
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		defer cancel()
		c := redis.NewClient(&redis.Options{Addr: n.admin[0]})
		defer c.Close()
		three := redis.NewClient(&redis.Options{Addr: n.public[0], Protocol: 3})
		defer three.Close()
		two := redis.NewClient(&redis.Options{Addr: n.public[0], Protocol: 2})
		defer two.Close()
		legacy, web := n.subscribe("k", "", "1"), n.subscribeWS("k", "&ver=1")
		subscriptions := map[string]*redis.PubSub{
			"RESP2": two.Subscribe(ctx, "k"), "RESP3": three.Subscribe(ctx, "k"), "pattern": c.PSubscribe(ctx, "[a-k]"),
		}
		for name, s := range subscriptions {
			defer s.Close()
			if _, err := s.Receive(ctx); err != nil {
				t.Fatalf("subscribe, %s: %v", name, err)
			}
		}
		pushAllWays(ctx, t, n, c, each)
		count := each * len(pushWays())
		seen := make([]string, count)
		for i := range seen {
			seen[i] = string(legacy.next().Msg)
		}
		expectEachInOrder(t, seen, each)
		others := map[string]func() string{"legacy WebSocket": func() string { return string(web.next().Msg) }}
		for name, s := range subscriptions {
			others[name] = func() string {
				m, err := s.ReceiveMessage(ctx)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return m.Payload
			}
		}
		for name, next := range others {
			for i, want := range seen {
				if got := next(); got != want {
					t.Fatalf("message %d is %s for %s and %s for legacy RESP", i, got, name, want)
				}
			}
		}
		expectStream(ctx, t, three, seen)
	})
}

// pushAllWays pushes by all ways at once, so many times each.
func pushAllWays(ctx context.Context, t *testing.T, n *node, c *redis.Client, each int) {
	t.Helper()
	var pushers sync.WaitGroup
	for _, way := range pushWays() {
		pushers.Go(func() {
			for i := range each {
				if err := way.push(ctx, n, c, way.name, i); err != nil {
					t.Errorf("push %d by %s: %v", i, way.name, err)
					return
				}
			}
		})
	}
	pushers.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// expectEachInOrder checks that what was pushed one way came once, in the order in which it was pushed.
func expectEachInOrder(t *testing.T, seen []string, each int) {
	t.Helper()
	for _, way := range pushWays() {
		var got, want []string
		for i := range each {
			want = append(want, wayPayload(way.name, i))
		}
		for _, payload := range seen {
			if strings.Contains(payload, fmt.Sprintf(`"from":%q,`, way.name)) {
				got = append(got, payload)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("pushed by %s came %v, want %v", way.name, got, want)
		}
	}
}

// expectStream checks that the stream of the key has those that were seen and are stored, in their order.
func expectStream(ctx context.Context, t *testing.T, c *redis.Client, seen []string) {
	t.Helper()
	stored := make(map[string]bool)
	for _, way := range pushWays() {
		stored[way.name] = way.stored
	}
	var want, got []string
	for _, payload := range seen {
		if way := strings.Split(payload, `"`)[3]; stored[way] {
			want = append(want, payload)
		}
	}
	for after := "0"; len(got) < len(want); {
		streams, err := c.XRead(ctx, &redis.XReadArgs{Streams: []string{"k", after}, Count: 7, Block: -1}).Result()
		if err != nil {
			t.Fatalf("XREAD after %s, %d of %d: %v", after, len(got), len(want), err)
		}
		for _, m := range streams[0].Messages {
			after = m.ID
			if msg, plain := m.Values["msg"]; plain {
				got = append(got, msg.(string))
				continue
			}
			got = append(got, fmt.Sprintf(`{"from":%q,"number":%q}`, m.Values["from"], m.Values["number"]))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the stream has %v, want %v", got, want)
	}
}
