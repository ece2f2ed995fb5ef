package wire

import (
	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// maxAroundDelivery is how many bytes a delivery of pub/sub has at most beside key and payload, which may be of any length.
const maxAroundDelivery = 96

// AppendPatternFrame appends m as a connection of variant v, which has Redis, gets it for a pattern that stands for its key:
//
//	*4\r\n$8\r\npmessage\r\n PATTERN KEY PAYLOAD
func (e *Encoder) AppendPatternFrame(dst []byte, v Variant, pattern string, m *message.Message) []byte {
	dst = appendHead(dst, v, 4, m)
	dst = resp.AppendBulk(dst, "pmessage")
	dst = resp.AppendBulk(dst, pattern)
	return e.appendTail(dst, m)
}

// appendDelivery appends m as a connection of variant v, which has Redis, gets it for its key:
//
//	*3\r\n$7\r\nmessage\r\n KEY PAYLOAD
//	>3\r\n$8\r\nsmessage\r\n KEY PAYLOAD                                               with RESP3 and Shard
//	|1\r\n+id\r\n$15\r\n1700000000000-4\r\n>3\r\n$7\r\nmessage\r\n KEY PAYLOAD    with RESP3 and IDs
func (e *Encoder) appendDelivery(dst []byte, v Variant, m *message.Message) []byte {
	dst = appendHead(dst, v, 3, m)
	if v&Shard != 0 {
		dst = resp.AppendBulk(dst, "smessage")
	} else {
		dst = resp.AppendBulk(dst, "message")
	}
	return e.appendTail(dst, m)
}

// appendHead appends what is before the n elements of a delivery.
func appendHead(dst []byte, v Variant, n int, m *message.Message) []byte {
	if v&RESP3 == 0 {
		return resp.AppendArray(dst, n)
	}
	if v&IDs != 0 {
		var scratch [len("922337203685477-5807")]byte
		dst = resp.AppendAttribute(dst, 1)
		dst = resp.AppendSimple(dst, "id")
		dst = resp.AppendBulk(dst, message.AppendID(scratch[:0], m.Mid))
	}
	return resp.AppendPush(dst, n)
}

// appendTail appends the elements that a delivery ends with: the key, and the payload without JSON around it.
func (e *Encoder) appendTail(dst []byte, m *message.Message) []byte {
	dst = resp.AppendBulk(dst, m.Key)
	if m.Form == message.Opaque {
		return resp.AppendBulk(dst, m.Payload)
	}
	e.json = m.AppendPayload(e.json[:0])
	dst = resp.AppendBulk(dst, e.json)
	e.release()
	return dst
}
