package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// readAll returns what each batch of the input has, its lines joined with "|".
func readAll(t *testing.T, in io.Reader) (batches []string, err error) {
	t.Helper()
	lines, next := newLineReader(in), 1
	for {
		b, err := lines.next()
		if len(b.lines) > 0 {
			if b.first != next {
				t.Errorf("batch begins with line %d, want %d", b.first, next)
			}
			next += len(b.lines)
			var text []string
			for _, line := range b.lines {
				text = append(text, string(line))
			}
			batches = append(batches, strings.Join(text, "|"))
		}
		if err != nil {
			return batches, err
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", inputBytes+10)
	thousand := strings.Repeat("\n", maxBatchLines)
	for name, tc := range map[string]struct {
		in   io.Reader
		want []string
	}{
		"nothing":                      {strings.NewReader(""), nil},
		"all that came is a batch":     {strings.NewReader("a\nb\n"), []string{"a|b"}},
		"line by line":                 {io.MultiReader(strings.NewReader("a\n"), strings.NewReader("b\nc")), []string{"a", "b", "c"}},
		"CR LF":                        {strings.NewReader("a\r\nb\r\n"), []string{"a|b"}},
		"empty lines are messages":     {strings.NewReader("\n\na\n"), []string{"||a"}},
		"no end of the last line":      {strings.NewReader("a\nb"), []string{"a", "b"}},
		"a line in pieces":             {iotest.OneByteReader(strings.NewReader("abc\nd")), []string{"abc", "d"}},
		"longer than the buffer":       {strings.NewReader(long + "\nb\n"), []string{long + "|b"}},
		"no more than a call may have": {strings.NewReader(thousand + "b\n"), []string{strings.Repeat("|", maxBatchLines-1), "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readAll(t, tc.in)
			if err != io.EOF {
				t.Errorf("reading ended with %v, want %v", err, io.EOF)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("batches (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInputThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	got, err := readAll(t, io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)))
	if err != broken || !cmp.Equal(got, []string{"a"}) {
		t.Errorf("read %q, then %v, want the whole line and %v", got, err, broken)
	}
	_, err = readAll(t, io.LimitReader(zeros{}, maxLineBytes+inputBytes))
	if err == nil || !strings.Contains(err.Error(), "line 1 is longer than") {
		t.Errorf("a line without end: %v, want that it is too long", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
