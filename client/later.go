package client

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrLater is why a connection ended, or was not made, whose server says when to come back: it is going, or has too much to do. It is
// tried again after exactly that time; Config.OnDisconnect sees it.
var ErrLater = errors.New("the server asks to come back later")

// maxHint bounds what a server may ask for.
const maxHint = 10 * time.Minute

// later is ErrLater with the time.
type later struct {
	after time.Duration // at most maxHint
	whole bool          // after is whole seconds, which many are told alike
}

func newLater(ms int64) *later {
	return &later{after: min(max(time.Duration(ms), 0), maxHint/time.Millisecond) * time.Millisecond}
}

func (l *later) Error() string { return fmt.Sprintf("%v, in %v", ErrLater, l.after) }

func (l *later) Unwrap() error { return ErrLater }

// retryNotice is the error for "r MS", or nil if reply is no such notice. docs/protocol.md, "Come back later".
func retryNotice(reply []byte) error {
	number, ok := bytes.CutPrefix(reply, []byte("r "))
	if !ok {
		return nil
	}
	ms, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: notice %.64q", errProtocol, reply)
	}
	return newLater(ms)
}

// retryReason is what the reason of a close frame says of that, or nil.
func retryReason(reason string) error {
	_, number, ok := strings.Cut(reason, "retry-after-ms=")
	if ms, err := strconv.ParseInt(number, 10, 64); ok && err == nil {
		return newLater(ms)
	}
	return nil
}

// withRetry adds to err what the answer of a server says of coming back, if it does.
func withRetry(err error, resp *http.Response) error {
	if l := retryHeader(resp); l != nil {
		return fmt.Errorf("%w; %w", err, l)
	}
	return err
}

// retryHeader is what the header Retry-After of a refusal says, or nil.
func retryHeader(resp *http.Response) *later {
	if after, ok := retryAfter(resp); ok {
		return &later{after: after, whole: true}
	}
	return nil
}

// retryAfter reads the header Retry-After of an answer; false: there is none that says anything. It is at most maxHint. RFC 9110 section 10.2.3.
func retryAfter(resp *http.Response) (after time.Duration, ok bool) {
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxHint), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxHint), true
	}
	return 0, false
}

// pause returns how long to wait before the attempt-th reconnect in a row, the last connection having ended with err. What the
// server says was spread by it, so nothing is added to it but where many were told the same; only
// who fails again and again waits longer.
func (s *subscription) pause(attempt int, err error) time.Duration {
	asked := new(later)
	if !errors.As(err, &asked) {
		return s.cfg.Backoff(attempt)
	}
	pause := asked.after
	if asked.whole {
		pause += s.random(time.Second)
	}
	if attempt > 0 {
		pause = max(pause, s.cfg.Backoff(attempt))
	}
	return pause
}
