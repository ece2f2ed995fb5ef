package redis_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/wire/resp"
)

// fakeKeys holds keys as maps; it counts nothing and orders nothing.
type fakeKeys struct {
	stored      map[string][]message.Message // oldest first
	subscribers map[string]int
	read        int   // messages that Range returned
	failure     error // of all that may fail
}

func (k *fakeKeys) Publish(_ context.Context, pushes []message.Push) []message.Receipt {
	receipts := make([]message.Receipt, len(pushes))
	for i, p := range pushes {
		receipts[i] = message.Receipt{Mid: 4, Subscribers: k.subscribers[p.Key], Err: k.failure}
	}
	return receipts
}

func (k *fakeKeys) Range(_ context.Context, key string, _, to int64, _ bool, limit, _ int) ([]message.Message, error) {
	var page []message.Message
	for _, m := range slices.Backward(k.stored[key]) {
		if m.Mid <= to && len(page) < limit {
			page = append(page, m)
		}
	}
	k.read += len(page)
	return page, k.failure
}

func (k *fakeKeys) Info(_ context.Context, key string) (message.KeyInfo, error) {
	stored, exists := k.stored[key]
	return message.KeyInfo{Exists: exists, Stored: len(stored)}, k.failure
}

func (k *fakeKeys) Delete(_ context.Context, key string, _ ...int64) (int, error) {
	n := len(k.stored[key])
	delete(k.stored, key)
	return n, k.failure
}

func (k *fakeKeys) Trim(context.Context, string, int, int64) (int, error) { return 0, k.failure }

func (k *fakeKeys) Keys(_ context.Context, cursor string, limit int) (keys []string, next string, err error) {
	for key := range k.stored {
		if key > cursor {
			keys = append(keys, key)
		}
	}
	if slices.Sort(keys); len(keys) > limit {
		keys = keys[:limit]
		next = keys[limit-1]
	}
	return keys, next, k.failure
}

func (k *fakeKeys) CountSubscribers(_ context.Context, keys []string) (counts []int, err error) {
	for _, key := range keys {
		counts = append(counts, k.subscribers[key])
	}
	return counts, k.failure
}

func (k *fakeKeys) FindSubscribed(_ context.Context, pattern string, limit int) (keys []string, err error) {
	for key := range k.subscribers {
		if message.Match(pattern, key) && len(keys) < limit {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, k.failure
}

func (k *fakeKeys) CountPatterns(context.Context) (int, error) { return 3, k.failure }

// fakeClients are connections; those that are killed are gone.
type fakeClients struct{ all []redis.Client }

func (f *fakeClients) VisitClients(_ context.Context, visit func(*redis.Client) bool) {
	for i := range f.all {
		if !visit(&f.all[i]) {
			return
		}
	}
}

func (f *fakeClients) KillClients(_ context.Context, match func(*redis.Client) bool) (killed int) {
	f.all = slices.DeleteFunc(f.all, func(c redis.Client) bool {
		if match(&c) {
			killed++
			return true
		}
		return false
	})
	return killed
}

// fake is a node around a server.
type fake struct {
	redis.Config
	keys       *fakeKeys
	now        time.Time
	tokens     map[string]string // of keys
	unchecked  error             // why tokens cannot be checked
	asked      int               // how often Authorize was
	revoked    uint64
	secrets    map[string]string // of API keys, by name
	generation int
}

var errNoStore = errors.Join(message.ErrUnavailable, errors.New("disk full"))

func newFake() *fake {
	f := &fake{
		keys:    &fakeKeys{stored: map[string][]message.Message{}, subscribers: map[string]int{}},
		now:     time.Unix(1700000000, 123456789),
		secrets: map[string]string{},
	}
	f.Config = redis.Config{
		Keys: f.keys,
		Limits: func() redis.Limits {
			return redis.Limits{MaxKeyBytes: 16, MaxMessageBytes: 1000, MaxReplyBytes: [2]int{1000, 1000}}
		},
		Facts: func() redis.Facts {
			return redis.Facts{Version: "1.2", Node: "n1", Started: f.now.Add(-time.Hour), Addr: "127.0.0.1:6970", Connections: 7, Durable: true}
		},
		Now:     func() time.Time { return f.now },
		APIKeys: func() any { return f.generation },
		APIKey: func(name, secret string) bool {
			for n, s := range f.secrets {
				if s == secret && (name == "" || name == "default" || name == n) {
					return true
				}
			}
			return false
		},
	}
	return f
}

// withTokens has public connections need one.
func (f *fake) withTokens(tokens map[string]string) *fake {
	f.tokens = tokens
	f.Revocations = func() uint64 { return f.revoked }
	f.Authorize = func(_ context.Context, key, token string) (uint64, error) {
		f.asked++
		switch {
		case f.unchecked != nil:
			return 0, f.unchecked
		case f.tokens[key] == "":
			return 0, message.ErrUnknownKey
		case f.tokens[key] != token:
			return 0, message.ErrToken
		}
		return 42, nil
	}
	return f
}

// peer is a connection that carries steps out as they come.
type peer struct {
	t       *testing.T
	server  *redis.Server
	session *redis.Session
	keys    *fakeKeys
	names   map[redis.How][]string
	step    redis.Step
	closed  bool
}

func connect(t *testing.T, f *fake, s *redis.Server, id int64, trust redis.Trust) *peer {
	return &peer{t: t, server: s, session: s.NewSession(id, trust), keys: f.keys, names: map[redis.How][]string{}}
}

func (f *fake) connect(t *testing.T, trust redis.Trust) *peer {
	return connect(t, f, redis.New(f.Config), 7, trust)
}

func (f *fake) admin(t *testing.T) *peer {
	return f.connect(t, redis.Trust{Admin: true, Open: true})
}

// tell sends a line of words and returns the bytes of the reply.
func (c *peer) tell(line string) string {
	c.t.Helper()
	args, n, err := resp.ParseRequest(nil, []byte(line+"\r\n"), resp.Limits{MaxArgs: 10000, MaxArgBytes: 1 << 20, MaxBytes: 1 << 20}, true)
	if err != nil || n == 0 {
		c.t.Fatalf("%q is no request: %v", line, err)
	}
	for range 3 {
		reply := c.server.Command(c.session, args, nil, &c.step)
		if c.step.Kind != redis.Check {
			return c.carryOut(reply)
		}
		c.work()
	}
	c.t.Fatalf("%q: checked again and again", line)
	return ""
}

func (c *peer) work() []byte {
	reply, then := c.step.Work(context.Background(), nil)
	if then != nil {
		then(c.session)
	}
	return reply
}

func (c *peer) carryOut(reply []byte) string {
	switch s := &c.step; s.Kind {
	case redis.Push:
		reply = s.Answer(reply, c.keys.Publish(context.Background(), []message.Push{s.Push}), false)
	case redis.Work:
		reply = append(reply, c.work()...)
	case redis.Subscribe:
		for _, name := range s.Names {
			if c.names[s.How] = append(c.names[s.How], string(name)); true {
				c.count()
			}
			reply = c.session.AppendSubscribed(reply, s.How, false, name)
		}
	case redis.Unsubscribe:
		reply = c.unsubscribe(reply, s)
	case redis.Reset:
		c.names = map[redis.How][]string{}
		c.count()
	case redis.Close:
		c.closed = true
	case redis.Wait, redis.Check, redis.Done:
	}
	if c.step.Mute {
		return ""
	}
	return string(reply)
}

func (c *peer) unsubscribe(reply []byte, s *redis.Step) []byte {
	names := s.Names
	if len(names) == 0 {
		for _, name := range c.names[s.How] {
			names = append(names, []byte(name))
		}
	}
	if len(names) == 0 {
		return c.session.AppendSubscribed(reply, s.How, true, nil)
	}
	for _, name := range names {
		c.names[s.How] = slices.DeleteFunc(c.names[s.How], func(n string) bool { return n == string(name) })
		c.count()
		reply = c.session.AppendSubscribed(reply, s.How, true, name)
	}
	return reply
}

func (c *peer) count() {
	n := func(how redis.How) int32 { return int32(len(c.names[how])) }
	c.session.Subscriptions = redis.Subscriptions{Channels: n(redis.Channel), Shards: n(redis.Shard), Patterns: n(redis.Pattern)}
}

// row is what a client sends and sees.
type row struct{ line, want string }

// wants sends each line and checks the reply, whose last CR LF is left out.
func (c *peer) wants(rows ...row) {
	c.t.Helper()
	for _, r := range rows {
		want := r.want
		if want != "" {
			want += "\r\n"
		}
		if got := c.tell(r.line); got != want {
			c.t.Errorf("%q was answered\n%q, want\n%q", r.line, got, want)
		}
	}
}
