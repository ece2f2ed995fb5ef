package test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// resumer is a subscriber that came with a MID, in one of the dialects.
type resumer interface {
	expectText(string)
	next() legacyMessage
}

func (p *peer) expectText(want string) {
	p.t.Helper()
	p.expect(want)
}

// resumeDialects are the ways to resume after a mid.
var resumeDialects = []struct {
	name   string
	resume func(n *node, key string, mid int64) resumer
}{
	{"RESP", func(n *node, key string, mid int64) resumer {
		return n.subscribe(key, "", "1", strconv.FormatInt(mid, 10))
	}},
	{"RESP, old form", func(n *node, key string, mid int64) resumer {
		return n.subscribe(key, "", "", strconv.FormatInt(mid, 10))
	}},
	{"WebSocket", func(n *node, key string, mid int64) resumer {
		return n.subscribeWS(key, fmt.Sprintf("&ver=1&mid=%d", mid))
	}},
}

// onDialects runs test with every way to resume.
func onDialects(t *testing.T, n *node, test func(t *testing.T, n *node, resume func(key string, mid int64) resumer)) {
	t.Helper()
	for _, d := range resumeDialects {
		t.Run(d.name, func(t *testing.T) {
			n := n.in(t)
			test(t, n, func(key string, mid int64) resumer { return d.resume(n, key, mid) })
		})
	}
}

// pushed pushes so many stored messages and returns their mids, as a subscriber sees them.
func (n *node) pushed(key string, count int, query string) (mids []int64) {
	n.t.Helper()
	p := n.subscribe(key, "", "1")
	defer p.Close()
	for i := range count {
		n.push(key, strconv.Itoa(i), query)
		mids = append(mids, p.next().Mid)
	}
	return mids
}

// expectResumed reads messages, which must be those of mids, each after prev.
func expectResumed(t *testing.T, r resumer, prev int64, mids ...int64) {
	t.Helper()
	for i, mid := range mids {
		m := r.next()
		if m.Prev == nil || m.Mid != mid || *m.Prev != prev {
			t.Fatalf("message %d has mid %d and prev %v, want mid %d and prev %d", i, m.Mid, m.Prev, mid, prev)
		}
		prev = mid
	}
}

// expectNothing has r answer something that was asked after all else: nothing stands before it.
func expectNothing(t *testing.T, n *node, r resumer, key string) {
	t.Helper()
	n.push(key, `"end"`, "?expire=0")
	if m := r.next(); !strings.Contains(string(m.Msg), "end") {
		t.Fatalf("got %s with mid %d, want nothing before the end", m.Msg, m.Mid)
	}
}

func TestResumeGivesWhatCameAfterTheMid(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		mids := n.pushed("k", 20, "?expire=60")
		onDialects(t, n, func(t *testing.T, n *node, resume func(string, int64) resumer) {
			expectResumed(t, resume("k", 0), 0, mids...)
			expectResumed(t, resume("k", mids[9]), mids[9], mids[10:]...)
			between := resume("k", mids[9]+1) // a mid that no message has
			expectResumed(t, between, mids[9], mids[10:]...)
			expectNothing(t, n, between, "k")
			expectNothing(t, n, resume("k", mids[19]), "k")
			expectNothing(t, n, resume("never pushed to", 0), "never%20pushed%20to")
		})
	})
}

// Without MID nothing stored is sent, and no message has prev.
func TestSubscribingWithoutMidGivesNothingStored(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		n.pushed("k", 3, "?expire=60")
		for _, r := range []resumer{n.subscribe("k"), n.subscribe("k", "", "1", ""), n.subscribeWS("k", "&ver=1"), n.subscribeWS("k", "&mid=")} {
			n.push("k", `"live"`, "?expire=0")
			if m := r.next(); !strings.Contains(string(m.Msg), "live") || m.Prev != nil {
				t.Errorf("got %s with prev %v, want only what was pushed since, without prev", m.Msg, m.Prev)
			}
		}
	})
}

// Live-only messages are not resumed, are no gap, and do not break the chain of prev.
func TestResumeSkipsLiveOnly(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		first := n.pushed("k", 1, "?expire=60")[0]
		live := n.pushed("k", 1, "?expire=0")[0]
		second := n.pushed("k", 1, "?expire=60")[0]
		if !slices.IsSorted([]int64{first, live, second}) {
			t.Fatalf("mids %d, %d, %d do not increase", first, live, second)
		}
		onDialects(t, n, func(t *testing.T, n *node, resume func(string, int64) resumer) {
			expectResumed(t, resume("k", 0), 0, first, second)
			expectResumed(t, resume("k", live), first, second)
			r := resume("k", second)
			n.push("k", "1", "?expire=0")
			n.push("k", "2", "?expire=0")
			for range 2 {
				if m := r.next(); *m.Prev != second {
					t.Errorf("a live message has prev %d, want the last stored one, %d", *m.Prev, second)
				}
			}
		})
	})
}

// What is pushed while a device reads what it missed comes after it: no gap, nothing twice.
func TestResumeWhilePushing(t *testing.T) {
	const before, during = 60, 60
	onEngines(t, nil, func(t *testing.T, n *node) {
		onDialects(t, n, func(t *testing.T, n *node, resume func(string, int64) resumer) {
			key := strings.NewReplacer("/", "-", ",", "").Replace(t.Name())
			payload := strings.Repeat("x", 4000) // so that what was missed takes some pages
			for i := range before {
				n.push(key, fmt.Sprintf(`"%d %s"`, i, payload), "?expire=60")
			}
			done := make(chan error, 1)
			go func() {
				for i := range during {
					if err := n.tryPush(key, fmt.Sprintf(`"%d %s"`, before+i, payload), "?expire=60"); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			r := resume(key, 0)
			prev := int64(0)
			for i := range before + during {
				m := r.next()
				if got := strings.Trim(string(m.Msg), `\"`); !strings.HasPrefix(got, fmt.Sprint(i, " ")) || *m.Prev != prev {
					t.Fatalf("message %d is %.10s… with prev %d, want prev %d", i, got, *m.Prev, prev)
				}
				prev = m.Mid
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestResumeTellsWhatWasTrimmed(t *testing.T) {
	onEngines(t, []string{"--max-stored-per-key", "5"}, func(t *testing.T, n *node) {
		mids := n.pushed("k", 12, "?expire=60")
		kept := mids[7:]
		gap := fmt.Sprintf("+g %d\r\n", kept[0])
		onDialects(t, n, func(t *testing.T, _ *node, resume func(string, int64) resumer) {
			for _, after := range []int64{0, mids[0], mids[5]} {
				r := resume("k", after)
				r.expectText(gap)
				expectResumed(t, r, mids[6], kept...)
			}
			expectResumed(t, resume("k", mids[6]), mids[6], kept...) // it has all that was trimmed
			expectResumed(t, resume("k", mids[8]), mids[8], mids[9:]...)
		})
	})
}

func TestResumeTellsWhatExpired(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		mids := append(n.pushed("part", 2, "?expire=1"), n.pushed("part", 2, "?expire=600")...)
		all := n.pushed("all", 3, "?expire=1")
		for _, key := range []string{"part", "all"} {
			eventually(t, "the messages of "+key+" expire", func() bool {
				stored := do(t, "GET", n.adminURL("/v1/keys/"+key+"/messages"), "").body
				return strings.Count(stored, `"id"`) == 2*len(key)%6 // 2 of part, none of all
			})
		}
		onDialects(t, n, func(t *testing.T, n *node, resume func(string, int64) resumer) {
			r := resume("part", mids[0])
			r.expectText(fmt.Sprintf("+g %d\r\n", mids[2]))
			expectResumed(t, r, mids[1], mids[2:]...)
			expectGapAndNothing(t, n, resume("all", 0), "all", all[2])
			expectGapAndNothing(t, n, resume("all", all[1]), "all", all[2])
			expectNothing(t, n, resume("all", all[2]), "all")
		})
	})
}

func TestResumeTellsWhatWasDeleted(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		mids := n.pushed("part", 4, "?expire=60")
		n.remove("part", mids[0], mids[1])
		newest := n.pushed("newest", 2, "?expire=60")
		n.remove("newest", newest[1])
		all := n.pushed("all", 3, "?expire=60")
		n.remove("all")
		onDialects(t, n, func(t *testing.T, n *node, resume func(string, int64) resumer) {
			r := resume("part", 0)
			r.expectText(fmt.Sprintf("+g %d\r\n", mids[2]))
			expectResumed(t, r, mids[1], mids[2:]...)
			expectResumed(t, resume("part", mids[1]), mids[1], mids[2:]...)

			r = resume("newest", 0)
			r.expectText(fmt.Sprintf("+g %d\r\n", newest[0]))
			expectResumed(t, r, 0, newest[0])
			expectGapAndNothing(t, n, resume("newest", newest[0]), "newest", newest[1])

			expectGapAndNothing(t, n, resume("all", 0), "all", all[2])
			expectGapAndNothing(t, n, resume("all", all[0]), "all", all[2])
			expectNothing(t, n, resume("all", all[2]), "all")
		})
	})
}

// remove deletes stored messages of key, all when no mid is given.
func (n *node) remove(key string, mids ...int64) {
	n.t.Helper()
	query, sep := "", "?"
	for _, mid := range mids {
		query += fmt.Sprintf("%sid=%d", sep, mid)
		sep = "&"
	}
	if a := do(n.t, "DELETE", n.adminURL("/v1/keys/"+key+"/messages"+query), ""); a.status != 200 {
		n.t.Fatalf("delete %v of %s: %d %s", mids, key, a.status, a.body)
	}
}

// expectGapAndNothing reads the notice that all after the mid are gone, up to last.
func expectGapAndNothing(t *testing.T, n *node, r resumer, key string, last int64) {
	t.Helper()
	r.expectText(fmt.Sprintf("+g %d\r\n", last))
	expectNothing(t, n, r, key)
}

// A mid of the future cannot have come from here: whoever holds it may have missed anything.
func TestResumeAfterAMidOfTheFuture(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		last := n.pushed("k", 2, "?expire=60")[1]
		onDialects(t, n, func(t *testing.T, n *node, resume func(string, int64) resumer) {
			r := resume("k", 1<<62)
			r.expectText(fmt.Sprintf("+g %d\r\n", last))
			expectNothing(t, n, r, "k")
		})
	})
}

// A device that resumes after a restart gets what it missed, however the node ended: the store
// is on disk.
func TestResumeAfterRestart(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*node){
		"kill -9": (*node).kill,
		"SIGTERM": func(n *node) {
			if err := n.stop(); err != nil {
				n.t.Errorf("ended with %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := serve(t)
			mids := n.pushed("k", 10, "?expire=60")
			end(n)
			resumeAfterRestart(t, serveIn(t, n.dir), mids)
		})
	}
}

func resumeAfterRestart(t *testing.T, n *node, mids []int64) {
	for _, d := range resumeDialects {
		expectResumed(t, d.resume(n, "k", mids[2]), mids[2], mids[3:]...)
	}
	n.push("k", "1", "?expire=0")
	r := n.subscribe("k", "", "1", strconv.FormatInt(mids[9], 10))
	n.push("k", "2", "?expire=60")
	if m := r.next(); m.Mid <= mids[9] || *m.Prev != mids[9] {
		t.Errorf("after the restart a message has mid %d and prev %d, want a higher mid and prev %d", m.Mid, *m.Prev, mids[9])
	}
}
