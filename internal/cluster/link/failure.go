package link

import (
	"errors"
	"fmt"
	"strings"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// failure is an error of its own words that is another one for those who decide.
type failure struct {
	text string
	is   error // nil: none
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.is }

// fails makes a failure.
func fails(is error, format string, args ...any) error {
	return &failure{fmt.Sprintf(format, args...), is}
}

// code is how an error crosses a link. docs/protocol.md, "Links between nodes".
type code struct {
	name string
	is   error
}

// codes returns all of them.
func codes() [12]code {
	return [...]code{
		{"UNAVAILABLE", message.ErrUnavailable},
		{"UNKNOWN", message.ErrUnknown},
		{"SKIPPED", message.ErrSkipped},
		{"TOOLARGE", message.ErrTooLarge},
		{"KEY", message.ErrKey},
		{"IDEM", message.ErrIdemKey},
		{"MIDAHEAD", message.ErrMidAhead},
		{"MID", message.ErrMid},
		{"WRONGNODE", message.ErrWrongNode},
		{"SUBSCRIBERS", channel.ErrSubscribers},
		{"PATTERNS", channel.ErrPatterns},
		{"ERR", nil},
	}
}

// errorWord returns err as it crosses a link: "-CODE text".
func errorWord(err error) string {
	for _, c := range codes() {
		if c.is != nil && errors.Is(err, c.is) {
			return "-" + c.name + " " + err.Error()
		}
	}
	return "-ERR " + err.Error()
}

// wordError returns what errorWord wrote; nil if that was something else.
func wordError(word string) error {
	rest, found := strings.CutPrefix(word, "-")
	if !found {
		return nil
	}
	name, text, _ := strings.Cut(rest, " ")
	for _, c := range codes() {
		if c.name == name {
			return &failure{text, c.is}
		}
	}
	return &failure{rest, nil}
}
