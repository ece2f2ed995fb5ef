package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/redis"
)

func TestIdleIsCountedFromTheDelivery(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XADD k 1-4 msg a", bulk("1-4"))
	c.want("XGROUP CREATE k g 0", "+OK\r\n")
	c.do("XREADGROUP GROUP g c STREAMS k >")
	c.now = c.now.Add(1500 * time.Millisecond)
	entry := func(idle, count int) string {
		return fmt.Sprintf("*1\r\n*4\r\n$3\r\n1-4\r\n$1\r\nc\r\n:%d\r\n:%d\r\n", idle, count)
	}
	c.want("XPENDING k g - + 10", entry(1500, 1))
	c.want("XPENDING k g IDLE 1500 - + 10 c", entry(1500, 1))
	c.want("XPENDING k g IDLE 1501 - + 10 c", "*0\r\n")
	c.want("XCLAIM k g c 1501 1-4", "*0\r\n")
	c.want("XCLAIM k g c 1500 1-4 IDLE 700 JUSTID", "*1\r\n$3\r\n1-4\r\n")
	c.want("XPENDING k g - + 10", entry(700, 1))
	c.want("XCLAIM k g c 0 1-4 TIME 1700000000000 RETRYCOUNT 5 JUSTID", "*1\r\n$3\r\n1-4\r\n")
	c.want("XPENDING k g - + 10", entry(1500, 5))
	c.want("XCLAIM k g c 0 1-4 TIME 1800000000000 JUSTID", "*1\r\n$3\r\n1-4\r\n") // not yet
	c.want("XPENDING k g - + 10", entry(0, 5))
	c.want("XCLAIM k g c 0 1-4 IDLE -9223372036854775808 JUSTID", "*1\r\n$3\r\n1-4\r\n")
	c.want("XPENDING k g - + 10", entry(0, 5))
	c.now = c.now.Add(250 * time.Millisecond)
	c.want("XINFO CONSUMERS k g", "*1\r\n*6\r\n$4\r\nname\r\n$1\r\nc\r\n$7\r\npending\r\n:1\r\n$4\r\nidle\r\n:250\r\n")
	c.want("XAUTOCLAIM k g c 250 0", "*3\r\n$3\r\n0-0\r\n*1\r\n*2\r\n$3\r\n1-4\r\n*2\r\n$3\r\nmsg\r\n$1\r\na\r\n*0\r\n")
	c.want("XPENDING k g - + 10", entry(0, 6))
}

func TestXINFOStreamFullShowsWhatIsPending(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.resp3()
	c.want("XADD k 1-4 msg a", bulk("1-4"))
	c.want("XGROUP CREATE k g 0", "+OK\r\n")
	c.do("XREADGROUP GROUP g c STREAMS k >")
	at := fmt.Sprintf(":%d\r\n", today.UnixMilli())
	got := c.do("XINFO STREAM k FULL")
	_, groups, _ := strings.Cut(got, "$6\r\ngroups\r\n")
	want := "*1\r\n%7\r\n$4\r\nname\r\n$1\r\ng\r\n$17\r\nlast-delivered-id\r\n$3\r\n1-4\r\n$12\r\nentries-read\r\n:1\r\n$3\r\nlag\r\n:0\r\n" +
		"$9\r\npel-count\r\n:1\r\n$7\r\npending\r\n*1\r\n*4\r\n$3\r\n1-4\r\n$1\r\nc\r\n" + at + ":1\r\n" +
		"$9\r\nconsumers\r\n*1\r\n%4\r\n$4\r\nname\r\n$1\r\nc\r\n$9\r\nseen-time\r\n" + at +
		"$9\r\npel-count\r\n:1\r\n$7\r\npending\r\n*1\r\n*3\r\n$3\r\n1-4\r\n" + at + ":1\r\n"
	if groups != want {
		t.Errorf("groups are %q\nwant %q", groups, want)
	}
}

func TestABlockedXREADGROUPLooksAgain(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XGROUP CREATE k g $ MKSTREAM", "+OK\r\n")
	c.want("XGROUP CREATE l g $ MKSTREAM", "+OK\r\n")
	w, _ := c.wait("XREADGROUP GROUP g c BLOCK 10 COUNT 1 STREAMS k l k > > >")
	if !slices.Equal(w.Keys, []string{"k", "l"}) || w.Append != nil || w.Block != 10*time.Millisecond || string(w.None) != "*-1\r\n" {
		t.Errorf("waits %v for %v, then %q, Append %v", w.Block, w.Keys, w.None, w.Append != nil)
	}
	c.want("XADD l 5-4 msg a", bulk("5-4"))
	reply, found := w.Try(t.Context(), nil, nil)
	if want := "*1\r\n*2\r\n$1\r\nl\r\n*1\r\n*2\r\n$3\r\n5-4\r\n*2\r\n$3\r\nmsg\r\n$1\r\na\r\n"; !found || string(reply) != want {
		t.Errorf("found %q, want %q", reply, want)
	}
	if reply, found := w.Try(t.Context(), nil, nil); found {
		t.Errorf("found %q again", reply)
	}
	c.want("XGROUP DESTROY k g", ":1\r\n")
	reply, found = w.Try(t.Context(), nil, nil)
	if want := "-NOGROUP No such key 'k' or consumer group 'g' in XREADGROUP with GROUP option\r\n"; !found || string(reply) != want {
		t.Errorf("without its group: found %v, %q, want %q", found, reply, want)
	}
}

func TestNothingIsDeliveredWhereAGroupIsMissing(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XADD k 5-4 msg a", bulk("5-4"))
	c.want("XGROUP CREATE k g 0", "+OK\r\n")
	c.want("XREADGROUP GROUP g c STREAMS k l > >", "-NOGROUP No such key 'l' or consumer group 'g' in XREADGROUP with GROUP option\r\n")
	c.want("XPENDING k g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n")
}

func TestWhatIsClaimedIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line    func(ids []string) string
		claimed int
	}{
		{func(ids []string) string { return "XCLAIM k g d 0 " + strings.Join(ids, " ") }, 3},
		{func(ids []string) string { return "XCLAIM k g d 0 " + strings.Join(ids, " ") + " JUSTID" }, 7},
		{func([]string) string { return "XAUTOCLAIM k g d 0 0" }, 3},
		{func([]string) string { return "XAUTOCLAIM k g d 0 0 COUNT 2" }, 2},
		{func([]string) string { return "XAUTOCLAIM k g d 0 0 JUSTID" }, 7},
	} {
		c := newClient(t)
		ids := c.fill("k", 7, 300)
		c.want("XGROUP CREATE k g 0", "+OK\r\n")
		c.do("XREADGROUP GROUP g c STREAMS k >")
		c.limits.MaxReplyBytes[1] = 1000
		line := tt.line(ids)
		reply := c.do(line)
		want := ids[:tt.claimed]
		if line[1] == 'A' { // what follows the id to go on from
			next := "0-0"
			if tt.claimed < len(ids) {
				next = ids[tt.claimed]
			}
			head := "*3\r\n" + bulk(next)
			if !strings.HasPrefix(reply, head) {
				t.Errorf("%.40s replied %.100q, want to go on from %s", line, reply, next)
			}
			reply = strings.TrimPrefix(reply, head)
		}
		if got := idsIn(reply, ids); !slices.Equal(got, want) {
			t.Errorf("%.40s replied %v, want %v", line, got, want)
		}
		if got := idsIn(c.do("XPENDING k g - + 10 d"), ids); !slices.Equal(got, want) {
			t.Errorf("%.40s claimed %v, want %v", line, got, want)
		}
	}
}

func TestXPENDINGHasABound(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.fill("k", 20, 3)
	c.want("XGROUP CREATE k g 0", "+OK\r\n")
	c.do("XREADGROUP GROUP g c STREAMS k >")
	c.limits.MaxReplyBytes[1] = 300
	const tooLarge = "-ERR the reply has more than 300 bytes, ask for less at a time with COUNT\r\n"
	c.want("XPENDING k g - + 20", tooLarge)
	c.want("XPENDING k g - + 9223372036854775807", tooLarge)
	if got := c.do("XPENDING k g - + 5"); !strings.HasPrefix(got, "*5\r\n") {
		t.Errorf("replied %q", got)
	}
	c.want("XINFO STREAM k FULL", tooLarge)
}

func TestGroupsAndConsumersAreCalledAsKeysAre(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XGROUP CREATE k g $ MKSTREAM", "+OK\r\n")
	long := strings.Repeat("g", 256)
	for _, line := range []string{
		`XGROUP CREATE k "" $`, "XGROUP CREATE k " + long + " $", "XGROUP CREATE k a\xff $", "XGROUP CREATE k a\x00 $",
		`XGROUP CREATECONSUMER k g ""`, "XREADGROUP GROUP g \x01 STREAMS k >", "XREADGROUP GROUP \x01 c BLOCK 5 STREAMS k >",
		"XCLAIM k g \x01 0 1", "XAUTOCLAIM k g \x01 0 0", "XACK k \x01 1", `XPENDING k ""`, `XPENDING k g - + 1 ""`, "XINFO CONSUMERS k \x01",
	} {
		if got := c.do(line); !strings.HasPrefix(got, "-ERR a group or consumer cannot be called so, the rules are those of keys: bad key: ") {
			t.Errorf("%.60q replied %q", line, got)
		}
	}
	c.want("XGROUP CREATE k žluť $", "+OK\r\n")
	c.want("XGROUP CREATECONSUMER k žluť kůň", ":1\r\n")
}

func TestANodeWithoutCursorsSaysSo(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want("XADD k 5-4 msg a", bulk("5-4"))
	c.server = redis.New(redis.Config{
		Keys: c.keys, Now: func() time.Time { return c.now }, Limits: func() redis.Limits { return c.limits },
		APIKeys: func() any { return 1 },
	})
	for _, line := range []string{
		"XGROUP CREATE k g $", "XGROUP SETID k g $", "XGROUP DESTROY k g", "XGROUP CREATECONSUMER k g c", "XGROUP DELCONSUMER k g c",
		"XREADGROUP GROUP g c STREAMS k >", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "XACK k g 1", "XPENDING k g", "XPENDING k g - + 1",
		"XCLAIM k g c 0 1", "XAUTOCLAIM k g c 0 0", "XINFO CONSUMERS k g",
	} {
		c.want(line, "-ERR no cursors: the store of this node keeps none\r\n")
	}
	c.want("XINFO GROUPS k", "*0\r\n")
	if got := c.do("XINFO STREAM k FULL"); !strings.HasSuffix(got, "$6\r\ngroups\r\n*0\r\n") {
		t.Errorf("XINFO STREAM replied %q", got)
	}
}
