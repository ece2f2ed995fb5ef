package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/message"
	"gopush/internal/redis"
)

func TestXADDIsAPush(t *testing.T) {
	t.Parallel()
	const never = time.Duration(math.MaxInt64)
	now := today.UnixMilli()
	tests := []struct {
		line string
		want message.Push
	}{
		{"XADD k * msg hello", message.Push{Payload: []byte("hello"), Expire: never}},
		{`XADD k * msg ""`, message.Push{Payload: []byte{}, Expire: never}},
		{"XADD k * MSG hello", message.Push{Payload: []byte("*2\r\n$3\r\nMSG\r\n$5\r\nhello\r\n"), Form: message.Fields, Expire: never}},
		{"XADD k * msg a b c", message.Push{Payload: []byte("*4\r\n$3\r\nmsg\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"), Form: message.Fields, Expire: never}},
		{"XADD k EXPIRE 60 * msg m", message.Push{Payload: []byte("m"), Expire: time.Minute}},
		{"XADD k maxlen 3 expire 3153600000 * msg m", message.Push{Payload: []byte("m"), Expire: 3153600000 * time.Second, Trim: message.Trim{Keep: 3}}},
		{"XADD k MAXLEN 0 * msg m", message.Push{Payload: []byte("m"), Expire: never, Trim: message.Trim{Keep: -1}}},
		{"XADD k MAXLEN ~ 9 LIMIT 5 * msg m", message.Push{Payload: []byte("m"), Expire: never, Trim: message.Trim{Keep: 9}}},
		{"XADD k MINID 7 * msg m", message.Push{Payload: []byte("m"), Expire: never, Trim: message.Trim{MinMid: 70000}}},
		{"XADD k MINID = 7-10000 * msg m", message.Push{Payload: []byte("m"), Expire: never, Trim: message.Trim{MinMid: 80000}}},
		{"XADD k 0-1 msg m", message.Push{Payload: []byte("m"), Expire: never, Mids: message.Span{First: 1, Last: 1}}},
		{"XADD k 0-* msg m", message.Push{Payload: []byte("m"), Expire: never, Mids: message.Span{First: 1, Last: 9999}}},
		{"XADD k 7-* msg m", message.Push{Payload: []byte("m"), Expire: never, Mids: message.Span{First: 70000, Last: 79999}}},
		{"XADD k 7-3 msg m", message.Push{Payload: []byte("m"), Expire: never, Mids: message.Span{First: 70003, Last: 70003}}},
		{"XADD k 1700000000000 msg m", message.Push{Payload: []byte("m"), Expire: never, Mids: message.Span{First: now * 10000, Last: now * 10000}}},
		{"XADD k 1700000000000-9996 msg m", message.Push{Payload: []byte("m"), Expire: never, Mids: message.Span{First: now*10000 + 9996, Last: now*10000 + 9996}}},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			words := args(tt.line)
			reply := c.begin(words)
			for _, word := range words {
				clear(word) // the push may not alias it
			}
			tt.want.Key = "k"
			if reply != "" || c.step.Kind != redis.Push || !reflect.DeepEqual(c.step.Push, tt.want) {
				t.Errorf("replied %q, step %d:\n got %+v\nwant %+v", reply, c.step.Kind, c.step.Push, tt.want)
			}
		})
	}
}

// What an XADD with IDMP or IDMPAUTO is known by: "" is none, the same letter stands for the same.
func TestXADDIsIdempotent(t *testing.T) {
	t.Parallel()
	known := map[string]string{}
	for _, row := range []struct{ line, name string }{
		{"XADD k * f v", ""},
		{"XADD k IDMP p a * f v", "pa"},
		{"XADD k idmp p a * g w", "pa"},
		{"XADD k EXPIRE 5 MAXLEN 3 IDMP p a * msg m", "pa"},
		{"XADD k IDMP p a NOMKSTREAM MINID 1 * msg m", ""}, // asks first whether there is a stream
		{"XADD k IDMP p b * f v", "pb"},
		{"XADD k IDMP q a * f v", "qa"},
		{"XADD k IDMP pa a * f v", "paa"},
		{"XADD k IDMP p aa * f v", "p-aa"},
		{"XADD k IDMP p * * f v", "p*"},
		{"XADD k IDMP p IDMP * f v", "pIDMP"},
		{"XADD k IDMPAUTO p * f v", "auto p fv"},
		{"XADD k IDMPAUTO p MAXLEN 3 * f v", "auto p fv"},
		{"XADD k IDMPAUTO q * f v", "auto q fv"},
		{"XADD k IDMPAUTO p * f w", "auto p fw"},
		{"XADD k IDMPAUTO p * fv ''", "auto p fv-"},
		{"XADD k IDMPAUTO p * f v g w", "auto p fvgw"},
		{"XADD k IDMPAUTO p * g w f v", "auto p fvgw"},
		{"XADD k IDMPAUTO p * f w g v", "auto p fwgv"},
		{"XADD k IDMPAUTO p * f v f v", "auto p fvfv"},
		{"XADD k IDMPAUTO p * msg v", "auto p v"},
		{"XADD k IDMP p " + strings.Repeat("x", 70000) + " * f v", "long"},
	} {
		c := newClient(t)
		c.begin(args(row.line))
		got := string(c.step.Push.IdemKey)
		if len(got) > message.MaxIdemKeyBytes || (got == "") != (row.name == "") {
			t.Errorf("%.60s: the idempotency key is %q", row.line, got)
		}
		for name, other := range known {
			if (name == row.name) != (other == got) {
				t.Errorf("%.60s: %q has the idempotency key %q, %q has %q", row.line, row.name, got, name, other)
			}
		}
		known[row.name] = got
	}
}

// The errors are those of Redis 8.6.
func TestXADDRefusesWhatIsNotIdempotent(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"XADD k IDMP p * f v":                "-ERR Invalid stream ID specified as stream command argument\r\n",
		"XADD k IDMP p a 1-1 f v":            "-ERR IDMP/IDMPAUTO can be used only with auto-generated IDs\r\n",
		"XADD k IDMPAUTO p 1-* f v":          "-ERR IDMP/IDMPAUTO can be used only with auto-generated IDs\r\n",
		"XADD k IDMP p a IDMP p b * f v":     "-ERR IDMP/IDMPAUTO specified multiple times\r\n",
		"XADD k IDMPAUTO p IDMP p b * f v":   "-ERR IDMP/IDMPAUTO specified multiple times\r\n",
		`XADD k IDMP "" a * f v`:             "-ERR IDMP requires a non-empty producer ID\r\n",
		`XADD k IDMP p "" * f v`:             "-ERR IDMP requires a non-empty idempotent ID\r\n",
		`XADD k IDMPAUTO "" * f v`:           "-ERR IDMPAUTO requires a non-empty producer ID\r\n",
		"XADD k IDMPAUTO p 1 * f v g":        "-ERR IDMP/IDMPAUTO can be used only with auto-generated IDs\r\n",
		"XADD k MAXLEN 2 IDMPAUTO p * f v g": "-ERR wrong number of arguments for 'xadd' command\r\n",
	} {
		if c := newClient(t); c.begin(args(line)) != want {
			t.Errorf("%s: %q, want %q", line, c.begin(args(line)), want)
		}
	}
}

func TestXADDRefusesIDs(t *testing.T) {
	t.Parallel()
	const (
		above  = "-ERR The ID specified in XADD has a sequence above 9999, the last one of a millisecond\r\n"
		four   = "-ERR The ID specified in XADD has a sequence that is no multiple of 4, as those of today are\r\n"
		ahead  = "-ERR The ID specified in XADD is more than an hour ahead of the clock\r\n"
		small  = "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"
		expire = "-ERR The EXPIRE argument must be 1 to 3153600000 seconds.\r\n"
		number = "-ERR value is not an integer or out of range\r\n"
	)
	c := newClient(t)
	for _, tt := range []struct{ line, reply string }{
		{"XADD k 5-10000 a b", above},
		{"XADD k 5-18446744073709551615 a b", above},
		{"XADD k 1700000000000-1 a b", four},
		{"XADD k 1700000000000-9999 a b", four},
		{"XADD k 900719925474-992 a b", bulk("900719925474-992")}, // 2^53 and below: any
		{"XADD k 900719925474-993 a b", four},
		{"XADD k 1700003600001-0 a b", ahead},
		{"XADD k 922337203685477-0 a b", ahead},
		{"XADD k 18446744073709551615-0 a b", ahead},
		{"XADD k 18446744073709551615-* a b", ahead},
		{"XADD k * a b", bulk("1700000000000-0")},
		{"XADD k * a b", bulk("1700000000000-4")},
		{"XADD k 1700000000000 a b", small},
		{"XADD k 1700000000000-* a b", bulk("1700000000000-8")},
		{"XADD k 1700000000000-9996 a b", bulk("1700000000000-9996")},
		{"XADD k 1700000000000-* a b", small},
		{"XADD k 1700000000001-* a b", bulk("1700000000001-0")},
		{"XADD k * a b", bulk("1700000000001-4")},
		{"XADD k 1700003600000-0 a b", bulk("1700003600000-0")},
		{"XADD k EXPIRE 0 * a b", expire},
		{"XADD k EXPIRE -1 * a b", expire},
		{"XADD k EXPIRE 3153600001 * a b", expire},
		{"XADD k EXPIRE x * a b", number},
		{"XADD k EXPIRE * a b c", number},
		{"XADD k EXPIRE", "-ERR wrong number of arguments for 'xadd' command\r\n"},
		{"XADD k * EXPIRE 5", bulk("1700003600000-4")}, // a field, after the id
		{"XSETID k 5", "-ERR XSETID is not supported: ids follow the clock, and only XADD with an id moves a stream's last one\r\n"},
	} {
		c.want(tt.line, tt.reply)
	}
}

func TestXADDAnswersWhatAPushMeets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("k: %w", message.ErrMid), "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"},
		{fmt.Errorf("k: %w", message.ErrMidAhead), "-ERR The ID specified in XADD is more than an hour ahead of the clock\r\n"},
		{fmt.Errorf("%w: max_message_bytes is 5", message.ErrTooLarge), "-ERR message too large: max_message_bytes is 5\r\n"},
		{errors.New("two\r\nlines"), "-ERR two  lines\r\n"},
	} {
		c := newClient(t)
		c.begin(args("XADD k * a b"))
		if got := c.step.Answer([]byte("+before\r\n"), []message.Receipt{{Err: tt.err}}, true); string(got) != "+before\r\n"+tt.want {
			t.Errorf("%v is answered %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestXADDCopiesKeyAndPayloadAndNoMore(t *testing.T) {
	c := newClient(t)
	words, dst := args("XADD k * msg hello"), make([]byte, 0, 64)
	receipts := []message.Receipt{{Mid: 40}}
	allocs := testing.AllocsPerRun(100, func() {
		c.server.Command(c.session, words, dst, &c.step)
		dst = c.step.Answer(dst[:0], receipts, true)
	})
	if allocs > 2 {
		t.Errorf("%v allocations, want 2", allocs)
	}
}

// fill stores n messages of size bytes each for key, and returns their ids.
func (c *client) fill(key string, n, size int) (ids []string) {
	c.t.Helper()
	for range n {
		reply := c.doWords([][]byte{[]byte("XADD"), []byte(key), []byte("*"), []byte("msg"), bytes.Repeat([]byte{'x'}, size)})
		id := strings.Split(reply, "\r\n")
		if len(id) != 3 {
			c.t.Fatalf("XADD replied %q", reply)
		}
		ids = append(ids, id[1])
	}
	return ids
}

// idsIn returns those of ids that reply has, in order.
func idsIn(reply string, ids []string) (found []string) {
	for _, id := range ids {
		if strings.Contains(reply, bulk(id)) {
			found = append(found, id)
		}
	}
	return found
}

func TestRepliesHaveABound(t *testing.T) {
	t.Parallel()
	const tooLarge = "-ERR the reply has more than 1000 bytes, ask for less at a time with COUNT\r\n"
	for _, tt := range []struct {
		line string
		want int // messages, or tooLarge
	}{
		{"XRANGE k - +", -1},
		{"XREVRANGE k + -", -1},
		{"XRANGE k - + COUNT 3", 3},
		{"XREVRANGE k + - COUNT 3", 3},
		{"XRANGE k - + COUNT 4", -1},
		{"XREVRANGE k + - COUNT 5", -1},
		{"XINFO STREAM k FULL", -1},
		{"XINFO STREAM k FULL COUNT 3", 3},
		{"XREAD STREAMS k 0", 3},
		{"XREAD COUNT 2 STREAMS k 0", 2},
		{"XREAD BLOCK 0 STREAMS k 0", 3},
		{"XREAD STREAMS k l 0 0", 4}, // one, if there is any room
		{"XREAD COUNT 2 STREAMS k l 0 0", 3},
		{"XREADGROUP GROUP g c STREAMS k >", 3},
		{"XREADGROUP GROUP g c COUNT 2 STREAMS k l > >", 3},
		{"XREADGROUP GROUP all c STREAMS k 0", 3},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			ids := slices.Concat(c.fill("k", 5, 300), c.fill("l", 5, 300))
			for _, line := range []string{"XGROUP CREATE k g 0", "XGROUP CREATE l g 0", "XGROUP CREATE k all 0"} {
				c.want(line, "+OK\r\n")
			}
			c.do("XREADGROUP GROUP all c STREAMS k >")
			c.limits.MaxReplyBytes[1] = 1000
			reply := c.do(tt.line)
			if tt.want < 0 {
				if reply != tooLarge {
					t.Errorf("replied %.200q, want %q", reply, tooLarge)
				}
				return
			}
			if got := strings.Count(reply, strings.Repeat("x", 300)); got != tt.want {
				t.Errorf("replied %d messages (%v), want %d: %.100q", got, idsIn(reply, ids), tt.want, reply)
			}
		})
	}
}

func TestOneMessageIsAlwaysReplied(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"XRANGE k - +", "XREVRANGE k + -", "XREAD STREAMS k 0", "XREAD STREAMS k +",
		"XREADGROUP GROUP g c STREAMS k >", "XAUTOCLAIM k all d 0 0", "XINFO STREAM k",
	} {
		c := newClient(t)
		ids := c.fill("k", 1, 300)
		c.want("XGROUP CREATE k g 0", "+OK\r\n")
		c.want("XGROUP CREATE k all 0", "+OK\r\n")
		c.do("XREADGROUP GROUP all c STREAMS k >")
		c.limits.MaxReplyBytes[1] = 100
		if reply := c.do(line); len(idsIn(reply, ids)) != 1 {
			t.Errorf("%s replied %.200q", line, reply)
		}
	}
}

// wait begins a read that has to wait, and looks once.
func (c *client) wait(line string, after ...int64) (*redis.Waiting, []int64) {
	c.t.Helper()
	if reply := c.begin(args(line)); reply != "" || c.step.Kind != redis.Wait {
		c.t.Fatalf("%s: replied %q, step %d, want Wait", line, reply, c.step.Kind)
	}
	w := c.step.Wait
	if !reflect.DeepEqual(w.After, after) {
		c.t.Fatalf("%s waits after %v, want %v", line, w.After, after)
	}
	resolved := slices.Clone(w.After)
	if reply, found := w.Try(context.Background(), []byte("+before\r\n"), resolved); found || string(reply) != "+before\r\n" {
		c.t.Fatalf("%s found %q", line, reply)
	}
	return w, resolved
}

func TestABlockedXREADIsToldWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XADD k 5-1 msg old", bulk("5-1"))
	c.want("XADD l 6-1 msg old", bulk("6-1"))
	c.want("XDEL l 6-1", ":1\r\n")
	w, after := c.wait("XREAD BLOCK 1500 COUNT 2 STREAMS k l none k m $ + $ $ 7-20000", message.LastMid, 0, message.LastMid, 79999)
	if want := []string{"k", "l", "none", "m"}; !slices.Equal(w.Keys, want) || w.Block != 1500*time.Millisecond || string(w.None) != "*-1\r\n" {
		t.Errorf("waits %v for %v, then replies %q, want %v", w.Block, w.Keys, w.None, want)
	}
	if want := []int64{50001, 60001, 0, 79999}; !slices.Equal(after, want) {
		t.Errorf("waits after %v, want %v", after, want)
	}

	// What is stored now is found by the next look, after what the first one found.
	c.want("XADD l 6-5 msg new", bulk("6-5"))
	reply, found := w.Try(context.Background(), nil, after)
	if want := "*1\r\n*2\r\n$1\r\nl\r\n*1\r\n*2\r\n$3\r\n6-5\r\n*2\r\n$3\r\nmsg\r\n$3\r\nnew\r\n"; !found || string(reply) != want {
		t.Errorf("found %q, want %q", reply, want)
	}

	// Or is handed over.
	handed := []*message.Message{
		{Mid: 70004, Payload: []byte("a")},
		{Mid: 70008, Payload: []byte("*2\r\n$1\r\nf\r\n$1\r\nv\r\n"), Form: message.Fields},
		{Mid: 70012, Payload: []byte("c")},
	}
	want := "*1\r\n*2\r\n$4\r\nnone\r\n*2\r\n*2\r\n$3\r\n7-4\r\n*2\r\n$3\r\nmsg\r\n$1\r\na\r\n*2\r\n$3\r\n7-8\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
	if got := w.Append(nil, 2, handed); string(got) != want {
		t.Errorf("appended %q, want %q", got, want)
	}
}

func TestABlockedXREADInRESP3(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.resp3()
	w, _ := c.wait("XREAD BLOCK 0 STREAMS k $", message.LastMid)
	if w.Block != 0 || string(w.None) != "_\r\n" {
		t.Errorf("waits %v, then replies %q", w.Block, w.None)
	}
	want := "+before\r\n%1\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n7-4\r\n*2\r\n$3\r\nmsg\r\n$1\r\na\r\n"
	if got := w.Append([]byte("+before\r\n"), 0, []*message.Message{{Mid: 70004, Payload: []byte("a")}}); string(got) != want {
		t.Errorf("appended %q, want %q", got, want)
	}
}

func TestWhatIsHandedOverHasABound(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.limits.MaxReplyBytes[1] = 10
	w, _ := c.wait("XREAD BLOCK 0 STREAMS k $", message.LastMid)
	six, twelve := bytes.Repeat([]byte("x"), 6), bytes.Repeat([]byte("y"), 12)
	for _, tt := range []struct {
		payloads [][]byte
		want     int
	}{{[][]byte{six, six}, 1}, {[][]byte{twelve, six}, 1}, {[][]byte{six[:3], six, six}, 2}} {
		var handed []*message.Message
		for i, p := range tt.payloads {
			handed = append(handed, &message.Message{Mid: int64(4 * (i + 1)), Payload: p})
		}
		if reply := string(w.Append(nil, 0, handed)); strings.Count(reply, "msg") != tt.want {
			t.Errorf("%d messages, want %d: %q", strings.Count(reply, "msg"), tt.want, reply)
		}
	}
}

func TestXREADPlusIsTheLastMessage(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XREAD STREAMS k +", "*-1\r\n")
	c.want("XADD k 5 msg a", bulk("5-0"))
	c.want("XADD k 6 msg b", bulk("6-0"))
	last := "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n6-0\r\n*2\r\n$3\r\nmsg\r\n$1\r\nb\r\n"
	c.want("XREAD STREAMS k +", last)
	c.want("XREAD BLOCK 5 STREAMS none k + +", last)
	c.want("XDEL k 5 6", ":2\r\n")
	c.want("XREAD BLOCK 5 STREAMS k +", "*-1\r\n")
}

func TestKeysOfReadsAreChecked(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, line := range []string{
		"XREAD STREAMS k \x01 0 0", "XREAD BLOCK STREAMS COUNT 1 STREAMS \x01 0", "xread block 1 count 1 streams \x01 0",
		"XREADGROUP GROUP STREAMS streams NOACK STREAMS k \x01 > >", "XRANGE \x01 - +", "XINFO STREAM \x01", "XGROUP CREATE \x01 g $",
		"XLEN " + strings.Repeat("k", 256), `XADD "" * a b`,
	} {
		if line == "XREAD BLOCK STREAMS COUNT 1 STREAMS \x01 0" {
			c.want(line, "-ERR timeout is not an integer or out of range\r\n")
			continue
		}
		if got := c.do(line); !strings.HasPrefix(got, "-ERR bad key: ") {
			t.Errorf("%q replied %q, want bad key", line, got)
		}
	}
}

func TestPublicClientsReadOnly(t *testing.T) {
	t.Parallel()
	c := newClientOf(t, redis.Trust{})
	for line, command := range map[string]string{
		"XADD k * a b": "xadd", "XADD k NOMKSTREAM * a b": "xadd", "XDEL k 1": "xdel", "XTRIM k MAXLEN 1": "xtrim", "XSETID k 1": "xsetid",
		"XGROUP DESTROY k g": "xgroup|destroy", "XGROUP SETID k g 0": "xgroup|setid", "XGROUP DELCONSUMER k g c": "xgroup|delconsumer",
	} {
		if got := c.do(line); !strings.HasPrefix(got, "-NOPERM ") || !strings.Contains(got, command) {
			t.Errorf("%s replied %q, want NOPERM", line, got)
		}
	}
	c.want("XGROUP CREATE k g $ MKSTREAM", "+OK\r\n")
	c.want("XGROUP CREATECONSUMER k g c", ":1\r\n")
	c.want("XREADGROUP GROUP g c STREAMS k >", "*-1\r\n")
	c.want("XACK k g 1", ":0\r\n")
	c.want("XRANGE k - +", "*0\r\n")
}

func TestXADDWithExpireIsForgotten(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XADD k EXPIRE 60 * msg soon", bulk("1700000000000-0"))
	c.want("XADD k * msg never", bulk("1700000000000-4"))
	c.now = today.Add(time.Hour * 24 * 365 * 50)
	c.want("XRANGE k - +", "*1\r\n*2\r\n"+bulk("1700000000000-4")+"*2\r\n$3\r\nmsg\r\n$5\r\nnever\r\n")
}
