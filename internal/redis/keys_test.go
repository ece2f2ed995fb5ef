package redis_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/store/memory"
	"gopush/internal/store/pebble"
)

// store is what a node has, in memory or on disk.
type store interface {
	channel.Store
	channel.Groups
}

// keys is a store that pushes: what a hub does, without subscribers.
type keys struct {
	store
	mu  sync.Mutex // one push at a time
	now func() time.Time
}

func (k *keys) Publish(ctx context.Context, pushes []message.Push) []message.Receipt {
	k.mu.Lock()
	defer k.mu.Unlock()
	receipts := make([]message.Receipt, len(pushes))
	for i := range pushes {
		receipts[i] = k.push(ctx, &pushes[i])
	}
	return receipts
}

func (k *keys) push(ctx context.Context, p *message.Push) message.Receipt {
	info, err := k.store.Info(ctx, p.Key)
	if err != nil {
		return message.Receipt{Err: err}
	}
	mid := message.NextMid(k.now(), info.Last)
	if p.Mids != (message.Span{}) {
		if mid = p.Mids.First; mid <= info.Last {
			mid = message.NextMid(time.Unix(0, 0), info.Last)
		}
		switch {
		case mid > p.Mids.Last:
			return message.Receipt{Err: message.ErrMid}
		case message.MidTime(mid).After(k.now().Add(time.Hour)):
			return message.Receipt{Err: message.ErrMidAhead}
		}
	}
	e := channel.Entry{
		Message: message.Message{Key: p.Key, Mid: mid, Prev: info.Last, Expires: message.Never, Form: p.Form, Payload: p.Payload},
		Trim:    p.Trim,
	}
	if p.Expire < 1<<62 {
		e.Expires = k.now().Add(p.Expire)
	}
	return message.Receipt{Mid: mid, Stored: true, Err: k.Append(ctx, []channel.Entry{e})[0]}
}

func (k *keys) Info(ctx context.Context, key string) (message.KeyInfo, error) {
	info, err := k.store.Info(ctx, key)
	return message.KeyInfo{Last: info.Last, Stored: info.Length, First: info.First, Added: info.Added, Exists: info.Exists}, err
}

func (k *keys) CountSubscribers(_ context.Context, keys []string) ([]int, error) {
	return make([]int, len(keys)), nil
}
func (k *keys) FindSubscribed(context.Context, string, int) ([]string, error) { return nil, nil }
func (k *keys) CountPatterns(context.Context) (int, error)                    { return 0, nil }

// client is a connection to a server of its own.
type client struct {
	t       *testing.T
	server  *redis.Server
	session *redis.Session
	keys    *keys
	now     time.Time
	limits  redis.Limits
	step    redis.Step
}

// today is when tests happen.
var today = time.UnixMilli(1_700_000_000_000)

// newClient returns one that an admin has.
func newClient(t *testing.T) *client { return newClientOf(t, redis.Trust{Admin: true, Open: true}) }

func newClientOf(t *testing.T, trust redis.Trust) *client {
	t.Helper()
	c := &client{t: t, now: today, limits: redis.Limits{MaxKeyBytes: 255, MaxMessageBytes: 1 << 20, MaxReplyBytes: [2]int{1 << 20, 64 << 20}}}
	now := func() time.Time { return c.now }
	c.keys = &keys{store: memory.New(memory.Config{MaxStoredPerKey: 1000, Now: now}), now: now}
	c.server = redis.New(redis.Config{
		Keys: c.keys, Groups: c.keys, Now: now,
		Limits: func() redis.Limits { return c.limits },
		Facts:  func() redis.Facts { return redis.Facts{} },
		APIKey: func(_, _ string) bool { return false }, APIKeys: func() any { return 1 },
	})
	c.session = c.server.NewSession(1, trust)
	return c
}

// onDisk has c begin with an empty store on disk.
func (c *client) onDisk() {
	c.t.Helper()
	s, err := pebble.Open(pebble.Config{Dir: "data", FS: vfs.NewMem(), MaxStoredPerKey: 1000, Now: c.keys.now})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { s.Close() })
	c.keys.store = s
}

// args are the words of line, "" one that is empty.
func args(line string) [][]byte {
	var words [][]byte
	for start, i := 0, 0; i <= len(line); i++ {
		if i < len(line) && line[i] != ' ' {
			continue
		}
		word := line[start:i]
		if word == `""` {
			word = ""
		}
		words = append(words, []byte(word))
		start = i + 1
	}
	return words
}

// begin has the server look at a command and returns what it replied at once; c.step is what is to be done.
func (c *client) begin(words [][]byte) string {
	return string(c.server.Command(c.session, words, nil, &c.step))
}

// do carries a command out. A read that has to wait gets its reply when time is up.
func (c *client) do(line string) string { return c.doWords(args(line)) }

func (c *client) doWords(words [][]byte) string {
	c.t.Helper()
	reply := c.begin(words)
	for _, word := range words {
		clear(word) // the server may not have kept it
	}
	ctx := context.Background()
	switch c.step.Kind {
	case redis.Done:
		return reply
	case redis.Push:
		return reply + string(c.step.Answer(nil, c.keys.Publish(ctx, []message.Push{c.step.Push}), true))
	case redis.Work:
		made, then := c.step.Work(ctx, []byte(reply))
		if then != nil {
			then(c.session)
		}
		return string(made)
	case redis.Wait:
		w := c.step.Wait
		made, found := w.Try(ctx, []byte(reply), append([]int64(nil), w.After...))
		if !found {
			return reply + string(w.None)
		}
		return string(made)
	}
	c.t.Fatalf("%q: step %d, which is none of streams", words, c.step.Kind)
	return ""
}

// want carries a command out and tells if its reply is another one.
func (c *client) want(line, reply string) {
	c.t.Helper()
	if got := c.do(line); got != reply {
		c.t.Errorf("%s\n got %q\nwant %q", line, got, reply)
	}
}

// resp3 has c speak it.
func (c *client) resp3() {
	c.t.Helper()
	if got := c.do("HELLO 3"); len(got) == 0 || got[0] != '%' {
		c.t.Fatalf("HELLO 3 replied %q", got)
	}
}

// bulk is text as a bulk string.
func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }
