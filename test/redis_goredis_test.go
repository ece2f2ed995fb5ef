package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// goRedis uses a server as the users of go-redis do.
type goRedis struct {
	t      *testing.T
	ctx    context.Context
	target *redisTarget
	three  int // version of RESP
	*redis.Client
}

func TestRedisClientGoRedis(t *testing.T) {
	t.Parallel()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", protocol), func(t *testing.T) {
			onRedisTargets(t, func(t *testing.T, target *redisTarget) {
				ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
				t.Cleanup(cancel)
				g := &goRedis{t: t, ctx: ctx, target: target, three: protocol}
				g.Client = g.backend("")
				for _, check := range []struct {
					name string
					run  func(*goRedis)
				}{
					{"connect", (*goRedis).checkConnect},
					{"auth", (*goRedis).checkAuth},
					{"token", (*goRedis).checkToken},
					{"pubsub", (*goRedis).checkPubsub},
					{"patterns", (*goRedis).checkPatterns},
					{"shards", (*goRedis).checkShards},
					{"streams", (*goRedis).checkStreams},
					{"blocking", (*goRedis).checkBlocking},
					{"groups", (*goRedis).checkGroups},
					{"pipeline", (*goRedis).checkPipeline},
					{"reconnect", (*goRedis).checkReconnect},
					{"cursor", (*goRedis).checkCursor},
				} {
					t.Run(check.name, func(t *testing.T) {
						g.t = t
						check.run(g)
					})
				}
			})
		})
	}
}

func (g *goRedis) connect(addr, username, password, name string, retries int) *redis.Client {
	c := redis.NewClient(&redis.Options{
		Addr: addr, Username: username, Password: password, Protocol: g.three, ClientName: name,
		MaxRetries: retries, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 20 * time.Millisecond, ReadTimeout: patience,
	})
	g.t.Cleanup(func() { c.Close() })
	return c
}

func (g *goRedis) backend(name string) *redis.Client {
	return g.connect(g.target.admin, backendName, backendSecret, name, 50)
}

func (g *goRedis) device() *redis.Client {
	return g.connect(g.target.public, deviceKey, deviceToken, "", 50)
}

// sameAs fails the test unless a command succeeded with want.
func sameAs[T any](t *testing.T, what string, want T) func(got T, err error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%s: %v, %s", what, err, diff)
		}
	}
}

// refusedWith fails the test unless err is an error that says text.
func refusedWith(t *testing.T, what string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("%s: %v, want the error %s", what, err, text)
	}
}

// subscribed returns the messages of a subscription that the server has confirmed.
func (g *goRedis) subscribed(p *redis.PubSub, confirmations int) *redis.PubSub {
	g.t.Helper()
	g.t.Cleanup(func() { p.Close() })
	for range confirmations {
		if m, err := p.Receive(g.ctx); err != nil {
			g.t.Fatalf("subscribe: %v %v", m, err)
		}
	}
	return p
}

func (g *goRedis) expect(p *redis.PubSub, key, text string) {
	g.t.Helper()
	m, err := p.ReceiveMessage(g.ctx)
	if err != nil || m.Channel != key || m.Payload != text {
		g.t.Fatalf("got %v %v, want %s of %s", m, err, text, key)
	}
}

func (g *goRedis) checkConnect() {
	sameAs(g.t, "PING", "PONG")(g.Ping(g.ctx).Result())
	sameAs(g.t, "ECHO", "héllo")(g.Echo(g.ctx, "héllo").Result())
	named := g.backend("a-name")
	sameAs(g.t, "CLIENT GETNAME", "a-name")(named.ClientGetName(g.ctx).Result())
	id, err := named.ClientID(g.ctx).Result()
	list := g.ClientList(g.ctx).Val()
	if err != nil || !strings.Contains(list, fmt.Sprintf("id=%d ", id)) || !strings.Contains(list, " name=a-name ") {
		g.t.Fatalf("CLIENT ID %d %v, CLIENT LIST %s", id, err, list)
	}
	if info := g.Info(g.ctx).Val(); !strings.Contains(info, "redis_version:") {
		g.t.Fatalf("INFO: %s", info)
	}
	if commands, err := g.Command(g.ctx).Result(); err != nil || commands["xadd"] == nil || commands["xadd"].Arity != -5 {
		g.t.Fatalf("COMMAND: %v %v", err, commands["xadd"])
	}
	refusedWith(g.t, "an unknown command", g.Do(g.ctx, "NOSUCHCOMMAND", "a").Err(), "ERR unknown command 'NOSUCHCOMMAND', with args beginning with: 'a'")
	refusedWith(g.t, "too few arguments", g.Do(g.ctx, "XLEN").Err(), "wrong number of arguments for 'xlen' command")
}

func (g *goRedis) checkAuth() {
	for _, tt := range []struct{ username, password, want string }{
		{"", "", "NOAUTH"}, {backendName, "wrong", "WRONGPASS"}, {"", "wrong", "WRONGPASS"}, {"nobody", backendSecret, "WRONGPASS"},
	} {
		c := g.connect(g.target.admin, tt.username, tt.password, "", -1)
		refusedWith(g.t, fmt.Sprintf("%q with %q", tt.username, tt.password), c.Ping(g.ctx).Err(), tt.want)
	}
	c := g.connect(g.target.admin, "", backendSecret, "", -1)
	sameAs(g.t, "AUTH with the secret alone", "PONG")(c.Ping(g.ctx).Result())
}

func (g *goRedis) checkToken() {
	refusedWith(g.t, "a wrong token", g.connect(g.target.public, deviceKey, "wrong", "", -1).Ping(g.ctx).Err(), "WRONGPASS")
	device := g.device()
	live := g.subscribed(device.Subscribe(g.ctx, deviceKey), 1)
	sameAs(g.t, "PUBLISH to a device", int64(1))(g.Publish(g.ctx, deviceKey, "live").Result())
	g.expect(live, deviceKey, "live")
	sameAs(g.t, "XGROUP CREATE of a device", "OK")(device.XGroupCreateMkStream(g.ctx, deviceKey, "cursor", "0").Result())
	id := g.add(deviceKey, "stored")
	stored := []redis.XMessage{{ID: id, Values: map[string]any{"msg": "stored"}}}
	streams := []redis.XStream{{Stream: deviceKey, Messages: stored}}
	sameAs(g.t, "XRANGE of a device", stored)(device.XRange(g.ctx, deviceKey, "-", "+").Result())
	sameAs(g.t, "XREAD of a device", streams)(device.XReadStreams(g.ctx, deviceKey, "0").Result())
	sameAs(g.t, "XREADGROUP of a device", streams)(device.XReadGroup(g.ctx, &redis.XReadGroupArgs{
		Group: "cursor", Consumer: "me", Streams: []string{deviceKey, ">"}, Block: -1,
	}).Result())
	sameAs(g.t, "XACK of a device", int64(1))(device.XAck(g.ctx, deviceKey, "cursor", id).Result())
	for name, err := range map[string]error{
		"PUBLISH":             device.Publish(g.ctx, deviceKey, "x").Err(),
		"XADD":                device.XAdd(g.ctx, &redis.XAddArgs{Stream: deviceKey, Values: []string{"msg", "x"}}).Err(),
		"XDEL":                device.XDel(g.ctx, deviceKey, id).Err(),
		"XRANGE of another":   device.XRange(g.ctx, "other", "-", "+").Err(),
		"PSUBSCRIBE":          device.Do(g.ctx, "PSUBSCRIBE", "*").Err(),
		"a subscription":      device.Do(g.ctx, "SUBSCRIBE", "other").Err(),
		"CLIENT LIST, others": ignoreRedis(g.target, device.ClientList(g.ctx).Err()),
	} {
		refusedWith(g.t, name+" by a device", err, "NOPERM")
	}
}

// ignoreRedis stands for a refusal that Redis, as it is set up here, does not make.
func ignoreRedis(target *redisTarget, err error) error {
	if target.name != "gopush" {
		return fmt.Errorf("NOPERM")
	}
	return err
}

func (g *goRedis) add(key string, msg any) (id string) {
	g.t.Helper()
	id, err := g.XAdd(g.ctx, &redis.XAddArgs{Stream: key, Values: []any{"msg", msg}}).Result()
	if err != nil {
		g.t.Fatalf("XADD: %v", err)
	}
	return id
}

func (g *goRedis) checkPubsub() {
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprint("pubsub:", i))
	}
	p := g.subscribed(g.Subscribe(g.ctx, keys...), len(keys))
	for _, key := range keys {
		sameAs(g.t, "PUBLISH", int64(1))(g.Publish(g.ctx, key, "to "+key).Result())
	}
	for _, key := range keys {
		g.expect(p, key, "to "+key)
	}
	sameAs(g.t, "PUBSUB NUMSUB", map[string]int64{keys[0]: 1, "pubsub:none": 0})(g.PubSubNumSub(g.ctx, keys[0], "pubsub:none").Result())
	channels, err := g.PubSubChannels(g.ctx, "pubsub:*").Result()
	slices.Sort(channels)
	sameAs(g.t, "PUBSUB CHANNELS", slices.Sorted(slices.Values(keys)))(channels, err)
	if err := p.Unsubscribe(g.ctx, keys[1:]...); err != nil {
		g.t.Fatal(err)
	}
	g.subscribed(p, len(keys)-1)
	sameAs(g.t, "PUBLISH after UNSUBSCRIBE", int64(0))(g.Publish(g.ctx, keys[1], "x").Result())
	sameAs(g.t, "PUBLISH", int64(1))(g.Publish(g.ctx, keys[0], "y").Result())
	g.expect(p, keys[0], "y")
	if err := p.Ping(g.ctx, "still there"); err != nil {
		g.t.Fatal(err)
	}
	if m, err := p.Receive(g.ctx); err != nil || m.(*redis.Pong).Payload != "still there" {
		g.t.Fatalf("PING while subscribed: %v %v", m, err)
	}
}

func (g *goRedis) checkPatterns() {
	p := g.subscribed(g.PSubscribe(g.ctx, "patterns:*:x", "patterns:[ab]"), 2)
	sameAs(g.t, "PUBSUB NUMPAT", int64(2))(g.PubSubNumPat(g.ctx).Result())
	for key, receivers := range map[string]int64{"patterns:1:x": 1, "patterns:c": 0} {
		sameAs(g.t, "PUBLISH "+key, receivers)(g.Publish(g.ctx, key, key).Result())
	}
	m, err := p.ReceiveMessage(g.ctx)
	if err != nil || m.Pattern != "patterns:*:x" || m.Channel != "patterns:1:x" {
		g.t.Fatalf("got %v %v", m, err)
	}
}

func (g *goRedis) checkShards() {
	p := g.subscribed(g.SSubscribe(g.ctx, "shards"), 1)
	sameAs(g.t, "SPUBLISH", int64(1))(g.SPublish(g.ctx, "shards", "x").Result())
	g.expect(p, "shards", "x")
	sameAs(g.t, "PUBSUB SHARDNUMSUB", map[string]int64{"shards": 1})(g.PubSubShardNumSub(g.ctx, "shards").Result())
}

func (g *goRedis) checkStreams() {
	const key = "streams"
	var entries []redis.XMessage
	for i := range 10 {
		id, err := g.XAdd(g.ctx, &redis.XAddArgs{Stream: key, Values: []any{"n", i, "text", "x"}}).Result()
		if err != nil {
			g.t.Fatal(err)
		}
		entries = append(entries, redis.XMessage{ID: id, Values: map[string]any{"n": fmt.Sprint(i), "text": "x"}})
	}
	sameAs(g.t, "EXISTS", int64(1))(g.Exists(g.ctx, key).Result())
	sameAs(g.t, "TYPE", "stream")(g.Type(g.ctx, key).Result())
	sameAs(g.t, "XLEN", int64(10))(g.XLen(g.ctx, key).Result())
	sameAs(g.t, "XRANGE", entries)(g.XRange(g.ctx, key, "-", "+").Result())
	sameAs(g.t, "XRANGE COUNT", entries[3:5])(g.XRangeN(g.ctx, key, "("+entries[2].ID, "+", 2).Result())
	sameAs(g.t, "XREVRANGE COUNT", []redis.XMessage{entries[9], entries[8]})(g.XRevRangeN(g.ctx, key, "+", "-", 2).Result())
	sameAs(g.t, "XREAD", []redis.XStream{{Stream: key, Messages: entries[7:9]}})(g.XRead(g.ctx, &redis.XReadArgs{
		Streams: []string{key, "none", entries[6].ID, "0"}, Count: 2, Block: -1,
	}).Result())
	explicit := fmt.Sprintf("%d-4", time.Now().Add(time.Minute).UnixMilli())
	sameAs(g.t, "XADD with an id", explicit)(g.XAdd(g.ctx, &redis.XAddArgs{Stream: key, ID: explicit, Values: []string{"msg", "explicit"}}).Result())
	refusedWith(g.t, "the same id", g.XAdd(g.ctx, &redis.XAddArgs{Stream: key, ID: explicit, Values: []string{"msg", "x"}}).Err(), "equal or smaller")
	info, err := g.XInfoStream(g.ctx, key).Result()
	if err != nil || info.Length != 11 || info.LastGeneratedID != explicit || info.Groups != 0 || info.FirstEntry.ID != entries[0].ID || info.EntriesAdded != 11 {
		g.t.Fatalf("XINFO STREAM: %+v %v", info, err)
	}
	sameAs(g.t, "XDEL", int64(2))(g.XDel(g.ctx, key, entries[0].ID, entries[1].ID, "1-4").Result())
	if err := g.XAdd(g.ctx, &redis.XAddArgs{Stream: key, MaxLen: 5, Values: []string{"msg", "last"}}).Err(); err != nil {
		g.t.Fatal(err)
	}
	sameAs(g.t, "XLEN after MAXLEN", int64(5))(g.XLen(g.ctx, key).Result())
	sameAs(g.t, "XTRIM MAXLEN", int64(2))(g.XTrimMaxLen(g.ctx, key, 3).Result())
	sameAs(g.t, "XTRIM MINID", int64(1))(g.XTrimMinID(g.ctx, key, explicit).Result())
	if g.target.name == "gopush" {
		if err := g.Do(g.ctx, "XADD", key, "EXPIRE", 3600, "*", "msg", "for an hour").Err(); err != nil {
			g.t.Fatal(err)
		}
		sameAs(g.t, "XLEN after XADD with EXPIRE", int64(3))(g.XLen(g.ctx, key).Result())
	}
	keys, _, err := g.Scan(g.ctx, 0, "strea*", 1000).Result()
	sameAs(g.t, "SCAN", []string{key})(keys, err)
	sameAs(g.t, "DEL", int64(1))(g.Del(g.ctx, key).Result())
	sameAs(g.t, "EXISTS after DEL", int64(0))(g.Exists(g.ctx, key).Result())
}

// read is an XREAD that blocks until something comes after an id.
func (g *goRedis) read(c *redis.Client, key, after string) (redis.XMessage, error) {
	streams, err := c.XRead(g.ctx, &redis.XReadArgs{Streams: []string{key, after}, Block: patience}).Result()
	if err != nil || len(streams) != 1 || len(streams[0].Messages) != 1 {
		return redis.XMessage{}, fmt.Errorf("XREAD BLOCK: %v %v", streams, err)
	}
	return streams[0].Messages[0], nil
}

func (g *goRedis) checkBlocking() {
	const key = "blocking"
	last := g.add(key, "first")
	reader := g.backend("reader")
	err := reader.XRead(g.ctx, &redis.XReadArgs{Streams: []string{key, last}, Block: 20 * time.Millisecond}).Err()
	refusedWith(g.t, "XREAD BLOCK without messages", err, redis.Nil.Error())
	after := "$"
	for i := range 200 {
		type result struct {
			redis.XMessage
			error
		}
		got := make(chan result, 1)
		go func() {
			m, err := g.read(reader, key, after)
			got <- result{m, err}
		}()
		if after == "$" {
			eventually(g.t, "the reader waits", func() bool { return waits(g.ClientList(g.ctx).Val(), "reader") })
		}
		id := g.add(key, i)
		r := <-got
		sameAs(g.t, "XREAD BLOCK", redis.XMessage{ID: id, Values: map[string]any{"msg": fmt.Sprint(i)}})(r.XMessage, r.error)
		after = id
	}
}

// waits tells whether CLIENT LIST shows that the client of this name is blocked.
func waits(list, name string) bool {
	for line := range strings.Lines(list) {
		_, flags, _ := strings.Cut(line, " flags=")
		if strings.Contains(line, " name="+name+" ") && strings.Contains(strings.Fields(flags + " ")[0], "b") {
			return true
		}
	}
	return false
}

// give is XREADGROUP for a consumer of group g.
func (g *goRedis) give(key, consumer, id string, count int64) ([]redis.XMessage, error) {
	streams, err := g.XReadGroup(g.ctx, &redis.XReadGroupArgs{Group: "g", Consumer: consumer, Streams: []string{key, id}, Count: count, Block: -1}).Result()
	if err == redis.Nil {
		return nil, nil
	}
	if err != nil || len(streams) != 1 || streams[0].Stream != key {
		return nil, fmt.Errorf("%v: %w", streams, err)
	}
	return streams[0].Messages, nil
}

func (g *goRedis) checkGroups() {
	const key, group = "groups", "g"
	refusedWith(g.t, "XGROUP CREATE", g.XGroupCreate(g.ctx, key, group, "$").Err(), "requires the key to exist")
	sameAs(g.t, "XGROUP CREATE", "OK")(g.XGroupCreateMkStream(g.ctx, key, group, "$").Result())
	refusedWith(g.t, "XGROUP CREATE", g.XGroupCreate(g.ctx, key, group, "$").Err(), "BUSYGROUP")
	var entries []redis.XMessage
	var ids []string
	for i := range 6 {
		ids = append(ids, g.add(key, i))
		entries = append(entries, redis.XMessage{ID: ids[i], Values: map[string]any{"msg": fmt.Sprint(i)}})
	}
	sameAs(g.t, "XREADGROUP COUNT", entries[:4])(g.give(key, "a", ">", 4))
	sameAs(g.t, "XREADGROUP of the rest", entries[4:])(g.give(key, "b", ">", 0))
	sameAs(g.t, "XREADGROUP of nothing", []redis.XMessage(nil))(g.give(key, "b", ">", 0))
	sameAs(g.t, "XPENDING", &redis.XPending{Count: 6, Lower: ids[0], Higher: ids[5], Consumers: map[string]int64{"a": 4, "b": 2}})(g.XPending(g.ctx, key, group).Result())
	sameAs(g.t, "XACK", int64(2))(g.XAck(g.ctx, key, group, ids[0], ids[1], "1-4").Result())
	pending, err := g.XPendingExt(g.ctx, &redis.XPendingExtArgs{Stream: key, Group: group, Start: "-", End: "+", Count: 10, Consumer: "a"}).Result()
	if err != nil || len(pending) != 2 || pending[0].ID != ids[2] || pending[0].Consumer != "a" || pending[0].RetryCount != 1 {
		g.t.Fatalf("XPENDING of a: %v %v", pending, err)
	}
	sameAs(g.t, "XREADGROUP of what is pending", entries[2:4])(g.give(key, "a", "0", 0))
	sameAs(g.t, "XCLAIM", entries[2:3])(g.XClaim(g.ctx, &redis.XClaimArgs{Stream: key, Group: group, Consumer: "b", Messages: ids[2:3]}).Result())
	claim := &redis.XAutoClaimArgs{Stream: key, Group: group, Consumer: "c", Start: "0", Count: 2}
	justIDs, next, err := g.XAutoClaimJustID(g.ctx, claim).Result()
	sameAs(g.t, "XAUTOCLAIM JUSTID", append(slices.Clone(ids[2:4]), ids[4]))(append(justIDs, next), err)
	claim.Start = ids[4]
	claimed, next, err := g.XAutoClaim(g.ctx, claim).Result()
	sameAs(g.t, "XAUTOCLAIM", entries[4:])(claimed, err)
	sameAs(g.t, "the next of XAUTOCLAIM", "0-0")(next, nil)
	sameAs(g.t, "XINFO GROUPS", []redis.XInfoGroup{{Name: group, Consumers: 3, Pending: 4, LastDeliveredID: ids[5], EntriesRead: 6}})(g.XInfoGroups(g.ctx, key).Result())
	consumers, err := g.XInfoConsumers(g.ctx, key, group).Result()
	if err != nil || len(consumers) != 3 || consumers[2].Name != "c" || consumers[2].Pending != 4 {
		g.t.Fatalf("XINFO CONSUMERS: %v %v", consumers, err)
	}
	sameAs(g.t, "XGROUP DELCONSUMER", int64(4))(g.XGroupDelConsumer(g.ctx, key, group, "c").Result())
	sameAs(g.t, "XGROUP SETID", "OK")(g.XGroupSetID(g.ctx, key, group, ids[3]).Result())
	sameAs(g.t, "XREADGROUP after SETID", entries[4:])(g.give(key, "a", ">", 0))
	sameAs(g.t, "XGROUP DESTROY", int64(1))(g.XGroupDestroy(g.ctx, key, group).Result())
}

func (g *goRedis) checkPipeline() {
	const key, count = "pipeline", 3000
	added, err := g.Pipelined(g.ctx, func(p redis.Pipeliner) error {
		for i := range count {
			p.XAdd(g.ctx, &redis.XAddArgs{Stream: key, Values: []any{"msg", i}})
		}
		return nil
	})
	stored, rangeErr := g.XRange(g.ctx, key, "-", "+").Result()
	if err != nil || rangeErr != nil || len(stored) != count {
		g.t.Fatalf("%d stored, %v, %v", len(stored), err, rangeErr)
	}
	for i, m := range stored {
		if m.ID != added[i].(*redis.StringCmd).Val() || m.Values["msg"] != fmt.Sprint(i) {
			g.t.Fatalf("message %d is %v, was added as %v", i, m, added[i])
		}
	}
	p := g.subscribed(g.Subscribe(g.ctx, key), 1)
	mixed, err := g.Pipelined(g.ctx, func(p redis.Pipeliner) error {
		for i := range count {
			p.Publish(g.ctx, key, i)
			p.XLen(g.ctx, key)
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	for i, answer := range mixed {
		if got, want := answer.(*redis.IntCmd).Val(), []int64{1, count}[i%2]; got != want {
			g.t.Fatalf("answer %d is %d, want %d", i, got, want)
		}
	}
	for i := range count {
		g.expect(p, key, fmt.Sprint(i))
	}
}

func (g *goRedis) checkReconnect() {
	messages := g.subscribed(g.backend("victim").Subscribe(g.ctx, "reconnect:a", "reconnect:b"), 2).Channel()
	comesBack := func(key, why string) {
		g.t.Helper()
		eventually(g.t, "a message comes after the subscriber was "+why, func() bool {
			g.Publish(g.ctx, key, why)
			for {
				select {
				case m := <-messages:
					if m.Channel == key && m.Payload == why {
						return true
					}
				default:
					return false
				}
			}
		})
	}
	sameAs(g.t, "CLIENT KILL", int64(1))(g.ClientKillByFilter(g.ctx, "ID", clientID(g.t, g.ClientList(g.ctx).Val(), "victim")).Result())
	comesBack("reconnect:b", "killed")
	g.target.restart()
	comesBack("reconnect:a", "restarted")
}

// clientID returns the id that CLIENT LIST shows of the client of this name.
func clientID(t *testing.T, list, name string) string {
	t.Helper()
	for line := range strings.Lines(list) {
		if strings.Contains(line, " name="+name+" ") {
			return strings.TrimPrefix(strings.Fields(line)[0], "id=")
		}
	}
	t.Fatalf("no client %s:\n%s", name, list)
	return ""
}

func (g *goRedis) checkCursor() {
	const key, group = "cursor", "g"
	sameAs(g.t, "XGROUP CREATE", "OK")(g.XGroupCreateMkStream(g.ctx, key, group, "0").Result())
	var sent, seen []string
	for i := range 10 {
		sent = append(sent, g.add(key, i))
	}
	given, err := g.give(key, "me", ">", 6)
	if err != nil || len(given) != 6 {
		g.t.Fatalf("%v %v", given, err)
	}
	for _, m := range given[:4] {
		sameAs(g.t, "XACK", int64(1))(g.XAck(g.ctx, key, group, m.ID).Result())
		seen = append(seen, m.ID)
	}
	g.target.restart()
	for i := range 10 {
		sent = append(sent, g.add(key, i))
	}
	// What was given and not acknowledged is given again: as pending, or, if that is no longer known, as new.
	for _, from := range []string{"0", ">"} {
		given, err := g.give(key, "me", from, 0)
		if err != nil {
			g.t.Fatal(err)
		}
		for _, m := range given {
			seen = append(seen, m.ID)
		}
	}
	sameAs(g.t, "what was acknowledged, and what came after it", sent)(seen, nil)
}
