package bench

import (
	"fmt"
	"strings"
	"testing"
)

// xread is what a reader of "k" asks.
func xread(id string) string {
	return fmt.Sprintf("*6\r\n$5\r\nXREAD\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n$1\r\nk\r\n$%d\r\n%s\r\n", len(id), id)
}

// entry is a message as streams show it.
func entry(id, payload string) string {
	return fmt.Sprintf("*2\r\n$%d\r\n%s\r\n*2\r\n$3\r\nmsg\r\n$%d\r\n%s\r\n", len(id), id, len(payload), payload)
}

// said has payloads and ids of messages.
func said(messages []item) string {
	var all []string
	for _, m := range messages {
		all = append(all, fmt.Sprintf("%s at %d", m.payload, m.mid))
	}
	return strings.Join(all, ", ")
}

func TestAReaderTakesAnAnswerWhenAllOfItHasCome(t *testing.T) {
	t.Parallel()
	answer := "*1\r\n*2\r\n$1\r\nk\r\n*3\r\n" + entry("7-0", "a") + entry("7-9999", "b") + entry("1700000000000-4", "c")
	for end := 1; end < len(answer); end++ {
		if it, n, err := (streamReader{}).next([]byte(answer[:end])); n != 0 || err != nil {
			t.Fatalf("next(%q) = %v, %d, %v; want to wait for more", answer[:end], it, n, err)
		}
	}
	it, n, err := streamReader{}.next([]byte(answer + "*1\r\n"))
	const want = "a at 70000, b at 79999, c at 17000000000000004"
	if got := said(append([]item{it}, it.more...)); got != want || n != len(answer) || err != nil {
		t.Errorf("next = %s, %d, %v; want %s, %d", got, n, err, want, len(answer))
	}
}

func TestAReaderAsksBehindWhatItHasSeen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mid int64
		id  string
	}{{0, "0-0"}, {17000000000000004, "1700000000000-4"}} {
		if got := string(streamReader{}.ask(nil, "k", tt.mid)); got != xread(tt.id) {
			t.Errorf("behind %d it asks %q, want %q", tt.mid, got, xread(tt.id))
		}
		if got, want := string(streamReader{}.resume("k", tt.mid)), "*1\r\n$4\r\nPING\r\n"+xread(tt.id); got != want {
			t.Errorf("behind %d it resumes with %q, want %q", tt.mid, got, want)
		}
	}
}

func TestWhatIsStoredIsAskedFor(t *testing.T) {
	t.Parallel()
	w := streamWriter{}
	if got, want := string(w.count(nil, "k")), "*2\r\n$4\r\nXLEN\r\n$1\r\nk\r\n"; got != want {
		t.Errorf("count asks %q, want %q", got, want)
	}
	const page = "*6\r\n$6\r\nXRANGE\r\n$1\r\nk\r\n$4\r\n(7-1\r\n$1\r\n+\r\n$5\r\nCOUNT\r\n$2\r\n10\r\n"
	if got := string(w.page(nil, "k", 70001, 10)); got != page {
		t.Errorf("page asks %q, want %q", got, page)
	}
	if count, n, err := w.counted([]byte(":12\r\n+")); count != 12 || n != 5 || err != nil {
		t.Errorf("counted = %d, %d, %v; want 12, 5", count, n, err)
	}
	if _, n, err := w.counted([]byte(":12")); n != 0 || err != nil {
		t.Errorf("counted of a part = %d, %v; want to wait", n, err)
	}
	if _, _, err := w.counted([]byte("-WRONGTYPE no\r\n")); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("counted = %v, want what it was refused with", err)
	}
	for answer, want := range map[string]string{"*0\r\n": "", "*2\r\n" + entry("1-0", "a") + entry("1-1", "b"): "a at 10000, b at 10001"} {
		if got, n, err := w.paged([]byte(answer)); said(got) != want || n != len(answer) || err != nil {
			t.Errorf("paged(%q) = %s, %d, %v; want %s", answer, said(got), n, err, want)
		}
		if _, n, err := w.paged([]byte(answer[:len(answer)-1])); n != 0 || err != nil {
			t.Errorf("paged of a part of %q = %d, %v; want to wait", answer, n, err)
		}
	}
}
