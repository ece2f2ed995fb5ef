package legacyrpc_test

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"net/rpc"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/auth"
	"gopush/internal/channel"
	"gopush/internal/cluster/legacyrpc"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// The structs of gopush-cluster, as its web processes declare them.
type (
	CometNewArgs struct {
		Expire int64
		Token  string
		Key    string
	}
	CometPushPrivateArgs struct {
		Key    string
		Msg    json.RawMessage
		Expire uint
	}
	CometPushPrivatesArgs struct {
		Keys   []string
		Msg    json.RawMessage
		Expire uint
	}
	CometPushPrivatesResp  struct{ FKeys []string }
	CometMigrateArgs       struct{ Nodes map[string]int }
	MessageSavePrivateArgs struct {
		Key    string
		Msg    json.RawMessage
		MsgId  int64
		Expire uint
	}
	MessageSavePrivatesArgs struct {
		Keys   []string
		Msg    json.RawMessage
		MsgId  int64
		Expire uint
	}
	MessageSavePrivatesResp struct{ FKeys []string }
	MessageGetPrivateArgs   struct {
		MsgId int64
		Key   string
	}
	MessageGetResp struct{ Msgs []*Message }
	Message        struct {
		Msg     json.RawMessage
		MsgId   int64
		GroupId uint
	}
)

// node is a node's keys and tokens in memory, a server over them, and a listener that hands it connections.
type node struct {
	*channel.Hub
	tokens   *auth.Tokens
	server   *legacyrpc.Server
	listener net.Listener
	metrics  *prometheus.Registry

	mu     sync.Mutex
	pushed []message.Push
	kicked []string
	held   chan struct{} // not nil: pushes wait for it
}

// Publish keeps what is pushed.
func (n *node) Publish(ctx context.Context, pushes []message.Push) []message.Receipt {
	n.mu.Lock()
	n.pushed = append(n.pushed, pushes...)
	held := n.held
	n.mu.Unlock()
	if held != nil {
		<-held
	}
	return n.Hub.Publish(ctx, pushes)
}

// Kick keeps the keys.
func (n *node) Kick(_ context.Context, key string, _ ...uint64) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kicked = append(n.kicked, key)
	return 1, nil
}

const maxMessageBytes = 1 << 16

// start runs a node whose listener is on loopback; change, if not nil, is done to its configuration first.
func start(t *testing.T, change func(*legacyrpc.Config, *node)) *node {
	t.Helper()
	n := newNode(t, change)
	n.listen(t)
	return n
}

func newNode(t *testing.T, change func(*legacyrpc.Config, *node)) *node {
	t.Helper()
	store := memory.New(memory.Config{MaxStoredPerKey: 10000})
	hub, err := channel.Open(t.Context(), channel.Config{Store: store, Instant: true, Node: "n1", MaxMessageBytes: maxMessageBytes})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Hub: hub, tokens: auth.NewTokens(store, time.Now), metrics: prometheus.NewRegistry()}
	run(t, hub.Run)
	cfg := legacyrpc.Config{
		Keys: n, Tokens: n.tokens, Metrics: legacyrpc.NewMetrics(n.metrics),
		Settings: func() legacyrpc.Settings {
			return legacyrpc.Settings{MaxKeyBytes: 255, MaxMessageBytes: maxMessageBytes, TrustedNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
		},
	}
	if change != nil {
		change(&cfg, n)
	}
	n.server = legacyrpc.New(cfg)
	return n
}

// run runs f until the test has ended.
func run(t *testing.T, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { f(ctx) })
	t.Cleanup(func() { cancel(); ended.Wait() })
}

func (n *node) listen(t *testing.T) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.listener = ln
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { n.server.Serve(conn, true) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		n.server.Close()
		serving.Wait()
	})
}

func (n *node) dialRaw(t *testing.T) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func (n *node) dial(t *testing.T) *rpc.Client {
	t.Helper()
	c := rpc.NewClient(n.dialRaw(t))
	t.Cleanup(func() { c.Close() })
	return c
}

// call has method carried out, and wants it to fail with the text failure, "" for none.
func call(t *testing.T, c *rpc.Client, method string, args, reply any, failure string) {
	t.Helper()
	got := ""
	if err := c.Call(method, args, reply); err != nil {
		got = err.Error()
	}
	if got != failure {
		t.Fatalf("%s(%v): error %q, want %q", method, args, got, failure)
	}
}

// stored returns what MessageRPC.GetPrivate answers.
func stored(t *testing.T, c *rpc.Client, key string, after int64) (msgs []string, mids []int64) {
	t.Helper()
	reply := MessageGetResp{}
	call(t, c, "MessageRPC.GetPrivate", &MessageGetPrivateArgs{MsgId: after, Key: key}, &reply, "")
	for _, m := range reply.Msgs {
		if m.GroupId != 0 {
			t.Fatalf("GroupId = %d, want 0", m.GroupId)
		}
		msgs, mids = append(msgs, string(m.Msg)), append(mids, m.MsgId)
	}
	return msgs, mids
}

// wantEnd waits until a connection has ended for that reason.
func (n *node) wantEnd(t *testing.T, why legacyrpc.Reason) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		ends, text := n.ends(t)
		if ends[string(why)] > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("connections ended for %v, want %q", text, why)
		}
		time.Sleep(time.Millisecond)
	}
}

func (n *node) ends(t *testing.T) (ends map[string]float64, text string) {
	t.Helper()
	families, err := n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	ends = map[string]float64{}
	for _, f := range families {
		if f.GetName() != "gopush_legacy_rpc_connections_closed_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			ends[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			text += m.String()
		}
	}
	return ends, text
}
