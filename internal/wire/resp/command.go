package resp

// Limits bound one command. Each must be positive: zero allows nothing.
type Limits struct {
	MaxArgs     int // arguments, the command's name included
	MaxArgBytes int // bytes of one argument
	MaxBytes    int // bytes of the whole command as it is sent
}

// ParseCommand takes one command, an array of bulk strings, from the start of buf. It
// appends its arguments, which alias buf, to args[:0] and returns them with the number of
// bytes that they took. n is 0 without an error when the command is not complete: call again
// with the same bytes and more. The error is an *Error.
func ParseCommand(args [][]byte, buf []byte, lim Limits) (out [][]byte, n int, err error) {
	return bulks(args, buf, '*', lim)
}

// ParsePush takes one RESP3 push of bulk strings, ">2\r\n$3\r\n…", as ParseCommand takes a command.
func ParsePush(args [][]byte, buf []byte, lim Limits) (out [][]byte, n int, err error) {
	return bulks(args, buf, '>', lim)
}

// bulks takes a list of that kind of bulk strings.
func bulks(args [][]byte, buf []byte, kind byte, lim Limits) (out [][]byte, n int, err error) {
	out = args[:0]
	count, n, err := header(buf, kind)
	if n == 0 || err != nil {
		return out, 0, err
	}
	switch {
	case count < 1:
		return out, 0, errorf("empty command")
	case count > lim.MaxArgs:
		return out, 0, errorf("%d arguments, max_arguments is %d", count, lim.MaxArgs)
	}
	for range count {
		data, size, err := argument(buf[n:], n, lim)
		if size == 0 || err != nil {
			return out, 0, err
		}
		out = append(out, data)
		n += size
	}
	return out, n, nil
}

// argument takes one bulk string of a command that has used bytes before it. size is 0
// without an error when it is not complete.
func argument(buf []byte, used int, lim Limits) (data []byte, size int, err error) {
	length, head, err := header(buf, '$')
	if head == 0 || err != nil {
		return nil, 0, err
	}
	switch total := used + head + length + len(crlf); {
	case length > lim.MaxArgBytes:
		return nil, 0, errorf("argument of %d bytes, the limit is %d", length, lim.MaxArgBytes)
	case total > lim.MaxBytes:
		return nil, 0, errorf("command of at least %d bytes, max_command_bytes is %d", total, lim.MaxBytes)
	}
	return body(buf, head, length)
}
