package demo

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// How often the status is shown.
const (
	terminalPeriod = 200 * time.Millisecond
	plainPeriod    = 10 * time.Second
)

// clearLine takes the cursor of a terminal to the start of its line and empties it.
const clearLine = "\r\x1b[K"

// progress tells a person what happens. What cannot be written is not missed: the counts are
// the outcome.
type progress struct {
	out      io.Writer
	terminal bool // the status is one line that changes, else a line every plainPeriod

	mu    sync.Mutex // guards out and what follows
	shown bool       // a status stands on the last line
}

// say tells what happened, in a line of its own.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// watch shows what status returns from time to time, until ctx ends and the returned group
// is done.
func (p *progress) watch(ctx context.Context, status func() string) *sync.WaitGroup {
	period := plainPeriod
	if p.terminal {
		period = terminalPeriod
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		for sleep(ctx, period) == nil {
			p.show(status())
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clear()
	})
	return &watching
}

func (p *progress) show(status string) {
	if !p.terminal {
		p.say("%s", status)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.out, clearLine, status)
	p.shown = true
}

// clear makes room for another line; mu is held.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, clearLine)
		p.shown = false
	}
}

// thousands returns n with commas: 1,234,567.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
