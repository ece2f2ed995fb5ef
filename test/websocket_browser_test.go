package test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// page is the server of testdata/subscriber.html and what it says.
type page struct {
	t      *testing.T
	told   chan string   // what the page tells, in order
	reload chan struct{} // closed when the page may reload
}

func (s *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		http.ServeFile(w, r, "testdata/subscriber.html")
	case "/tell":
		text, _ := io.ReadAll(r.Body)
		s.told <- string(text)
	case "/reload":
		select {
		case <-s.reload:
		case <-r.Context().Done():
		}
	default:
		http.NotFound(w, r)
	}
}

// next returns what the page tells next.
func (s *page) next() string {
	s.t.Helper()
	select {
	case text := <-s.told:
		return text
	case <-time.After(3 * patience): // a browser takes its time to start
		s.t.Fatal("the page tells nothing")
		return ""
	}
}

// expectMessages has the page get these messages, in this order.
func (s *page) expectMessages(msgs ...string) {
	s.t.Helper()
	for _, want := range msgs {
		if got := parseMessage(s.t, s.next()); string(got.Msg) != want || got.Prev == nil {
			s.t.Fatalf("the page got %s with prev %v, want %s", got.Msg, got.Prev, want)
		}
	}
}

func (s *page) expect(want string) {
	s.t.Helper()
	if got := s.next(); got != want {
		s.t.Fatalf("the page got %q, want %q", got, want)
	}
}

// browse opens url in a headless Chromium until the test ends.
func browse(t *testing.T, url string) {
	t.Helper()
	chromium, err := exec.LookPath(cmp.Or(os.Getenv("CHROMIUM"), "chromium"))
	if err != nil {
		t.Skip("no Chromium here (make deps installs it, CHROMIUM names another): ", err)
	}
	profile, err := os.MkdirTemp("", "gopush-chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--user-data-dir="+profile, url)
	var said lockedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		endGroup(cmd)
		cmd.Wait()
		os.RemoveAll(profile)
		if t.Failed() {
			t.Logf("Chromium said:\n%s", said.String())
		}
	})
}

// A page in a real browser gets messages in order, and after a reload what it missed.
func TestBrowser(t *testing.T) {
	t.Parallel()
	n := serve(t)
	s := &page{t: t, told: make(chan string, 100), reload: make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	n.push("k", `"before"`, "?expire=60")
	browse(t, server.URL+"/?key=k&node="+url.QueryEscape(n.public[0]))

	s.expect("+h\r\n")
	greeted := []string{s.next(), s.next()} // a heartbeat's answer and what is stored, in any order
	if greeted[0] != "+h\r\n" && greeted[1] != "+h\r\n" {
		t.Fatalf("the page got %q, want an answer to its heartbeat", greeted)
	}
	text := strings.Repeat("long enough to be worth compressing ", 20)
	n.push("k", `"žluťoučký 馬 🐎"`, "?expire=60")
	n.push("k", `"`+text+`"`, "?expire=0")
	n.push("k", `"reload"`, "?expire=60")
	s.expectMessages(`"žluťoučký 馬 🐎"`, `"`+text+`"`, `"reload"`)
	s.expect("closed 4000")

	for i := range 10 {
		n.push("k", fmt.Sprint(i), "?expire=60")
	}
	close(s.reload)
	s.expect("+h\r\n")
	seen := make([]string, 11)
	for i := range seen {
		seen[i] = s.next()
	}
	want := 0
	for _, text := range seen {
		if text == "+h\r\n" {
			continue // of its heartbeat, somewhere between
		}
		if got := parseMessage(t, text); string(got.Msg) != fmt.Sprint(want) {
			t.Fatalf("after the reload the page got %s, want %d", got.Msg, want)
		}
		want++
	}
	n.push("k", `"live"`, "?expire=0")
	s.expectMessages(`"live"`)
}

// Node's own WebSocket, which is the one that browsers have.
func TestNode(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node here: ", err)
	}
	if err := exec.CommandContext(t.Context(), program, "--experimental-websocket", "--eval", "0").Run(); err != nil {
		t.Skip("this Node is older than its WebSocket: ", err)
	}
	n := serve(t)
	cmd := exec.CommandContext(t.Context(), program, "--experimental-websocket", "testdata/subscriber.mjs",
		"ws://"+n.public[0]+"/sub?key=k&heartbeat=30&ver=1&mid=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 2<<20)
	next := func() (text string) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("Node ended: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			t.Fatalf("Node printed %q", lines.Text())
		}
		return text
	}
	for range 2 {
		if got := next(); got != "+h\r\n" {
			t.Fatalf("Node got %q, want the greeting and the answer to its heartbeat", got)
		}
	}
	for _, payload := range []string{`"first"`, `"` + strings.Repeat("x", 100_000) + `"`, `"end"`} {
		n.push("k", payload, "?expire=60")
		if got := parseMessage(t, next()); string(got.Msg) != payload {
			t.Fatalf("Node got %.100s, want %.100s", got.Msg, payload)
		}
	}
	if lines.Scan(); lines.Text() != "closed 1000" {
		t.Errorf("Node printed %q, want closed 1000", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
