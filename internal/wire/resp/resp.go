// Package resp is the grammar of RESP without its meaning: bytes to commands, and what
// answers them to bytes.
//
//	"*2\r\n$3\r\nsub\r\n$1\r\nk\r\n"  ── ParseCommand ──>  ["sub" "k"]     legacy clients: what they send and no more
//	"ECHO 'a b'\r\n"                 ── ParseRequest ──>  ["ECHO" "a b"]  Redis clients: all that Redis takes
//
// It promises that a length that a peer announces is checked against a limit as soon as its
// line is there and allocates nothing; that what was parsed does not depend on how the bytes
// were cut on their way; and that parsing again from the start costs the number of
// arguments, not of bytes. It does no I/O and knows no command.
package resp

// The longest decimal that a length or a count may be written with. Nine digits fit an int
// everywhere and are more than any limit.
const maxDigits = 9

// What a line or a datum ends with.
const crlf = "\r\n"

// body takes the length bytes and the CR LF that follow a header of head bytes. size is 0
// without an error when they are not all there.
func body(buf []byte, head, length int) (data []byte, size int, err error) {
	end := head + length
	if len(buf) <= end {
		return nil, 0, nil
	}
	if size, err = lineEnd(buf, end); size == 0 || err != nil {
		return nil, 0, err
	}
	return buf[head:end:end], size, nil
}

// header takes a line such as "*3\r\n": kind, a decimal without sign and without leading
// zeros, CR LF. n is 0 without an error when it is not complete.
func header(buf []byte, kind byte) (value, n int, err error) {
	if len(buf) == 0 {
		return 0, 0, nil
	}
	if buf[0] != kind {
		return 0, 0, errorf("%q where %q is due", buf[0], kind)
	}
	at := 1
	for at < len(buf) && '0' <= buf[at] && buf[at] <= '9' {
		if at > maxDigits || at > 1 && value == 0 {
			return 0, 0, errorf("number after %q is too long", kind)
		}
		value = value*10 + int(buf[at]-'0')
		at++
	}
	switch {
	case at == len(buf):
		return 0, 0, nil
	case at == 1:
		return 0, 0, errorf("%q where a number is due", buf[at])
	}
	n, err = lineEnd(buf, at)
	return value, n, err
}

// lineEnd takes the CR LF at buf[at], which is there. end is the place after it, or 0
// without an error when LF is still to come.
func lineEnd(buf []byte, at int) (end int, err error) {
	switch {
	case buf[at] != '\r':
		return 0, errorf("%q where CR LF is due", buf[at])
	case at+1 == len(buf):
		return 0, nil
	case buf[at+1] != '\n':
		return 0, errorf("CR without LF")
	}
	return at + len(crlf), nil
}
