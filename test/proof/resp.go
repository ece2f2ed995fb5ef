package proof

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// command is a RESP array of bulk strings.
func command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// value is a reply of Redis. What it is told by kind: the first byte of its wire form.
type value struct {
	kind byte
	text string  // of a string, an error, a number
	list []value // of an array, a push, a map (keys and values in turn)
	null bool

	id string // of the attribute in front of it
}

// replyError is an error reply of Redis.
type replyError string

func (e replyError) Error() string { return string(e) }

// reply reads one reply, with the attribute in front of it.
func (c *line) reply() (v value, err error) {
	if err := c.await(); err != nil {
		return v, err
	}
	v, err = c.value()
	if err != nil || v.kind != '|' {
		return v, err
	}
	attribute := v
	if v, err = c.value(); err == nil && len(attribute.list) == 2 && attribute.list[0].text == "id" {
		v.id = attribute.list[1].text
	}
	return v, err
}

func (c *line) value() (v value, err error) {
	head, err := c.text()
	if err != nil {
		return v, err
	}
	if head == "" {
		return v, errors.New("redis: an empty line")
	}
	v = value{kind: head[0], text: head[1:]}
	switch v.kind {
	case '+', '-', ':', '#', ',':
		return v, nil
	case '_':
		v.null = true
		return v, nil
	}
	size, err := strconv.Atoi(v.text)
	if err != nil {
		return v, fmt.Errorf("redis: was told %.60q", head)
	}
	if v.null = size < 0; v.null {
		return v, nil
	}
	if v.kind == '$' || v.kind == '=' {
		v.text, err = c.bytes(size, len("\r\n"))
		return v, err
	}
	return v, c.elements(&v, size)
}

// elements reads what a list of so many consists of.
func (c *line) elements(v *value, size int) error {
	if v.kind == '%' || v.kind == '|' {
		size *= 2
	}
	for range size {
		element, err := c.value()
		if err != nil {
			return err
		}
		v.list = append(v.list, element)
	}
	return nil
}

// ask sends a command and reads its reply, of which an error is one.
func (c *line) ask(args ...string) (value, error) {
	if err := c.say(command(args...)); err != nil {
		return value{}, err
	}
	v, err := c.reply()
	if err == nil && v.kind == '-' {
		err = replyError(v.text)
	}
	return v, err
}

// greet shows an API key to an admin listener.
func (c *line) greet(key string) error {
	if key == "" {
		return nil
	}
	_, err := c.ask("AUTH", key)
	return err
}
