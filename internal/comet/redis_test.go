package comet_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/comet"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/store/memory"
)

// redisGateway is a gateway whose connections on addr speak Redis and are trusted.
type redisGateway struct {
	*gateway
	addr  string
	reads atomic.Int64 // of groups
}

// counted counts how often groups are asked for messages.
type counted struct {
	redis.Groups
	reads *atomic.Int64
}

func (c counted) ReadGroup(ctx context.Context, r message.GroupRead) ([]message.Message, error) {
	c.reads.Add(1)
	return c.Groups.ReadGroup(ctx, r)
}

func startRedis(t *testing.T, engine comet.Engine) *redisGateway {
	t.Helper()
	return startRedisWith(t, engine, func(*redis.Config) {})
}

func startRedisWith(t *testing.T, engine comet.Engine, set func(*redis.Config)) *redisGateway {
	t.Helper()
	store := memory.New(memory.Config{})
	g := &redisGateway{gateway: startOver(t, engine, store, nil)}
	ln, addr := listenAs(t, g.Gateway, engine, comet.Admin)
	cfg := redis.Config{
		Keys: g.hub, Groups: counted{store, &g.reads}, Clients: g.Gateway, Now: time.Now,
		Limits: func() redis.Limits {
			return redis.Limits{MaxKeyBytes: 255, MaxMessageBytes: 1 << 20, MaxReplyBytes: [...]int{1 << 20, 1 << 20}}
		},
		Facts: func() redis.Facts { return redis.Facts{} },
	}
	set(&cfg)
	ln.ServeRedis(redis.New(cfg), redis.Trust{Admin: true, Open: true})
	g.addr = addr
	return g
}

// redisClient sends commands and reads replies.
type redisClient struct {
	net.Conn
	r *bufio.Reader
	t *testing.T
}

func (g *redisGateway) dial(t *testing.T) *redisClient {
	t.Helper()
	nc, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &redisClient{nc, bufio.NewReader(nc), t}
}

// command returns the bytes of a command.
func command(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

func (c *redisClient) send(words ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, command(words...)); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one reply and writes it as text: elements in brackets, null as nil.
func (c *redisClient) reply() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", line, err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	n, _ := strconv.Atoi(line[1:])
	switch line[0] {
	case '+', '-', ':':
		return line[1:]
	case '$':
		return c.bulk(n)
	case '%', '|':
		n *= 2
	case '_':
		return "nil"
	}
	if n < 0 {
		return "nil"
	}
	parts := make([]string, n)
	for i := range parts {
		parts[i] = c.reply()
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func (c *redisClient) bulk(n int) string {
	if n < 0 {
		return "nil"
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatal(err)
	}
	return string(b[:n])
}

// want reads as many replies as are given and compares them.
func (c *redisClient) want(replies ...string) {
	c.t.Helper()
	for _, want := range replies {
		if got := c.reply(); got != want {
			c.t.Fatalf("reply %.200q, want %.200q", got, want)
		}
	}
}

// do sends a command and returns its reply.
func (c *redisClient) do(words ...string) string {
	c.t.Helper()
	c.send(words...)
	return c.reply()
}

// Commands of a pipeline that are answered at once, that push, that wait for the store and that the pool does are answered in
// their order, however the bytes are cut.
func TestAPipelineIsAnsweredInOrder(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		c := g.dial(t)
		var sent strings.Builder
		var want []string
		add := func(reply string, words ...string) {
			sent.WriteString(command(words...))
			want = append(want, reply)
		}
		lengths := make(map[string]int)
		for i := range 2000 {
			key := fmt.Sprint("k", rand.IntN(5))
			switch rand.IntN(6) {
			case 0:
				add("PONG", "PING")
			case 1:
				add(fmt.Sprint(i), "ECHO", fmt.Sprint(i))
			case 2:
				add("0", "PUBLISH", key, "live")
			case 3:
				lengths[key]++
				add(fmt.Sprintf("%d-4", lengths[key]), "XADD", key, fmt.Sprintf("%d-4", lengths[key]), "msg", "stored")
			case 4:
				add(fmt.Sprint(lengths[key]), "XLEN", key)
			case 5:
				add("ERR unknown command 'no', with args beginning with: ", "no")
			}
		}
		go func() {
			for b := sent.String(); len(b) > 0; {
				n := min(len(b), 1+rand.IntN(3000))
				if _, err := io.WriteString(c, b[:n]); err != nil {
					return
				}
				b = b[n:]
			}
		}()
		c.want(want...)
	})
}

// One connection subscribes to many keys, and sees all that is pushed to each, in order.
func TestAConnectionSubscribesToManyKeys(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		const keys, each = 60, 5
		g := startRedis(t, engine)
		c := g.dial(t)
		for i := range keys {
			c.send("SUBSCRIBE", fmt.Sprint("k", i))
			c.want(fmt.Sprintf("[subscribe k%d %d]", i, i+1))
		}
		for n := range each {
			for i := range keys {
				g.push(t, fmt.Sprint("k", i), fmt.Sprint(n), time.Hour*time.Duration(n%2))
			}
		}
		next := make(map[string]int)
		for range keys * each {
			var key string
			var n int
			got := c.reply()
			if _, err := fmt.Sscanf(strings.Trim(got, "[]"), "message %s %d", &key, &n); err != nil || n != next[key] {
				t.Fatalf("got %q, want message %d of the key", got, next[key])
			}
			next[key]++
		}
		for i := range keys {
			c.want1(fmt.Sprintf("[unsubscribe k%d %d]", i, keys-i-1), "UNSUBSCRIBE", fmt.Sprint("k", i))
		}
		if got := g.dial(t).do("PUBLISH", "k7", "nobody"); got != "0" {
			t.Errorf("PUBLISH after all have gone: %q, want 0", got)
		}
		c.want1("PONG", "PING")
	})
}

// Each key and pattern counts, the first like the others; what is subscribed to already takes no room.
func TestSubscriptionsOfAConnectionHaveALimit(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		const refusal = "ERR max_subscriptions_per_connection reached: use another connection, or raise the setting"
		g := startRedis(t, engine)
		g.SetLimits(comet.Limits{
			MaxSubscriptions: 2, MaxArguments: 10, MaxCommandBytes: [3]int{1 << 10, 1 << 10}, MaxPendingBytes: 1 << 20, MaxPendingMessages: 10,
			FirstPacketTimeout: 5 * time.Second,
		})
		c := g.dial(t)
		c.want1("[subscribe a 1]", "SUBSCRIBE", "a")
		c.want1("[subscribe b 2]", "SUBSCRIBE", "b")
		c.want1("[subscribe b 2]", "SUBSCRIBE", "b")
		c.want1(refusal, "SUBSCRIBE", "c")
		c.want1(refusal, "PSUBSCRIBE", "*")
		c.want1("[unsubscribe a 1]", "UNSUBSCRIBE", "a")
		c.want1("[psubscribe * 2]", "PSUBSCRIBE", "*")
	})
}

// want1 sends a command and compares its reply.
func (c *redisClient) want1(reply string, words ...string) {
	c.t.Helper()
	if got := c.do(words...); got != reply {
		c.t.Fatalf("%q: %q, want %q", words, got, reply)
	}
}

// A client of RESP3 uses the connection that it subscribes with for everything else, and follows the keys that it
// subscribes to as well.
func TestAConnectionSubscribesInEveryWayAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		c, other := g.dial(t), g.dial(t)
		c.send("HELLO", "3")
		c.reply()
		c.want1("[subscribe k 1]", "SUBSCRIBE", "k")
		c.want1("[ssubscribe k 1]", "SSUBSCRIBE", "k")
		c.want1("[psubscribe k* 2]", "PSUBSCRIBE", "k*")
		c.send("XREAD", "BLOCK", "0", "STREAMS", "k", "0")
		id := other.do("XADD", "k", "*", "msg", "a")
		came := []string{c.reply(), c.reply(), c.reply()}
		slices.Sort(came)
		if want := []string{"[k [[" + id + " [msg a]]]]", "[message k a]", "[pmessage k* k a]"}; !slices.Equal(came, want) {
			t.Fatalf("came %q, want %q", came, want)
		}
		other.want1("2", "PUBLISH", "k", "b")
		c.want("[message k b]", "[pmessage k* k b]")
		c.want1("[unsubscribe k 1]", "UNSUBSCRIBE", "k")
		other.want1("2", "PUBLISH", "k", "c")
		c.want("[smessage k c]", "[pmessage k* k c]")
		c.want1("[sunsubscribe k 0]", "SUNSUBSCRIBE")
		c.want1("[punsubscribe k* 0]", "PUNSUBSCRIBE")
		other.want1("0", "PUBLISH", "k", "d")
		c.want1("RESET", "RESET")
	})
}

// Reads that wait are answered by what is stored, by the clock, or end with their connection; one that asks for what
// comes next misses nothing in between.
func TestReadsThatWait(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		c, other := g.dial(t), g.dial(t)
		began := time.Now()
		c.want1("nil", "XREAD", "BLOCK", "30", "STREAMS", "a", "b", "$", "$")
		if took := time.Since(began); took < 30*time.Millisecond {
			t.Errorf("time was up after %v, want 30ms", took)
		}
		go func() {
			for i := range 50 {
				g.push(t, []string{"a", "b"}[i%2], fmt.Sprint(i), time.Hour)
				g.push(t, "a", "live", 0)
			}
		}()
		last := map[string]string{"a": "0", "b": "0"}
		for seen := 0; seen < 50; {
			got := c.do("XREAD", "COUNT", "2", "BLOCK", "0", "STREAMS", "a", "b", last["a"], last["b"])
			for _, stream := range strings.Split(strings.Trim(got, "[]"), "]]] [") {
				key, entries, _ := strings.Cut(stream, " ")
				for _, entry := range strings.Split(strings.Trim(entries, "[]"), "]] [") {
					var n int
					var id string
					if _, err := fmt.Sscanf(entry, "%s [msg %d", &id, &n); err != nil {
						t.Fatalf("%q of %q: %v", entry, got, err)
					}
					if want := int(key[0] - 'a'); n%2 != want {
						t.Fatalf("message %d at %q", n, key)
					}
					last[key] = id
					seen++
				}
			}
		}
		c.send("XREAD", "BLOCK", "0", "STREAMS", "a", "$")
		c.Close()
		other.want1("0", "PUBLISH", "a", "x")
	})
}

// Messages of a group go to who waits for them, each to one.
func TestConsumersOfAGroupShareWhatComes(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		const consumers, messages = 5, 100
		g := startRedis(t, engine)
		g.dial(t).want1("OK", "XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
		got := make(chan string, messages)
		var all sync.WaitGroup
		for i := range consumers {
			c := g.dial(t)
			all.Go(func() {
				for {
					reply := c.do("XREADGROUP", "GROUP", "g", fmt.Sprint("c", i), "COUNT", "1", "BLOCK", "0", "STREAMS", "k", ">")
					if got <- reply; strings.Contains(reply, "end") {
						return
					}
				}
			})
		}
		for i := range messages - consumers {
			g.push(t, "k", fmt.Sprint(i), time.Hour)
		}
		for range consumers {
			g.push(t, "k", "end", time.Hour)
		}
		seen := make(map[string]bool)
		for range messages {
			reply := <-got
			if seen[reply] {
				t.Errorf("%q came twice", reply)
			}
			seen[reply] = true
		}
		all.Wait()
	})
}

// Connections are seen and killed by others, and what they waited for goes with them.
func TestClientsAreVisitedAndKilled(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		c, other := g.dial(t), g.dial(t)
		c.do("HELLO", "3") // a close frame would be a WebSocket's
		id := c.do("CLIENT", "ID")
		c.want1("OK", "CLIENT", "SETNAME", "victim")
		c.send("XREAD", "BLOCK", "0", "STREAMS", "k", "$")
		list := ""
		for !strings.Contains(list, "flags=b") {
			list = other.do("CLIENT", "LIST")
		}
		if n := g.Stats.Blocked.Load(); n != 1 {
			t.Errorf("%d connections are blocked, want 1", n)
		}
		if !strings.Contains(list, "id="+id) || !strings.Contains(list, "name=victim") || strings.Count(list, "\n") != 2 {
			t.Errorf("CLIENT LIST shows %q, want two with the victim, %s", list, id)
		}
		other.want1("1", "CLIENT", "KILL", "ID", id)
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("read of one that was killed: %v, want EOF", err)
		}
		if n := g.Stats.Blocked.Load(); n != 0 {
			t.Errorf("%d connections are blocked after all were closed, want 0", n)
		}
		other.want1("0", "CLIENT", "KILL", "ID", id)
	})
}

// What is posted while a reader is between two reads is in the next, also when it was read from the store before.
func TestAReaderMissesNothingBetweenReads(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		const messages = 300
		g := startRedis(t, engine)
		c := g.dial(t)
		mids := make(chan int64, messages)
		go func() {
			for i := range messages {
				mids <- g.push(t, "k", fmt.Sprint(i), time.Hour).Mid
			}
		}()
		last := "0"
		for i := 0; i < messages; {
			got := c.do("XREAD", "BLOCK", "0", "STREAMS", "k", last)
			n := strings.Count(got, "[msg ")
			for range n {
				last = message.FormatID(<-mids)
				if want := fmt.Sprintf("[%s [msg %d]]", last, i); !strings.Contains(got, want) {
					t.Fatalf("%q does not have %q", got, want)
				}
				i++
			}
		}
	})
}

// Who is made to send an HTTP request to a port that speaks Redis is cut off before what follows is a command.
func TestAHeadIsNoCommand(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		for _, sent := range []string{"PING\r\nPOST / HTTP/1.1\r\nPUBLISH k v\r\n", "PING\r\nHost: example.com\r\nPUBLISH k v\r\n"} {
			c := g.dial(t)
			io.WriteString(c, sent)
			if got, err := io.ReadAll(c.r); string(got) != "+PONG\r\n" || err != nil {
				t.Errorf("%q: answered %q, %v, want PONG and the end", sent, got, err)
			}
		}
	})
}

// One message wakes one of those who wait for the messages of a group, not all.
func TestAMessageOfAGroupWakesOne(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		const consumers, messages = 40, 20
		g := startRedis(t, engine)
		g.dial(t).want1("OK", "XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
		got := make(chan string)
		for i := range consumers {
			c := g.dial(t)
			c.send("XREADGROUP", "GROUP", "g", fmt.Sprint("c", i), "COUNT", "1", "BLOCK", "0", "STREAMS", "k", ">")
			go func() {
				if line, err := c.r.ReadString('>'); err == nil {
					got <- line
				}
			}()
		}
		for g.Stats.Blocked.Load() < consumers || g.reads.Load() < consumers {
			runtime.Gosched()
		}
		g.reads.Store(0)
		for i := range messages {
			g.push(t, "k", fmt.Sprint(i, ">"), time.Hour)
			<-got
		}
		if n := g.reads.Load(); n > 5*messages {
			t.Errorf("%d messages had the store looked into %d times, want about two each for each loop", messages, n)
		}
	})
}

// Who wants no replies gets none, of what is answered at once as of what takes a while, but sees what it subscribes to.
func TestWhoWantsNoRepliesGetsDeliveries(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		c := g.dial(t)
		c.send("HELLO", "3")
		c.reply()
		for _, words := range [][]string{
			{"CLIENT", "REPLY", "OFF"},
			{"PING"},
			{"SUBSCRIBE", "k"},
			{"PUBLISH", "k", "a"},
			{"XADD", "other", "*", "f", "v"},
			{"XLEN", "other"},
			{"XREAD", "BLOCK", "1", "STREAMS", "other", "$"},
			{"nothing"},
			{"CLIENT", "REPLY", "ON"},
			{"CLIENT", "REPLY", "SKIP"},
			{"XLEN", "other"},
			{"XLEN", "other"},
		} {
			c.send(words...)
		}
		c.want("[subscribe k 1]", "[message k a]", "OK", "1")
	})
}

// A node that stops lets those go who wait and those who subscribe, and waits for neither.
func TestReadsThatWaitDoNotHoldTheEndUp(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := startRedis(t, engine)
		var all []*redisClient
		for range 4 {
			reader, subscriber := g.dial(t), g.dial(t)
			reader.send("XREAD", "BLOCK", "0", "STREAMS", "k", "$")
			reader.send("XADD", "k", "*", "msg", "never")
			subscriber.want1("[subscribe k 1]", "SUBSCRIBE", "k")
			all = append(all, reader, subscriber)
		}
		for g.Stats.Blocked.Load() < 4 {
			runtime.Gosched()
		}
		var gone sync.WaitGroup
		for _, c := range all {
			gone.Go(func() {
				if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
					t.Errorf("%q, %v came, want the end", b, err)
				}
				c.Close()
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		g.EndPushes(ctx)
		g.Dismiss(ctx)
		if ctx.Err() != nil {
			t.Error("the connections did not go")
		}
		gone.Wait()
	})
}
