package legacyrpc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/cluster/legacyrpc"
	"gopush/internal/message"
)

func TestPushPrivate(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	ret := -1
	call(t, c, "CometRPC.PushPrivate", &CometPushPrivateArgs{Key: "k", Msg: []byte(`{"a":1}`), Expire: 60}, &ret, "")
	call(t, c, "CometRPC.PushPrivate", &CometPushPrivateArgs{Key: "k", Msg: []byte(`"live"`)}, &ret, "")
	if got := n.pushed[1]; got.Expire != 0 || string(got.Payload) != `"live"` {
		t.Errorf("a push with Expire 0 was %+v, want live only", got)
	}
	if got := n.pushed[0]; got.Expire != time.Minute || got.GID != message.Private || got.Mids != (message.Span{}) {
		t.Errorf("a push with Expire 60 was %+v", got)
	}
	if msgs, mids := stored(t, c, "k", 0); !slices.Equal(msgs, []string{`{"a":1}`}) || mids[0] <= 0 {
		t.Errorf("stored: %q %d, want the one with an Expire", msgs, mids)
	}
}

func TestPushPrivateRefuses(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	for _, tt := range []struct {
		name string
		args CometPushPrivateArgs
		want string
	}{
		{"no key", CometPushPrivateArgs{Msg: []byte("1"), Expire: 1}, "parameter error"},
		{"no message", CometPushPrivateArgs{Key: "k", Expire: 1}, "parameter error"},
		{"a bad key", CometPushPrivateArgs{Key: "k\n", Msg: []byte("1")}, "parameter error"},
		{"a long key", CometPushPrivateArgs{Key: strings.Repeat("k", 256), Msg: []byte("1")}, "parameter error"},
		{"no JSON", CometPushPrivateArgs{Key: "k", Msg: []byte("hello")}, "parameter error"},
		{"two values", CometPushPrivateArgs{Key: "k", Msg: []byte("1 2")}, "parameter error"},
		{"a long time", CometPushPrivateArgs{Key: "k", Msg: []byte("1"), Expire: 1 << 32}, "parameter error"},
		{"too large", CometPushPrivateArgs{Key: "k", Msg: []byte(strings.Repeat("1", maxMessageBytes+1))}, "message too large: 65537 bytes, max_message_bytes is 65536"},
	} {
		var ret int
		call(t, c, "CometRPC.PushPrivate", &tt.args, &ret, tt.want)
	}
	if msgs, _ := stored(t, c, "k", 0); msgs != nil {
		t.Errorf("refused pushes stored %q", msgs)
	}
}

func TestPushPrivates(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	args := CometPushPrivatesArgs{Keys: []string{"a", "", "b", "a", "bad\x00"}, Msg: []byte(`"m"`), Expire: 60}
	var reply CometPushPrivatesResp
	call(t, c, "CometRPC.PushPrivates", &args, &reply, "")
	if slices.Sort(reply.FKeys); !slices.Equal(reply.FKeys, []string{"", "bad\x00"}) {
		t.Errorf("FKeys = %q, want those that are no keys", reply.FKeys)
	}
	for _, key := range []string{"a", "b"} {
		if msgs, _ := stored(t, c, key, 0); !slices.Equal(msgs, []string{`"m"`}) {
			t.Errorf("stored for %q: %q, want the message once", key, msgs)
		}
	}
	reply = CometPushPrivatesResp{}
	call(t, c, "CometRPC.PushPrivates", &CometPushPrivatesArgs{Msg: []byte("1")}, &reply, "")
	call(t, c, "CometRPC.PushPrivates", &CometPushPrivatesArgs{Keys: []string{"a"}, Expire: 1}, &reply, "parameter error")
	if reply.FKeys != nil {
		t.Errorf("FKeys = %q, want none", reply.FKeys)
	}
}

func TestPushPrivatesToManyKeys(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	args := CometPushPrivatesArgs{Msg: []byte(`"m"`), Expire: 60}
	for i := range 2500 {
		args.Keys = append(args.Keys, fmt.Sprintf("%0200d", i))
	}
	var reply CometPushPrivatesResp
	call(t, c, "CometRPC.PushPrivates", &args, &reply, "")
	if reply.FKeys != nil {
		t.Fatalf("FKeys has %d keys, want none", len(reply.FKeys))
	}
	for _, key := range args.Keys {
		if msgs, _ := stored(t, c, key, 0); len(msgs) != 1 {
			t.Fatalf("stored for %q: %q, want one", key, msgs)
		}
	}
}

// failing has every push, read and deletion fail.
type failing struct {
	legacyrpc.Keys
	err error
}

func (f failing) Publish(_ context.Context, pushes []message.Push) []message.Receipt {
	receipts := make([]message.Receipt, len(pushes))
	for i := range receipts {
		receipts[i].Err = f.err
	}
	return receipts
}

func (f failing) Range(context.Context, string, int64, int64, bool, int, int) ([]message.Message, error) {
	return nil, f.err
}

func (f failing) Delete(context.Context, string, ...int64) (int, error) { return 0, f.err }

func (f failing) Kick(context.Context, string, ...uint64) (int, error) { return 0, f.err }

func TestWhatFailsIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("/var/lib/x: %w", message.ErrUnavailable), "store unavailable"},
		{fmt.Errorf("/var/lib/x: %w", message.ErrUnknown), "outcome unknown"},
		{errors.New("dial 10.0.0.1"), "internal error, the log of the node has it"},
	} {
		n := start(t, func(cfg *legacyrpc.Config, _ *node) { cfg.Keys = failing{err: tt.err} })
		c := n.dial(t)
		var ret int
		call(t, c, "CometRPC.PushPrivate", &CometPushPrivateArgs{Key: "k", Msg: []byte("1")}, &ret, tt.want)
		call(t, c, "MessageRPC.GetPrivate", &MessageGetPrivateArgs{Key: "k"}, &MessageGetResp{}, tt.want)
		call(t, c, "MessageRPC.DelPrivate", "k", &ret, tt.want)
		call(t, c, "CometRPC.Close", "k", &ret, tt.want)
		var reply CometPushPrivatesResp
		call(t, c, "CometRPC.PushPrivates", &CometPushPrivatesArgs{Keys: []string{"a", "b"}, Msg: []byte("1")}, &reply, "")
		if !slices.Equal(reply.FKeys, []string{"a", "b"}) {
			t.Errorf("FKeys = %q, want all that failed", reply.FKeys)
		}
	}
}

func TestNewLetsATokenIn(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	var ret int
	call(t, c, "CometRPC.New", &CometNewArgs{Key: "k", Token: "t", Expire: 60}, &ret, "")
	if _, err := n.tokens.Check(t.Context(), "k", "t"); err != nil {
		t.Errorf("the token is refused: %v", err)
	}
	call(t, c, "CometRPC.New", &CometNewArgs{Key: "k", Token: "t", Expire: 60}, &ret, "token exist")
	call(t, c, "CometRPC.New", &CometNewArgs{Key: "k", Token: "t2"}, &ret, "")
	call(t, c, "CometRPC.New", &CometNewArgs{Key: "k2", Token: "t"}, &ret, "")
	for _, bad := range []CometNewArgs{
		{Token: "t"}, {Key: "k"}, {Key: "k", Token: "\n"}, {Key: "k", Token: "t3", Expire: -1}, {Key: "k", Token: "t3", Expire: 1 << 60},
	} {
		call(t, c, "CometRPC.New", &bad, &ret, "parameter error")
	}
}

func TestNewWithoutTokensDoesNothing(t *testing.T) {
	t.Parallel()
	n := start(t, func(cfg *legacyrpc.Config, _ *node) { cfg.Tokens = nil })
	c := n.dial(t)
	var ret int
	call(t, c, "CometRPC.New", &CometNewArgs{Key: "k", Token: "t"}, &ret, "")
	call(t, c, "CometRPC.New", &CometNewArgs{Key: "k", Token: "t"}, &ret, "")
	call(t, c, "CometRPC.New", &CometNewArgs{Token: "t"}, &ret, "parameter error")
	call(t, c, "CometRPC.Close", "k", &ret, "")
}

func TestCloseForgetsTokensAndKicks(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	var ret int
	call(t, c, "CometRPC.New", &CometNewArgs{Key: "k", Token: "t"}, &ret, "")
	call(t, c, "CometRPC.PushPrivate", &CometPushPrivateArgs{Key: "k", Msg: []byte("1"), Expire: 60}, &ret, "")
	call(t, c, "CometRPC.Close", "k", &ret, "")
	call(t, c, "CometRPC.Close", "", &ret, "parameter error")
	if !slices.Equal(n.kicked, []string{"k"}) {
		t.Errorf("kicked: %q, want k", n.kicked)
	}
	if _, err := n.tokens.Check(t.Context(), "k", "t"); !errors.Is(err, message.ErrUnknownKey) {
		t.Errorf("the token of a closed key: %v, want an unknown key", err)
	}
	if msgs, _ := stored(t, c, "k", 0); len(msgs) != 1 {
		t.Errorf("stored for a closed key: %q, want what was there", msgs)
	}
}

func TestMigrateAndPing(t *testing.T) {
	t.Parallel()
	c := start(t, nil).dial(t)
	ret := 7
	call(t, c, "CometRPC.Migrate", &CometMigrateArgs{Nodes: map[string]int{"n1": 1, "n2": 2}}, &ret, "")
	call(t, c, "CometRPC.Migrate", &CometMigrateArgs{}, &ret, "")
	call(t, c, "CometRPC.Ping", 0, &ret, "")
	call(t, c, "MessageRPC.Ping", 5, &ret, "")
	call(t, c, "CometRPC.Nothing", 0, &ret, "rpc: can't find method CometRPC.Nothing")
	call(t, c, "Nothing", 0, &ret, "rpc: service/method request ill-formed: Nothing")
	call(t, c, "CometRPC.Ping", "text", &ret, "gob: decoding into local type *int, received remote type string")
	call(t, c, "CometRPC.Ping", 0, &ret, "")
}
