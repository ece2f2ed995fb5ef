package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopush/client"
)

const receiptJSON = `{"id":"1700000000000-4","stored":true,"subscribers":3}`

// publisherAt pushes, each message once, to a server that answers every call with serve.
func publisherAt(t *testing.T, apiKey string, serve http.HandlerFunc) *client.Publisher {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	p, err := client.NewPublisher(client.PublisherConfig{Addr: server.URL, APIKey: apiKey, RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPushSendsAnyKeyAndBytes(t *testing.T) {
	t.Parallel()
	for key, target := range map[string]string{
		"alice":     "/v1/push/alice",
		"a/b":       "/v1/push/a%2Fb",
		".":         "/v1/push/%2E",
		"..":        "/v1/push/%2E%2E",
		"a b+c?d#e": "/v1/push/a%20b+c%3Fd%23e",
		"100%":      "/v1/push/100%25",
		"ä":         "/v1/push/%C3%A4",
		"a//../b":   "/v1/push/a%2F%2F%2E%2E%2Fb",
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			payload := []byte("\x00\xff any bytes")
			p := publisherAt(t, "", func(w http.ResponseWriter, r *http.Request) {
				got, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || r.RequestURI != target || string(got) != string(payload) {
					t.Errorf("Push(%q) sent %s %s with %q, want POST %s with %q", key, r.Method, r.RequestURI, got, target, payload)
				}
				io.WriteString(w, receiptJSON)
			})
			got, err := p.Push(t.Context(), key, payload)
			if want := (client.Receipt{ID: "1700000000000-4", Stored: true, Subscribers: 3}); err != nil || got != want {
				t.Errorf("Push = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestPushExpiry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		options []client.PushOption
		query   string
	}{
		{nil, ""},
		{[]client.PushOption{client.Expire(0)}, ""},
		{[]client.PushOption{client.Expire(client.LiveOnly)}, "expire=0"},
		{[]client.PushOption{client.Expire(time.Millisecond)}, "expire=1"},
		{[]client.PushOption{client.Expire(time.Minute)}, "expire=60"},
		{[]client.PushOption{client.Expire(time.Minute + 1)}, "expire=61"},
	} {
		p := publisherAt(t, "", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != tc.query {
				t.Errorf("Push sent the query %q, want %q", r.URL.RawQuery, tc.query)
			}
			io.WriteString(w, receiptJSON)
		})
		if _, err := p.Push(t.Context(), "k", nil, tc.options...); err != nil {
			t.Errorf("Push: %v", err)
		}
	}
}

func TestPublisherSendsItsAPIKey(t *testing.T) {
	t.Parallel()
	for apiKey, header := range map[string]string{"": "", "secret": "Bearer secret"} {
		p := publisherAt(t, apiKey, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != header {
				t.Errorf("Push with the API key %q sent Authorization %q, want %q", apiKey, got, header)
			}
			io.WriteString(w, receiptJSON)
		})
		p.Push(t.Context(), "k", nil)
	}
}

func TestPushRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   client.Error
		text   string
	}{
		"too large": {
			413, `{"error":{"code":"too_large","message":"max_message_bytes is 10"}}`,
			client.Error{Status: 413, Code: client.CodeTooLarge, Message: "max_message_bytes is 10"},
			`push to "k": too_large: max_message_bytes is 10`,
		},
		"a proxy": {
			502, "<html>Bad Gateway</html>",
			client.Error{Status: 502, Message: `"<html>Bad Gateway</html>"`},
			`push to "k": HTTP status 502: "<html>Bad Gateway</html>"`,
		},
		"a redirect": {
			301, "",
			client.Error{Status: 301, Message: `""`},
			`push to "k": HTTP status 301: ""`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := publisherAt(t, "", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			_, err := p.Push(t.Context(), "k", []byte("x"))
			refusal, ok := errors.AsType[*client.Error](err)
			if !ok || *refusal != tc.want || err.Error() != tc.text {
				t.Errorf("Push = %v (%+v), want %q (%+v)", err, refusal, tc.text, tc.want)
			}
		})
	}
}

func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  client.Error
		want bool
	}{
		{client.Error{Code: client.CodeUnknown}, true},
		{client.Error{Status: 500, Code: "internal"}, true},
		{client.Error{Status: 502}, true},
		{client.Error{Status: 404}, false},
		{client.Error{Status: 503, Code: client.CodeUnavailable}, false},
		{client.Error{Code: client.CodeSkipped}, false},
	} {
		if got := tc.err.Unknown(); got != tc.want {
			t.Errorf("%+v.Unknown() = %v, want %v", tc.err, got, tc.want)
		}
	}
}

// A push that is to be sent once is: also on a kept connection, where net/http tries some requests again.
func TestPushIsTriedOnce(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	p := publisherAt(t, "", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if calls.Add(1) == 1 {
			io.WriteString(w, receiptJSON)
			return
		}
		panic(http.ErrAbortHandler)
	})
	if _, err := p.Push(t.Context(), "k", []byte("x")); err != nil {
		t.Fatalf("first Push: %v", err)
	}
	_, err := p.Push(t.Context(), "k", []byte("x"))
	if _, refused := errors.AsType[*client.Error](err); err == nil || refused || calls.Load() != 2 {
		t.Errorf("Push without an answer = %v after %d calls, want an error that is no refusal after 2", err, calls.Load())
	}
}

func TestPushAll(t *testing.T) {
	t.Parallel()
	const want = `{"messages":[{"key":"a/b","base64":"AP8="},{"key":"b","base64":"","expire":60},{"key":"b","base64":"eA==","expire":0}]}`
	p := publisherAt(t, "", func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		if r.RequestURI != "/v1/push" || r.Header.Get("Content-Type") != "application/json" || string(got) != want {
			t.Errorf("PushAll sent %s %s, want %s", r.RequestURI, got, want)
		}
		io.WriteString(w, `{"results":[{"key":"a/b","id":"1-4","stored":true,"subscribers":1},`+
			`{"key":"b","error":{"code":"too_large","message":"large"}},{"key":"b","error":{"code":"skipped","message":""}}]}`)
	})
	results, err := p.PushAll(t.Context(), []client.Push{
		{Key: "a/b", Payload: []byte("\x00\xff")},
		{Key: "b", Expire: time.Minute},
		{Key: "b", Payload: []byte("x"), Expire: client.LiveOnly},
	})
	if err != nil || len(results) != 3 {
		t.Fatalf("PushAll = %+v, %v, want three results", results, err)
	}
	if want := (client.Result{Key: "a/b", Receipt: client.Receipt{ID: "1-4", Stored: true, Subscribers: 1}}); results[0] != want {
		t.Errorf("first result is %+v, want %+v", results[0], want)
	}
	var codes []string
	for _, r := range results[1:] {
		refusal, _ := errors.AsType[*client.Error](r.Err)
		codes = append(codes, r.Key+" "+refusal.Code)
	}
	if want := []string{"b too_large", "b skipped"}; !slices.Equal(codes, want) {
		t.Errorf("results after the first are %q, want %q", codes, want)
	}
}

func TestPushAllAnswersThatFitNoCall(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"no JSON": "ok", "too few": `{"results":[]}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := publisherAt(t, "", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, answer) })
			if results, err := p.PushAll(t.Context(), []client.Push{{Key: "k"}}); err == nil {
				t.Errorf("PushAll = %+v, want an error", results)
			}
		})
	}
}

func TestBadKeysAreNotSent(t *testing.T) {
	t.Parallel()
	p := publisherAt(t, "", func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	for _, key := range []string{"", "a\nb", "\xff", strings.Repeat("k", 256)} {
		if _, err := p.Push(t.Context(), key, nil); err == nil || !strings.Contains(err.Error(), "bad key") {
			t.Errorf("Push(%.10q) = %v, want a bad key", key, err)
		}
		if _, err := p.PushAll(t.Context(), []client.Push{{Key: "k"}, {Key: key}}); err == nil || !strings.Contains(err.Error(), "number 2: bad key") {
			t.Errorf("PushAll(%.10q) = %v, want a bad key", key, err)
		}
	}
}

func TestMistakesInPublisherConfig(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:6970", "tcp://a:1", "http://", "http://a/?key=k", "http://a/#x", "http://a:b"} {
		if _, err := client.NewPublisher(client.PublisherConfig{Addr: addr}); err == nil {
			t.Errorf("NewPublisher(%q) = nil, want an error", addr)
		}
	}
}

func TestPublisherBehindAPath(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/behind/v1/push/k%2F1" {
			t.Errorf("Push sent %s, want /behind/v1/push/k%%2F1", r.RequestURI)
		}
		io.WriteString(w, receiptJSON)
	}))
	defer server.Close()
	p, err := client.NewPublisher(client.PublisherConfig{Addr: server.URL + "/behind/"})
	if err != nil {
		t.Fatal(err)
	}
	p.Push(t.Context(), "k/1", nil)
}
