package link_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/cluster/link"
	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// prove is the MAC of docs/protocol.md, "Links between nodes".
func prove(parts ...string) string {
	h := hmac.New(sha256.New, []byte(secret))
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		io.WriteString(h, p)
	}
	return string(h.Sum(nil))
}

var nonce = strings.Repeat("n", 32)

// linked is a connection to n that has shaken hands as the dialling end.
func linked(t testing.TB, n *node) *stranger {
	t.Helper()
	s := dial(t, n)
	s.greet(t)
	return s
}

func (s *stranger) greet(t testing.TB) {
	t.Helper()
	s.say(link.Command, "1", "n9", nonce)
	c := s.frame(t)
	const hello = `{"name":"n9","instance":"i","more":"than is known"}`
	s.say("PROVE", prove("gopush link", "1", "dials", "n9", nonce, c[1], c[2], hello), hello)
	w := s.frame(t)
	if w[0] != "welcome" || w[1] != prove("gopush link", "1", "accepts", "n9", nonce, c[1], c[2], w[2]) {
		t.Fatalf("welcome = %q", w)
	}
}

// A listener has read what tells a link from other connections, or more.
func TestAcceptGoesOnWithWhatWasRead(t *testing.T) {
	t.Parallel()
	n := start(t, "n1", nil)
	for _, read := range []int{1, 20, 64} {
		ours, theirs := net.Pipe()
		first := resp.AppendArray(nil, 4)
		for _, w := range []string{link.Command, "1", "n9", nonce} {
			first = resp.AppendBulk(first, w)
		}
		n.links.Accept(theirs, first[:read:read])
		s := &stranger{Conn: ours}
		s.Write(first[read:])
		if c := s.frame(t); c[0] != "challenge" {
			t.Errorf("after %d bytes: %q", read, c)
		}
		ours.Close()
	}
}

// next returns the next push that is no beat, its words separated by spaces.
func (s *stranger) next(t testing.TB) string {
	t.Helper()
	for {
		if f := s.frame(t); f[0] != "beat" {
			return strings.Join(f, " ")
		}
	}
}

func TestWhatIsSaidOnALink(t *testing.T) {
	t.Parallel()
	const mid = `\d{17}`
	tests := []struct {
		name, say string // words of commands, which ; separates; _ is an empty one
		want      []string
	}{
		{"live only", "PUSH k p", []string{"receipts 0 0 " + mid + " 0 0"}},
		{"stored", "PUSH k p 3600000000000", []string{"receipts 0 0 " + mid + " 1 0"}},
		{"all words", "PUSH k p 3600000000000 1 1 0 idem 40000000000000000 40000000000000000 3 4; STATS 1", []string{"receipts 0 0 -MIDAHEAD .* 0 0|answer 1 .*", ".*"}},
		{"two calls", "PUSH k p; PUSH k p", []string{"receipts 0 0 .*", "receipts 1 0 .*"}},
		{"a call of two", "PUSH k p 0 0 0 1; PUSH k p", []string{"receipts 0 0 " + mid + " 0 0 " + mid + " 0 0"}},
		{"a bad key", "PUSH _ p", []string{"receipts 0 0 -KEY .* 0 0"}},
		{"follow", "FOLLOW k 0", []string{`followed k \d+`}},
		{"follow nothing", "FOLLOW _ 0", []string{"refused  -ERR there is no empty key"}},
		{"a pattern", "PFOLLOW k*", []string{`pfollowed k\*`}},
		{"count of what nobody follows", "COUNT k 1; UNFOLLOW k; PCOUNT k 1; PUNFOLLOW k; STATS 7", []string{"answer 7 0 {.*}"}},
		{"a count with zeros", "FOLLOW k 0; COUNT k 0000000007; STATS 7", []string{`followed k \d+|answer 7 .*`, ".*"}},
		{"kick", "KICK 5 k 18446744073709551615", []string{"answer 5 0 101"}},
		{"kick that fails", "KICK 5 fails", []string{"failed 5 -UNKNOWN outcome unknown: kick"}},
		{"subscribers", "SUBSCRIBERS a k l", []string{"answer a 0 0 0"}},
		{"subscribed", "SUBSCRIBED a * 0", []string{"answer a 0"}},
		{"what has no answer", "BEAT; LOOK k; REVOKED k; REVOKED k 1; HELLO {\"name\":\"n9\"}; STATS 1", []string{"answer 1 .*"}},

		{"an unknown command", "SHOUT k", []string{"bye malformed: SHOUT of 1 words"}},
		{"no payload", "PUSH k", []string{"bye malformed: PUSH"}},
		{"too many words", "PUSH k p 0 0 0 0 0 0 0 0 0 0", []string{"bye malformed: PUSH"}},
		{"no number", "PUSH k p 1h", []string{"bye malformed: PUSH"}},
		{"negative expire", "PUSH k p -1", []string{"bye malformed: PUSH"}},
		{"a mid that is none", "FOLLOW k last", []string{"bye malformed: FOLLOW of 2 words"}},
		{"tags that are none", "KICK 1 k x", []string{"bye malformed: KICK of 3 words"}},
		{"revoked tags that are none", "REVOKED k x", []string{"bye malformed: REVOKED of 2 words"}},
		{"no key to follow", "FOLLOW", []string{"bye malformed: FOLLOW of 0 words"}},
		{"another one's hello", `HELLO {"name":"n1"}`, []string{"bye malformed: HELLO of 1 words"}},
		{"a limit that is none", "SUBSCRIBED 1 * x", []string{"bye malformed: SUBSCRIBED of 3 words"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := linked(t, start(t, "n1", nil))
			for command := range strings.SplitSeq(tt.say, "; ") {
				words := strings.Split(command, " ")
				for i, w := range words {
					if w == "_" {
						words[i] = ""
					}
				}
				s.say(words...)
			}
			for _, want := range tt.want {
				if got := s.next(t); !regexp.MustCompile("^(" + want + ")$").MatchString(got) {
					t.Errorf("said %s; came %q, want %q", tt.say, got, want)
				}
			}
			if strings.HasPrefix(tt.want[0], "bye") && s.all(t) != "" {
				t.Error("more came after bye")
			}
		})
	}
}

// The end that dials does not believe who cannot prove the secret, whatever he says.
func TestWhoDialsIsNotFooled(t *testing.T) {
	t.Parallel()
	for name, welcome := range map[string][]string{
		"a wrong proof": {"welcome", nonce, `{"name":"n2"}`},
		"none":          {"welcome"},
		"a command":     {"followed", "k", "1"},
		"another name":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := start(t, "n1", func(cfg *link.Config) {
				cfg.Dial = func(context.Context, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() {
						s := &stranger{Conn: theirs}
						s.command(t)
						if welcome == nil {
							s.push("challenge", "n3", nonce)
						} else {
							s.push("challenge", "n2", nonce)
							s.command(t)
							s.push(welcome...)
						}
						io.Copy(io.Discard, theirs)
					}()
					return ours, nil
				}
			})
			one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{"somewhere:1"}}})
			waitFor(t, "refused", func() bool {
				r := &one.links.Stats.Refused
				return r[link.BadSecret].Load()+r[link.BadHandshake].Load() > 1
			})
			if one.links.To("n2").Up() {
				t.Error("the link is up")
			}
		})
	}
}

// command reads one command, as the accepting end.
func (s *stranger) command(t testing.TB) []string {
	for {
		args, n, _ := resp.ParseCommand(nil, s.buf[s.used:], resp.Limits{MaxArgs: 100, MaxArgBytes: 1 << 20, MaxBytes: 1 << 20})
		if n > 0 {
			s.used += n
			var words []string
			for _, a := range args {
				words = append(words, string(a))
			}
			return words
		}
		b := make([]byte, 4096)
		n, err := s.Read(b)
		if err != nil {
			return nil
		}
		s.buf = append(s.buf, b[:n]...)
	}
}

func (s *stranger) push(words ...string) {
	b := resp.AppendPush(nil, len(words))
	for _, w := range words {
		b = resp.AppendBulk(b, w)
	}
	s.Write(b)
}

// accept shakes hands as the accepting end, by the name n2.
func (s *stranger) accept(t testing.TB) {
	d := s.command(t)
	if d == nil {
		return
	}
	s.push("challenge", "n2", nonce)
	if s.command(t) == nil {
		return
	}
	const hello = `{"name":"n2"}`
	s.push("welcome", prove("gopush link", "1", "accepts", d[2], d[3], "n2", nonce, hello), hello)
}

// Whatever comes to the accepting end, at most its link ends.
func FuzzAccepted(f *testing.F) {
	for _, seed := range []string{
		"*3\r\n$4\r\nPUSH\r\n$1\r\nk\r\n$1\r\np\r\n", "*2\r\n$8\r\nUNFOLLOW\r\n$1\r\nk\r\n", "*3\r\n$6\r\nFOLLOW\r\n$1\r\nk\r\n$1\r\n0\r\n*3\r\n$5\r\nCOUNT\r\n$1\r\nk\r\n$1\r\n7\r\n",
		"*3\r\n$4\r\nKICK\r\n$1\r\n1\r\n$1\r\nk\r\n", "*1\r\n$4\r\nBEAT\r\n", "+OK\r\n", "*99999\r\n", "*1\r\n$999999999\r\n", "*4\r\n$10\r\nSUBSCRIBED\r\n$0\r\n\r\n$1\r\n*\r\n$1\r\n0\r\n",
		"*6\r\n$4\r\nPUSH\r\n$1\r\nk\r\n$1\r\np\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n", "*2\r\n$5\r\nHELLO\r\n$2\r\n{}\r\n",
	} {
		f.Add([]byte(seed))
	}
	n := start(f, "n1", nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		n.links.Accept(theirs, nil)
		s := &stranger{Conn: ours}
		s.SetDeadline(time.Now().Add(20 * time.Second))
		s.greet(t)
		go io.Copy(io.Discard, ours)
		s.Write(b)
		s.say("BEAT")
	})
}

// Whatever comes to the dialling end, at most its link ends.
func FuzzDialled(f *testing.F) {
	for _, seed := range []string{
		">8\r\n$7\r\nmessage\r\n$1\r\nk\r\n$1\r\n4\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\np\r\n", ">3\r\n$8\r\nfollowed\r\n$1\r\nk\r\n$1\r\n4\r\n",
		">6\r\n$8\r\nreceipts\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n4\r\n$1\r\n0\r\n$1\r\n0\r\n", ">6\r\n$8\r\nreceipts\r\n$2\r\n-1\r\n$2\r\n-1\r\n$1\r\n-\r\n$1\r\n0\r\n$1\r\n0\r\n",
		">3\r\n$6\r\nanswer\r\n$1\r\n1\r\n$1\r\n0\r\n", ">3\r\n$6\r\nfailed\r\n$1\r\n1\r\n$4\r\n-ERR\r\n", ">1\r\n$4\r\nbeat\r\n", ">1\r\n$4\r\nleft\r\n", ">2\r\n$5\r\nhello\r\n$2\r\n{}\r\n",
		">3\r\n$7\r\nrefused\r\n$1\r\nk\r\n$1\r\nx\r\n", ">2\r\n$8\r\npdropped\r\n$1\r\nk\r\n", ">0\r\n", "-ERR\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		accepted := make(chan *stranger, 100)
		one := start(t, "n1", func(cfg *link.Config) {
			cfg.Dial = func(context.Context, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				accepted <- &stranger{Conn: theirs}
				return ours, nil
			}
		})
		one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{"somewhere:1"}}})
		s := <-accepted
		s.SetDeadline(time.Now().Add(20 * time.Second))
		s.accept(t)
		one.handler.event(t, "up n2 n2")
		to := one.links.To("n2")
		var told sync.WaitGroup
		told.Add(2)
		for range 2 {
			to.Publish([]message.Push{{Key: "k"}, {Key: "l"}}, func(r []message.Receipt) {
				if len(r) != 2 {
					t.Errorf("%d receipts, want 2", len(r))
				}
				told.Done()
			})
		}
		go io.Copy(io.Discard, s)
		s.Write(b)
		s.Close()
		told.Wait()
		one.handler.event(t, "down n2")
	})
}
