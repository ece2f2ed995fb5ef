package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gopush/internal/message"
)

// way is one way to push. It returns the mid where its dialect tells.
type way struct {
	name   string
	stored bool
	push   func(ctx context.Context, p *entry, key, payload string) (mid int64, err error)
}

// ways are all ways to push.
func ways() []way {
	return []way{
		{"v1", true, func(ctx context.Context, p *entry, key, payload string) (int64, error) {
			var got struct{ ID string }
			err := p.post(ctx, "/v1/push/"+key+"?expire=600", `"`+payload+`"`, &got)
			if err != nil {
				return 0, err
			}
			return message.ParseID(got.ID)
		}},
		{"v1, live only", false, func(ctx context.Context, p *entry, key, payload string) (int64, error) {
			var got struct{ ID string }
			return 0, p.post(ctx, "/v1/push/"+key+"?expire=0", `"`+payload+`"`, &got)
		}},
		{"legacy", true, func(ctx context.Context, p *entry, key, payload string) (int64, error) {
			var got struct{ Ret int }
			err := p.post(ctx, "/1/admin/push/private?expire=600&key="+url.QueryEscape(key), `"`+payload+`"`, &got)
			if err == nil && got.Ret != 0 {
				err = fmt.Errorf("legacy push: ret %d", got.Ret)
			}
			return 0, err
		}},
		{"XADD", true, func(ctx context.Context, p *entry, key, payload string) (int64, error) {
			id, err := p.redis.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []string{"msg", `"` + payload + `"`}}).Result()
			if err != nil {
				return 0, err
			}
			return message.ParseID(id)
		}},
		{"PUBLISH", false, func(ctx context.Context, p *entry, key, payload string) (int64, error) {
			return 0, p.redis.Publish(ctx, key, `"`+payload+`"`).Err()
		}},
	}
}

// storing are those ways whose messages are stored.
func storing() (some []way) {
	for _, w := range ways() {
		if w.stored {
			some = append(some, w)
		}
	}
	return some
}

// entry is a node as a backend uses it.
type entry struct {
	addr  string
	http  *http.Client
	redis *redis.Client
}

func newEntry(m *member) *entry {
	return &entry{
		addr: m.at[1], redis: redisClient(m.at[1]),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
	}
}

func (p *entry) close() {
	p.http.CloseIdleConnections()
	p.redis.Close()
}

// post posts body and decodes the answer.
func (p *entry) post(ctx context.Context, path, body string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.200s", resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// traffic is pushers at work. Each has a way, pushes to all keys in turn when its last push was answered, and goes to the next of its
// nodes when one fails.
type traffic struct {
	a      *account
	t      *testing.T
	cancel context.CancelFunc
	done   sync.WaitGroup
	acks   []map[string]*atomic.Int64 // by pusher and key
}

// push starts so many pushers, of all ways in turn, each beginning at another node.
func (c *cluster) push(a *account, how []way, pushers int, keys []string, via ...*member) *traffic {
	ctx, cancel := context.WithCancel(c.t.Context())
	tr := &traffic{a: a, t: c.t, cancel: cancel}
	c.t.Cleanup(tr.stop)
	for i := range pushers {
		acks := map[string]*atomic.Int64{}
		for _, key := range keys {
			acks[key] = new(atomic.Int64)
		}
		tr.acks = append(tr.acks, acks)
		number, w := a.pusher(), how[i%len(how)]
		turned := append(append([]*member{}, via[i%len(via):]...), via[:i%len(via)]...)
		tr.done.Go(func() { tr.run(ctx, w, number, keys, turned, acks) })
	}
	return tr
}

// run is one pusher.
func (tr *traffic) run(ctx context.Context, w way, pusher int, keys []string, via []*member, acks map[string]*atomic.Int64) {
	turn := 0
	at := newEntry(via[0])
	defer func() { at.close() }()
	for number := 1; ctx.Err() == nil; number++ {
		key, payload := keys[number%len(keys)], payloadOf(pusher, number)
		tr.a.try(key, payload)
		// A push that was begun is carried to its end: it is known what came of it.
		mid, err := w.push(context.WithoutCancel(ctx), at, key, payload)
		if err != nil {
			err = fmt.Errorf("%s at %s: %w", w.name, via[turn%len(via)].name, err)
		}
		tr.a.done(key, payload, w.stored, mid, err)
		if err == nil {
			acks[key].Add(1)
			continue
		}
		at.close()
		turn++
		at = newEntry(via[turn%len(via)])
		pause(ctx, 10*time.Millisecond)
	}
}

// stop ends the pushers.
func (tr *traffic) stop() {
	tr.cancel()
	tr.done.Wait()
}

// more waits until every pusher had so many more pushes to each key acknowledged.
func (tr *traffic) more(count int64, keys ...string) {
	tr.t.Helper()
	type goal struct {
		acks *atomic.Int64
		want int64
	}
	var goals []goal
	for _, acks := range tr.acks {
		for key, n := range acks {
			if len(keys) == 0 || slices.Contains(keys, key) {
				goals = append(goals, goal{n, n.Load() + count})
			}
		}
	}
	ok := poll(func() bool {
		for _, g := range goals {
			if g.acks.Load() < g.want {
				return false
			}
		}
		return true
	})
	if !ok {
		tr.t.Fatalf("not every pusher had %d more pushes to each key acknowledged within %v; they failed with: %.1000v", count, patience, tr.a.failures())
	}
}
