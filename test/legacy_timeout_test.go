package test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Deadlines are looked at once a second, so that a connection may live a second longer than it
// must; on a loaded machine more. It never lives shorter.
const late = 8 * time.Second

// expectEndAt reads until the node closes, which must be due after begin and not much later.
func (p *peer) expectEndAt(begin time.Time, due time.Duration, want string) {
	p.t.Helper()
	p.expectEnd(want)
	if took := time.Since(begin); took < due || took > due+late {
		p.t.Errorf("closed after %v, want %v", took, due)
	}
}

// dripping is a peer that sends its text byte by byte.
type dripping struct {
	*peer
	text string
}

// drip sends byte i and waits a moment for the node to close.
func (p *dripping) drip(i int) (closed bool) {
	p.t.Helper()
	if i >= len(p.text) {
		p.t.Fatalf("still open after %d bytes sent one by one", i)
	}
	p.write(p.text[i : i+1])
	p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	got, err := p.r.ReadByte()
	if err == nil {
		p.t.Fatalf("%.40q… sent byte by byte was answered with %q", p.text, got)
	}
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// However slowly its bytes come, the first command has first_packet_timeout.
func TestFirstPacketTimeout(t *testing.T) {
	beginnings := []string{
		"", "*", "*3\r\n$3\r\nsub\r\n$1\r\nk", command("sub", "k", "30")[:20],
		"GET /sub?key=k", "GET /sub?key=k&heartbeat=30 HTTP/1.1\r\nHost: x\r\n", handshake("k", "")[:80],
	}
	slowly := []string{
		command("sub", strings.Repeat("k", 200), "30"),
		"GET /1/time/get HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 200),
		handshake("k", "", "X-Slow: "+strings.Repeat("x", 200)),
	}
	onEngines(t, []string{"--first-packet-timeout", "1s"}, func(t *testing.T, n *node) {
		begin := time.Now()
		subscriber := n.subscribe("k")
		silent := make([]*peer, len(beginnings))
		for i, sent := range beginnings {
			silent[i] = dial(t, n.public[0])
			silent[i].send(sent)
		}
		slow := make([]*dripping, len(slowly))
		for i, text := range slowly {
			slow[i] = &dripping{dial(t, n.public[0]), text}
		}
		for at := 0; len(slow) > 0; at++ {
			slow = slices.DeleteFunc(slow, func(p *dripping) bool { return p.drip(at) })
		}
		for _, p := range silent {
			p.expectEndAt(begin, time.Second, "")
		}
		n.expectClosed("first_packet_timeout", float64(len(beginnings)+len(slowly)))
		subscriber.send("h")
		subscriber.expect("+h\r\n")
	})
}

// briefHeartbeat is when a subscriber with the shortest heartbeat is closed: 1 s and 5 s of grace.
const briefHeartbeat = 6 * time.Second

// subscribeBriefly subscribes to key with a heartbeat of 1 s.
func (n *node) subscribeBriefly(key string) *peer {
	n.t.Helper()
	p := dial(n.t, n.public[0])
	p.send(command("sub", key, "1", "", "1"))
	p.expect("+h\r\n")
	return p
}

func (n *node) subscribeBrieflyWS(key string) *wsPeer {
	n.t.Helper()
	p := dial(n.t, n.public[0])
	p.send(strings.Replace(handshake(key, ""), "heartbeat=60", "heartbeat=1", 1))
	web := p.upgraded()
	web.expectText("+h\r\n")
	return web
}

// A subscriber that sent no heartbeat for its heartbeat and 5 s is closed. What is pushed to
// it does not extend that, nor do pings, nor the beginning of a frame.
func TestHeartbeatTimeout(t *testing.T) {
	onEngines(t, []string{"--min-heartbeat", "1s"}, func(t *testing.T, n *node) {
		begin := time.Now()
		silent, web, half := n.subscribeBriefly("silent"), n.subscribeBrieflyWS("silent"), n.subscribeBrieflyWS("silent")
		half.send(frame(fin|opText, "h")[:3])
		pushed, pinging, once, alive := n.subscribeBriefly("pushed"), n.subscribeBrieflyWS("pinging"), n.subscribeBriefly("once"), n.subscribeBriefly("alive")

		var beat time.Time // when once sent its only heartbeat
		messages := n.pushUntilClosed("pushed", pushed, func(i int) {
			alive.send("h")
			alive.expect("+h\r\n")
			pinging.write(frame(fin|opPing, "x"))
			if i == 10 {
				beat = time.Now()
				once.send("h")
			}
		})
		if took := time.Since(begin); took < briefHeartbeat || took > briefHeartbeat+late {
			t.Errorf("closed after %d messages in %v, want %v", messages, took, briefHeartbeat)
		}
		silent.expectEndAt(begin, briefHeartbeat, "")
		web.expectClose(1008)
		half.expectClose(1008)
		pinging.expectPongsAndClose(1008)
		once.expectEndAt(beat, briefHeartbeat, "+h\r\n")
		alive.send("h")
		alive.expect("+h\r\n")
		for _, p := range []*peer{web.peer, half.peer, pinging.peer, silent, pushed, once} {
			p.Close()
		}
		n.expectClosed("heartbeat_timeout", 6)
	})
}

// pushUntilClosed pushes to key, ten times a second, as long as p is there to read it, and
// calls then each time. It returns how many messages p got.
func (n *node) pushUntilClosed(key string, p *peer, then func(i int)) (messages int) {
	n.t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for ; ; messages++ {
		n.push(key, "1", "?expire=0")
		_, err := p.r.Peek(1)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			n.t.Fatalf("neither a message nor the end after %d messages", messages)
		}
		if err != nil {
			return messages
		}
		p.message()
		then(messages)
		<-ticker.C
	}
}

// expectPongsAndClose is expectClose behind any number of pongs.
func (p *wsPeer) expectPongsAndClose(code int) {
	p.t.Helper()
	for {
		if next, err := p.r.Peek(1); err != nil || next[0] != fin|opPong {
			p.expectClose(code)
			return
		}
		p.readFrame()
	}
}
