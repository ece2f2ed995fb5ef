package legacyrpc_test

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/cluster/legacyrpc"
	"gopush/internal/message"
)

// gobOf is values in gob, one after the other.
func gobOf(values ...any) string {
	var b bytes.Buffer
	e := gob.NewEncoder(&b)
	for _, v := range values {
		if err := e.Encode(v); err != nil {
			panic(err)
		}
	}
	return b.String()
}

// header is the header of a call.
func header(method string) rpc.Request { return rpc.Request{ServiceMethod: method, Seq: 1} }

type (
	list        struct{ Next *list }
	nest[T any] struct{ Within T }
)

// definitions has so many types within one.
func definitions(n int) any {
	fields := make([]reflect.StructField, n)
	for i := range fields {
		within := reflect.StructOf([]reflect.StructField{{Name: fmt.Sprintf("F%d", i), Type: reflect.TypeFor[int]()}})
		fields[i] = reflect.StructField{Name: fmt.Sprintf("G%d", i), Type: within}
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

func TestHostileBytesCloseTheirConnection(t *testing.T) {
	t.Parallel()
	ping := header("CometRPC.Ping")
	long := make([]string, 150)
	for i := range long {
		long[i] = strings.Repeat("f", 30)
	}
	tests := []struct {
		name  string
		bytes string
		want  legacyrpc.Reason
	}{
		{"nothing", "", legacyrpc.PeerClosed},
		{"a whole call", gobOf(ping, 0), legacyrpc.PeerClosed},
		{"a length without end", "\x80", legacyrpc.TooLong},
		{"a length of eight bytes", "\xf8\x00\x00\x00\x00\x00\x00\x00\x01", legacyrpc.TooLong},
		{"a length of 4 GiB", "\xfc\xff\xff\xff\xff", legacyrpc.TooLong},
		{"a header that is too long", gobOf(header(strings.Repeat("m", 4096))), legacyrpc.TooLong},
		{"arguments that are too long", gobOf(ping, strings.Repeat("m", maxMessageBytes+1<<20)), legacyrpc.TooLong},
		{"half a length", "\xfe\x01", legacyrpc.Failed},
		{"half a header", first[:20], legacyrpc.Failed},
		{"a header and no more", gobOf(ping), legacyrpc.Failed},
		{"an empty message", "\x00", legacyrpc.BadTypes},
		{"a type that is not defined", "\x03\xff\x90\x00", legacyrpc.BadTypes},
		{"an interface", "\x02\x10\x00", legacyrpc.BadTypes},
		{"no type", "\x02\x00\x00", legacyrpc.BadTypes},
		{"a definition twice", first + first, legacyrpc.BadTypes},
		{"a definition of a builtin type", strings.Replace(first, "\x7f", "\x05", 1), legacyrpc.BadTypes},
		{"a definition with a tail", "\x2f" + first[1:] + "x", legacyrpc.BadTypes},
		{"a definition that ends early", "\x10" + first[1:17], legacyrpc.BadTypes},
		{"a type within itself", gobOf(list{Next: &list{}}), legacyrpc.BadTypes},
		{"deep types", gobOf(nest[nest[nest[nest[nest[nest[nest[nest[nest[int]]]]]]]]]{}), legacyrpc.BadTypes},
		{"types that are not too deep", gobOf(nest[nest[nest[nest[nest[nest[nest[nest[int]]]]]]]]{}), legacyrpc.BadValue},
		{"an interface within", gobOf(struct{ A any }{}), legacyrpc.BadTypes},
		{"an array", gobOf([2]int{1, 2}), legacyrpc.BadTypes},
		{"a type that writes itself", gobOf(time.Now()), legacyrpc.BadTypes},
		{"a complex number", gobOf(complex(1, 1)), legacyrpc.BadTypes},
		{"many types", gobOf(definitions(64)), legacyrpc.BadTypes},
		{"not too many types", gobOf(definitions(63)), legacyrpc.BadValue},
		{"a header that is none", gobOf("CometRPC.Ping"), legacyrpc.BadValue},
		{"a header of other fields", gobOf(struct{ A, B string }{"a", "b"}), legacyrpc.BadValue},
		{"a long list", gobOf(ping, struct{ Keys []string }{long}), legacyrpc.PeerClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, nil)
			c := n.dialRaw(t)
			io.WriteString(c, tt.bytes)
			c.(*net.TCPConn).CloseWrite()
			n.wantEnd(t, tt.want)
			var ret int
			call(t, n.dial(t), "CometRPC.Ping", 0, &ret, "") // others are served on
		})
	}
}

func TestALengthIsJudgedBeforeWhatItAnnounces(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	io.WriteString(n.dialRaw(t), gobOf(header("CometRPC.Ping"))+"\xfc\x40\x00\x00\x00")
	n.wantEnd(t, legacyrpc.TooLong)
}

func TestAWrongArgumentIsAnError(t *testing.T) {
	t.Parallel()
	c := start(t, nil).dial(t)
	for _, wrong := range []any{"text", 1, struct{ Key int }{1}, map[string]int{"a": 1}, []string{"a"}} {
		if err := c.Call("CometRPC.PushPrivate", wrong, new(int)); err == nil || err == rpc.ErrShutdown {
			t.Errorf("PushPrivate(%v): %v, want an error of this call only", wrong, err)
		}
	}
	call(t, c, "CometRPC.Ping", 0, new(int), "")
}

func TestFieldsThatTheNodeDoesNotKnowArePassedOver(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	type args struct {
		Key     string
		Msg     []byte
		GroupId uint
		Tags    map[string][]string
		Expire  uint
	}
	call(t, c, "CometRPC.PushPrivate", &args{Key: "k", Msg: []byte("1"), GroupId: 3, Tags: map[string][]string{"a": {"b"}}, Expire: 60}, new(int), "")
	if msgs, _ := stored(t, c, "k", 0); !slices.Equal(msgs, []string{"1"}) {
		t.Errorf("stored: %q, want the message", msgs)
	}
}

func TestSilentConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, bytes string
		want        legacyrpc.Reason
	}{
		{"before it asks", "", legacyrpc.Idle},
		{"between calls", gobOf(header("CometRPC.Ping"), 0), legacyrpc.Idle},
		{"in a length", "\xfe\x01", legacyrpc.Stalled},
		{"in a message", first[:20], legacyrpc.Stalled},
		{"in a long message", gobOf(header("CometRPC.Ping")) + "\xfd\x10\x00\x00\x06" + strings.Repeat("x", 1<<19), legacyrpc.Stalled},
		{"between header and arguments", gobOf(header("CometRPC.Ping")), legacyrpc.Stalled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, func(cfg *legacyrpc.Config, _ *node) {
				if tt.want == legacyrpc.Idle {
					cfg.IdleTimeout = 20 * time.Millisecond
				} else {
					cfg.StallTimeout = 20 * time.Millisecond
				}
			})
			c := n.dialRaw(t)
			io.WriteString(c, tt.bytes)
			n.wantEnd(t, tt.want)
		})
	}
}

func TestWhoDoesNotReadIsClosed(t *testing.T) {
	t.Parallel()
	n := start(t, func(cfg *legacyrpc.Config, _ *node) { cfg.StallTimeout = 50 * time.Millisecond })
	n.Hub.Publish(t.Context(), []message.Push{{Key: "k", Payload: bytes.Repeat([]byte("1"), maxMessageBytes), Expire: time.Minute}})
	near, far := net.Pipe() // which holds nothing
	defer far.Close()
	go io.WriteString(far, gobOf(header("MessageRPC.GetPrivate"), MessageGetPrivateArgs{Key: "k"}))
	n.server.Serve(near, true)
	n.wantEnd(t, legacyrpc.Stalled)
}

// bomb is a connection that panics when it is read.
type bomb struct{ net.Conn }

func (bomb) Read([]byte) (int, error) { panic("boom") }

func TestAPanicClosesItsConnection(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	near, far := net.Pipe()
	defer far.Close()
	n.server.Serve(bomb{near}, true)
	n.wantEnd(t, legacyrpc.Panicked)
	call(t, n.dial(t), "CometRPC.Ping", 0, new(int), "")
}

// from is a connection that comes from somewhere.
type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

func TestOnlyTrustedNetworksCall(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	for _, tt := range []struct {
		addr     net.Addr
		loopback bool
		want     bool
	}{
		{&net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 5}, false, true},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:10.1.2.3"), Port: 5}, false, true},
		{&net.TCPAddr{IP: net.IPv4(11, 1, 2, 3), Port: 5}, false, false},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5}, false, false},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 5}, false, false},
		{&net.UnixAddr{Name: "x"}, false, false},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5}, true, true},
	} {
		near, far := net.Pipe()
		served := make(chan struct{})
		go func() { n.server.Serve(from{near, tt.addr}, tt.loopback); close(served) }()
		c := rpc.NewClient(far)
		if err := c.Call("CometRPC.Ping", 0, new(int)); (err == nil) != tt.want {
			t.Errorf("from %v: %v, want it to be served: %v", tt.addr, err, tt.want)
		}
		c.Close()
		<-served
	}
	n.wantEnd(t, legacyrpc.Untrusted)
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	n := start(t, func(cfg *legacyrpc.Config, _ *node) { cfg.MaxConnections = 2 })
	for range 2 {
		call(t, n.dial(t), "CometRPC.Ping", 0, new(int), "")
	}
	if err := n.dial(t).Call("CometRPC.Ping", 0, new(int)); err == nil {
		t.Error("a third connection was served, MaxConnections is 2")
	}
	n.wantEnd(t, legacyrpc.TooMany)
}

// FuzzServe: whatever comes, Serve ends when the peer has gone, and the next connection is served.
func FuzzServe(f *testing.F) {
	f.Add([]byte(gobOf(header("CometRPC.PushPrivates"), CometPushPrivatesArgs{Keys: []string{"a", "b"}, Msg: []byte("1"), Expire: 5})))
	f.Add([]byte(gobOf(header("CometRPC.Migrate"), CometMigrateArgs{Nodes: map[string]int{"a": 1}}, header("MessageRPC.GetPrivate"), MessageGetPrivateArgs{Key: "a"})))
	f.Add([]byte(gobOf(header("CometRPC.New"), CometNewArgs{Key: "a", Token: "t"}, header("CometRPC.Close"), "a")))
	f.Add([]byte(gobOf(header("x"), nest[nest[[]map[string]bool]]{}, header("MessageRPC.SavePrivate"), MessageSavePrivateArgs{Key: "a", Msg: []byte("1"), MsgId: 4, Expire: 5})))
	f.Add([]byte(firstWithID(70000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := newNode(t, nil)
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		go func() { far.Write(b); far.Close() }()
		n.server.Serve(near, true)
		n.server.Close()
	})
}
