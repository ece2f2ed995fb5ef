package comet

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/store/memory"
)

// storm is a gateway in which all that keeps count of connections is in use, and close to its bounds.
type storm struct {
	*Gateway
	t      *testing.T
	hub    *channel.Hub
	addr   string
	secure bool
}

// stormKeys are keys of each policy. Of those that end in 2 messages are taken away.
var stormKeys = []string{"d1", "d2", "l1", "l2", "x1", "x2"}

func startStorm(t *testing.T, row engineRow) *storm {
	t.Helper()
	store := memory.New(memory.Config{})
	hub, err := channel.Open(t.Context(), channel.Config{Store: store, Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	limits := testLimits()
	limits.MaxPendingBytes, limits.MaxMemory = 128<<10, 3<<20
	limits.SlowConsumers = []SlowConsumers{{"d", SlowDrop}, {"l", SlowLatest}}
	limits.MaxPerAddress, limits.MaxHandshakesPerAddress = 12, 500
	limits.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	limits.MaxJoining, limits.JoiningWait = 3, 20*time.Millisecond
	authorize := func(context.Context, string, string) (uint64, error) {
		time.Sleep(rand.N(2 * time.Millisecond))
		return 1 + rand.Uint64N(5), nil
	}
	g, err := New(Config{
		Keys: hub, Loops: 2, Engine: row.engine, StoreTimeout: 2 * time.Second, Limits: limits,
		Authorize: authorize, Revocations: func() uint64 { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := g.Listen(t.Context(), Public, "127.0.0.1:0", row.tls)
	if err != nil {
		t.Fatal(err)
	}
	ln.ServeRedis(redis.New(redis.Config{
		Keys: hub, Groups: store, Clients: g, Now: time.Now, Facts: func() redis.Facts { return redis.Facts{} },
		Limits: func() redis.Limits {
			return redis.Limits{MaxKeyBytes: 255, MaxMessageBytes: 1 << 20, MaxReplyBytes: [...]int{1 << 20, 1 << 20}}
		},
	}), redis.Trust{Open: true})
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/sub", ln.Subscribe())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	server := http.Server{Handler: mux}
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	running.Go(func() { g.Run(ctx) })
	running.Go(func() { server.Serve(ln) })
	t.Cleanup(func() {
		server.Close()
		cancel()
		running.Wait()
	})
	return &storm{g, t, hub, ln.Addr().String(), row.tls != nil}
}

// dial connects, mostly through a proxy that tells one of a few addresses.
func (s *storm) dial() (visitor, bool) {
	c, err := net.DialTimeout("tcp", s.addr, 10*time.Second)
	if err != nil {
		s.t.Error(err)
		return visitor{}, false
	}
	v := visitor{c, c.(*net.TCPConn)}
	v.SetDeadline(time.Now().Add(time.Minute))
	switch rand.IntN(8) {
	case 0:
	case 1:
		fmt.Fprint(c, "PROXY TCP4 1.2.3.4 x\r\n")
	case 2:
		fmt.Fprint(c, "PROXY TCP4 1.2.3.4")
		v.socket.CloseWrite()
	case 3:
		fmt.Fprint(c, "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
	default:
		fmt.Fprintf(c, "PROXY TCP4 203.0.113.%d 10.0.0.1 4711 80\r\n", rand.IntN(5))
	}
	if s.secure {
		v.Conn = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return v, true
}

// acts are what peers do besides those of visits.
func (s *storm) acts() map[string]func(visitor, string) {
	acts := visits()
	acts["reads"] = func(c visitor, key string) { s.follow(c, key, 0) }
	acts["reads slowly"] = func(c visitor, key string) {
		c.socket.SetReadBuffer(4 << 10)
		s.follow(c, key, rand.N(500*time.Millisecond))
	}
	acts["sends half a handshake"] = func(c visitor, key string) { fmt.Fprint(c.socket, "\x16\x03\x01\x00\x05abc") }
	acts["subscribes to many over Redis"] = func(c visitor, key string) {
		fmt.Fprintf(c, "*3\r\n$9\r\nSUBSCRIBE\r\n$2\r\n%s\r\n$2\r\n%s\r\n", key, stormKeys[rand.IntN(len(stormKeys))])
		time.Sleep(rand.N(50 * time.Millisecond))
		io.CopyN(io.Discard, c, rand.Int64N(100<<10))
	}
	acts["waits over Redis"] = func(c visitor, key string) {
		fmt.Fprintf(c, "*6\r\n$5\r\nXREAD\r\n$5\r\nBLOCK\r\n$2\r\n50\r\n$7\r\nSTREAMS\r\n$2\r\n%s\r\n$1\r\n$\r\n", key)
		wait(c)
	}
	return acts
}

// follow resumes and reads for a while, with pauses: mids rise, and what is missing was announced.
func (s *storm) follow(c visitor, key string, pause time.Duration) {
	after := int64(0)
	if newest, err := s.hub.Range(context.Background(), key, 0, 1<<62, true, 1, 0); err == nil && len(newest) > 0 && rand.IntN(2) == 0 {
		after = newest[0].Mid
	}
	mid := fmt.Sprint(after)
	fmt.Fprintf(c, "*6\r\n$3\r\nsub\r\n$%d\r\n%s\r\n$2\r\n60\r\n$0\r\n\r\n$1\r\n1\r\n$%d\r\n%s\r\n", len(key), key, len(mid), mid)
	if rand.IntN(8) == 0 {
		c.socket.CloseWrite()
	}
	r := bufio.NewReaderSize(c, 4<<10)
	last, told, until := after, after == 0, time.Now().Add(800*time.Millisecond)
	for time.Now().Before(until) {
		if pause > 0 && rand.IntN(3) == 0 {
			time.Sleep(pause)
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch {
		case strings.HasPrefix(line, "+g "):
			told = true
		case strings.HasPrefix(line, "$"):
			var n int
			fmt.Sscanf(line, "$%d", &n)
			body := make([]byte, n+2)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			var m struct{ Mid, Prev int64 }
			if err := json.Unmarshal(body, &m); err != nil {
				s.t.Errorf("%.60q: %v", body, err)
				return
			}
			if m.Mid <= last {
				s.t.Errorf("%s: %d came after %d", key, m.Mid, last)
			}
			if m.Prev > last && !told && key[1] != '2' { // else the device sees it by prev
				s.t.Errorf("%s after %d: %d came, before which was %d, after %d", key, after, m.Mid, m.Prev, last)
			}
			last, told = m.Mid, false
		}
	}
}

// drains has subscribers sent away and welcome again, and limits change, until stop.
func (s *storm) drains(stop chan struct{}) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), rand.N(100*time.Millisecond))
		s.TurnAway(&Away{Spread: time.Millisecond})
		s.Drain(ctx, DrainPlan{Rate: 1 + rand.IntN(2000)})
		cancel()
		s.TurnAway(nil)
		limits := *s.limits.Load()
		limits.MaxMemory = 64<<10 + rand.Int64N(2<<20)
		s.SetLimits(limits)
		select {
		case <-stop:
			return
		case <-time.After(rand.N(400 * time.Millisecond)):
		}
	}
}

// pushes has messages of all sizes come, and go, until stop.
func (s *storm) pushes(stop chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		key := stormKeys[rand.IntN(len(stormKeys))]
		n := 1
		if rand.IntN(50) == 0 {
			n = 100
		}
		for range n {
			s.hub.Publish(context.Background(), []message.Push{{
				Key: key, Payload: make([]byte, rand.IntN(40000)), Expire: time.Duration(rand.IntN(2)) * time.Minute,
			}})
		}
		if key[1] == '2' && rand.IntN(50) == 0 {
			s.hub.Trim(context.Background(), key, rand.IntN(5), 0)
		}
		time.Sleep(rand.N(2 * time.Millisecond))
	}
}

// accounts checks, until stop, that what is said to be held is.
func (s *storm) accounts(stop chan struct{}) {
	for wrong := false; !wrong; time.Sleep(5 * time.Millisecond) {
		select {
		case <-stop:
			return
		default:
		}
		for _, l := range s.loops {
			l.mu.Lock()
			checkScales(l, func(format string, args ...any) {
				s.t.Errorf(format, args...)
				wrong = true
			})
			l.mu.Unlock()
		}
	}
}

// Whatever comes together, in whatever order, nothing that is counted drifts, no message comes twice or out of order, and none
// is missing that nobody was told of.
func TestWhateverComesTogether(t *testing.T) {
	for _, row := range engineRows(t) {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := startStorm(t, row)
			var running, visiting sync.WaitGroup
			stop := make(chan struct{})
			for _, f := range []func(chan struct{}){s.drains, s.pushes, s.accounts} {
				running.Go(func() { f(stop) })
			}
			until := time.Now().Add(3 * time.Second)
			for range 24 {
				visiting.Go(func() {
					for time.Now().Before(until) {
						for _, act := range s.acts() { // in any order
							c, ok := s.dial()
							if !ok {
								return
							}
							act(c, stormKeys[rand.IntN(len(stormKeys))])
							if rand.IntN(4) == 0 {
								c.socket.SetLinger(0)
							}
							c.socket.Close()
							if time.Now().After(until) {
								return
							}
						}
					}
				})
			}
			visiting.Wait()
			close(stop)
			running.Wait()
			s.wantNothingLeft()
			t.Logf("%d accepted, %d told to go, %d fell behind, %d over memory, %d busy", s.Stats.Accepted.Load(), s.Stats.Told.Load(),
				s.Stats.FellBehind.Load(), s.Stats.Closed[Memory].Load(), s.Stats.Closed[Busy].Load())
		})
	}
}

func (s *storm) wantNothingLeft() {
	s.t.Helper()
	eventually(s.t, "connections", func() (int, bool) { n := s.Connections(); return n, n == 0 })
	eventually(s.t, "joining", func() (int, bool) { n := int(s.joining.underWay.Load()); return n, n == 0 })
	eventually(s.t, "handshakes", func() (int, bool) { n := int(s.handshakes.workers()); return n, n == 0 })
	eventually(s.t, "addresses", func() (int, bool) { n := int(s.addresses.known()); return n, n == 0 })
	eventually(s.t, "bytes", func() (int, bool) { n := int(s.Held()); return n, n == 0 })
	for _, l := range s.loops {
		checkEmpty(s.t, l)
		l.mu.Lock()
		if l.scales.total != 0 || l.scales.filled != [2]uint64{} || len(l.origins) != 0 || l.calls.underWay != 0 {
			s.t.Errorf("left: %d bytes, classes %x, %d origins, %d calls", l.scales.total, l.scales.filled, len(l.origins), l.calls.underWay)
		}
		l.mu.Unlock()
	}
	eventually(s.t, "resumes that wait", func() (int, bool) { n := int(s.Stats.Hungry.Load()); return n, n == 0 })
	if n := s.Stats.Redis.Load(); n != 0 {
		s.t.Errorf("%d clients of Redis are left", n)
	}
}
