package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"gopush/client"
)

// fakeNode takes batches as POST /v1/push does: a line "large" and one "full" it refuses, each
// with its code, and what follows in the call it skips.
type fakeNode struct {
	t     *testing.T
	calls int
	taken []string
}

func (n *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.calls++
	var body struct {
		Messages []struct{ Base64 []byte }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		n.t.Error(err)
	}
	var results []string
	failed := false
	for _, m := range body.Messages {
		code := map[string]string{"large": "too_large", "full": "unavailable", "lost": "unknown"}[string(m.Base64)]
		switch {
		case failed:
			code = "skipped"
		case code == "":
			n.taken = append(n.taken, string(m.Base64))
			results = append(results, `{"key":"k","id":"1-0","stored":true,"subscribers":1}`)
			continue
		}
		failed = true
		results = append(results, fmt.Sprintf(`{"key":"k","error":{"code":%q,"message":"why"}}`, code))
	}
	fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
}

// linesTo pushes to the server at url.
func linesTo(t *testing.T, url string, complaints io.Writer) *linePusher {
	t.Helper()
	publisher, err := client.NewPublisher(client.PublisherConfig{Addr: url, RetryFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	return &linePusher{cmd: &pushCmd{Key: "k"}, publisher: publisher, progress: newProgress(complaints), complaints: complaints}
}

func TestPushLines(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in, taken        string
		complaints, fail string
		failed, calls    int
	}{
		"all":     {in: "a\nb\n\nc\n", taken: "a|b||c", calls: 1},
		"nothing": {},
		"a line that is too large is told, the others go on": {
			in: "a\nlarge\nb\nlarge\nlarge\nc\n", taken: "a|b|c", calls: 4, failed: 3,
			complaints: "gopush: line 2: too_large: why\ngopush: line 4: too_large: why\ngopush: line 5: too_large: why\n",
			fail:       "3 lines refused",
		},
		"it ends where the node takes no more": {
			in: "a\nlarge\nb\nfull\nc\n", taken: "a|b", calls: 2, failed: 1,
			complaints: "gopush: line 2: too_large: why\n",
			fail:       "line 4: not pushed: unavailable: why; tail -n +4 gives it and the lines after it",
		},
		"it ends where the outcome is unknown": {
			in: "a\nlost\nb\n", taken: "a", calls: 1,
			fail: "line 2: may or may not have been pushed: unknown: why",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &fakeNode{t: t}
			server := httptest.NewServer(n)
			defer server.Close()
			var complaints bytes.Buffer
			lines := linesTo(t, server.URL, &complaints)
			err := lines.push(t.Context(), strings.NewReader(tc.in))
			if diff := cmp.Diff(tc.taken, strings.Join(n.taken, "|")); diff != "" {
				t.Errorf("the node took (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.complaints, complaints.String()); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
			if fmt.Sprint(err) == "<nil>" != (tc.fail == "") || !strings.Contains(fmt.Sprint(err), tc.fail) {
				t.Errorf("push = %v, want %q", err, tc.fail)
			}
			if n.calls != tc.calls || lines.failed != tc.failed || lines.progress.lines != len(n.taken) {
				t.Errorf("%d calls, %d lines failed, %d pushed, want %d, %d and %d",
					n.calls, lines.failed, lines.progress.lines, tc.calls, tc.failed, len(n.taken))
			}
		})
	}
}

func TestManyRefusedLinesAreOnlyCounted(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&fakeNode{t: t})
	defer server.Close()
	var complaints bytes.Buffer
	err := linesTo(t, server.URL, &complaints).push(t.Context(), strings.NewReader(strings.Repeat("large\n", 100)))
	if got := strings.Count(complaints.String(), "\n"); got != maxComplaints || err.Error() != "100 lines refused" {
		t.Errorf("%d complaints and %v, want %d and that 100 lines were refused", got, err, maxComplaints)
	}
}

func TestPushWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	err := linesTo(t, server.URL, io.Discard).push(t.Context(), strings.NewReader("a\nb\n"))
	if want := "lines 1 to 2: may or may not have been pushed"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("push = %v, want %q", err, want)
	}
	server.Close()
	err = linesTo(t, server.URL, io.Discard).push(t.Context(), strings.NewReader("a\n"))
	if want := "line 1: not pushed"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("push to nobody = %v, want %q", err, want)
	}
}

// answering is an http.RoundTripper that answers every call with a body.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func TestPushIsInterruptedWhileItWaitsForALine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in, typed := io.Pipe()
		defer typed.Close()
		lines := linesTo(t, "http://node", io.Discard)
		lines.publisher, _ = client.NewPublisher(client.PublisherConfig{
			HTTPClient: &http.Client{Transport: answering(`{"results":[{"key":"k","id":"1-0"}]}`)},
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			io.WriteString(typed, "a\n")
			synctest.Wait()
			cancel()
		}()
		err := lines.push(ctx, in)
		if want := "interrupted after line 1"; err == nil || err.Error() != want {
			t.Errorf("push = %v, want %q", err, want)
		}
	})
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1536: "1.5 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := size(bytes); got != want {
			t.Errorf("size(%d) = %q, want %q", bytes, got, want)
		}
	}
}
