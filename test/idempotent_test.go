package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/client"
)

// repeatable are the ways to push something that may be repeated.
func repeatable() map[string]func(key, payload, name string) string {
	post := func(target, body, header string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n%s\r\n%s", target, len(body), header, body)
	}
	named := func(name string) string { return "Idempotency-Key: " + name + "\r\n" }
	return map[string]func(key, payload, name string) string{
		"v1": func(key, payload, name string) string { return post("/v1/push/"+key, payload, named(name)) },
		"v1, net/http": func(key, payload, name string) string {
			return post("/v1/push/"+key, payload, named(name)+"X-Unknown: 1\r\n")
		},
		"batch": func(key, payload, name string) string {
			return post("/v1/push", fmt.Sprintf(`{"messages":[{"key":%q,"payload":%s,"idempotency_key":%q}]}`, key, payload, name), "")
		},
		"batch with a header": func(key, payload, name string) string {
			return post("/v1/push", fmt.Sprintf(`{"messages":[{"key":%q,"payload":%s}]}`, key, payload), named(name))
		},
		"legacy": func(key, payload, name string) string {
			return post("/1/admin/push/private?expire=600&key="+key, payload, named(name))
		},
		"legacy, many": func(key, payload, name string) string {
			return post("/1/admin/push/mprivate?expire=600", fmt.Sprintf(`{"m":%q,"k":%q}`, payload, key), named(name))
		},
		"XADD IDMP": func(key, payload, name string) string {
			return command("XADD", key, "IDMP", "backend 1", name, "*", "msg", payload)
		},
		"XADD IDMPAUTO": func(key, payload, name string) string {
			return command("XADD", key, "IDMPAUTO", "backend 1", "*", "msg", payload)
		},
	}
}

// askOnce sends a request, which may be lost with its connection, and returns the answer.
func askOnce(addr, request string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	in := bufio.NewReader(c)
	if strings.HasPrefix(request, "*") {
		head, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(head, "$") {
			return "", fmt.Errorf("answered %q, %v", head, err)
		}
		id, err := in.ReadString('\n')
		return strings.TrimSpace(id), err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(body), `"error"`) || strings.Contains(string(body), `"ret":6`) || strings.Contains(string(body), `"fk"`) {
		return "", fmt.Errorf("answered %d %s, %v", resp.StatusCode, body, err)
	}
	return string(body), nil
}

// A push that was stored, and whose node was killed before the answer was read, is the first of those that repeat it.
func TestAPushWhoseNodeWasKilledIsRepeated(t *testing.T) {
	t.Parallel()
	n := serve(t)
	ways := repeatable()
	keys := map[string]string{}
	for name, request := range ways {
		key := fmt.Sprint("key-", len(keys))
		keys[name] = key
		dial(t, n.admin[0]).send(request(key, `"once"`, "a b"))
	}
	eventually(t, "all of them are stored", func() bool {
		for _, key := range keys {
			if len(n.storedV1(key)) == 0 {
				return false
			}
		}
		return true
	})
	n = n.restart()
	for name, request := range ways {
		key := keys[name]
		first := n.storedV1(key)
		answer, err := askOnce(n.admin[0], request(key, `"once"`, "a b"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(name, "v1") || strings.Contains(name, "batch") {
			if !strings.Contains(answer, `"duplicate":true`) {
				t.Errorf("%s: the repeated push is answered %s", name, answer)
			}
		}
		if got := n.storedV1(key); len(got) != 1 || got[0] != first[0] {
			t.Errorf("%s: stored are %v after %v", name, got, first)
		}
		if _, err := askOnce(n.admin[0], request(key, `"other"`, "other")); err != nil || len(n.storedV1(key)) != 2 {
			t.Errorf("%s: another push: %v; stored are %v", name, err, n.storedV1(key))
		}
	}
	if a := do(t, "POST", n.adminURL("/v1/push/k?expire=0"), "x", "Idempotency-Key", "a"); a.status != http.StatusBadRequest || !strings.Contains(a.body, "bad_idempotency_key") {
		t.Errorf("a live-only push with an idempotency key is answered %d %s", a.status, a.body)
	}
}

// repeaters are pushers of all repeatable ways, and one with the SDK, who push to a key, one by one, and each until it is acknowledged.
type repeaters struct {
	t       *testing.T
	key     string
	stopped chan struct{}
	done    sync.WaitGroup

	mu     sync.Mutex
	pushed map[string]int // by way
}

// startRepeaters starts them. Each goes to the next address with each try.
func startRepeaters(t *testing.T, key string, admins ...string) *repeaters {
	r := &repeaters{t: t, key: key, stopped: make(chan struct{}), pushed: map[string]int{}}
	for name, request := range repeatable() {
		tries := 0
		r.start(name, func(i int) {
			untilAcknowledged(t, name, func() error {
				tries++
				_, err := askOnce(admins[tries%len(admins)], request(key, fmt.Sprintf(`"%s %d"`, name, i), fmt.Sprint(name, i)))
				return err
			})
		})
	}
	p, err := client.NewPublisher(client.PublisherConfig{
		Addr: "http://" + strings.Join(admins, ",http://"), RetryFor: patience, TryTimeout: 5 * time.Second,
		Backoff: func(int) time.Duration { return 20 * time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	payload := func(name string, i int) []byte { return fmt.Appendf(nil, `"%s %d"`, name, i) }
	r.start("SDK", func(i int) {
		if _, err := p.Push(context.Background(), key, payload("SDK", i)); err != nil {
			t.Errorf("push by SDK: %v", err)
		}
	})
	r.start("SDK, three", func(i int) { // at once: numbers of one, two and three
		var pushes []client.Push
		for n := range 3 {
			pushes = append(pushes, client.Push{Key: key, Payload: payload(fmt.Sprint("SDK, three: ", n), i)})
		}
		results, err := p.PushAll(context.Background(), pushes)
		for _, result := range results {
			if result.Err != nil {
				err = result.Err
			}
		}
		if err != nil {
			t.Errorf("push of three by SDK: %v", err)
		}
	})
	return r
}

// start starts a pusher.
func (r *repeaters) start(name string, push func(number int)) {
	r.done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-r.stopped:
				return
			default:
			}
			push(i)
			r.mu.Lock()
			r.pushed[name] = i + 1
			r.mu.Unlock()
		}
	})
}

// more waits until each has pushed so many more.
func (r *repeaters) more(count int) {
	r.t.Helper()
	ways := len(repeatable()) + 2
	r.mu.Lock()
	goal := map[string]int{}
	for name, n := range r.pushed {
		goal[name] = n + count
	}
	r.mu.Unlock()
	eventually(r.t, "all pushers go on", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for name, n := range r.pushed {
			if n < max(goal[name], count) {
				return false
			}
		}
		return len(r.pushed) == ways
	})
}

// stop ends them, and returns what should be stored: how many of each.
func (r *repeaters) stop() map[string]int {
	close(r.stopped)
	r.done.Wait()
	for n := range 3 {
		r.pushed[fmt.Sprint("SDK, three: ", n)] = r.pushed["SDK, three"]
	}
	delete(r.pushed, "SDK, three")
	return r.pushed
}

// Whoever repeats what is not acknowledged, while the node is killed again and again, finds each message stored once and in order.
func TestRepeatedPushesAreStoredOnceThroughKills(t *testing.T) {
	t.Parallel()
	at := freeAddresses(t)
	flags := []string{"--admin", at[1], "--max-stored-per-key", "100000"}
	n := serve(t, flags...)
	r := startRepeaters(t, "k", at[1])
	for range 4 {
		r.more(10)
		n = n.restart(flags...)
	}
	r.more(1)
	checkOnce(t, n, "k", r.stop())
}

// The owner of a key dies, and whoever had no answer repeats the push elsewhere: it is stored once.
func TestRepeatedPushesAreStoredOnceThroughAnOwnersDeath(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{})
	owner, one, other := c.members[0], c.members[1], c.members[2]
	key := c.keyOf(owner)
	r := startRepeaters(t, key, owner.at[1], one.at[1], other.at[1])
	r.more(5)
	v1 := repeatable()["v1"]
	first, err := askOnce(one.at[1], v1(key, `"once 0"`, "once"))
	if err != nil {
		t.Fatal(err)
	}
	owner.kill()
	var again string
	untilAcknowledged(t, "the repeated push", func() (err error) {
		again, err = askOnce(other.at[1], v1(key, `"once 0"`, "once"))
		return err
	})
	var ids [2]struct {
		ID        string
		Duplicate bool
	}
	for i, body := range []string{first, again} {
		if err := json.Unmarshal([]byte(body), &ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	if ids[0].Duplicate || !ids[1].Duplicate || ids[0].ID != ids[1].ID {
		t.Errorf("a push is answered %s, by the next owner %s", first, again)
	}
	r.more(5)
	want := r.stop()
	want["once"] = 1
	checkOnce(t, other.node, key, want)
}

// untilAcknowledged repeats a push until it has no error.
func untilAcknowledged(t *testing.T, what string, push func() error) {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = push(); err == nil {
			return
		}
	}
	t.Errorf("%s is not acknowledged within %v: %v", what, patience, err)
}

// checkOnce checks that each of the messages is stored once, and those of each way in their order.
func checkOnce(t *testing.T, n *node, key string, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for _, m := range n.storedV1(key) {
		text := strings.Trim(m.payload, `"`)
		at, number := strings.LastIndexByte(text, ' '), 0
		if _, err := fmt.Sscanf(text[at+1:], "%d", &number); err != nil || number != got[text[:at]] {
			t.Errorf("%s is stored where number %d is due", m.payload, got[text[:at]])
		}
		got[text[:at]] = number + 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored are (-want +got):\n%s", diff)
	}
}
