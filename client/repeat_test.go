package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/client"
)

// backend is a server that keeps what it is asked and answers as it is told.
type backend struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // idempotency keys, or bodies of batches
	serve func(n int, w http.ResponseWriter, r *http.Request)
}

func newBackend(t *testing.T, serve func(n int, w http.ResponseWriter, r *http.Request)) *backend {
	b := &backend{serve: serve}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	what := r.Header.Get("Idempotency-Key")
	if r.URL.Path == "/v1/push" {
		what = string(body)
	}
	b.mu.Lock()
	n := len(b.asked)
	b.asked = append(b.asked, what)
	b.mu.Unlock()
	b.serve(n, w, r)
}

func (b *backend) questions() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

// retrying returns a publisher that does not pause but for what servers ask.
func retrying(t *testing.T, cfg client.PublisherConfig) (p *client.Publisher, turns *[]int) {
	t.Helper()
	turns = new([]int)
	cfg.Backoff = func(attempt int) time.Duration { *turns = append(*turns, attempt); return 0 }
	p, err := client.NewPublisher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, turns
}

// answers is one way to answer after another, the last one for good.
func answers(all ...func(http.ResponseWriter)) func(int, http.ResponseWriter, *http.Request) {
	return func(n int, w http.ResponseWriter, _ *http.Request) { all[min(n, len(all)-1)](w) }
}

func stored(w http.ResponseWriter) { io.WriteString(w, receiptJSON) }

func lost(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func refused(status int, code string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if len(header) > 0 {
			w.Header().Set("Retry-After", header[0])
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":"m"}}`, code)
	}
}

func TestAStoredPushIsRepeatedUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail    func(http.ResponseWriter)
		options []client.PushOption
		tries   int
	}{
		"the connection breaks": {lost, nil, 3},
		"outcome unknown":       {refused(504, client.CodeUnknown), nil, 3},
		"internal":              {refused(500, "internal"), nil, 3},
		"a proxy":               {func(w http.ResponseWriter) { w.WriteHeader(502) }, nil, 3},
		"unavailable":           {refused(503, client.CodeUnavailable), nil, 3},
		"too many":              {refused(429, "slow_down"), nil, 3},
		"no JSON":               {func(w http.ResponseWriter) { io.WriteString(w, "{") }, nil, 3},
		"its own key":           {lost, []client.PushOption{client.IdempotencyKey("mine")}, 3},
		"refused for good":      {refused(413, client.CodeTooLarge), nil, 1},
		"once":                  {lost, []client.PushOption{client.Once()}, 1},
		"live only":             {lost, []client.PushOption{client.Expire(client.LiveOnly)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, answers(tc.fail, tc.fail, stored))
			p, turns := retrying(t, client.PublisherConfig{Addr: b.URL, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
			_, err := p.Push(t.Context(), "k", []byte("x"), tc.options...)
			asked := b.questions()
			if len(asked) != tc.tries || (err == nil) != (tc.tries == 3) || len(*turns) != tc.tries-1 {
				t.Errorf("Push = %v after %q, %v pauses; want %d tries", err, asked, *turns, tc.tries)
			}
			slices.Sort(asked)
			if one := slices.Compact(asked); len(one) != 1 || (one[0] == "") != (name == "once" || name == "live only") || name == "its own key" && one[0] != "mine" {
				t.Errorf("the idempotency keys are %q", one)
			}
		})
	}
}

func TestEachPushHasAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	b := newBackend(t, answers(stored))
	p, _ := retrying(t, client.PublisherConfig{Addr: b.URL})
	for range 100 {
		p.Push(t.Context(), "k", nil)
	}
	asked := b.questions()
	slices.Sort(asked)
	if n := len(slices.Compact(asked)); n != 100 || len(asked[0]) < 20 {
		t.Errorf("100 pushes have %d idempotency keys, such as %q", n, asked[0])
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	b := newBackend(t, answers(refused(503, client.CodeUnavailable, "1"), stored))
	p, _ := retrying(t, client.PublisherConfig{Addr: b.URL})
	began := time.Now()
	if _, err := p.Push(t.Context(), "k", nil); err != nil || time.Since(began) < time.Second {
		t.Errorf("Push = %v after %v, want it after a second", err, time.Since(began))
	}
	b = newBackend(t, answers(refused(503, client.CodeUnavailable, "60")))
	p, _ = retrying(t, client.PublisherConfig{Addr: b.URL})
	_, err := p.Push(t.Context(), "k", nil)
	if err == nil || len(b.questions()) != 1 || !strings.Contains(err.Error(), "unavailable") {
		t.Errorf("Push = %v after %d tries, want the refusal at once, since the pause would be longer than RetryFor", err, len(b.questions()))
	}
}

func TestTheNextAddressIsTried(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(nil)
	down.Close()
	silent := newBackend(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	full := newBackend(t, answers(refused(503, client.CodeUnavailable, "60")))
	up := newBackend(t, answers(stored))
	p, turns := retrying(t, client.PublisherConfig{Addr: strings.Join([]string{down.URL, silent.URL, full.URL, up.URL}, ", "), TryTimeout: 50 * time.Millisecond})
	for range 3 {
		if _, err := p.Push(t.Context(), "k", nil); err != nil {
			t.Errorf("Push: %v", err)
		}
	}
	if len(silent.questions()) != 1 || len(full.questions()) != 1 || len(up.questions()) != 3 || len(*turns) != 0 {
		t.Errorf("asked are %d, %d and %d times, %d pauses; want the one that answers to stay",
			len(silent.questions()), len(full.questions()), len(up.questions()), len(*turns))
	}
	if _, err := client.NewPublisher(client.PublisherConfig{Addr: up.URL + ",tcp://a:1"}); err == nil {
		t.Error("NewPublisher with a bad second address = nil, want an error")
	}
}

func TestRetryingEnds(t *testing.T) {
	t.Parallel()
	b := newBackend(t, answers(lost))
	p, err := client.NewPublisher(client.PublisherConfig{Addr: b.URL, RetryFor: 50 * time.Millisecond, Backoff: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Push(t.Context(), "k", nil); err == nil || len(b.questions()) < 2 {
		t.Errorf("Push = %v after %d tries, want several, and an error", err, len(b.questions()))
	}
}

// TestWhatIsLeftOfABatchIsRepeated: with its keys and in its order; what may not be repeated is not.
func TestWhatIsLeftOfABatchIsRepeated(t *testing.T) {
	t.Parallel()
	const ok = `{"key":"x","id":"1-4","stored":true}`
	failed := func(code string) string { return `{"key":"x","error":{"code":"` + code + `","message":""}}` }
	rounds := [][]string{
		nil, // lost
		{ok, failed("unavailable"), failed("skipped"), failed("too_large"), failed("skipped"), ok},
		{failed("unknown"), failed("skipped")},
		{`{"key":"x","id":"1-8","stored":true,"duplicate":true}`, ok},
	}
	b := newBackend(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if rounds[n] == nil {
			lost(w)
		}
		fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(rounds[n], ","))
	})
	p, _ := retrying(t, client.PublisherConfig{Addr: b.URL, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	results, err := p.PushAll(t.Context(), []client.Push{
		{Key: "a"},
		{Key: "b", IdempotencyKey: "mine"},
		{Key: "b"},
		{Key: "live", Expire: client.LiveOnly},
		{Key: "c"},
		{Key: "c"},
		{Key: "d"},
	})
	if err != nil || len(results) != 7 {
		t.Fatalf("PushAll = %+v, %v", results, err)
	}
	var got []string
	for _, r := range results {
		one := r.Key + " " + r.ID
		if r.Err != nil {
			one = r.Key + " " + r.Err.(*client.Error).Code
		}
		got = append(got, one)
	}
	want := []string{"a 1-4", "b 1-8", "b 1-4", "live unknown", "c too_large", "c skipped", "d 1-4"}
	if !slices.Equal(got, want) || !results[1].Duplicate {
		t.Errorf("the results are %q, want %q", got, want)
	}
	sent := map[string]string{} // keys and the idempotency key that they had
	var shape []string
	for _, body := range b.questions() {
		var call struct {
			Messages []struct {
				Key     string
				IdemKey string `json:"idempotency_key"`
			}
		}
		if err := json.Unmarshal([]byte(body), &call); err != nil {
			t.Fatal(err)
		}
		line := ""
		for i, m := range call.Messages {
			line += m.Key
			if i > 0 && (m.Key == "live") != (m.IdemKey == "") {
				t.Errorf("%s has the idempotency key %q", m.Key, m.IdemKey)
			}
			sent[m.IdemKey] += m.Key
		}
		shape = append(shape, line)
	}
	if want := []string{"abblivecc" + "d", "abbccd", "bb", "bb"}; !slices.Equal(shape, want) {
		t.Errorf("sent are %q, want %q", shape, want)
	}
	if sent["mine"] != "bbbb" || len(sent) != 7 {
		t.Errorf("the idempotency keys are %q, want the same in each call", sent)
	}
}

// What a later try is refused with for another reason than the message says nothing of an earlier one that may have been taken.
func TestARefusalAfterALostAnswerIsNoCertainty(t *testing.T) {
	t.Parallel()
	unknown := func(w http.ResponseWriter) {
		io.WriteString(w, `{"results":[{"key":"k","error":{"code":"unknown","message":"m"}}]}`)
	}
	for name, tc := range map[string]struct {
		first, then func(http.ResponseWriter)
		batch, want bool
	}{
		"a wrong API key":               {lost, refused(401, "api_key_wrong"), false, true},
		"a wrong API key for a batch":   {lost, refused(401, "api_key_wrong"), true, true},
		"one of a batch":                {unknown, refused(401, "api_key_wrong"), true, true},
		"too large":                     {lost, refused(413, "too_large"), false, false},
		"no doubt, and a wrong API key": {refused(503, "unavailable"), refused(401, "api_key_wrong"), false, false},
		"a batch, and a wrong API key":  {refused(503, "unavailable"), refused(401, "api_key_wrong"), true, false},
		"a batch whose message is refused": {lost, func(w http.ResponseWriter) {
			io.WriteString(w, `{"results":[{"key":"k","error":{"code":"too_large","message":"m"}}]}`)
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, answers(tc.first, tc.then))
			p, _ := retrying(t, client.PublisherConfig{Addr: b.URL})
			var err error
			if tc.batch {
				var results []client.Result
				if results, err = p.PushAll(t.Context(), []client.Push{{Key: "k"}}); err == nil {
					err = results[0].Err
				}
			} else {
				_, err = p.Push(t.Context(), "k", nil)
			}
			refusal, ok := errors.AsType[*client.Error](err)
			if !ok || refusal.Unknown() != tc.want {
				t.Errorf("%v: certain %v, want %v", err, ok && !refusal.Unknown(), !tc.want)
			}
		})
	}
}
