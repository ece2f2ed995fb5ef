package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress counts what was pushed, and shows it on a terminal.
type progress struct {
	out   io.Writer // nil: not shown
	start time.Time
	shown time.Time
	lines int
	bytes int
}

// showEvery is how often the line of progress is written.
const showEvery = 200 * time.Millisecond

// newProgress shows itself on out if that is a terminal.
func newProgress(out io.Writer) *progress {
	p := &progress{start: time.Now()}
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		p.out = out
	}
	return p
}

// add counts a line that was pushed.
func (p *progress) add(size int) {
	p.lines++
	p.bytes += size
}

// show writes the line of progress if it is time to.
func (p *progress) show() {
	if p.out == nil || time.Since(p.shown) < showEvery {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.out, "\r%s\x1b[K", p)
}

// end removes the line of progress.
func (p *progress) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// String is what was pushed, with units.
func (p *progress) String() string {
	took := time.Since(p.start)
	return fmt.Sprintf("%s, %s, in %.1f s: %.0f messages/s",
		count(p.lines, "message"), size(p.bytes), took.Seconds(), float64(p.lines)/max(took.Seconds(), 1e-3))
}

// summary is the last line.
func (p *progress) summary(failed int) string {
	if failed == 0 {
		return "pushed " + p.String()
	}
	return fmt.Sprintf("pushed %s; %s refused", p, count(failed, "line"))
}

// count is "1 line" or "3 lines".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size is a number of bytes with a unit.
func size(bytes int) string {
	switch b := float64(bytes); {
	case bytes < 1<<10:
		return count(bytes, "byte")
	case bytes < 1<<20:
		return fmt.Sprintf("%.1f KiB", b/(1<<10))
	case bytes < 1<<30:
		return fmt.Sprintf("%.1f MiB", b/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", b/(1<<30))
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
