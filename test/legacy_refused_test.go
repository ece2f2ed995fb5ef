package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// witness is a subscriber that nothing of what others do may disturb.
type witness struct {
	n    *node
	peer *peer
	seen int
}

func newWitness(n *node) *witness {
	n.t.Helper()
	return &witness{n: n, peer: n.subscribe("witness", "", "1")}
}

// check has the witness get a message and a heartbeat answered.
func (w *witness) check(t *testing.T) {
	t.Helper()
	w.seen++
	w.n.in(t).push("witness", fmt.Sprint(w.seen), "?expire=0")
	p := &peer{t, w.peer.Conn, w.peer.r}
	if got, want := p.message(), fmt.Sprintf(`{"msg":%d,"mid":`, w.seen); !strings.HasPrefix(got, want) {
		t.Fatalf("the witness got %s, want %s…", got, want)
	}
	p.send("h")
	p.expect("+h\r\n")
}

// refusedRESP is what a legacy RESP connection must not begin with; the answer to each is -p and
// the end: docs/protocol.md, "Errors".
var refusedRESP = []struct{ name, sent string }{
	{"no arguments", command("sub")},
	{"no heartbeat", command("sub", "k")},
	{"seven arguments", command("sub", "k", "30", "t", "1", "0", "x")},
	{"an unknown command", command("push", "k", "30")},
	{"the beginning of a command", command("su", "k", "30")},
	{"more than a command", command("subs", "k", "30")},
	{"an HTTP method as a command", command("POST", "k", "30")},
	{"an HTTP header as a command", command("Host:", "k", "30")},
	{"an inline command", "sub k 30\r\n"},

	{"an empty key", command("sub", "", "30")},
	{"a key of 256 bytes", command("sub", strings.Repeat("k", 256), "30")},
	{"a key with NUL", command("sub", "k\x00", "30")},
	{"a key with a line end", command("sub", "a\r\nb", "30")},
	{"a key with DEL", command("sub", "k\x7f", "30")},
	{"a key with a C1 control character", command("sub", "k\u0085", "30")},
	{"a key that is not UTF-8", command("sub", "k\xff", "30")},
	{"a key with half a character", command("sub", "k\xc3", "30")},
	{"a key with a surrogate", command("sub", "k\xed\xa0\x80", "30")},

	{"an empty heartbeat", command("sub", "k", "")},
	{"heartbeat 29", command("sub", "k", "29")},
	{"heartbeat 0", command("sub", "k", "0")},
	{"heartbeat 86401", command("sub", "k", "86401")},
	{"a heartbeat that overflows seconds as nanoseconds", command("sub", "k", "9223372037")},
	{"a heartbeat that overflows int64", command("sub", "k", "9223372036854775808")},
	{"a heartbeat that overflows uint64", command("sub", "k", "18446744073709551646")},
	{"a negative heartbeat", command("sub", "k", "-30")},
	{"a heartbeat with a plus", command("sub", "k", "+30")},
	{"a heartbeat with a space", command("sub", "k", " 30")},
	{"a heartbeat with a fraction", command("sub", "k", "30.5")},
	{"a heartbeat in hexadecimal", command("sub", "k", "0x30")},
	{"a heartbeat with a unit", command("sub", "k", "30s")},

	{"a negative mid", command("sub", "k", "30", "", "1", "-1")},
	{"a mid that is a word", command("sub", "k", "30", "", "1", "last")},
	{"a mid that overflows", command("sub", "k", "30", "", "1", "9223372036854775808")},
	{"a mid of another dialect", command("sub", "k", "30", "", "1", "1700000000000-4")},
}

func TestLegacyRefusals(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range refusedRESP {
			t.Run(tt.name, func(t *testing.T) { n.in(t).refusesCommand(tt.sent) })
		}
		w.check(t)
	})
}

// A refusal names the dialect's error however the bytes were cut on their way.
func TestLegacyRefusalsComeWhateverFollows(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		for _, after := range []string{"h", command("sub", "k", "30"), strings.Repeat("x", 1<<20)} {
			p := dial(t, n.public[0])
			p.write(command("sub", "k", "29") + after)
			p.expectEnd("-p\r\n")
		}
	})
}

func TestLegacySubscribersPerKeyAreLimited(t *testing.T) {
	onEngines(t, []string{"--max-subscribers-per-key", "2"}, func(t *testing.T, n *node) {
		first, second := n.subscribe("k"), n.subscribeWS("k", "")
		third := dial(t, n.public[0])
		third.send(command("sub", "k", "30"))
		third.expectEnd("-c\r\n")
		third.Close()
		web := n.upgrade("k", "")
		web.expectText("-c\r\n")
		web.expectClose(1008)
		web.Close()
		n.expectClosed("max_subscribers_per_key", 2)
		n.subscribe("another key")

		n.push("k", "1", "?expire=0")
		first.message()
		second.message()
		first.Close()
		eventually(t, "room for another subscriber", func() bool {
			p := dial(t, n.public[0])
			p.send(command("sub", "k", "30"))
			answer, err := p.r.ReadString('\n')
			return answer == "+h\r\n" && err == nil
		})
	})
}

// Who may push or look is no subscriber: a key of a public listener beyond loopback needs a
// token or a word of the operator, and no other listener is a way around that.
func TestOnlyPublicListenersServeSubscribers(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for addr, answer := range map[string]string{n.admin[0]: "-ERR unknown command 'sub', with args beginning with: 'k' '30' \r\n", n.ops[0]: "-p\r\n"} {
			p := dial(t, addr)
			p.send(command("sub", "k", "30"))
			if got, err := p.r.ReadString('\n'); got != answer || err != nil {
				t.Errorf("sub on %s is answered with %q, %v, want %q", addr, got, err, answer)
			}
			p.Close()
			p = dial(t, addr)
			if resp, _ := p.request(strings.Replace(handshake("k", ""), "example.com", addr, 1)); resp.StatusCode != http.StatusNotFound {
				t.Errorf("a handshake on %s is answered with %s, want 404", addr, resp.Status)
			}
		}
		w.check(t)
	})
}
