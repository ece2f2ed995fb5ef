package redis

import (
	"bytes"
	"fmt"

	"gopush/internal/message"
)

// field is the only field of a message whose payload is opaque.
const field = "msg"

// payloadOf returns the payload of a message with these fields and values, and its form.
func payloadOf(fields [][]byte) ([]byte, message.Form) {
	if len(fields) == 2 && string(fields[0]) == field {
		return bytes.Clone(fields[1]), message.Opaque
	}
	const frame = len("$123456789\r\n\r\n") // of a field: at most so much
	size := frame
	for _, f := range fields {
		size += len(f) + frame
	}
	return message.AppendFields(make([]byte, 0, size), fields), message.Fields
}

// entry is a message: its id and its fields.
func (r *reply) entry(m *message.Message) {
	r.array(2)
	r.id(m.Mid)
	if m.Form == message.Fields {
		r.dst = append(r.dst, m.Payload...)
		return
	}
	r.array(2)
	r.text(field)
	r.bulk(m.Payload)
}

// entries is an array of messages.
func (r *reply) entries(messages []message.Message) {
	r.array(len(messages))
	for i := range messages {
		r.entry(&messages[i])
	}
}

// ids is an array of ids.
func (r *reply) ids(mids []int64) {
	r.array(len(mids))
	for _, mid := range mids {
		r.id(mid)
	}
}

// streams is the head of a reply that has n streams.
func (r *reply) streams(n int) {
	if r.three {
		r.mapping(n)
		return
	}
	r.array(n)
}

// stream is the head of one of them. Its entries follow.
func (r *reply) stream(key string) {
	if !r.three {
		r.array(2)
	}
	r.text(key)
}

// tooLarge is the error of what is more than one reply may hold.
func tooLarge(maxBytes int) error {
	return fmt.Errorf("the reply has more than %d bytes, ask for less at a time with COUNT", maxBytes)
}
