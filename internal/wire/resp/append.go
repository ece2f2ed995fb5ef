package resp

import "strconv"

// AppendArray appends the head of an array of n elements, which must follow.
func AppendArray(dst []byte, n int) []byte {
	return appendNumber(dst, '*', int64(n))
}

// AppendBulk appends data, which may be any bytes, as a bulk string.
func AppendBulk[T []byte | string](dst []byte, data T) []byte {
	dst = appendNumber(dst, '$', int64(len(data)))
	dst = append(dst, data...)
	return append(dst, crlf...)
}

// AppendSimple appends text as a simple string. CR and LF in it become spaces: they would
// end it.
func AppendSimple(dst []byte, text string) []byte {
	return appendLine(dst, '+', text)
}

// AppendError appends text, which begins with its kind ("ERR …"), as an error. CR and LF in
// it become spaces: they would end it.
func AppendError(dst []byte, text string) []byte {
	return appendLine(dst, '-', text)
}

// AppendInt appends v as an integer.
func AppendInt(dst []byte, v int64) []byte {
	return appendNumber(dst, ':', v)
}

func appendNumber(dst []byte, kind byte, v int64) []byte {
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, crlf...)
}

func appendLine(dst []byte, kind byte, text string) []byte {
	dst = append(dst, kind)
	for i := range len(text) {
		c := text[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return append(dst, crlf...)
}
