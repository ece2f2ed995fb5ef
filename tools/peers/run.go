package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// runAtMost ends a run that hangs; the slowest takes a minute.
const runAtMost = 4 * time.Minute

// runner measures workloads one after the other.
type runner struct {
	root    string
	results string
	rounds  int
	out     io.Writer // is told what is going on
}

// run measures all workloads that are chosen, and saves each when it is done.
func (r *runner) run(ctx context.Context, chosen *regexp.Regexp) error {
	began, on, measured := time.Now(), describe(r.root), false
	for _, s := range sections() {
		for _, w := range s.workloads {
			if !chosen.MatchString(w.id) {
				continue
			}
			o, err := r.measure(ctx, w, func(what string, f figures, err error) {
				fmt.Fprintf(r.out, "%8s  %s: %s\n", time.Since(began).Round(time.Second), what, s.metrics[0].said(f, err))
			})
			if err != nil {
				return err
			}
			o.Machine, measured = on, true
			if err := save(r.results, w.id, o); err != nil {
				return err
			}
		}
	}
	if !measured {
		return fmt.Errorf("no workload is called %q", chosen)
	}
	return nil
}

// measure lets all subjects of w have their turn, and again, until each had its rounds. A subject
// that fails is part of the outcome; the end of ctx is the error.
func (r *runner) measure(ctx context.Context, w workload, tell func(what string, f figures, err error)) (*outcome, error) {
	o := &outcome{Taken: time.Now().UTC().Format(time.DateTime), Args: w.args, Series: make([]series, len(w.subjects))}
	for round := range r.rounds {
		for i, subject := range w.subjects {
			args, env := w.command(subject)
			f, err := r.bench(ctx, args, env)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			o.Series[i].Subject = subject
			o.Series[i].add(f, err)
			tell(fmt.Sprintf("%s, %s, round %d", w.id, subject, round+1), f, err)
		}
	}
	return o, nil
}

// said is a figure of one run, or why there is none.
func (m metric) said(f figures, err error) string {
	if err != nil {
		return "failed: " + err.Error()
	}
	return number(f[m.name]/m.per, m.digits) + " " + m.title
}

// bench runs one measurement. Messages that were lost are part of what it returns, no error.
func (r *runner) bench(ctx context.Context, args, env []string) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, runAtMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join("bin", "gopush"), append([]string{"bench"}, args...)...)
	cmd.Args = append(cmd.Args, "--runs", "1", "--json")
	cmd.Dir, cmd.Env = r.root, append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if f, bad := read(stdout.Bytes()); bad == nil {
		return f, nil
	}
	return nil, errors.New(lastLine(stderr.String(), err))
}

// read takes the figures out of a report: those of its only run, and what was counted.
func read(report []byte) (figures, error) {
	var decoded struct {
		Runs  []map[string]any `json:"runs"`
		Tally map[string]any   `json:"tally"`
	}
	if err := json.Unmarshal(report, &decoded); err != nil {
		return nil, err
	}
	if len(decoded.Runs) != 1 {
		return nil, fmt.Errorf("%d runs, want 1", len(decoded.Runs))
	}
	f := figures{}
	f.flatten("", decoded.Runs[0])
	f.flatten("tally.", decoded.Tally)
	return f, nil
}

// lastLine is what a command that failed said last.
func lastLine(stderr string, err error) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return fmt.Sprint(err)
}
