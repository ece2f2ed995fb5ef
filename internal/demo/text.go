package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// MinLines is what a text must have, so that something is pushed before and after each event.
	MinLines = 10
	// enough lines make a text of the system worth pushing.
	enough = 2000
	// maxLineBytes keeps a line for all rooms within what one call may carry.
	maxLineBytes = 64 << 10
)

// Text is what is pushed.
type Text struct {
	Name  string   // where it is from
	Lines []string // without their ends; possibly empty, possibly not UTF-8
}

// ReadText returns the first lines of a file, at most that many.
func ReadText(file string, most int) (Text, error) {
	t := Text{Name: file}
	err := t.addFile(file, most)
	if err == nil && len(t.Lines) < MinLines {
		err = fmt.Errorf("%s has only %d lines; give a text of at least %d", file, len(t.Lines), MinLines)
	}
	return t, err
}

// SystemText returns a text that this machine has anyway, at most that many lines of it: the
// list of its packages, else its logs, else the sources of Go.
func SystemText(ctx context.Context, most int) (Text, error) {
	want := min(most, enough)
	for _, pattern := range []string{
		"/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/apk/db/installed",
	} {
		if t, ok := firstFile(pattern, most, want); ok {
			return t, nil
		}
	}
	if t, err := rpmText(ctx, most); err == nil && len(t.Lines) >= want {
		return t, nil
	}
	for _, pattern := range []string{"/var/log/syslog", "/var/log/messages", "/var/log/*.log"} {
		if t, ok := firstFile(pattern, most, want); ok {
			return t, nil
		}
	}
	if t, err := goText(ctx, most); err == nil && len(t.Lines) >= want {
		return t, nil
	}
	return Text{}, fmt.Errorf("no text of %d lines found on this system: give a file", want)
}

// firstFile returns the first file of a pattern that can be read and has the lines wanted.
func firstFile(pattern string, most, want int) (Text, bool) {
	files, _ := filepath.Glob(pattern)
	for _, file := range files {
		t := Text{Name: file}
		if t.addFile(file, most) == nil && len(t.Lines) >= want {
			return t, true
		}
	}
	return Text{}, false
}

// rpmText is what rpm says of all packages: its own list is no text.
func rpmText(ctx context.Context, most int) (Text, error) {
	out, err := exec.CommandContext(ctx, "rpm", "--query", "--all", "--info").Output()
	if err != nil {
		return Text{}, err
	}
	t := Text{Name: "rpm --query --all --info"}
	return t, t.add(strings.NewReader(string(out)), most)
}

// goText is the sources of Go, one after the other.
func goText(ctx context.Context, most int) (Text, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return Text{}, err
	}
	t := Text{Name: filepath.Join(strings.TrimSpace(string(root)), "src")}
	err = filepath.WalkDir(t.Name, func(file string, _ fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case len(t.Lines) >= most:
			return filepath.SkipAll
		case filepath.Ext(file) != ".go":
			return nil
		}
		return t.addFile(file, most)
	})
	return t, err
}

func (t *Text) addFile(file string, most int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return t.add(f, most)
}

// add adds lines of r until there are most.
func (t *Text) add(r io.Reader, most int) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	for len(t.Lines) < most && lines.Scan() {
		t.Lines = append(t.Lines, lines.Text())
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s: line %d is longer than %d bytes; give another text", t.Name, len(t.Lines)+1, maxLineBytes)
	}
	return err
}
