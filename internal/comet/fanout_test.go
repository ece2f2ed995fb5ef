package comet

import (
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// Against a model: connections join and leave, fail and are full while messages are on their way to
// them. Each gets all messages after it joined, in order and once, for as long as it is there.
func TestEveryConnectionGetsWhatIsPostedAfterItJoined(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFanout(t.Fatalf, "a", "b", "c")
		key := rapid.SampledFrom([]string{"a", "a", "a", "b", "c"})
		join := func(t *rapid.T) { f.join(key.Draw(t, "key"), -1) }
		post := func(t *rapid.T) { f.keys.post(key.Draw(t, "key"), false) }
		t.Repeat(f.with(map[string]func(*rapid.T){
			"join": join, "join too": join, "post": post, "post too": post,
			"empty": func(t *rapid.T) { // all of a key leave; it may get another channel
				k := key.Draw(t, "key")
				for _, c := range f.living() {
					if c.ref != 0 && f.loop.groups.at(c.ref).channel == f.keys.keys[k].channel {
						f.loop.close(c, PeerClosed)
					}
				}
				if rapid.Bool().Draw(t, "forgotten") {
					f.keys.keys[k].channel = new(channel.Channel)
				}
			},
		}))
		f.settle()
	})
}

// Against a model: connections that resume, among others, while messages of both kinds are posted
// and deleted and pages are read. Each gets everything that is stored after the mid it came with,
// and all that is posted, in order and once. The one key is that of a channel nobody has named.
func TestWhoResumesMissesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFanout(t.Fatalf, "")
		k := f.keys.keys[""]
		post := func(t *rapid.T) { f.keys.post("", rapid.Bool().Draw(t, "stored")) }
		read := func(*rapid.T) { f.read() }
		burst := 10 // messages; more than may be held back lose live ones
		if rapid.Bool().Draw(t, "bursts overflow") {
			burst = heldMessages * 3 / 2
		}
		t.Repeat(f.with(map[string]func(*rapid.T){
			"post": post, "post too": post, "read": read, "read too": read,
			"join": func(*rapid.T) { f.join("", -1) },
			"resume": func(t *rapid.T) {
				f.join("", message.MidStep*rapid.Int64Range(0, k.last/message.MidStep).Draw(t, "mid"))
			},
			"burst": func(t *rapid.T) { f.burst(t, burst) },
			"read in a burst": func(t *rapid.T) {
				f.keys.during = func() { f.burst(t, burst) }
				f.read()
				f.keys.during = func() {}
			},
			"delete": func(*rapid.T) { k.delete() },
		}))
		f.settle()
	})
}

// burst posts some messages, and perhaps delivers them.
func (f *fanout) burst(t *rapid.T, most int) {
	for i := range rapid.IntRange(1, most).Draw(t, "messages") {
		f.keys.post("", i%3 > 0)
	}
	if rapid.Bool().Draw(t, "delivered") {
		f.deliver()
	}
}

// with adds to actions what happens in every model: to connections, and in the loop.
func (f *fanout) with(actions map[string]func(*rapid.T)) map[string]func(*rapid.T) {
	to := func(what func(c *conn)) func(*rapid.T) {
		return func(t *rapid.T) {
			if all := f.living(); len(all) > 0 {
				what(rapid.SampledFrom(all).Draw(t, "connection"))
			}
		}
	}
	actions["leave"] = to(func(c *conn) { f.loop.close(c, PeerClosed) })
	actions["fail"] = to(func(c *conn) { f.engine.fails[c.fd] = true })
	actions["full"] = to(func(c *conn) { f.engine.full[c.fd] = true })
	actions["room"] = to(func(c *conn) { f.engine.room(f.loop, c) })
	actions["drain"] = func(*rapid.T) { f.loop.drain() }
	actions["walk"] = func(t *rapid.T) { f.loop.walk(rapid.IntRange(1, 5).Draw(t, "budget")) }
	return actions
}

func TestDeliveringToManyAllocatesForTheMessageOnly(t *testing.T) {
	const connections, runs = 1000, 100
	f := newFanout(t.Fatalf, "a")
	f.engine.took = func(int32, []byte) {}
	for range connections {
		f.join("a", -1)
	}
	m := &message.Message{Payload: []byte("1")}
	k := f.keys.keys["a"]
	run := func() {
		m.Mid += message.MidStep
		f.loop.Post(k.channel, k.ref, m)
		f.deliver()
	}
	run()
	if n := testing.AllocsPerRun(runs, run); n > 0 {
		t.Errorf("%v allocations for a message to %d connections, want none", n, connections)
	}
	if got, want := f.loop.g.Stats.Delivered.Load(), int64(runs+2)*connections; got != want {
		t.Errorf("%d deliveries were counted, want %d", got, want)
	}
}

// More is posted while a page is read than can be held back, and the page is the last one.
func TestWhatOverflowsWhileAPageIsReadIsReadAgain(t *testing.T) {
	t.Parallel()
	f := newFanout(t.Fatalf, "")
	f.join("", 0)
	f.keys.during = func() {
		for range heldMessages * 2 {
			f.keys.post("", true)
		}
		f.deliver()
	}
	f.read()
	f.keys.during = func() {}
	f.settle()
	if got, want := f.readers[1].seen, f.keys.keys[""].last; got != want {
		t.Errorf("the device got messages up to %d, want %d", got, want)
	}
}
