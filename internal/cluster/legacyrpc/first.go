package legacyrpc

import "bytes"

// requestName is how gob goes on behind the id of a type's definition when it defines net/rpc's Request: field 3 of a wire type
// (a struct), its field 1 (what all types have), whose field 1 is the name.
const requestName = "\x03\x01\x01\x07Request"

// requestBytes is how long the definition of net/rpc's Request is without its id, which stands in it twice.
const requestBytes = 43

// First tells whether b, the first bytes of a connection, are how a client of net/rpc begins; if they may be, and more of them are
// needed (of at most 16 in all), it is undecided.
//
// Every client first sends the definition of the type Request, in one message of gob, with the id that its process has given the
// type: 64 if it is the first one, 65 with the versions of Go that gopush-cluster was made with, more where gob was used before.
//
//	2e 7f    03 01 01 07 R e q u e s t …    id 64: 46 bytes follow, '.'
//	2f ff 81 03 01 01 07 R e q u e s t …    id 65: 47 bytes follow, '/'
//
// No other protocol of a listener begins so. The first byte is a full stop, a slash or a digit from 0 to 3, where RESP has an asterisk
// and HTTP a capital letter; and a command of Redis in a line has no control characters in its name.
func First(b []byte) (yes, undecided bool) {
	if len(b) == 0 {
		return false, true
	}
	if b[0] < requestBytes+3 || b[0] > requestBytes+8 {
		return false, false
	}
	s := scanner{rest: b[1:]}
	id := -s.int()
	switch {
	case s.short:
		return false, true
	case s.bad || id < firstUserID || int(b[0]) != requestBytes+sizeOfInt(-id)+sizeOfInt(id):
		return false, false
	case len(s.rest) < len(requestName):
		undecided = bytes.HasPrefix([]byte(requestName), s.rest)
		return false, undecided
	}
	return bytes.HasPrefix(s.rest, []byte(requestName)), false
}
