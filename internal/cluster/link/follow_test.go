package link_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/cluster/link"
	"gopush/internal/message"
)

// idleSink is a sink of subscribers who do not care.
type idleSink struct{}

func (idleSink) Post(*channel.Channel, uint32, *message.Message) {}
func (idleSink) Kick(_ *channel.Channel, _ uint32, _ []uint64, closed chan<- int) {
	closed <- 0
}
func (idleSink) Flush()        {}
func (idleSink) Crowded() bool { return false }
func (idleSink) Admit()        {}

func TestFollowBringsAllThatIsReleased(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	two.push(t, message.Push{Key: "k", Payload: []byte("before")})
	to.Follow("k", 0)
	one.handler.event(t, "followed k")
	big := make([]byte, 700<<10)
	pushes := []message.Push{
		{Key: "k", Payload: []byte("live")},
		{Key: "k", Payload: []byte("stored"), Expire: time.Hour, GID: message.Public},
		{Key: "other", Payload: []byte("other")},
		{Key: "k", Payload: big},
		{Key: "k", Payload: []byte{}, Form: message.Fields},
	}
	receipts := two.push(t, pushes...)
	one.handler.wait(t, "4 messages", func() bool { return one.handler.count == 4 && one.handler.since == 0 })
	got := one.handler.got["k"]
	for i, at := range []int{0, 1, 3, 4} {
		m, p, r := got[i], pushes[at], receipts[at]
		if m.Key != "k" || m.Mid != r.Mid || m.GID != p.GID || m.Form != p.Form || string(m.Payload) != string(p.Payload) || m.Stored() != r.Stored {
			t.Errorf("message %d = %.100v, want %.100v with mid %d", i, m, p, r.Mid)
		}
	}
	if got[2].Prev != receipts[1].Mid {
		t.Errorf("prev of the third is %d, want %d", got[2].Prev, receipts[1].Mid)
	}
	to.Unfollow("k")
	if _, err := to.Stats(t.Context()); err != nil { // the unfollow was before
		t.Fatal(err)
	}
	waitFor(t, "nobody follows", func() bool { return two.keys.Subscribers("k") == 0 })
}

// waitFor waits for something that nobody tells of.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never so: %s", what)
		}
	}
}

func TestFollowTellsWhyNot(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	two.keys.before = func(key string) error {
		if key == "elsewhere" {
			return message.ErrWrongNode
		}
		return nil
	}
	to.Follow("elsewhere", 0)
	one.handler.event(t, "refused elsewhere: "+message.ErrWrongNode.Error())
	for i := range 128 {
		to.FollowPattern(fmt.Sprintf("p%d*", i))
		one.handler.event(t, fmt.Sprintf("pfollowed p%d* <nil>", i))
	}
	to.FollowPattern("one more")
	one.handler.event(t, "pfollowed one more max_patterns reached: 128")
	to.Follow("k", 0) // the link is as good as before
	one.handler.event(t, "followed k")
	if n := two.keys.Subscribers("elsewhere"); n != 0 {
		t.Errorf("%d follow what was refused", n)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	to.FollowPattern("a*")
	one.handler.event(t, "pfollowed a* <nil>")
	to.Follow("ab", 0)
	one.handler.event(t, "followed ab")
	for _, key := range []string{"ab", "b", "ac"} {
		two.push(t, message.Push{Key: key, Payload: []byte("p")})
	}
	one.handler.wait(t, "2 by the pattern, 1 by its key", func() bool { return one.handler.by["a*"] == 2 && one.handler.count == 1 })
	to.UnfollowPattern("a*")
	waitFor(t, "no pattern is left", func() bool { return two.keys.Patterns() == 0 })
}

func TestCountsAreSummedOverLinks(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	three := start(t, "n3", nil)
	three.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{two.addr}}})
	three.handler.event(t, "up n2 n2")
	third := three.links.To("n2")
	to.Count("k", 5) // nobody follows: passed over
	to.Follow("k", 0)
	one.handler.event(t, "followed k")
	third.Follow("k", 0)
	three.handler.event(t, "followed k")
	for n := range 1000 {
		to.Count("k", n)
	}
	third.Count("k", 7)
	waitFor(t, "999 + 7", func() bool { return two.keys.weight("k") == 1006 })
	third.Unfollow("k")
	waitFor(t, "999", func() bool { return two.keys.weight("k") == 999 })
	to.Count("k", 0)
	waitFor(t, "0", func() bool { return two.keys.weight("k") == 0 })
	if n := two.keys.Subscribers("k"); n != 1 {
		t.Errorf("%d follow, want 1", n)
	}
}

func TestFollowAgainIsAnsweredAgain(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	for range 3 {
		to.Follow("k", 0)
		one.handler.event(t, "followed k")
	}
	waitFor(t, "one follows", func() bool { return two.keys.Subscribers("k") == 1 })
	two.push(t, message.Push{Key: "k", Payload: []byte("p")})
	one.handler.wait(t, "a message", func() bool { return one.handler.count == 1 })
	to.Unfollow("k")
	waitFor(t, "nobody follows", func() bool { return two.keys.Subscribers("k") == 0 })
}

func TestDropHasFollowersAskAgain(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	to.Follow("k", 0)
	one.handler.event(t, "followed k")
	two.links.Drop("k")
	two.links.Drop("nobody's")
	one.handler.event(t, "dropped k")
	waitFor(t, "nobody follows", func() bool { return two.keys.Subscribers("k") == 0 })
	to.Follow("k", 0)
	one.handler.event(t, "followed k")
}

// What is posted while a follow waits for the store is held, and comes after its answer.
func TestFollowHoldsWhatIsReleasedMeanwhile(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	if _, _, _, err := two.keys.Subscribe(two.keys.own, "k", 1); err != nil { // so that what is live has a channel
		t.Fatal(err)
	}
	asked, answer := make(chan string), make(chan struct{})
	two.keys.before = func(key string) error {
		asked <- key
		<-answer
		return nil
	}
	to.Follow("k", 0)
	<-asked
	to.Follow("other", 0) // does not wait for k
	<-asked
	to.Unfollow("k") // waits for its follow, and so do these
	to.Follow("k", 0)
	close(answer)
	<-asked
	one.handler.event(t, "followed k")
	one.handler.event(t, "followed k")
	two.push(t, message.Push{Key: "k", Payload: []byte("p")})
	one.handler.wait(t, "a message", func() bool { return one.handler.count == 1 })
	waitFor(t, "two subscribe", func() bool { return two.keys.Subscribers("k") == 2 })
}

// Many follow and unfollow many keys while they are pushed to: each message after the last answer comes, once and in order.
func TestFollowsRace(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	three := start(t, "n3", nil)
	three.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{two.addr}}})
	three.handler.event(t, "up n2 n2")
	const keys = 20
	stop := make(chan struct{})
	var pushers, followers sync.WaitGroup
	for range 2 {
		pushers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					two.keys.Publish(t.Context(), []message.Push{{Key: fmt.Sprint(rand.N(keys)), Payload: []byte("p"), Expire: time.Duration(rand.N(2)) * time.Hour}})
				}
			}
		})
	}
	var asked [2]int // follows of each
	for i, l := range []*link.Link{to, three.links.To("n2")} {
		follow := func(key int) {
			asked[i]++
			l.Follow(fmt.Sprint(key), 0)
		}
		followers.Go(func() {
			for range 3000 {
				key := rand.N(keys)
				switch rand.N(3) {
				case 0:
					l.Unfollow(fmt.Sprint(key))
				case 1:
					follow(key)
				case 2:
					l.Count(fmt.Sprint(key), 1)
				}
			}
			for key := range keys {
				follow(key)
			}
		})
	}
	followers.Wait()
	for i, n := range []*node{one, three} { // a key that has two subscribers may have one of them twice until then
		n.handler.wait(t, "all answers", func() bool { return n.handler.answered == asked[i] })
	}
	if _, err := to.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(stop)
	pushers.Wait()
	waitFor(t, "both follow all", func() bool {
		for key := range keys {
			if two.keys.Subscribers(fmt.Sprint(key)) != 2 {
				return false
			}
		}
		return true
	})
	last := map[string]int64{}
	for key := range keys {
		last[fmt.Sprint(key)] = two.push(t, message.Push{Key: fmt.Sprint(key), Payload: []byte("last")})[0].Mid
	}
	for _, n := range []*node{one, three} {
		for key, mid := range last {
			n.handler.wait(t, "the last of "+key, func() bool {
				got := n.handler.got[key]
				return len(got) > 0 && got[len(got)-1].Mid == mid
			})
			if mids := n.handler.mids(key); !slices.IsSorted(mids) || len(slices.Compact(slices.Clone(mids))) != len(mids) {
				t.Errorf("key %s came out of order or twice", key)
			}
		}
	}
}

// A follower that does not read loses keys, not its link, and is told of each.
func TestTooMuchDropsTheKeyAndTells(t *testing.T) {
	t.Parallel()
	small := func(cfg *link.Config) { cfg.MaxQueueBytes = 1 << 20 }
	one, two, to := pair(t, small)
	release := make(chan struct{})
	for _, key := range []string{"hot", "cold", "block"} {
		to.Follow(key, 0)
		one.handler.event(t, "followed "+key)
	}
	to.FollowPattern("h*")
	one.handler.event(t, "pfollowed h* <nil>")
	one.handler.mu.Lock()
	one.handler.on = func(event string) {
		if event == "greeted n2 false" {
			<-release
		}
	}
	one.handler.mu.Unlock()
	two.links.Announce() // the reader of one blocks
	payload := make([]byte, 100<<10)
	waitFor(t, "the key was dropped", func() bool {
		two.push(t, message.Push{Key: "hot", Payload: payload})
		return two.links.Stats.Dropped.Load() >= 2
	})
	waitFor(t, "nobody follows hot", func() bool { return two.keys.Subscribers("hot") == 0 && two.keys.Patterns() == 0 })
	close(release)
	one.handler.wait(t, "both drops", func() bool {
		return slices.Contains(one.handler.events, "dropped hot") && slices.Contains(one.handler.events, "pdropped h*")
	})
	before := len(one.handler.mids("hot"))
	to.Follow("hot", 0)
	one.handler.event(t, "followed hot")
	last := two.push(t, message.Push{Key: "hot", Payload: []byte("last"), Expire: time.Hour})[0].Mid
	two.push(t, message.Push{Key: "cold", Payload: []byte("p")})
	one.handler.wait(t, "the next of both", func() bool { return len(one.handler.got["hot"]) == before+1 && len(one.handler.got["cold"]) == 1 })
	if mids := one.handler.mids("hot"); mids[len(mids)-1] != last || !slices.IsSorted(mids) {
		t.Error("what came of hot is not in order")
	}
	if !to.Up() {
		t.Error("the link broke")
	}
}
