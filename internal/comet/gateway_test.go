package comet_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/comet"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

const patience = 20 * time.Second

// gateway is a running gateway with a hub over a memory store.
type gateway struct {
	*comet.Gateway
	hub  *channel.Hub
	addr string
}

// start starts a gateway that listens on a free port and ends with the test.
func start(t testing.TB, engine comet.Engine, set func(*comet.Config)) *gateway {
	t.Helper()
	return startOver(t, engine, memory.New(memory.Config{}), set)
}

func startOver(t testing.TB, engine comet.Engine, store channel.Store, set func(*comet.Config)) *gateway {
	t.Helper()
	hub, err := channel.Open(t.Context(), channel.Config{Store: store, Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := comet.Config{
		Keys: hub, Loops: 2, Engine: engine &^ overTLS, StoreTimeout: 2 * time.Second,
		Limits: comet.Limits{
			MaxKeyBytes: 255, MaxCommandBytes: [3]int{64 << 10, 64 << 10}, MaxHeadBytes: 8 << 10,
			MaxPendingBytes: 1 << 20, MaxPendingMessages: 1024, MaxConnections: 10000, MaxArguments: 1024,
			FirstPacketTimeout: 5 * time.Second, MinHeartbeat: 30 * time.Second,
		},
	}
	if set != nil {
		set(&cfg)
	}
	g, err := comet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	running.Go(func() { g.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	_, addr := listenAs(t, g, engine, comet.Public)
	return &gateway{g, hub, addr}
}

func (g *gateway) push(t *testing.T, key, payload string, expire time.Duration) message.Receipt {
	t.Helper()
	r := g.hub.Publish(t.Context(), []message.Push{{Key: key, Payload: []byte(payload), Expire: expire}})[0]
	if r.Err != nil {
		t.Errorf("push %q: %v", payload, r.Err)
	}
	return r
}

// device is a legacy RESP subscriber.
type device struct {
	net.Conn
	r *bufio.Reader
}

// subscribe connects a subscriber of key; with mid >= 0 it resumes.
func subscribe(addr, key string, mid int64) (*device, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	args := []string{"sub", key, "60", "", "1"}
	if mid >= 0 {
		args = append(args, fmt.Sprint(mid))
	}
	fmt.Fprintf(c, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(c, "$%d\r\n%s\r\n", len(a), a)
	}
	d := &device{c, bufio.NewReader(c)}
	if line, err := d.r.ReadString('\n'); line != "+h\r\n" {
		c.Close()
		return nil, fmt.Errorf("subscribe: got %q, %v", line, err)
	}
	return d, nil
}

// next returns the next message's mid, prev and text; gap tells of a notice before it.
func (d *device) next() (mid, prev int64, text string, gap bool, err error) {
	head, err := d.r.ReadString('\n')
	if strings.HasPrefix(head, "+g ") {
		gap = true
		head, err = d.r.ReadString('\n')
	}
	var size int
	if _, scanErr := fmt.Sscanf(head, "$%d\r\n", &size); scanErr != nil {
		return 0, 0, "", gap, fmt.Errorf("got %q, %v, want a message", head, err)
	}
	body := make([]byte, size+2)
	if _, err := io.ReadFull(d.r, body); err != nil {
		return 0, 0, "", gap, err
	}
	var m struct {
		Msg       string
		Mid, Prev int64
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return 0, 0, "", gap, fmt.Errorf("message %.60q: %w", body, err)
	}
	return m.Mid, m.Prev, m.Msg, gap, nil
}

// engines runs test over all engines, and over TLS.
func engines(t *testing.T, test func(*testing.T, comet.Engine)) {
	for name, engine := range map[string]comet.Engine{"io_uring": comet.EngineRing, "epoll": comet.EngineEpoll, "net": comet.EngineNet, "tls": overTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}
