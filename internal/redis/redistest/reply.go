package redistest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// reply is a reply of Redis, of version 2 or 3 of its protocol, as it came.
type reply struct {
	kind  byte    // the byte that it begins with
	null  bool    // $-1 or *-1
	text  string  // of what is a line or has a length
	elems []reply // of what has elements: names and values in turn for a map; for an attribute what it belongs to comes last
}

// readReply reads one reply.
func readReply(r *bufio.Reader) (reply, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	head, ok := strings.CutSuffix(line, "\r\n")
	if !ok || head == "" {
		return reply{}, fmt.Errorf("a reply begins with the line %q", line)
	}
	got := reply{kind: head[0], text: head[1:]}
	switch got.kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return got, nil
	case '$', '!', '=':
		return got.withText(r)
	case '*', '~', '>', '%', '|':
		return got.withElements(r)
	}
	return got, fmt.Errorf("a reply begins with the line %q", line)
}

// withText reads the text, whose length is r.text.
func (r reply) withText(in *bufio.Reader) (reply, error) {
	n, err := r.size()
	if r.null || err != nil {
		return r, err
	}
	data := make([]byte, n+2)
	if _, err := io.ReadFull(in, data); err != nil {
		return r, err
	}
	r.text = string(data[:n])
	if end := string(data[n:]); end != "\r\n" {
		return r, fmt.Errorf("%q follows %d bytes of text", end, n)
	}
	return r, nil
}

// withElements reads the elements, whose number is r.text.
func (r reply) withElements(in *bufio.Reader) (reply, error) {
	n, err := r.size()
	if r.null || err != nil {
		return r, err
	}
	switch r.kind {
	case '%':
		n *= 2
	case '|':
		n = 2*n + 1
	}
	r.text = ""
	for range n {
		e, err := readReply(in)
		if err != nil {
			return r, err
		}
		r.elems = append(r.elems, e)
	}
	return r, nil
}

// size takes the size that r.text tells.
func (r *reply) size() (int, error) {
	n, err := strconv.Atoi(r.text)
	if n == -1 && (r.kind == '$' || r.kind == '*') {
		r.null, r.text = true, ""
		return 0, nil
	}
	if err != nil || n < 0 || n > 64<<20 || strconv.Itoa(n) != r.text {
		return 0, fmt.Errorf("the size %q", r.text)
	}
	return n, nil
}

// is tells whether r is a text that is one of these.
func (r reply) is(texts ...string) bool {
	if r.kind != '$' && r.kind != '+' || r.null {
		return false
	}
	for _, t := range texts {
		if r.text == t {
			return true
		}
	}
	return false
}

// delivery tells whether r is a message of a subscription and not the reply of a command.
func (r reply) delivery() bool {
	return (r.kind == '>' || r.kind == '*') && len(r.elems) >= 3 && r.elems[0].is("message", "pmessage", "smessage") ||
		r.kind == '|' && r.elems[len(r.elems)-1].delivery()
}

// String shows r in one line: +OK, $"text", :1, *[:1 :2], %[…], $nil.
func (r reply) String() string {
	switch {
	case r.null:
		return string(r.kind) + "nil"
	case r.kind == '$', r.kind == '!', r.kind == '=':
		return string(r.kind) + strconv.Quote(r.text)
	case r.text != "" || r.kind == '+' || r.kind == '_':
		return string(r.kind) + r.text
	}
	elems := make([]string, len(r.elems))
	for i, e := range r.elems {
		elems[i] = e.String()
	}
	return string(r.kind) + "[" + strings.Join(elems, " ") + "]"
}
