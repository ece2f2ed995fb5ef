package comet_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/comet"
	"gopush/internal/store/memory"
	"gopush/internal/web"
)

// failing is a store that cannot store for some keys.
type failing struct{ *memory.Store }

func (f failing) Append(ctx context.Context, entries []channel.Entry) []error {
	errs := f.Store.Append(ctx, entries)
	for i := range entries {
		switch entries[i].Key {
		case "away":
			errs[i] = channel.ErrUnavailable
		case "late":
			errs[i] = channel.ErrUnknown
		}
	}
	return errs
}

// admin is a gateway with an admin listener that serves the API of a node.
type admin struct {
	*gateway
	pushAddr string
}

// startAdmin starts a gateway; inLoops: its loops serve plain pushes, else net/http does.
func startAdmin(t *testing.T, engine comet.Engine, inLoops bool, set func(*comet.Config)) *admin {
	t.Helper()
	g := startOver(t, engine, failing{memory.New(memory.Config{})}, set)
	ln, addr := listenAs(t, g.Gateway, engine, comet.Admin)
	h := web.Admin(web.Config{Keys: g.hub, Settings: func() *web.Settings {
		return &web.Settings{MaxKeyBytes: 255, MaxMessageBytes: 1 << 20, DefaultExpire: time.Hour}
	}}, web.Trust{Loopback: true})
	if inLoops {
		ln.ServePushes(h.Pushes)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(ln)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return &admin{g, addr}
}

// exchange sends b in pieces, then no more, and returns all answers.
func (a *admin) exchange(t *testing.T, pieces ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", a.pushAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	for _, piece := range pieces {
		if _, err := io.WriteString(c, piece); err != nil {
			break // it was refused; the answer says why
		}
	}
	c.(*net.TCPConn).CloseWrite()
	answers, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("%.2000q: %v after %q", strings.Join(pieces, ""), err, answers)
	}
	return string(answers)
}

// What differs from one time to the next: moments and ids.
var passing = regexp.MustCompile(`Date: [^\r]*|"id":"\d{13}-\d{1,4}"|Content-Length: \d+`)

func timeless(answers string) string { return passing.ReplaceAllString(answers, "-") }

// post writes a request in the strictest form, with more header fields.
func post(target, body string, fields ...string) string {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost:6970\r\nContent-Length: %d\r\n", target, len(body))
	return head + strings.Join(append(fields, ""), "\r\n") + "\r\n" + body
}

func plainPushes() []string {
	return []string{
		post("/v1/push/k?expire=0", "1"),
		post("/v1/push/k?expire=0", "2"),
		post("/v1/push/k?expire=60", "3"),
		post("/v1/push/a%2Fb", "hello", "User-Agent: curl/8", "Accept: */*"),
		post("/v1/push/away", "x", "Connection: keep-alive"),
		post("/v1/push/late", "x"),
		post("/v1/push", `{"messages":[{"keys":["k","a","away","away"],"payload":4},{"key":"k","base64":"NQ==","expire":0}]}`),
		post("/1/admin/push/private?key=k&expire=60", "6"),
		post("/1/admin/push/private?key=late&expire=60", "6"),
		post("/admin/push?expire=0&key=k", "7"),
		post("/1/admin/push/mprivate?expire=5", `{"m":"8","k":"k,a,away"}`),
	}
}

// otherRequests are for net/http, which keeps the connection open.
func otherRequests() []string {
	return []string{
		post("/v1/push/k?expire=0", "10", "X-Unknown: 1"),
		post("/v1/push/k?expire=no", "11"),
		post("/v1/keys/k/nothing", "12"),
		post("/v1/push/k?expire=0", strings.Repeat("13", 20<<10)),
		post("/v1/push/k?expire=0", "14", "Origin: https://evil.example"),
		post("/v1/push", "no JSON"),
		"PUT /v1/push/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
		"GET /no HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /v1/push/k?expire=0 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n15\r\n0\r\n\r\n",
		"POST /v1/push/k?expire=0 HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n16",
		post("/v1/push/k?expire=0", "17", "Expect: 100-continue"),
		"\r\n" + post("/v1/push/k?expire=0", "22"),
	}
}

// lastRequests are for net/http, too, and it closes the connection.
func lastRequests() []string {
	return []string{
		post("/v1/push/k?expire=0", "18", "Connection: close"),
		post("/v1/push/k?expire=0", "19", "Transfer-Encoding: chunked"),
		post("/v1/push/k?expire=0", "20", "Content-Length: 3"),
		"POST /v1/push/k?expire=0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n21",
		"POST /v1/push/k?expire=0 HTTP/1.1\r\nHost: loc",
		"",
	}
}

// A connection's requests, plain and not, whole and not, are answered in the same way whether or
// not loops serve those that are plain, and the same messages come out.
func TestLoopsAnswerAsNetHTTPDoes(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		loops, plain := startAdmin(t, engine, true, nil), startAdmin(t, engine, false, nil)
		ears := []*device{listen(t, loops, "k"), listen(t, plain, "k")}
		plainOnes, others, last := plainPushes(), otherRequests(), lastRequests()
		for range 100 {
			var sent []string
			for range 1 + rand.IntN(8) {
				sent = append(sent, plainOnes[rand.IntN(len(plainOnes))])
			}
			for range rand.IntN(3) {
				sent = append(sent, others[rand.IntN(len(others))])
			}
			sent = append(sent, last[rand.IntN(len(last))])
			all := strings.Join(sent, "")
			got, want := loops.exchange(t, cut(all)...), plain.exchange(t, all)
			if timeless(got) != timeless(want) {
				t.Fatalf("%q\nloops answer    %q\nnet/http answers %q", sent, got, want)
			}
			got, want = heard(t, loops, ears[0]), heard(t, plain, ears[1])
			if got != want {
				t.Fatalf("%q\nloops push    %s\nnet/http pushes %s", sent, got, want)
			}
		}
		if n := loops.Stats.PushRequests.Load(); n < 100 {
			t.Errorf("loops served %d requests", n)
		}
	})
}

// cut cuts b into pieces.
func cut(b string) (pieces []string) {
	for len(b) > 0 {
		n := min(len(b), 1+rand.IntN(1+rand.IntN(2000)))
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}

func listen(t *testing.T, a *admin, key string) *device {
	t.Helper()
	d, err := subscribe(a.addr, key, -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// heard returns what has come to d until now.
func heard(t *testing.T, a *admin, d *device) string {
	t.Helper()
	a.push(t, "k", `"end"`, 0)
	var all []string
	d.SetDeadline(time.Now().Add(patience))
	for {
		head, err := d.r.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %q", err, all)
		}
		var size int
		fmt.Sscanf(head, "$%d", &size)
		body := make([]byte, size+2)
		if _, err := io.ReadFull(d.r, body); err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(body), `,"mid"`)
		if text == `{"msg":"end"` {
			return fmt.Sprint(all)
		}
		all = append(all, text)
	}
}

// Pushes of one connection that are sent without waiting for answers reach a subscriber in their
// order, stored and live only, also from several loops.
func TestPipelinedPushesKeepTheirOrder(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		const pushes = 2000 // all may wait for the subscribers
		a := startAdmin(t, engine, true, func(cfg *comet.Config) { cfg.Limits.MaxPendingMessages = pushes })
		ears := []*device{listen(t, a, "k"), listen(t, a, "k")}
		var all strings.Builder
		for i := range pushes {
			all.WriteString(post(fmt.Sprintf("/v1/push/k?expire=%d", i%3), fmt.Sprint(`"`, i, `"`)))
		}
		if got := strings.Count(a.exchange(t, all.String()), "HTTP/1.1 200 OK"); got != pushes {
			t.Errorf("%d pushes were answered, want %d", got, pushes)
		}
		for _, d := range ears {
			for i := range pushes {
				if _, _, text, _, err := d.next(); text != fmt.Sprint(i) {
					t.Fatalf("message %d is %q, %v", i, text, err)
				}
			}
		}
	})
}

// A publisher that does not read its answers is bounded and then closed, and delays nobody.
func TestAPublisherThatDoesNotRead(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		a := startAdmin(t, engine, true, func(cfg *comet.Config) { cfg.IdleTimeout = time.Second })
		c, err := net.Dial("tcp", a.pushAddr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.(*net.TCPConn).SetReadBuffer(4 << 10)
		c.SetDeadline(time.Now().Add(patience))
		request := strings.Repeat(post("/v1/push/k?expire=0", "x"), 100)
		for err == nil {
			_, err = io.WriteString(c, request)
		}
		if got := a.Stats.Closed[comet.Slow].Load(); got != 1 {
			t.Errorf("%d connections were closed as slow, want 1; writing ended with %v", got, err)
		}
		if got := a.exchange(t, post("/v1/push/k?expire=0", "x")); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("another publisher got %q", got)
		}
	})
}

func TestAPublisherThatIsSilent(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		a := startAdmin(t, engine, true, func(cfg *comet.Config) { cfg.IdleTimeout, cfg.ReadTimeout = time.Second, time.Second })
		for _, sent := range []string{"", "POST /v1/pu"} {
			c, err := net.Dial("tcp", a.pushAddr)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, post("/v1/push/k?expire=0", "x")+sent)
			if got, err := io.ReadAll(c); err != nil || strings.Count(string(got), "HTTP/1.1 ") != 1 {
				t.Errorf("after a push and %q: %q, %v; want one answer and the end", sent, got, err)
			}
			c.Close()
		}
		eventuallyGone(t, a.gateway)
		if got := a.Stats.Closed[comet.HTTPTimeout].Load(); got != 2 {
			t.Errorf("%d connections were closed for it, want 2", got)
		}
	})
}

// EndPushes answers what is under way, and Drain closes who is left.
func TestPublishersWhenTheNodeStops(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		a := startAdmin(t, engine, true, nil)
		c, err := net.Dial("tcp", a.pushAddr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, post("/v1/push/k?expire=60", "x"))
		first := make([]byte, len("HTTP/1.1 200 OK"))
		if _, err := io.ReadFull(c, first); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		a.EndPushes(ctx)
		io.WriteString(c, post("/v1/push/k?expire=60", "too late"))
		rest, err := io.ReadAll(c)
		if err != nil || strings.Contains(string(rest), "HTTP/1.1") || ctx.Err() != nil {
			t.Errorf("after the end of pushes: %q, %v, %v; want no further answer, and the end", rest, err, ctx.Err())
		}
	})
}
