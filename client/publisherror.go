package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Codes of an Error that a caller may decide on. There are more; Message says what to do.
const (
	CodeTooLarge    = "too_large"   // the payload is larger than the server takes
	CodeSkipped     = "skipped"     // an earlier message of the same key and call failed; this one was not tried
	CodeUnavailable = "unavailable" // the store cannot take it now; nothing was stored; try again later
	CodeUnknown     = "unknown"     // the store did not answer in time; the message may or may not be there
)

// Error is what a server refuses a push with.
type Error struct {
	Status  int    `json:"-"`       // of the HTTP answer; 0 for one message of a batch
	Code    string `json:"code"`    // one word, see the constants; empty when something else than gopush answered
	Message string `json:"message"` // what is wrong and what to do, for people

	RetryAfter time.Duration `json:"-"` // how long the server asks to wait; 0: it does not
}

func (e *Error) Error() string {
	switch {
	case e.Code == "":
		return fmt.Sprintf("HTTP status %d: %s", e.Status, e.Message)
	case e.Message == "":
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Unknown tells that the message may or may not have been taken.
func (e *Error) Unknown() bool {
	switch e.Code {
	case CodeUnknown, "internal":
		return true
	case "": // a proxy's error
		return e.Status >= http.StatusInternalServerError
	}
	return false
}

// newError reads the answer to a call that was refused.
func newError(resp *http.Response, answer []byte) *Error {
	var body struct {
		Error Error `json:"error"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Error.Code == "" {
		body.Error = Error{Message: fmt.Sprintf("%.200q", answer)}
	}
	body.Error.Status = resp.StatusCode
	body.Error.RetryAfter, _ = retryAfter(resp)
	return &body.Error
}
