package test

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// promptly is when a message is still in time on a machine that has much else to do.
const promptly = 5 * time.Second

// A subscriber that never reads is closed when too much waits for it, and counted. The others
// get everything in time meanwhile, and it gets everything when it comes back.
func TestSlowSubscriber(t *testing.T) {
	for _, limit := range [][]string{{"--max-pending-bytes", "256KiB"}, {"--max-pending-messages", "4"}} {
		t.Run(limit[0][2:], func(t *testing.T) {
			onEngines(t, limit, func(t *testing.T, n *node) {
				slow, slowWS := dial(t, n.public[0]), dial(t, n.public[0])
				slow.send(command("sub", "k", "60", "", "1", "0"))
				slow.expect("+h\r\n")
				slowWS.send(handshake("k", "&ver=1&mid=0"))
				slowWS.upgraded().expectText("+h\r\n")
				mids := pushUntilSlow(t, n, 2)
				comeBack(t, n, slow, mids)
				if lines := strings.Count(n.stderr.String(), "slow"); lines != 2 {
					t.Errorf("%d lines of slow connections, want 2:\n%s", lines, n.stderr)
				}
			})
		})
	}
}

// pushUntilSlow pushes to k until so many slow connections were closed, and returns the mids
// that a subscriber which reads got.
func pushUntilSlow(t *testing.T, n *node, slow float64) (mids []int64) {
	t.Helper()
	fast, payload := n.subscribe("k", "", "1"), strings.Repeat("x", 240<<10)
	begin := time.Now()
	for n.closed("slow") < slow {
		if time.Since(begin) > 2*patience {
			t.Fatalf("no slow connection was closed after %d messages of 240 KiB", len(mids))
		}
		fast.SetDeadline(time.Now().Add(patience))
		pushed := time.Now()
		n.push("k", fmt.Sprintf(`"%d %s"`, len(mids), payload), "?expire=600")
		m := fast.next()
		if took := time.Since(pushed); took > promptly {
			t.Errorf("message %d came after %v", len(mids), took)
		}
		if want := fmt.Sprintf(`"%d x`, len(mids)); !strings.HasPrefix(string(m.Msg), want) {
			t.Fatalf("got %.20s, want %s…", m.Msg, want)
		}
		mids = append(mids, m.Mid)
	}
	return mids
}

// comeBack reads what slow got before it was closed, then resumes: together that is all.
func comeBack(t *testing.T, n *node, slow *peer, mids []int64) {
	t.Helper()
	slow.SetDeadline(time.Now().Add(patience))
	got, prev := 0, int64(0)
	for {
		head, err := slow.r.ReadString('\n')
		if err != nil {
			break
		}
		size, err := strconv.Atoi(strings.Trim(head, "$\r\n"))
		if err != nil {
			t.Fatalf("got %q, want a message", head)
		}
		body := make([]byte, size+2)
		if _, err := io.ReadFull(slow.r, body); err != nil {
			break // cut in the middle
		}
		if m := parseMessage(t, string(body[:size])); m.Mid != mids[got] {
			t.Fatalf("message %d has mid %d, want %d", got, m.Mid, mids[got])
		}
		prev = mids[got]
		got++
	}
	if got == len(mids) {
		t.Fatalf("the slow connection got all of %d messages", got)
	}
	again := n.subscribe("k", "", "1", strconv.FormatInt(prev, 10))
	expectResumed(t, again, prev, mids[got:]...)
}
