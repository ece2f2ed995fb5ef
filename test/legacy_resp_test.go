package test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// legacyMessage is what a message looks like to a legacy client.
type legacyMessage struct {
	Msg  json.RawMessage `json:"msg"`
	Mid  int64           `json:"mid"`
	GID  *int            `json:"gid"`
	Prev *int64          `json:"prev"`
}

func parseMessage(t *testing.T, text string) legacyMessage {
	t.Helper()
	var m legacyMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("got %q: %v", text, err)
	}
	return m
}

// next reads a message and takes it apart.
func (p *peer) next() legacyMessage {
	p.t.Helper()
	return parseMessage(p.t, p.message())
}

func TestLegacySubscriptions(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string // msg of {"a": "b c"}
	}{
		{"lower case", []string{"sub", "k", "30"}, `"{\"a\": \"b c\"}"`},
		{"upper case", []string{"SUB", "k", "30"}, `"{\"a\": \"b c\"}"`},
		{"mixed case", []string{"sUb", "k", "30"}, `"{\"a\": \"b c\"}"`},
		{"a token", []string{"sub", "k", "30", "token"}, `"{\"a\": \"b c\"}"`},
		{"an empty token", []string{"sub", "k", "30", ""}, `"{\"a\": \"b c\"}"`},
		{"an empty version", []string{"sub", "k", "30", "", ""}, `"{\"a\": \"b c\"}"`},
		{"an empty mid", []string{"sub", "k", "30", "", "", ""}, `"{\"a\": \"b c\"}"`},
		{"a version", []string{"sub", "k", "30", "token", "1"}, `{"a":"b c"}`},
		{"any version", []string{"sub", "k", "30", "", "1.0-beta"}, `{"a":"b c"}`},
		{"a version and an empty mid", []string{"sub", "k", "30", "", "1", ""}, `{"a":"b c"}`},
		{"the longest heartbeat", []string{"sub", "k", "86400", "", "1"}, `{"a":"b c"}`},
		{"a heartbeat with leading zeros", []string{"sub", "k", "0045", "", "1"}, `{"a":"b c"}`},
		{"a key with spaces", []string{"sub", " a key  with spaces ", "30", "", "1"}, `{"a":"b c"}`},
		{"a key with punctuation", []string{"sub", `?a=b&c/../%2F#"'\{$*3`, "30", "", "1"}, `{"a":"b c"}`},
		{"a key of dots", []string{"sub", "..", "30", "", "1"}, `{"a":"b c"}`},
		{"a key in other scripts", []string{"sub", "žluťoučký-馬-🐎-ключ", "30", "", "1"}, `{"a":"b c"}`},
		{"a key of 255 bytes", []string{"sub", strings.Repeat("é", 127) + "k", "30", "", "1"}, `{"a":"b c"}`},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := dial(t, n.public[0])
				p.send(command(tt.args...))
				p.expect("+h\r\n")
				n.in(t).push(url.PathEscape(tt.args[1]), `{"a": "b c"}`, "?expire=0")
				got := p.message()
				mid := parseMessage(t, got).Mid
				if want := fmt.Sprintf(`{"msg":%s,"mid":%d,"gid":0}`, tt.want, mid); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
				if mid%4 != 0 || mid <= 0 {
					t.Fatalf("mid %d, want a positive multiple of 4", mid)
				}
			})
		}
	})
}

// Whatever is pushed, a client that reads JSON gets JSON.
func TestLegacyPayloads(t *testing.T) {
	tests := []struct{ name, payload, modern, old string }{
		{"an object", "{ \"a\" :\t[1 , 2.50,\r\n null ] }", `{"a":[1,2.50,null]}`, `"{ \"a\" :\t[1 , 2.50,\r\n null ] }"`},
		{"white space in a string", `" a  b "`, `" a  b "`, `"\" a  b \""`},
		{"members given twice", `{"a":1,"a":2}`, `{"a":1,"a":2}`, `"{\"a\":1,\"a\":2}"`},
		{"no JSON", `{"a":`, `"{\"a\":"`, `"{\"a\":"`},
		{"nothing", ``, `""`, `""`},
		{"control characters", "a\x00b\x1f", `"a\u0000b\u001f"`, `"a\u0000b\u001f"`},
		{"bytes that are not UTF-8", "a\xff\xfeb", "\"a\ufffd\ufffdb\"", "\"a\ufffd\ufffdb\""},
		{"markup", `<b>&amp;</b>`, `"<b>&amp;</b>"`, `"<b>&amp;</b>"`},
		{"a message of a megabyte", `"` + strings.Repeat("x", 1<<20-2) + `"`, `"` + strings.Repeat("x", 1<<20-2) + `"`, `"\"` + strings.Repeat("x", 1<<20-2) + `\""`},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		modern, old := n.subscribe("k", "", "1"), n.subscribe("k")
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				n.in(t).push("k", tt.payload, "?expire=0")
				for p, want := range map[*peer]string{modern: tt.modern, old: tt.old} {
					if got := string((&peer{t, p.Conn, p.r}).next().Msg); got != want {
						t.Errorf("got %.200q, want %.200q", got, want)
					}
				}
			})
		}
	})
}

func TestLegacyCommandInPieces(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		whole := command("sub", "a key", "30", "", "1", "") + "h"
		t.Run("one byte at a time", func(t *testing.T) {
			p := dial(t, n.public[0])
			p.sendBytewise(whole)
			p.expect("+h\r\n+h\r\n")
		})
		for cut := 1; cut < len(whole); cut++ {
			p := dial(t, n.public[0])
			p.send(whole[:cut])
			p.send(whole[cut:])
			p.expect("+h\r\n+h\r\n")
			p.Close()
		}
	})
}

func TestLegacyHeartbeatsAreAnsweredOneForOne(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		p := dial(t, n.public[0])
		p.send(command("sub", "k", "30") + "hhh")
		p.expect(strings.Repeat("+h\r\n", 4))
		p.send("h\r\nh\nhh")
		p.expect(strings.Repeat("+h\r\n", 4))
		const many = 1000                     // fewer than max_pending_messages
		go p.write(strings.Repeat("h", many)) // it ends: the answers are read
		p.expect(strings.Repeat("+h\r\n", many))
		if got := n.count("gopush_heartbeats_total"); got != many+7 {
			t.Errorf("gopush_heartbeats_total = %v, want %d", got, many+7)
		}
	})
}

func TestLegacySubscriberMayOnlySendHeartbeats(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, sent := range []string{"x", "H", "\x00", " ", command("sub", "k", "30")} {
			t.Run(fmt.Sprintf("%q", sent), func(t *testing.T) {
				before := n.in(t).closed("bad_heartbeat")
				p := n.in(t).subscribe("k")
				p.send("h" + sent)
				p.expectEnd("+h\r\n")
				p.Close()
				n.in(t).expectClosed("bad_heartbeat", before+1)
			})
		}
		w.check(t)
	})
}

func TestLegacyHalfClosedConnectionIsClosed(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		p := n.subscribe("k")
		p.closeWrite()
		p.expectEnd("")
		n.expectClosed("peer_closed", 1)

		early := dial(t, n.public[0])
		early.send("*3\r\n$3\r\nsub")
		early.closeWrite()
		early.expectEnd("")
		n.expectClosed("peer_closed", 2)

		eventually(t, "nobody subscribed", func() bool {
			return strings.Contains(do(t, "GET", n.adminURL("/v1/keys/k"), "").body, `"subscribers":0`)
		})
	})
}

// Every connection sees the messages of a key in the same order, that of their mids, whoever
// pushed them and whatever dialect it speaks.
func TestLegacyOrder(t *testing.T) {
	const publishers, each = 6, 40
	onEngines(t, nil, func(t *testing.T, n *node) {
		type reader interface{ next() legacyMessage }
		readers := []reader{n.subscribe("k"), n.subscribe("k", "", "1"), n.subscribe("k", "", "1", "0"), n.subscribeWS("k", "&ver=1")}
		var wg sync.WaitGroup
		for i := range publishers {
			wg.Go(func() {
				for j := range each {
					if err := n.tryPush("k", fmt.Sprintf(`"%d-%d"`, i, j), fmt.Sprintf("?expire=%d", j%2*60)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var want []int64
		for i, r := range readers {
			var mids []int64
			for range publishers * each {
				mids = append(mids, r.next().Mid)
			}
			if !slices.IsSorted(mids) || len(slices.Compact(slices.Clone(mids))) != len(mids) {
				t.Fatalf("reader %d: mids do not increase: %v", i, mids)
			}
			if want == nil {
				want = mids
			} else if !slices.Equal(mids, want) {
				t.Errorf("reader %d got the mids %v, the first one %v", i, mids, want)
			}
		}
		wg.Wait()
	})
}
