package resp

import "strings"

// words takes a line of words, what Redis calls an inline command: it ends in LF or CR LF.
func words(out [][]byte, buf []byte, lim Limits) ([][]byte, int, error) {
	end, err := lineIn(buf, '\n', "too big inline request")
	if end < 0 || err != nil {
		return out, 0, err
	}
	line := buf[:end]
	if end > 0 && line[end-1] == '\r' {
		line = line[:end-1]
	}
	for {
		for len(line) > 0 && space(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			return out, end + 1, nil
		}
		arg, size := word(line)
		switch {
		case size == 0:
			return out, 0, protocol("unbalanced quotes in request")
		case len(out) == lim.MaxArgs:
			return out, 0, tooMany(len(out)+1, lim)
		case len(arg) > lim.MaxArgBytes:
			return out, 0, tooLong(len(arg), 0, lim)
		}
		out, line = append(out, arg), line[size:]
	}
}

// word takes the word that line begins with, as Redis's sdssplitargs does. What is not quoted aliases line. size is 0
// if quotes do not end, or not at the end of the word.
func word(line []byte) (arg []byte, size int) {
	for at, c := range line {
		switch c {
		case ' ', '\n', '\r', '\t':
			return line[:at:at], at
		case '"', '\'':
			return quoted(line[:at:at], line, at+1)
		}
	}
	return line[:len(line):len(line)], len(line)
}

// quoted takes the rest of a word that has arg before its quotes: what is quoted, from line[at] on. Single quotes know
// no escape but \'.
func quoted(arg, line []byte, at int) ([]byte, int) {
	quote := line[at-1]
	for at < len(line) {
		c, size := line[at], 1
		switch {
		case c == quote:
			return arg, closed(line, at+1)
		case c == '\\' && at+1 < len(line) && quote == '"':
			c, size = escaped(line[at+1:])
		case c == '\\' && at+1 < len(line) && line[at+1] == '\'':
			c, size = '\'', 2
		}
		arg, at = append(arg, c), at+size
	}
	return nil, 0
}

// closed returns end, where quotes have ended, if the word ends there too, else 0.
func closed(line []byte, end int) int {
	if end < len(line) && !space(line[end]) {
		return 0
	}
	return end
}

// escaped returns the byte that text after a backslash stands for, and the size of both.
func escaped(text []byte) (c byte, size int) {
	if text[0] == 'x' && len(text) > 2 {
		high, low := digit(text[1]), digit(text[2])
		if high >= 0 && low >= 0 {
			return byte(high<<4 | low), 4
		}
	}
	if at := strings.IndexByte("nrtba", text[0]); at >= 0 {
		return "\n\r\t\b\a"[at], 2
	}
	return text[0], 2
}

// digit is what a hexadecimal digit is worth, -1 if c is none.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// space is C's isspace.
func space(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
