package legacyrpc_test

import (
	"bytes"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/cluster/legacyrpc"
	"gopush/internal/message"
)

func TestGetPrivate(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	var ret int
	for _, msg := range []string{"1", "2", "3"} {
		call(t, c, "CometRPC.PushPrivate", &CometPushPrivateArgs{Key: "k", Msg: []byte(msg), Expire: 60}, &ret, "")
	}
	msgs, mids := stored(t, c, "k", 0)
	if !slices.Equal(msgs, []string{"1", "2", "3"}) || !slices.IsSorted(mids) {
		t.Fatalf("stored: %q %d, want 1 2 3 in order", msgs, mids)
	}
	if msgs, _ := stored(t, c, "k", mids[0]); !slices.Equal(msgs, []string{"2", "3"}) {
		t.Errorf("stored after the first: %q, want 2 3", msgs)
	}
	for _, after := range []int64{mids[2], math.MaxInt64} {
		if msgs, _ := stored(t, c, "k", after); msgs != nil {
			t.Errorf("stored after %d: %q, want none", after, msgs)
		}
	}
	if msgs, _ := stored(t, c, "unknown", 0); msgs != nil {
		t.Errorf("stored for an unknown key: %q, want none", msgs)
	}
	call(t, c, "MessageRPC.GetPrivate", &MessageGetPrivateArgs{}, &MessageGetResp{}, "parameter error")
	call(t, c, "MessageRPC.GetPrivate", &MessageGetPrivateArgs{Key: "k", MsgId: -1}, &MessageGetResp{}, "parameter error")
	call(t, c, "MessageRPC.DelPrivate", "", &ret, "parameter error")
	call(t, c, "MessageRPC.DelPrivate", "k", &ret, "")
	if msgs, _ := stored(t, c, "k", 0); msgs != nil {
		t.Errorf("stored after DelPrivate: %q, want none", msgs)
	}
}

func TestGetPrivateAnswersJSONWhateverWasPushed(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	fields := message.AppendFields(nil, [][]byte{[]byte("a"), []byte("1")})
	n.Hub.Publish(t.Context(), []message.Push{
		{Key: "k", Payload: []byte("he\"llo\xff"), Expire: time.Minute},
		{Key: "k", Payload: []byte(` {"a" : 1}`), Expire: time.Minute},
		{Key: "k", Payload: fields, Form: message.Fields, Expire: time.Minute},
	})
	msgs, _ := stored(t, n.dial(t), "k", 0)
	if want := []string{"\"he\\\"llo\ufffd\"", `{"a":1}`, `{"a":"1"}`}; !slices.Equal(msgs, want) {
		t.Errorf("stored: %q, want %q", msgs, want)
	}
}

// historyOf starts a node whose GetPrivate answers 1 MiB, with so many messages of 64 KiB stored for k.
func historyOf(t *testing.T, messages int) *node {
	t.Helper()
	n := start(t, func(cfg *legacyrpc.Config, _ *node) { cfg.MaxHistory = 1 << 20 })
	for range messages {
		n.Hub.Publish(t.Context(), []message.Push{{Key: "k", Payload: bytes.Repeat([]byte("1"), maxMessageBytes), Expire: time.Minute}})
	}
	return n
}

func TestGetPrivateOfManyPages(t *testing.T) {
	t.Parallel()
	c := historyOf(t, 15).dial(t)
	for range 6 { // more than all answers may hold, if one went on holding
		msgs, mids := stored(t, c, "k", 0)
		if len(msgs) != 15 || !slices.IsSorted(mids) || len(msgs[14]) != maxMessageBytes {
			t.Fatalf("%d messages, want 15", len(msgs))
		}
	}
}

func TestGetPrivateOfTooMuchIsAnError(t *testing.T) {
	t.Parallel()
	c := historyOf(t, 17).dial(t)
	for range 6 {
		call(t, c, "MessageRPC.GetPrivate", &MessageGetPrivateArgs{Key: "k"}, &MessageGetResp{},
			"too many messages for one answer, read them with /1/msg/get of a node")
	}
	if msgs, _ := stored(t, c, "other", 0); msgs != nil {
		t.Errorf("stored for another key: %q", msgs)
	}
}

func TestAnswersOfGetPrivateAreBoundedTogether(t *testing.T) {
	t.Parallel()
	n := historyOf(t, 15)
	ask := gobOf(header("MessageRPC.GetPrivate"), MessageGetPrivateArgs{Key: "k"})
	var serving sync.WaitGroup
	var peers []net.Conn
	for range 4 {
		near, far := net.Pipe() // which holds nothing
		serving.Go(func() { n.server.Serve(near, true) })
		io.WriteString(far, ask)
		far.Read(make([]byte, 1)) // its answer is there
		peers = append(peers, far)
	}
	c := n.dial(t)
	call(t, c, "MessageRPC.GetPrivate", &MessageGetPrivateArgs{Key: "k"}, &MessageGetResp{}, "too many messages are being read now, try again later")
	for _, far := range peers {
		far.Close()
	}
	serving.Wait()
	if msgs, _ := stored(t, c, "k", 0); len(msgs) != 15 {
		t.Errorf("%d messages, want 15", len(msgs))
	}
}

func TestSavePrivate(t *testing.T) {
	t.Parallel()
	c := start(t, nil).dial(t)
	now := message.MidAt(time.Now())
	var ret int
	save := func(msg string, mid int64, failure string) {
		t.Helper()
		call(t, c, "MessageRPC.SavePrivate", &MessageSavePrivateArgs{Key: "k", Msg: []byte(msg), MsgId: mid, Expire: 60}, &ret, failure)
	}
	save("1", now, "")
	save("2", now+5, "")  // of gopush-cluster: no multiple of 4
	save("3", now+1, "")  // below the last one
	save("4", now+12, "") // not above it
	save("5", 0, "")
	msgs, mids := stored(t, c, "k", 0)
	if !slices.Equal(msgs, []string{"1", "2", "3", "4", "5"}) || mids[0] != now || mids[1] != now+8 {
		t.Fatalf("stored: %q %d, want them in order, the first at %d, the second 8 above", msgs, mids, now)
	}
	for i, mid := range mids {
		if mid%4 != 0 || i > 0 && mid <= mids[i-1] {
			t.Errorf("mids are %d, want multiples of 4 that increase", mids)
		}
	}
	save("6", -1, "parameter error")
	save("", 0, "parameter error")
	save("no JSON", 0, "parameter error")
	call(t, c, "MessageRPC.SavePrivate", &MessageSavePrivateArgs{Msg: []byte("1"), Expire: 60}, &ret, "parameter error")
	call(t, c, "MessageRPC.SavePrivate", &MessageSavePrivateArgs{Key: "k0", Msg: []byte("1")}, &ret, "")
	if msgs, _ := stored(t, c, "k0", 0); msgs != nil {
		t.Errorf("stored with Expire 0: %q", msgs)
	}
	for _, ahead := range []int64{message.MidAt(time.Now().Add(2 * time.Hour)), math.MaxInt64} {
		args := &MessageSavePrivateArgs{Key: "k", Msg: []byte("1"), MsgId: ahead, Expire: 60}
		if err := c.Call("MessageRPC.SavePrivate", args, &ret); err == nil || !strings.HasPrefix(err.Error(), "mid too far ahead of the clock") {
			t.Errorf("MsgId %d: %v, want an error that says so", ahead, err)
		}
	}
}

func TestSavePrivates(t *testing.T) {
	t.Parallel()
	n := start(t, nil)
	c := n.dial(t)
	now := message.MidAt(time.Now())
	n.Hub.Publish(t.Context(), []message.Push{{Key: "b", Payload: []byte("0"), Expire: time.Minute, Mids: message.Span{First: now + 400, Last: now + 400}}})
	args := MessageSavePrivatesArgs{Keys: []string{"a", "b", "b", ""}, Msg: []byte(`"m"`), MsgId: now, Expire: 60}
	var reply MessageSavePrivatesResp
	call(t, c, "MessageRPC.SavePrivates", &args, &reply, "")
	if !slices.Equal(reply.FKeys, []string{""}) {
		t.Errorf("FKeys = %q, want the one that is no key", reply.FKeys)
	}
	if msgs, mids := stored(t, c, "a", 0); !slices.Equal(msgs, []string{`"m"`}) || mids[0] != now {
		t.Errorf("stored for a: %q %d, want the message at %d", msgs, mids, now)
	}
	if msgs, mids := stored(t, c, "b", 0); !slices.Equal(msgs, []string{"0", `"m"`}) || mids[1] <= now+400 {
		t.Errorf("stored for b: %q %d, want the message above %d", msgs, mids, now+400)
	}
	reply = MessageSavePrivatesResp{}
	call(t, c, "MessageRPC.SavePrivates", &MessageSavePrivatesArgs{Keys: []string{"a"}, MsgId: now}, &reply, "parameter error")
	call(t, c, "MessageRPC.SavePrivates", &MessageSavePrivatesArgs{Keys: []string{"a"}, Msg: []byte("1"), MsgId: -1}, &reply, "parameter error")
	call(t, c, "MessageRPC.SavePrivates", &MessageSavePrivatesArgs{Keys: []string{"c"}, Msg: []byte("1")}, &reply, "")
	if msgs, _ := stored(t, c, "c", 0); msgs != nil || reply.FKeys != nil {
		t.Errorf("with Expire 0: stored %q, FKeys %q, want none", msgs, reply.FKeys)
	}
}
