package message

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends m as legacy clients see it (docs/design.md, "legacy RESP"), without
// spaces and in this order:
//
//	{"msg":PAYLOAD,"mid":MID,"gid":GID}
//	{"msg":PAYLOAD,"mid":MID,"gid":GID,"prev":PREV}    with prev
//
// PAYLOAD depends on the payload, its form and old alone: the payload compacted if it is exactly
// one JSON value, else, and always with old, a JSON string of its text. Fields are the object
// that AppendPayload makes of them, with old a JSON string of that. What is appended is valid
// JSON in valid UTF-8 whatever the payload is: each byte that is not UTF-8 becomes U+FFFD.
func (m *Message) AppendJSON(dst []byte, old, prev bool) []byte {
	dst = append(dst, `{"msg":`...)
	dst = m.appendPayload(dst, old)
	dst = append(dst, `,"mid":`...)
	dst = strconv.AppendInt(dst, m.Mid, 10)
	dst = append(dst, `,"gid":`...)
	dst = strconv.AppendInt(dst, int64(m.GID), 10)
	if prev {
		dst = append(dst, `,"prev":`...)
		dst = strconv.AppendInt(dst, m.Prev, 10)
	}
	return append(dst, '}')
}

// AppendPayload appends the payload as a client gets it that knows neither fields nor what is
// around messages in JSON: as it was pushed; fields as an object whose names and values are
// JSON strings, in order, repeated ones too: {"a":"1","b":"2"}.
func (m *Message) AppendPayload(dst []byte) []byte {
	if m.Form == Fields {
		if out, err := appendObject(dst, m.Payload); err == nil {
			return out
		}
	}
	return append(dst, m.Payload...)
}

// AppendMsg appends the PAYLOAD of AppendJSON without old: one JSON value, whatever the payload is.
func (m *Message) AppendMsg(dst []byte) []byte { return m.appendPayload(dst, false) }

// appendPayload is the one place that knows how a Form looks within JSON. Fields that cannot be
// read are opaque.
func (m *Message) appendPayload(dst []byte, old bool) []byte {
	if m.Form == Fields {
		start := len(dst)
		if out, err := appendObject(dst, m.Payload); err == nil {
			return asString(out, start, old)
		}
	}
	if old {
		return appendString(dst, m.Payload)
	}
	return appendValue(dst, m.Payload)
}

// asString puts a JSON string of dst[start:] into its place, with old.
func asString(dst []byte, start int, old bool) []byte {
	if !old {
		return dst
	}
	end := len(dst)
	dst = appendString(dst, dst[start:end])
	return append(dst[:start], dst[end:]...)
}

// appendObject appends a payload of form Fields as an object. The error is ErrFields.
func appendObject(dst, payload []byte) ([]byte, error) {
	dst = append(dst, '{')
	between := false
	err := EachField(payload, func(name, value []byte) {
		if between {
			dst = append(dst, ',')
		}
		between = true
		dst = appendString(dst, name)
		dst = append(dst, ':')
		dst = appendString(dst, value)
	})
	return append(dst, '}'), err
}

// appendValue appends payload compacted: white space between tokens goes, numbers, escapes
// and repeated members stay as they are. What encoding/json does not take as one value,
// because it is none or is nested deeper than 10,000 levels, is appended as a string.
func appendValue(dst, payload []byte) []byte {
	if !mayBeJSON(payload) {
		return appendString(dst, payload)
	}
	buf := bytes.NewBuffer(dst)
	if json.Compact(buf, payload) != nil {
		return appendString(dst, payload)
	}
	out := buf.Bytes()
	if value := out[len(dst):]; !utf8.Valid(value) {
		return appendUTF8(dst, bytes.Clone(value))
	}
	return out
}

// mayBeJSON tells from the first byte that counts, so that plain text is not compacted only
// to be thrown away.
func mayBeJSON(payload []byte) bool {
	for _, c := range payload {
		switch c {
		case ' ', '\t', '\r', '\n':
		case '{', '[', '"', '-', 't', 'f', 'n':
			return true
		default:
			return '0' <= c && c <= '9'
		}
	}
	return false
}

// appendUTF8 appends text with U+FFFD for each byte that is not UTF-8.
func appendUTF8(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[size:]
	}
	return dst
}

// appendString appends text as a JSON string. It escapes what RFC 8259 section 7 demands and
// nothing else: encoding/json would escape more, and has no way to append.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		if plain(text[i]) {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r >= utf8.RuneSelf && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		dst = append(dst, text[start:i]...)
		dst = appendEscaped(dst, r)
		i += size
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// plain tells whether c stands for itself in a JSON string.
func plain(c byte) bool {
	return ' ' <= c && c < utf8.RuneSelf && c != '"' && c != '\\'
}

// appendEscaped appends a character that may not stand for itself; U+FFFD stands for what is
// no character.
func appendEscaped(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case utf8.RuneError:
		return utf8.AppendRune(dst, r)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
}
