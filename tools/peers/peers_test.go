package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// repository is a directory with a page that has all marks, and a gopush that measures every
// subject in an instant; redis loses messages, a store loses some, and nats does not start.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	page := "before\n"
	for _, id := range append(sectionIDs(), "machine", "targets") {
		page += "<!-- measured: " + id + " -->\nold\n<!-- end -->\nafter " + id + "\n"
	}
	script := `#!/bin/sh
case "$*" in
*store*--subject\ gopush*streams*) echo '{"runs":[{"pushes_per_second":200,"cpu_us_per_push":4}],"tally":{"received":20}}' ;;
*store*--subject\ redis*streams*) echo '{"runs":[{"pushes_per_second":100,"cpu_us_per_push":5}],"tally":{"received":20}}' ;;
*--expire*) echo '{"runs":[{"cpu_us_per_delivery":30,"read_back":{"received":15,"lost":5}}],"tally":{"received":20}}'; exit 1 ;;
*redis*) echo '{"runs":[{"cpu_us_per_delivery":8,"latency":{"p99_us":4000}}],"tally":{"received":20,"lost":3}}'; exit 1 ;;
*nats*) echo "gopush: bench: nats: start nats-server: it ended" >&2; exit 1 ;;
*floor*) echo '{"runs":[{"cpu_us_per_delivery":4}],"tally":{"received":20}}' ;;
*) echo '{"runs":[{"cpu_us_per_delivery":3,"latency":{"p99_us":2000}}],"tally":{"received":20}}' ;;
esac
`
	for name, text := range map[string]string{"docs/benchmarks.md": page, "bin/gopush": script} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func sectionIDs() (ids []string) {
	for _, s := range sections() {
		ids = append(ids, s.id)
	}
	return ids
}

func TestRunAndRender(t *testing.T) {
	t.Parallel()
	root := repository(t)
	results := filepath.Join(root, "bench", "results")
	var progress bytes.Buffer
	r := runner{root: root, results: results, rounds: 2, out: &progress}
	if err := r.run(t.Context(), regexp.MustCompile("broadcast-.-2000|unicast-stored|redis-disk-64")); err != nil {
		t.Fatal(err)
	}
	if err := render(root, results); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n<!-- measured: broadcast-1 -->\n\n    gopush bench broadcast",
		"| 2,000 connections | **gopush tcp** | 3.00 | 0.75 |",
		"| 2,000 connections | redis (6 lost of 40) | 8.00 |",
		"| 2,000 connections | nats (2 of 2 runs failed: gopush: bench: nats: start nats-server: it ended) | – |",
		"| 64 publishers, HTTP, stored | **gopush tcp** (10 lost of 30 read back) | 30.0 |",
		"| broadcast, one at a time, 2,000, TCP | ≤ 0.90 × floor | 0.75 | met by 17 % |",
		"| broadcast, 8 under way, 2,000, p99 latency | ≤ 1.00 × redis | 0.50 | met by 50 % |",
		"| unicast, stored | ≤ 60.0 µs | 30.0 | **missed**: (10 lost of 30 read back) |",
		"| 64 under way, 8 publishers | **gopush streams** | 200 | 2.00 | 4.00 |",
		"| 64 under way, 8 publishers | redis streams | 100 | 1.00 | 5.00 |",
		"| XADD on disk, 64 under way, pushes/s of redis | ≤ 1.00 × gopush | 0.50 | met by 50 % |",
		"| unicast over HTTP | ≤ 30.0 µs | – | not measured |",
		"![Broadcast, one message at a time](plots/broadcast-1.svg)",
		"<!-- end -->\nafter idle\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the page has still what was between the marks:\n%s", text)
	}
	for _, id := range sectionIDs() {
		if plot, err := os.ReadFile(filepath.Join(root, "docs", "plots", id+".svg")); err != nil || !bytes.Contains(plot, []byte("</svg>")) {
			t.Errorf("plot of %s: %.80q, %v", id, plot, err)
		}
	}
	if want := "broadcast-1-2000, redis, round 2: 8.00 µs CPU a delivery"; !strings.Contains(progress.String(), want) {
		t.Errorf("progress lacks %q:\n%s", want, progress.String())
	}
}

func TestRunOfNothing(t *testing.T) {
	t.Parallel()
	r := runner{root: repository(t), results: t.TempDir(), rounds: 1, out: io.Discard}
	if err := r.run(t.Context(), regexp.MustCompile("nothing")); err == nil {
		t.Error("a run of workloads that there are not succeeded, want an error")
	}
}

func TestPageTellsWhatWasMeasuredWhereAndWith(t *testing.T) {
	t.Parallel()
	measured := func(date string) *outcome {
		return &outcome{Machine: machine{Date: date}, Series: []series{{Subject: floor}}}
	}
	outcomes := map[string]*outcome{}
	for _, s := range sections() {
		for _, w := range s.workloads {
			outcomes[w.id] = &outcome{}
		}
	}
	outcomes["connect"], outcomes["resume"] = measured("monday"), measured("monday")
	if got := machines(outcomes); !strings.HasPrefix(got, "monday. ") || strings.Contains(got, "connect") {
		t.Errorf("one run: %q, want only where and with what it was", got)
	}
	outcomes["idle"] = measured("sunday")
	if got := machines(outcomes); !strings.HasPrefix(got, "- idle: sunday. ") || !strings.Contains(got, "\n- connect, resume: monday. ") {
		t.Errorf("two runs: %q, want what belongs to which", got)
	}
}

func TestRenderTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	root := repository(t)
	page := filepath.Join(root, "docs", "benchmarks.md")
	var texts [2]string
	for i := range texts {
		if err := render(root, filepath.Join(root, "none")); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	if texts[0] != texts[1] {
		t.Errorf("rendered first %q, then %q", texts[0], texts[1])
	}
}

func TestFillNeedsItsMarks(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"", "<!-- measured: x -->\nno end", "<!-- measured: y -->\n<!-- end -->"} {
		if got, err := fill(page, map[string]string{"x": "part"}); err == nil {
			t.Errorf("fill(%q) = %q, want an error", page, got)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		v      float64
		digits int
		want   string
	}{{0, 0, "0"}, {999.4, 0, "999"}, {1000, 0, "1,000"}, {1234567.891, 2, "1,234,567.89"}, {-1234, 0, "-1,234"}, {-123, 0, "-123"}} {
		if got := number(tt.v, tt.digits); got != tt.want {
			t.Errorf("number(%v, %d) = %q, want %q", tt.v, tt.digits, got, tt.want)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   string
	}{{nil, "–"}, {[]float64{2}, "2.0"}, {[]float64{3, 1, 9}, "3.0 (1.0–9.0)"}, {[]float64{1.01, 1.02}, "1.0"}} {
		if got := spread(tt.values, 1); got != tt.want {
			t.Errorf("spread(%v, 1) = %q, want %q", tt.values, got, tt.want)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{2}, 2}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}
