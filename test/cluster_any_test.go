package test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// sessionTimeout is how long a node of these tests that is not heard of counts as there.
const sessionTimeout = 2 * time.Second

// Any node takes any request: keys of each owner are pushed to on every node in every way, and subscribed to on every
// node in every dialect. Nobody is disturbed, so everybody gets everything, live-only messages too.
func TestClusterAnyNodeTakesAnyRequest(t *testing.T) {
	t.Parallel()
	c, a := newCluster(t, clusterConfig{}), newAccount()
	var keys []string
	var devices []*listener
	for _, owner := range c.members {
		key := c.keyOf(owner)
		keys = append(keys, key)
		for _, at := range c.members {
			for _, how := range dialects() {
				devices = append(devices, c.listen(how, key, at).undisturbed())
			}
		}
	}
	load := c.push(a, ways(), 3*len(ways()), keys, c.members...)
	load.more(5)
	load.stop()
	a.expectNoFailures(t)
	a.settle(t, devices...)
	expectUndisturbed(t, devices...)
	a.expectKept(t, c.members...)
}

// What one connection pushes stays in its order, also where many pushes are under way at once at a node that owns none of the keys.
func TestClusterKeepsTheOrderOfAPusher(t *testing.T) {
	t.Parallel()
	c, a := newCluster(t, clusterConfig{}), newAccount()
	const count = 500
	owner, wrong := c.members[0], c.members[1]
	keys := c.keysOf(owner, 2)
	var devices []*listener
	for _, key := range keys {
		for i, how := range dialects() {
			devices = append(devices, c.listen(how, key, c.members[i%3]).undisturbed())
		}
	}
	var pushing sync.WaitGroup
	for _, push := range []func(*testing.T, *account, *member, []string, int){pipelineRedis, pipelineHTTP, pushBatches} {
		pushing.Go(func() { push(t, a, wrong, keys, count) })
	}
	pushing.Wait()
	a.settle(t, devices...)
	a.expectKept(t, c.members...)
}

// pipelineRedis pushes in one write over one connection, in turn to all keys, stored and live only.
func pipelineRedis(t *testing.T, a *account, at *member, keys []string, count int) {
	c := redisClient(at.at[1])
	defer c.Close()
	pusher, pipe := a.pusher(), c.Pipeline()
	var replies []redis.Cmder
	for number := 1; number <= count; number++ {
		key, payload := keys[number%len(keys)], payloadOf(pusher, number)
		a.try(key, payload)
		if number%5 == 0 {
			replies = append(replies, pipe.Publish(t.Context(), key, `"`+payload+`"`))
		} else {
			replies = append(replies, pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: []string{"msg", `"` + payload + `"`}}))
		}
	}
	if _, err := pipe.Exec(within(t)); err != nil {
		t.Errorf("pipelined pushes: %v", err)
		return
	}
	for i, reply := range replies {
		_, stored := reply.(*redis.StringCmd)
		a.done(keys[(i+1)%len(keys)], payloadOf(pusher, i+1), stored, 0, reply.Err())
	}
}

// pipelineHTTP pushes in one write over one connection, on legacy paths and on those of v1.
func pipelineHTTP(t *testing.T, a *account, at *member, keys []string, count int) {
	p := dial(t, at.at[1])
	pusher := a.pusher()
	var all strings.Builder
	for number := 1; number <= count; number++ {
		key, payload := keys[number%len(keys)], payloadOf(pusher, number)
		a.try(key, payload)
		path := "/v1/push/" + key + "?expire=600"
		if number%2 == 0 {
			path = "/1/admin/push/private?expire=600&key=" + key
		}
		fmt.Fprintf(&all, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n\"%s\"", path, at.at[1], len(payload)+2, payload)
	}
	p.send(all.String())
	for number := 1; number <= count; number++ {
		err := expectAccepted(p.r)
		a.done(keys[number%len(keys)], payloadOf(pusher, number), true, 0, err)
		if err != nil {
			t.Errorf("pipelined push %d: %v", number, err)
			return
		}
	}
}

// expectAccepted reads the answer to a push.
func expectAccepted(r *bufio.Reader) error {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || bytes.Contains(body, []byte(`"ret":6`))) {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

// pushBatches pushes in calls of many messages each.
func pushBatches(t *testing.T, a *account, at *member, keys []string, count int) {
	p, pusher := newEntry(at), a.pusher()
	defer p.close()
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = i + 1
	}
	for chunk := range slices.Chunk(numbers, 50) {
		var messages []string
		for _, number := range chunk {
			key, payload := keys[number%len(keys)], payloadOf(pusher, number)
			a.try(key, payload)
			messages = append(messages, fmt.Sprintf(`{"key":%q,"payload":%q,"expire":600}`, key, payload))
		}
		var answer struct{ Results []struct{ Error any } }
		err := p.post(context.WithoutCancel(t.Context()), "/v1/push", `{"messages":[`+strings.Join(messages, ",")+`]}`, &answer)
		if err == nil && len(answer.Results) != len(chunk) {
			err = fmt.Errorf("%d results of %d messages", len(answer.Results), len(chunk))
		}
		for i, number := range chunk {
			if err == nil && answer.Results[i].Error != nil {
				err = fmt.Errorf("message %d: %v", i, answer.Results[i].Error)
			}
			a.done(keys[number%len(keys)], payloadOf(pusher, number), true, 0, err)
		}
		if err != nil {
			t.Errorf("push a batch: %v", err)
			return
		}
	}
}

// What several dialects say of a key is the same on all nodes: who listens, what is stored, who owns it.
func TestClusterTellsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	c, a := newCluster(t, clusterConfig{}), newAccount()
	key := c.keyOf(c.members[2])
	for _, m := range c.members {
		for range 2 {
			c.listen(dialects()[0], key, m)
		}
	}
	load := c.push(a, storing(), 3, []string{key}, c.members...)
	load.more(3)
	load.stop()
	a.expectNoFailures(t)
	a.expectKept(t, c.members...)
	for _, m := range c.members {
		r := redisClient(m.at[1])
		defer r.Close()
		eventually(t, "six subscribers are known on "+m.name, func() bool {
			counts, err := r.PubSubNumSub(t.Context(), key).Result()
			return err == nil && counts[key] == 6
		})
		if n, err := r.Publish(within(t), key, "p0-1").Result(); err != nil || n != 6 {
			t.Errorf("PUBLISH on %s reached %d (%v), want 6", m.name, n, err)
		}
		if got, err := m.ownerOf(key); err != nil || got != c.members[2].at[0] {
			t.Errorf("%s says that %s is owned by %s (%v), want %s", m.name, key, got, err, c.members[2].at[0])
		}
	}
}
