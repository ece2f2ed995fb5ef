package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// rueidisUser uses a server as the users of rueidis do. In RESP3 one connection carries commands and subscriptions.
type rueidisUser struct {
	t        *testing.T
	ctx      context.Context
	target   *redisTarget
	protocol int
	rueidis.Client
}

func TestRedisClientRueidis(t *testing.T) {
	t.Parallel()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", protocol), func(t *testing.T) {
			onRedisTargets(t, func(t *testing.T, target *redisTarget) {
				ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
				t.Cleanup(cancel)
				u := &rueidisUser{t: t, ctx: ctx, target: target, protocol: protocol}
				u.Client = u.backend("")
				for _, check := range []struct {
					name string
					run  func(*rueidisUser)
				}{
					{"connect", (*rueidisUser).checkConnect},
					{"auth", (*rueidisUser).checkAuth},
					{"token", (*rueidisUser).checkToken},
					{"pubsub", (*rueidisUser).checkPubsub},
					{"patterns", (*rueidisUser).checkPatterns},
					{"shards", (*rueidisUser).checkShards},
					{"streams", (*rueidisUser).checkStreams},
					{"blocking", (*rueidisUser).checkBlocking},
					{"groups", (*rueidisUser).checkGroups},
					{"pipeline", (*rueidisUser).checkPipeline},
					{"reconnect", (*rueidisUser).checkReconnect},
					{"cursor", (*rueidisUser).checkCursor},
				} {
					t.Run(check.name, func(t *testing.T) {
						u.t = t
						check.run(u)
					})
				}
			})
		})
	}
}

func (u *rueidisUser) dial(addr, username, password, name string) (rueidis.Client, error) {
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, Username: username, Password: password, ClientName: name,
		AlwaysRESP2: u.protocol == 2, DisableCache: true, ForceSingleClient: true, ConnWriteTimeout: patience,
		RetryDelay: func(int, rueidis.Completed, error) time.Duration { return 10 * time.Millisecond },
	})
	if err == nil {
		u.t.Cleanup(c.Close)
	}
	return c, err
}

func (u *rueidisUser) backend(name string) rueidis.Client {
	u.t.Helper()
	c, err := u.dial(u.target.admin, backendName, backendSecret, name)
	if err != nil {
		u.t.Fatal(err)
	}
	return c
}

// command is a command of these words.
func (u *rueidisUser) command(c rueidis.Client, line string) rueidis.Completed {
	words := strings.Fields(line)
	return c.B().Arbitrary(words...).Build()
}

// ask has c send a command and fails the test unless the reply reads like want.
func (u *rueidisUser) ask(c rueidis.Client, line, want string) {
	u.t.Helper()
	m, err := c.Do(u.ctx, u.command(c, line)).ToMessage()
	if rueidis.IsRedisNil(err) {
		err = nil
	}
	if got := flat(m); err != nil || got != want {
		u.t.Fatalf("%s: %v, got %s, want %s", line, err, got, want)
	}
}

func (u *rueidisUser) refused(c rueidis.Client, line, text string) {
	u.t.Helper()
	refusedWith(u.t, line, c.Do(u.ctx, u.command(c, line)).Error(), text)
}

// flat is a reply as text: lists and maps in brackets, so that both versions of RESP read the same.
func flat(m rueidis.RedisMessage) string {
	switch {
	case m.IsNil():
		return "nil"
	case m.IsArray():
		list, _ := m.ToArray()
		var texts []string
		for _, e := range list {
			texts = append(texts, flat(e))
		}
		return "[" + strings.Join(texts, " ") + "]"
	case m.IsMap():
		var texts []string
		all, _ := m.ToMap()
		for k, e := range all {
			texts = append(texts, "["+k+" "+flat(e)+"]")
		}
		slices.Sort(texts)
		return "[" + strings.Join(texts, " ") + "]"
	}
	if n, err := m.ToInt64(); err == nil {
		return fmt.Sprint(n)
	}
	s, _ := m.ToString()
	return s
}

// listen subscribes with a client of its own. What comes is sent to the channel that it returns.
func (u *rueidisUser) listen(c rueidis.Client, subscribe rueidis.Completed) <-chan rueidis.PubSubMessage {
	u.t.Helper()
	messages := make(chan rueidis.PubSubMessage, 10_000) // more than a check has come
	confirmed := make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(rueidis.WithOnSubscriptionHook(u.ctx, func(rueidis.PubSubSubscription) { confirmed <- struct{}{} }))
	ended := make(chan error, 1)
	subscribe = subscribe.Pin() // for when it is sent again
	go func() {
		for ctx.Err() == nil { // rueidis gives back what it cannot read on after a restart
			if err := c.Receive(ctx, subscribe, func(m rueidis.PubSubMessage) { messages <- m }); err != nil && strings.Contains(err.Error(), "NOPERM") {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	u.t.Cleanup(func() {
		cancel()
		c.Close()
		<-ended
	})
	for range len(subscribe.Commands()) - 1 {
		select {
		case <-confirmed:
		case err := <-ended:
			ended <- err
			u.t.Fatalf("%v: %v", subscribe.Commands(), err)
		case <-u.ctx.Done():
			u.t.Fatalf("%v: not confirmed", subscribe.Commands())
		}
	}
	return messages
}

func (u *rueidisUser) expect(messages <-chan rueidis.PubSubMessage, key, text string) {
	u.t.Helper()
	select {
	case m := <-messages:
		if m.Channel != key || m.Message != text {
			u.t.Fatalf("got %v, want %s of %s", m, text, key)
		}
	case <-u.ctx.Done():
		u.t.Fatalf("no message, want %s of %s", text, key)
	}
}

// add pushes a stored message and returns its id. rueidis does not repeat by itself what is no read, so that it is the caller
// who is told that a connection has ended.
func (u *rueidisUser) add(key string, msg any) (id string) {
	u.t.Helper()
	eventually(u.t, "XADD "+key, func() (ok bool) {
		var err error
		id, err = u.Do(u.ctx, u.B().Xadd().Key(key).Id("*").FieldValue().FieldValue("msg", fmt.Sprint(msg)).Build()).ToString()
		if _, refused := rueidis.IsRedisErr(err); refused {
			u.t.Fatalf("XADD: %v", err)
		}
		return err == nil
	})
	return id
}

// addAll pushes the numbers up to count and returns their ids, and the entries as a reply has them.
func (u *rueidisUser) addAll(key string, count int) (ids, entries []string) {
	u.t.Helper()
	for i := range count {
		id := u.add(key, i)
		ids = append(ids, id)
		entries = append(entries, fmt.Sprintf("[%s [msg %d]]", id, i))
	}
	return ids, entries
}

// list is a reply of these elements; stream that of a read of one stream.
func list(elements ...string) string              { return "[" + strings.Join(elements, " ") + "]" }
func stream(key string, entries ...string) string { return list(list(key, list(entries...))) }

func (u *rueidisUser) checkConnect() {
	u.ask(u, "PING", "PONG")
	u.ask(u, "ECHO héllo", "héllo")
	named := u.backend("a-name")
	u.ask(named, "CLIENT GETNAME", "a-name")
	u.ask(named, "SELECT 0", "OK")
	u.refused(u, "NOSUCHCOMMAND a", "unknown command 'NOSUCHCOMMAND', with args beginning with: 'a'")
	u.refused(u, "XLEN", "wrong number of arguments for 'xlen' command")
}

func (u *rueidisUser) checkAuth() {
	for _, tt := range []struct{ username, password, want string }{
		{"", "", "NOAUTH"}, {backendName, "wrong", "WRONGPASS"}, {"nobody", backendSecret, "WRONGPASS"},
	} {
		c, err := u.dial(u.target.admin, tt.username, tt.password, "")
		if err == nil { // no handshake told
			err = c.Do(u.ctx, c.B().Ping().Build()).Error()
		}
		refusedWith(u.t, fmt.Sprintf("%q with %q", tt.username, tt.password), err, tt.want)
	}
	c, err := u.dial(u.target.admin, "", backendSecret, "")
	if err != nil {
		u.t.Fatalf("AUTH with the secret alone: %v", err)
	}
	u.ask(c, "PING", "PONG")
}

func (u *rueidisUser) checkToken() {
	_, err := u.dial(u.target.public, deviceKey, "wrong", "")
	refusedWith(u.t, "a wrong token", err, "WRONGPASS")
	device, err := u.dial(u.target.public, deviceKey, deviceToken, "")
	if err != nil {
		u.t.Fatal(err)
	}
	live, err := u.dial(u.target.public, deviceKey, deviceToken, "")
	if err != nil {
		u.t.Fatal(err)
	}
	messages := u.listen(live, live.B().Subscribe().Channel(deviceKey).Build())
	u.ask(u, "PUBLISH phone live", "1")
	u.expect(messages, deviceKey, "live")
	u.ask(device, "XGROUP CREATE phone cursor 0 MKSTREAM", "OK")
	ids, entries := u.addAll(deviceKey, 1)
	u.ask(device, "XRANGE phone - +", list(entries...))
	u.ask(device, "XREAD STREAMS phone 0", stream(deviceKey, entries...))
	u.ask(device, "XREADGROUP GROUP cursor me STREAMS phone >", stream(deviceKey, entries...))
	u.ask(device, "XACK phone cursor "+ids[0], "1")
	for _, line := range []string{"PUBLISH phone x", "XADD phone * msg x", "XDEL phone " + ids[0], "XTRIM phone MAXLEN 0", "DEL phone", "SCAN 0", "XRANGE other - +"} {
		u.refused(device, line, "NOPERM")
	}
}

func (u *rueidisUser) checkPubsub() {
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprint("pubsub:", i))
	}
	c := u.backend("")
	messages := u.listen(c, c.B().Subscribe().Channel(keys...).Build())
	for _, key := range keys {
		u.ask(u, "PUBLISH "+key+" to-"+key, "1")
		u.expect(messages, key, "to-"+key)
	}
	u.ask(u, "PUBSUB NUMSUB pubsub:0", "[pubsub:0 1]")
	u.ask(c, "XLEN pubsub:none", "0") // while it subscribes; in RESP3 on the same connection
}

func (u *rueidisUser) checkPatterns() {
	c := u.backend("")
	messages := u.listen(c, c.B().Psubscribe().Pattern("patterns:[ab]").Build())
	u.ask(u, "PUBLISH patterns:c x", "0")
	u.ask(u, "PUBLISH patterns:b x", "1")
	u.expect(messages, "patterns:b", "x")
}

func (u *rueidisUser) checkShards() {
	c := u.backend("")
	messages := u.listen(c, c.B().Ssubscribe().Channel("shards").Build())
	u.ask(u, "SPUBLISH shards x", "1")
	u.expect(messages, "shards", "x")
}

func (u *rueidisUser) checkStreams() {
	u.ask(u, "XADD streams NOMKSTREAM * msg x", "nil")
	ids, entries := u.addAll("streams", 10)
	u.ask(u, "TYPE streams", "stream")
	u.ask(u, "XLEN streams", "10")
	u.ask(u, "XRANGE streams - +", list(entries...))
	u.ask(u, "XRANGE streams ("+ids[2]+" + COUNT 2", list(entries[3:5]...))
	u.ask(u, "XREVRANGE streams + - COUNT 2", list(entries[9], entries[8]))
	u.ask(u, "XREAD COUNT 2 STREAMS streams none "+ids[6]+" 0", stream("streams", entries[7:9]...))
	explicit := fmt.Sprintf("%d-4", time.Now().Add(time.Minute).UnixMilli())
	u.ask(u, "XADD streams "+explicit+" msg explicit", explicit)
	u.refused(u, "XADD streams "+explicit+" msg x", "equal or smaller")
	u.ask(u, "XDEL streams "+ids[0]+" 1-4", "1")
	u.ask(u, "XTRIM streams MAXLEN 3", "7")
	u.ask(u, "XTRIM streams MINID "+explicit, "2")
	if u.target.name == "gopush" {
		if err := u.Do(u.ctx, u.command(u, "XADD streams EXPIRE 3600 * msg hour")).Error(); err != nil {
			u.t.Fatal(err)
		}
		u.ask(u, "XLEN streams", "2")
	}
	u.ask(u, "SCAN 0 MATCH strea* COUNT 1000", "[0 [streams]]")
	u.ask(u, "DEL streams", "1")
	u.ask(u, "EXISTS streams", "0")
}

func (u *rueidisUser) checkBlocking() {
	last := u.add("blocking", "first")
	c := u.backend("")
	u.ask(c, "XREAD BLOCK 20 STREAMS blocking "+last, "nil")
	for i := range 200 {
		got := make(chan rueidis.RedisResult, 1)
		go func(last string) {
			got <- c.Do(u.ctx, c.B().Xread().Block(patience.Milliseconds()).Streams().Key("blocking").Id(last).Build())
		}(last)
		last = u.add("blocking", i)
		r := <-got
		streams, err := r.AsXRead()
		if err != nil || len(streams["blocking"]) != 1 || streams["blocking"][0].ID != last || streams["blocking"][0].FieldValues["msg"] != fmt.Sprint(i) {
			u.t.Fatalf("XREAD BLOCK: %v %v, want %s", streams, err, last)
		}
	}
}

func (u *rueidisUser) checkGroups() {
	u.refused(u, "XGROUP CREATE groups g $", "requires the key to exist")
	u.ask(u, "XGROUP CREATE groups g $ MKSTREAM", "OK")
	u.refused(u, "XGROUP CREATE groups g $", "BUSYGROUP")
	u.refused(u, "XREADGROUP GROUP none c STREAMS groups >", "NOGROUP")
	ids, entries := u.addAll("groups", 6)
	u.ask(u, "XREADGROUP GROUP g a COUNT 4 STREAMS groups >", stream("groups", entries[:4]...))
	u.ask(u, "XREADGROUP GROUP g b STREAMS groups >", stream("groups", entries[4:]...))
	u.ask(u, "XREADGROUP GROUP g b BLOCK 20 STREAMS groups >", "nil")
	u.ask(u, "XPENDING groups g", list("6", ids[0], ids[5], "[[a 4] [b 2]]"))
	u.ask(u, "XACK groups g "+ids[0]+" "+ids[1]+" 1-4", "2")
	u.ask(u, "XREADGROUP GROUP g a STREAMS groups 0", stream("groups", entries[2:4]...))
	u.ask(u, "XCLAIM groups g b 0 "+ids[2], list(entries[2]))
	u.ask(u, "XAUTOCLAIM groups g c 0 0 COUNT 2 JUSTID", list(ids[4], list(ids[2:4]...), "[]"))
	u.ask(u, "XAUTOCLAIM groups g c 0 "+ids[4], list("0-0", list(entries[4:]...), "[]"))
	u.ask(u, "XGROUP DELCONSUMER groups g c", "4")
	u.ask(u, "XGROUP SETID groups g "+ids[3], "OK")
	u.ask(u, "XREADGROUP GROUP g a NOACK STREAMS groups >", stream("groups", entries[4:]...))
	u.ask(u, "XGROUP DESTROY groups g", "1")
}

func (u *rueidisUser) checkPipeline() {
	const count = 3000
	c := u.backend("")
	messages := u.listen(c, c.B().Subscribe().Channel("pipeline").Build())
	var commands rueidis.Commands
	for i := range count {
		commands = append(commands,
			u.B().Xadd().Key("pipeline:stored").Id("*").FieldValue().FieldValue("msg", fmt.Sprint(i)).Build(),
			u.B().Publish().Channel("pipeline").Message(fmt.Sprint(i)).Build())
	}
	answers := u.DoMulti(u.ctx, commands...)
	stored, err := u.Do(u.ctx, u.B().Xrange().Key("pipeline:stored").Start("-").End("+").Build()).AsXRange()
	if err != nil || len(stored) != count {
		u.t.Fatalf("%d stored: %v", len(stored), err)
	}
	for i, m := range stored {
		id, err := answers[2*i].ToString()
		receivers, publishErr := answers[2*i+1].ToInt64()
		if err != nil || publishErr != nil || id != m.ID || m.FieldValues["msg"] != fmt.Sprint(i) || receivers != 1 {
			u.t.Fatalf("message %d: %v was added as %s %v and published to %d %v", i, m, id, err, receivers, publishErr)
		}
		u.expect(messages, "pipeline", fmt.Sprint(i))
	}
}

func (u *rueidisUser) checkReconnect() {
	c := u.backend("victim")
	messages := u.listen(c, c.B().Subscribe().Channel("reconnect:a", "reconnect:b").Build())
	comesBack := func(key, why string) {
		u.t.Helper()
		eventually(u.t, "a message comes after the subscriber was "+why, func() bool {
			u.Do(u.ctx, u.B().Publish().Channel(key).Message(why).Build())
			for {
				select {
				case m := <-messages:
					if m.Channel == key && m.Message == why {
						return true
					}
				default:
					return false
				}
			}
		})
	}
	clients, err := u.Do(u.ctx, u.command(u, "CLIENT LIST")).ToString()
	if err != nil {
		u.t.Fatal(err)
	}
	u.ask(u, "CLIENT KILL ID "+clientID(u.t, clients, "victim"), "1")
	comesBack("reconnect:b", "killed")
	u.target.restart()
	comesBack("reconnect:a", "restarted")
}

func (u *rueidisUser) checkCursor() {
	u.ask(u, "XGROUP CREATE cursor g 0 MKSTREAM", "OK")
	sent, _ := u.addAll("cursor", 10)
	var seen []string
	read := func(id string, count int) {
		u.t.Helper()
		streams, err := u.Do(u.ctx, u.command(u, fmt.Sprintf("XREADGROUP GROUP g me COUNT %d STREAMS cursor %s", count, id))).AsXRead()
		if err != nil && !rueidis.IsRedisNil(err) {
			u.t.Fatal(err)
		}
		for _, m := range streams["cursor"] {
			seen = append(seen, m.ID)
		}
	}
	read(">", 6)
	u.ask(u, "XACK cursor g "+strings.Join(seen[:4], " "), "4")
	seen = seen[:4]
	u.target.restart()
	more, _ := u.addAll("cursor", 10)
	// What was given and not acknowledged is given again: as pending, or, if that is no longer known, as new.
	read("0", 100)
	read(">", 100)
	sameAs(u.t, "what was acknowledged, and what came after it", append(sent, more...))(seen, nil)
}
