package test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// How long strangers do all that they can to a node, and what they choose by; 0: another way each time.
var (
	hostileTime = flag.Duration("hostile", 6*time.Second, "how long strangers come in TestHostileConnections")
	hostileSeed = flag.Uint64("hostileseed", 0, "what they do is made from it; 0: the time")
)

// Strangers send random bytes, valid commands in any order, and sessions that are cut, spliced and mutated, to every listener in every dialect, and end
// their connections in every way. Meanwhile devices miss nothing; afterwards the node has met no bug, every connection is accounted for, and
// nothing is left of them.
func TestHostileConnections(t *testing.T) {
	t.Parallel()
	seed := *hostileSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	cert, key, _ := selfSigned(t, t.TempDir())
	secure := "127.0.0.1:0?tls_cert=" + url.QueryEscape(cert) + "&tls_key=" + url.QueryEscape(key)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			n := serve(t, "--engine", engine, "--legacy-rpc", "on", "--public", secure, "--admin", secure, "--first-packet-timeout", patience.String(),
				"--max-pending-bytes", "256KiB", "--max-patterns", "16")
			c := &crowd{soak: newSoak(n, 40), seed: seed}
			c.run(min(*hostileTime/2, time.Minute))
			before := n.footprint()
			c.run(*hostileTime)
			c.check(t)
			n.expectFootprint(before)
			n.expectNoBug()
			n.expectAllAccounted()
			t.Logf("-hostileseed %d: %d hostile connections, %d bytes; %d visits of devices, %d messages", seed, c.came.Load(), c.sent.Load(), c.visits.Load(), c.messages.Load())
		})
	}
}

// crowd is a soak into which strangers come.
type crowd struct {
	*soak
	seed       uint64
	came, sent atomic.Int64
	rounds     uint64
}

// strangersAtATime is how many there are.
const strangersAtATime = 24

func (c *crowd) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(c.n.t.Context(), d)
	defer cancel()
	ended := c.start(ctx)
	gone := make(chan struct{})
	c.rounds++
	for i := range strangersAtATime {
		s := &stranger{crowd: c, Rand: rand.New(rand.NewPCG(c.seed, c.rounds<<32|uint64(i)))}
		go func() {
			for ctx.Err() == nil {
				s.visit(ctx)
			}
			gone <- struct{}{}
		}()
	}
	for range strangersAtATime {
		<-gone
	}
	<-ended
	c.finish()
}

// expectNoBug reads what the node has logged, and what it counts as its own faults.
func (n *node) expectNoBug() {
	n.t.Helper()
	for line := range strings.Lines(n.stderr.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "internal") || strings.Contains(line, "panic") {
			n.t.Errorf("the node logs: %s", line)
		}
	}
	for _, name := range []string{`gopush_http_refused_total{reason="internal"}`, `gopush_connections_closed_total{reason="panic"}`} {
		if v := n.count(name); v != 0 {
			n.t.Errorf("%s is %v", name, v)
		}
	}
}

var closedCounter = regexp.MustCompile(`(?m)^gopush_connections_(?:closed|http|links|rpc)_total(?:\{[^}]*\})? (\d+)`)

// expectAllAccounted waits until every connection that was accepted is open, was closed for a reason that is counted, or was given to somebody.
func (n *node) expectAllAccounted() {
	n.t.Helper()
	eventually(n.t, "every connection that was accepted is accounted for", func() bool {
		metrics, ended := do(n.t, "GET", n.opsURL("/metrics"), "").body, 0
		for _, counter := range closedCounter.FindAllStringSubmatch(metrics, -1) {
			v, _ := strconv.Atoi(counter[1])
			ended += v
		}
		return float64(ended)+n.count("gopush_connections") >= n.count("gopush_connections_accepted_total")-2
	})
}

// stranger does what nobody should.
type stranger struct {
	*crowd
	*rand.Rand
}

// visit opens a connection and does something to it.
func (s *stranger) visit(ctx context.Context) {
	addrs := []string{s.n.public[0], s.n.public[0], s.n.admin[0], s.n.admin[0], s.n.ops[0], s.n.public[1], s.n.admin[1]}
	at := s.IntN(len(addrs))
	kind := []int{public, public, admin, admin, ops, public, admin}[at]
	p, err := s.connect(addrs[at], at >= 5 && s.IntN(4) > 0)
	if err != nil {
		return // refused, as strangers may be
	}
	s.came.Add(1)
	stop := context.AfterFunc(ctx, func() { p.raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	read := make(chan struct{})
	if reads := s.IntN(5) > 0; reads {
		go func() { p.drain(); close(read) }()
	} else {
		close(read)
	}
	p.raw.SetWriteDeadline(time.Now().Add(time.Second))
	for _, part := range s.cut(s.session(kind)) {
		n, err := p.Write([]byte(part))
		s.sent.Add(int64(n))
		if err != nil {
			break
		}
		pause(ctx, time.Duration(s.IntN(3))*time.Millisecond)
	}
	s.leave(ctx, p)
	<-read
}

// leave ends a connection in one of the ways in which they end.
func (s *stranger) leave(ctx context.Context, p *hostilePeer) {
	switch s.IntN(5) {
	case 0:
		p.raw.SetLinger(0)
	case 1:
		p.raw.CloseWrite()
		pause(ctx, time.Duration(s.IntN(50))*time.Millisecond)
	case 2:
		p.raw.CloseRead()
		pause(ctx, time.Duration(s.IntN(20))*time.Millisecond)
	case 3:
		pause(ctx, time.Duration(s.IntN(200))*time.Millisecond)
	}
	p.raw.Close()
}

// cut cuts what is to be sent anywhere, seldom into many pieces.
func (s *stranger) cut(text string) (parts []string) {
	for range s.IntN(1 + s.IntN(6)) {
		if at := s.IntN(len(text) + 1); at > 0 {
			parts, text = append(parts, text[:at]), text[at:]
		}
	}
	return append(parts, text)
}

// session is what a stranger says.
func (s *stranger) session(kind int) string {
	switch s.IntN(8) {
	case 0:
		return s.noise(s.IntN(4096))
	case 1:
		return s.valid(kind) + s.noise(s.IntN(64))
	case 2, 3:
		return s.valid(kind)
	case 4:
		a, b := s.valid(kind), s.valid(s.IntN(3))
		return a[:s.IntN(len(a)+1)] + b[s.IntN(len(b)+1):]
	default:
		return s.mutated(s.valid(kind))
	}
}

func (s *stranger) noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return string(b)
}

// mutated changes a session in some places.
func (s *stranger) mutated(text string) string {
	for range 1 + s.IntN(6) {
		if len(text) == 0 {
			return text
		}
		at := s.IntN(len(text))
		end := min(len(text), at+1+s.IntN(20))
		switch s.IntN(7) {
		case 0:
			text = text[:at] + string(byte(s.Uint32())) + text[at+1:]
		case 1:
			text = text[:at] + text[end:]
		case 2:
			text = text[:at] + strings.Repeat(text[at:end], 1+s.IntN(30)) + text[end:]
		case 3:
			text = text[:at] + s.noise(s.IntN(16)) + text[at:]
		case 4:
			text = text[:at] + s.pick("\r\n", "\n", "\x00", "-1", "0", "$", "*", "99999999999", "9223372036854775807", "\xff\xff", "$-1\r\n", "*-1\r\n", "%00", "{", "\"") + text[at:]
		case 5:
			text = numbers.ReplaceAllStringFunc(text, func(was string) string {
				if s.IntN(6) > 0 {
					return was
				}
				return s.pick("0", "-1", "1", "255", "65536", "2147483648", "18446744073709551616", "1e9", "007")
			})
		case 6:
			text = strings.Repeat(text, 1+s.IntN(20))
		}
		text = text[:min(len(text), 1<<20)]
	}
	return text
}

var numbers = regexp.MustCompile(`\d+`)

func (s *stranger) pick(list ...string) string { return list[s.IntN(len(list))] }

func (s *stranger) key() string { return fmt.Sprint("hostile", s.IntN(8)) }
