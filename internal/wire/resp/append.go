package resp

import (
	"math"
	"strconv"
)

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

// AppendNull appends RESP3's null.
func AppendNull(dst []byte) []byte { return append(dst, "_\r\n"...) }

// AppendNullBulk appends the null that RESP2 has in place of a bulk string.
func AppendNullBulk(dst []byte) []byte { return append(dst, "$-1\r\n"...) }

// AppendNullArray appends the null that RESP2 has in place of an array.
func AppendNullArray(dst []byte) []byte { return append(dst, "*-1\r\n"...) }

// AppendMap appends the head of a RESP3 map of n pairs, which must follow: each a key and a value.
func AppendMap(dst []byte, n int) []byte {
	return appendNumber(dst, '%', int64(n))
}

// AppendSet appends the head of a RESP3 set of n elements, which must follow.
func AppendSet(dst []byte, n int) []byte {
	return appendNumber(dst, '~', int64(n))
}

// AppendPush appends the head of RESP3 data that nobody asked for: n elements, which must follow, the first its kind.
func AppendPush(dst []byte, n int) []byte {
	return appendNumber(dst, '>', int64(n))
}

// AppendAttribute appends the head of n pairs, which must follow, that say more of the RESP3 value after them.
func AppendAttribute(dst []byte, n int) []byte {
	return appendNumber(dst, '|', int64(n))
}

// AppendBool appends v as a RESP3 boolean.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "#t\r\n"...)
	}
	return append(dst, "#f\r\n"...)
}

// AppendDouble appends v as a RESP3 double, with as many digits as Redis gives it.
func AppendDouble(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, ",inf\r\n"...)
	case math.IsInf(v, -1):
		return append(dst, ",-inf\r\n"...)
	case math.IsNaN(v):
		return append(dst, ",nan\r\n"...)
	}
	dst = append(dst, ',')
	dst = strconv.AppendFloat(dst, v, 'g', 17, 64)
	return append(dst, crlf...)
}

// AppendVerbatim appends text as a RESP3 verbatim string. format has three bytes: "txt" is plain text, "mkd" Markdown.
func AppendVerbatim[T []byte | string](dst []byte, format string, text T) []byte {
	dst = appendNumber(dst, '=', int64(len(format)+1+len(text)))
	dst = append(dst, format...)
	dst = append(dst, ':')
	dst = append(dst, text...)
	return append(dst, crlf...)
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
