package test

import (
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/rpc"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// legacyWeb does what a web process of gopush-cluster does: it reads in ZooKeeper who is there, finds by its ketama whose a key is, and
// calls that node by net/rpc.
type legacyWeb struct {
	t        *testing.T
	zk       *zk.Conn
	prefix   string
	nodes    map[string]*legacyComet
	messages []*rpc.Client
}

// legacyComet is a node as it stands in ZooKeeper.
type legacyComet struct {
	RPC    []string `json:"rpc"`
	TCP    []string `json:"tcp"`
	WS     []string `json:"ws"`
	Weight int      `json:"weight"`

	client *rpc.Client
}

func startLegacyWeb(t *testing.T, addr, prefix string) *legacyWeb {
	t.Helper()
	conn, _, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &legacyWeb{t: t, zk: conn, prefix: prefix}
}

// look reads who is there, and calls all that it finds. As an original it then tells all nodes of all, and writes what it knows of a node into
// its znode.
func (w *legacyWeb) look() error {
	root := w.prefix + "/gopush-cluster-comet"
	names, _, err := w.zk.Children(root)
	if err != nil {
		return err
	}
	w.nodes = make(map[string]*legacyComet)
	for _, name := range names {
		comet := new(legacyComet)
		if comet.client, err = w.lowest(path.Join(root, name), comet, &comet.RPC); err != nil {
			return err
		}
		w.nodes[name] = comet
	}
	if err := w.migrate(root); err != nil {
		return err
	}
	return w.lookForMessages()
}

// lowest reads the first process of a znode into v, and calls it at the first of addrs, which is part of v.
func (w *legacyWeb) lowest(dir string, v any, addrs *[]string) (*rpc.Client, error) {
	children, _, err := w.zk.Children(dir)
	if err != nil {
		return nil, err
	}
	if len(children) == 0 {
		return nil, fmt.Errorf("%s has no process", dir)
	}
	return w.call(path.Join(dir, slices.Min(children)), v, addrs)
}

func (w *legacyWeb) call(znode string, v any, addrs *[]string) (*rpc.Client, error) {
	data, _, err := w.zk.Get(znode)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return nil, err
	}
	if len(*addrs) == 0 {
		return nil, errors.New("no address to call " + znode)
	}
	client, err := rpc.Dial("tcp", (*addrs)[0])
	if err == nil {
		w.t.Cleanup(func() { client.Close() })
	}
	return client, err
}

func (w *legacyWeb) migrate(root string) error {
	weights := make(map[string]int)
	for name, comet := range w.nodes {
		weights[name] = comet.Weight
	}
	for name, comet := range w.nodes {
		args := struct{ Nodes map[string]int }{weights}
		data, err := json.Marshal(comet)
		if err = cmp.Or(err, comet.client.Call("CometRPC.Ping", 0, new(int)), comet.client.Call("CometRPC.Migrate", &args, new(int))); err != nil {
			return err
		}
		if _, err := w.zk.Set(path.Join(root, name), data, -1); err != nil {
			return err
		}
	}
	return nil
}

func (w *legacyWeb) lookForMessages() error {
	root := w.prefix + "/gopush-cluster-message"
	children, _, err := w.zk.Children(root)
	if err != nil {
		return err
	}
	w.messages = nil
	for _, child := range children {
		var process struct {
			RPC    []string `json:"rpc"`
			Weight int      `json:"weight"`
		}
		client, err := w.call(path.Join(root, child), &process, &process.RPC)
		if err != nil {
			return err
		}
		w.messages = append(w.messages, client)
	}
	return nil
}

// sees waits until so many nodes are there, for both services.
func (w *legacyWeb) sees(nodes int) {
	w.t.Helper()
	var err error
	eventually(w.t, fmt.Sprintf("a web process sees %d nodes", nodes), func() bool {
		err = w.look()
		return err == nil && len(w.nodes) == nodes && len(w.messages) == nodes
	})
}

// owner returns the node that a key is on, by the ketama of gopush-cluster.
func (w *legacyWeb) owner(key string) *legacyComet {
	type point struct {
		at   uint32
		name string
	}
	var points []point
	for name, comet := range w.nodes {
		for i := 1; i <= 255*comet.Weight; i++ {
			points = append(points, point{ketamaPoint(fmt.Sprintf("%s:%d", name, i)), name})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	at, _ := slices.BinarySearchFunc(points, ketamaPoint(key), func(p point, at uint32) int { return cmp.Compare(p.at, at) })
	return w.nodes[points[at%len(points)].name]
}

func ketamaPoint(s string) uint32 {
	digest := sha1.Sum([]byte(s))
	return binary.BigEndian.Uint32(digest[len(digest)-4:])
}

// push pushes msg to each of keys: to one as to several.
func (w *legacyWeb) push(msg string, keys ...string) {
	w.t.Helper()
	of := make(map[*legacyComet][]string)
	for _, key := range keys {
		owner := w.owner(key)
		of[owner] = append(of[owner], key)
	}
	for owner, keys := range of {
		b := backend{w.t, owner.client}
		if len(keys) == 1 {
			b.does("CometRPC.PushPrivate", &cometPushPrivateArgs{keys[0], json.RawMessage(msg), 600}, new(int), "")
			continue
		}
		var reply cometPushPrivatesResp
		b.does("CometRPC.PushPrivates", &cometPushPrivatesArgs{keys, json.RawMessage(msg), 600}, &reply, "")
		if reply.FKeys != nil {
			w.t.Errorf("push to %q failed for %q", keys, reply.FKeys)
		}
	}
}

// stored reads the messages of a key through any message node.
func (w *legacyWeb) stored(key string) string {
	w.t.Helper()
	msgs, _ := backend{w.t, w.messages[rand.IntN(len(w.messages))]}.stored(key, 0)
	return msgs
}

// TestALegacyWebProcessDrivesACluster: devices are where the web process says, or anywhere; they get what it pushes, and it reads
// what is stored; also after a node has left.
func TestALegacyWebProcessDrivesACluster(t *testing.T) {
	t.Parallel()
	keeper := startZooKeeper(t)
	c := newCluster(t, clusterConfig{flags: []string{"--legacy-rpc", "on"}, registry: func(*cluster) string { return keeper.setting() }})
	web := startLegacyWeb(t, keeper.Addr, "/test")
	web.sees(3)

	var keys []string
	var right, anywhere []*peer
	for i := range 20 {
		key := fmt.Sprintf("key %d", i)
		keys = append(keys, key)
		right = append(right, subscribeAt(t, web.owner(key).TCP[0], key))
		anywhere = append(anywhere, subscribeAt(t, c.members[i%2].public[0], key))
	}
	web.push(`"one"`, keys...)
	for _, key := range keys {
		web.push(`"two"`, key)
	}
	for i, key := range keys {
		for _, device := range []*peer{right[i], anywhere[i]} {
			wantMessages(t, device, `"one"`, `"two"`)
		}
		if got := web.stored(key); got != `"one" "two" ` {
			t.Errorf("stored for %q: %s", key, got)
		}
	}

	if err := c.members[2].stop(); err != nil { // it takes its node out, which original processes count until then
		t.Errorf("stop: %v", err)
	}
	web.sees(2)
	web.push(`"three"`, keys...)
	for i, key := range keys {
		wantMessages(t, anywhere[i], `"three"`)
		if got := web.stored(key); got != `"one" "two" "three" ` {
			t.Errorf("stored for %q: %s", key, got)
		}
	}
}

func subscribeAt(t *testing.T, addr, key string) *peer {
	t.Helper()
	p := dial(t, addr)
	p.send(command("sub", key, "60", "", "1"))
	p.expect("+h\r\n")
	return p
}

func wantMessages(t *testing.T, p *peer, want ...string) {
	t.Helper()
	for _, msg := range want {
		var got rpcMessageJSON
		if text := p.message(); json.Unmarshal([]byte(text), &got) != nil || string(got.Msg) != msg {
			t.Errorf("a device got %s, want %s", text, msg)
		}
	}
}

// rpcMessageJSON is a message as devices see it.
type rpcMessageJSON struct {
	Msg json.RawMessage `json:"msg"`
}
