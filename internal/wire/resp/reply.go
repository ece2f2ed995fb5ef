package resp

// ParseReply takes one reply of a server from the start of buf: a line ("+…" or "-…") or a
// bulk string. kind is its first byte, '+', '-' or '$'; data is its text, which aliases buf
// and has at most maxBytes bytes; n is the number of bytes that it took. n is 0 without an
// error when it is not complete: call again with the same bytes and more. The error is an
// *Error.
func ParseReply(buf []byte, maxBytes int) (kind byte, data []byte, n int, err error) {
	if len(buf) == 0 {
		return 0, nil, 0, nil
	}
	switch buf[0] {
	case '+', '-':
		data, n, err = line(buf, maxBytes)
	case '$':
		data, n, err = bulk(buf, maxBytes)
	default:
		err = errorf("%q where a reply is due", buf[0])
	}
	if n == 0 || err != nil {
		return 0, nil, 0, err
	}
	return buf[0], data, n, nil
}

// bulk takes "$LEN\r\nDATA\r\n".
func bulk(buf []byte, maxBytes int) (data []byte, n int, err error) {
	length, head, err := header(buf, '$')
	if head == 0 || err != nil {
		return nil, 0, err
	}
	if length > maxBytes {
		return nil, 0, errorf("reply of %d bytes, the limit is %d", length, maxBytes)
	}
	return body(buf, head, length)
}

// line takes "+TEXT\r\n", TEXT without CR and LF.
func line(buf []byte, maxBytes int) (data []byte, n int, err error) {
	for at := 1; at < len(buf); at++ {
		if buf[at] == '\r' || buf[at] == '\n' {
			n, err = lineEnd(buf, at)
			return buf[1:at:at], n, err
		}
		if at > maxBytes {
			return nil, 0, errorf("line of at least %d bytes, the limit is %d", at, maxBytes)
		}
	}
	return nil, 0, nil
}
