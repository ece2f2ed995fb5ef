package test

import (
	"encoding/json"
	"net"
	"net/rpc"
	"strings"
	"testing"
	"time"
)

// The structs of gopush-cluster that its web processes send and read.
type (
	cometNewArgs struct {
		Expire     int64
		Token, Key string
	}
	cometPushPrivateArgs struct {
		Key    string
		Msg    json.RawMessage
		Expire uint
	}
	cometPushPrivatesArgs struct {
		Keys   []string
		Msg    json.RawMessage
		Expire uint
	}
	cometPushPrivatesResp struct{ FKeys []string }
	messageGetPrivateArgs struct {
		MsgId int64
		Key   string
	}
	messageGetResp struct{ Msgs []*rpcMessage }
	rpcMessage     struct {
		Msg     json.RawMessage
		MsgId   int64
		GroupId uint
	}
)

// backend is a net/rpc client, as processes of gopush-cluster are.
type backend struct {
	t *testing.T
	*rpc.Client
}

func rpcTo(t *testing.T, addr string) backend {
	t.Helper()
	return backend{t, rpcOver(t, dial(t, addr))}
}

func rpcOver(t *testing.T, p *peer) *rpc.Client {
	t.Helper()
	c := rpc.NewClient(p)
	t.Cleanup(func() { c.Close() })
	return c
}

// does has a method carried out, and wants it to fail with the text failure, "" for none.
func (b backend) does(method string, args, reply any, failure string) {
	b.t.Helper()
	got := ""
	if err := b.Call(method, args, reply); err != nil {
		got = err.Error()
	}
	if got != failure {
		b.t.Fatalf("%s(%v): error %q, want %q", method, args, got, failure)
	}
}

// stored returns what GetPrivate answers after a mid, and the mid of the last one.
func (b backend) stored(key string, after int64) (msgs string, last int64) {
	b.t.Helper()
	var reply messageGetResp
	b.does("MessageRPC.GetPrivate", &messageGetPrivateArgs{after, key}, &reply, "")
	for _, m := range reply.Msgs {
		msgs += string(m.Msg) + " "
		last = m.MsgId
	}
	return msgs, last
}

func TestLegacyRPC(t *testing.T) {
	onEngines(t, []string{"--legacy-rpc", "on", "--auth", "token"}, func(t *testing.T, n *node) {
		b := rpcTo(t, n.admin[0])
		ret := 0
		b.does("CometRPC.Ping", 0, &ret, "")
		b.does("MessageRPC.Ping", 0, &ret, "")
		b.does("CometRPC.New", &cometNewArgs{Key: "k", Token: "t", Expire: 600}, &ret, "")
		b.does("CometRPC.New", &cometNewArgs{Key: "k", Token: "t", Expire: 600}, &ret, "token exist")
		device := n.subscribe("k", "t", "1")

		b.does("CometRPC.PushPrivate", &cometPushPrivateArgs{"k", json.RawMessage(`{"a":1}`), 60}, &ret, "")
		if got := device.message(); !strings.HasPrefix(got, `{"msg":{"a":1},"mid":`) {
			t.Errorf("the device got %s", got)
		}
		var failed cometPushPrivatesResp
		b.does("CometRPC.PushPrivates", &cometPushPrivatesArgs{[]string{"k", "k2", ""}, json.RawMessage(`"two"`), 60}, &failed, "")
		if got := device.message(); !strings.HasPrefix(got, `{"msg":"two","mid":`) || len(failed.FKeys) != 1 {
			t.Errorf("the device got %s, failed were %q", got, failed.FKeys)
		}
		b.does("CometRPC.PushPrivate", &cometPushPrivateArgs{"k", json.RawMessage(`no JSON`), 60}, &ret, "parameter error")

		msgs, last := b.stored("k", 0)
		if msgs != `{"a":1} "two" ` {
			t.Errorf("stored: %s", msgs)
		}
		if msgs, _ := b.stored("k", last); msgs != "" {
			t.Errorf("stored after the last: %s", msgs)
		}
		b.does("MessageRPC.DelPrivate", "k", &ret, "")
		if msgs, _ := b.stored("k", 0); msgs != "" {
			t.Errorf("stored after DelPrivate: %s", msgs)
		}
		b.does("CometRPC.Close", "k", &ret, "")
		device.expectEnd("")
		again := dial(t, n.public[0])
		again.send(command("sub", "k", "60", "t"))
		again.expectEnd("-c\r\n")
	})
}

// oneByOne writes byte by byte.
type oneByOne struct{ *peer }

func (o oneByOne) Write(p []byte) (int, error) {
	for i := range p {
		if n, err := o.peer.Write(p[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(p), nil
}

func TestLegacyRPCInPieces(t *testing.T) {
	onEngines(t, []string{"--legacy-rpc", "on"}, func(t *testing.T, n *node) {
		c := rpc.NewClient(oneByOne{dial(t, n.admin[0])})
		defer c.Close()
		ret := 0
		backend{t, c}.does("CometRPC.PushPrivate", &cometPushPrivateArgs{"k", json.RawMessage("1"), 60}, &ret, "")
	})
}

// rpcFirst is how a net/rpc client begins.
const rpcFirst = "\x2e\x7f\x03\x01\x01\x07Request\x01\xff\x80\x00\x01\x02\x01\rServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x00\x00"

func TestLegacyRPCIsOffByDefault(t *testing.T) {
	onEngines(t, []string{"--first-packet-timeout", "1s"}, func(t *testing.T, n *node) {
		p := dial(t, n.admin[0])
		p.send(rpcFirst + "\r\n") // a command of Redis in a line, which does not end: it has zeros in it
		p.expectEnd("")
	})
}

func TestLegacyRPCIsOfNoPublicListener(t *testing.T) {
	onEngines(t, []string{"--legacy-rpc", "on"}, func(t *testing.T, n *node) {
		p := dial(t, n.public[0])
		p.send(rpcFirst + "\r\n")
		p.expectEnd("-p\r\n")
	})
}

func TestLegacyRPCBeyondLoopbackIsForTrustedNetworks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		networks string
		served   bool
	}{{"10.0.0.0/8", false}, {"127.0.0.0/8", true}} {
		t.Run(tt.networks, func(t *testing.T) {
			t.Parallel()
			n := serve(t, "--legacy-rpc", "on", "--admin", "0.0.0.0:0", "--api-keys", "a:0123456789abcdef0123456789abcdef", "--trusted-networks", tt.networks)
			beyond := n.admin[len(n.admin)-1] // the first one is on loopback
			_, port, err := net.SplitHostPort(beyond)
			if err != nil {
				t.Fatal(err)
			}
			b := rpcTo(t, "127.0.0.1:"+port)
			if err := b.Call("CometRPC.Ping", 0, new(int)); (err == nil) != tt.served {
				t.Errorf("a call from loopback: %v, want it to be served: %v", err, tt.served)
			}
			if !tt.served {
				eventually(t, "the connection is counted as untrusted", func() bool {
					return n.count(`gopush_legacy_rpc_connections_closed_total{reason="untrusted"}`) == 1
				})
			}
		})
	}
}

func TestANodeThatStopsAnswersLegacyRPC(t *testing.T) {
	t.Parallel()
	n := serve(t, "--legacy-rpc", "on")
	b := rpcTo(t, n.admin[0])
	b.does("CometRPC.Ping", 0, new(int), "")
	began := time.Now()
	if err := n.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a node with an idle net/rpc connection took %v to stop", took)
	}
	if err := b.Call("CometRPC.Ping", 0, new(int)); err == nil {
		t.Error("a call after the stop was answered")
	}
}
