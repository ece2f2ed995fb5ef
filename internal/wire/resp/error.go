package resp

import "fmt"

// Error is what bytes that are no RESP, or are over a limit, fail with. Nothing after them
// can be parsed: the connection is of no use any more.
type Error struct {
	Reason string // short, for a log line or the peer; has no byte of the peer's unquoted
}

func (e *Error) Error() string { return "resp: " + e.Reason }

func errorf(format string, args ...any) *Error {
	return &Error{Reason: fmt.Sprintf(format, args...)}
}
