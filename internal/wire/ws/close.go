package ws

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Codes of a Close frame, RFC 6455 section 7.4.1 and the registry it founded.
const (
	CloseNormal      = 1000
	CloseGoingAway   = 1001
	CloseProtocol    = 1002
	CloseUnsupported = 1003
	CloseNoStatus    = 1005 // never sent: the frame had no code
	CloseInvalidData = 1007
	ClosePolicy      = 1008
	CloseTooBig      = 1009
	CloseInternal    = 1011
	CloseRestart     = 1012
	CloseTryLater    = 1013
)

// maxReason is how much room a code leaves for the reason, in bytes.
const maxReason = maxControl - 2

// CloseError is a mistake of the peer: the connection is to be closed with Code and Reason.
type CloseError struct {
	Code   int    // CloseProtocol, CloseInvalidData or CloseTooBig
	Reason string // at most 123 bytes; has no byte of the peer's
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("websocket: %s (%d)", e.Reason, e.Code)
}

func protocolError(format string, args ...any) *CloseError {
	return &CloseError{Code: CloseProtocol, Reason: fmt.Sprintf(format, args...)}
}

func tooBig(limit int) *CloseError {
	return &CloseError{Code: CloseTooBig, Reason: fmt.Sprintf("message larger than %d bytes", limit)}
}

// AppendCloseBody appends the payload of a Close frame, for AppendMasked: code and as much of
// reason as fits, in whole characters; nothing for CloseNoStatus.
func AppendCloseBody(dst []byte, code int, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, cut(reason)...)
}

// cut returns the longest part of reason that ends with a whole character and fits a Close
// frame.
func cut(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason
	for end > 0 && !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// parseClose takes a Close frame's payload apart, RFC 6455 section 5.5.1.
func parseClose(payload []byte) (code int, reason string, err error) {
	if len(payload) == 0 {
		return CloseNoStatus, "", nil
	}
	if len(payload) == 1 {
		return 0, "", protocolError("Close frame with half a code")
	}
	code = int(binary.BigEndian.Uint16(payload))
	if !sendable(code) {
		return 0, "", protocolError("close code %d", code)
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", &CloseError{CloseInvalidData, "close reason is not UTF-8"}
	}
	return code, string(payload[2:]), nil
}

// sendable tells whether code may stand in a Close frame: RFC 6455 section 7.4, with 1012 to
// 1014 of the registry.
func sendable(code int) bool {
	switch {
	case code >= 3000:
		return code < 5000
	case code >= CloseInvalidData:
		return code <= 1014
	}
	return code >= CloseNormal && code <= CloseUnsupported
}
