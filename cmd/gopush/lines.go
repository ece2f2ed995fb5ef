package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	maxLineBytes  = 64 << 20  // what max_message_bytes may be at most
	maxBatchLines = 1000      // as many as one call may have
	inputBytes    = 256 << 10 // read at a time, and so about the most of a batch
)

// batch is lines that stand one after another.
type batch struct {
	first int // number of the first line, from 1
	lines [][]byte
}

// String names the lines, as "lines 3 to 7".
func (b batch) String() string {
	last := b.first + len(b.lines) - 1
	if last == b.first {
		return fmt.Sprintf("line %d", last)
	}
	return fmt.Sprintf("lines %d to %d", b.first, last)
}

// lineReader reads lines in batches: as many as have come, so that a file is read in large
// batches and what a person types goes line by line.
type lineReader struct {
	in   *bufio.Reader
	read int // lines
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, inputBytes)}
}

// next waits for a line and returns it with those that came with it. The error is io.EOF
// after the last line; the batch is good beside an error too, and may be empty.
func (l *lineReader) next() (b batch, err error) {
	b.first = l.read + 1
	for {
		line, err := l.line()
		if err != nil {
			return b, err
		}
		b.lines = append(b.lines, line)
		if len(b.lines) == maxBatchLines || !l.ready() {
			return b, nil
		}
	}
}

// ready tells whether another whole line was read.
func (l *lineReader) ready() bool {
	waiting, err := l.in.Peek(l.in.Buffered())
	return err == nil && bytes.IndexByte(waiting, '\n') >= 0
}

// line returns the next line without its end, LF or CR LF. The last line needs none.
func (l *lineReader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLineBytes:
			return nil, fmt.Errorf("line %d is longer than %d bytes", l.read+1, maxLineBytes)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (err != io.EOF || len(line) == 0):
			return nil, err
		}
		l.read++
		line = bytes.TrimSuffix(line, []byte("\n"))
		return bytes.TrimSuffix(line, []byte("\r")), nil
	}
}
