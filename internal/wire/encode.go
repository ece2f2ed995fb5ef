package wire

import (
	"slices"
	"strconv"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire/resp"
	"gopush/internal/wire/ws"
)

// maxScratch is how much scratch, in bytes, an Encoder keeps between messages.
const maxScratch = 64 << 10

// maxAround is how many bytes a dialect puts around a message at most: "$LEN\r\n" and "\r\n".
const maxAround = 16

// Encoder makes frames of messages. One event loop has one; it holds scratch and, once a
// variant with Deflate was asked for, a compressor. The zero value is ready.
type Encoder struct {
	json     []byte
	packed   []byte
	deflater ws.Deflater
}

// Frame returns m as connections of variant v get it, newly allocated: it may be shared as
// long as nobody changes it.
func (e *Encoder) Frame(v Variant, m *message.Message) []byte {
	if v&Redis != 0 {
		frame := make([]byte, 0, len(m.Key)+len(m.Payload)+maxAroundDelivery)
		return slices.Clip(e.appendDelivery(frame, v, m))
	}
	body, compressed := e.body(v, m)
	frame := make([]byte, 0, len(body)+maxAround)
	frame = appendBody(frame, v, compressed, body)
	e.release()
	return slices.Clip(frame)
}

// AppendFrame appends to dst what Frame returns.
func (e *Encoder) AppendFrame(dst []byte, v Variant, m *message.Message) []byte {
	if v&Redis != 0 {
		return e.appendDelivery(dst, v, m)
	}
	body, compressed := e.body(v, m)
	dst = appendBody(dst, v, compressed, body)
	e.release()
	return dst
}

// body returns the JSON of m in scratch, compressed if v has it and it is the shorter for it.
func (e *Encoder) body(v Variant, m *message.Message) (body []byte, compressed bool) {
	e.json = m.AppendJSON(e.json[:0], v&Old != 0, v&Prev != 0)
	if v&(WebSocket|Deflate) != WebSocket|Deflate {
		return e.json, false
	}
	e.packed = e.deflater.Append(e.packed[:0], e.json)
	if len(e.packed) >= len(e.json) {
		return e.json, false
	}
	return e.packed, true
}

// release gives back scratch that one large message needed.
func (e *Encoder) release() {
	if cap(e.json) > maxScratch {
		e.json = nil
	}
	if cap(e.packed) > maxScratch {
		e.packed = nil
	}
}

func appendBody(dst []byte, v Variant, compressed bool, body []byte) []byte {
	if v&WebSocket != 0 {
		return ws.AppendFrame(dst, ws.Text, compressed, body)
	}
	return resp.AppendBulk(dst, body)
}

// AppendText appends one of the protocol's texts as a connection of variant v, without Redis, gets it.
func AppendText(dst []byte, v Variant, text string) []byte {
	if v&WebSocket != 0 {
		return ws.AppendFrame(dst, ws.Text, false, []byte(text))
	}
	return append(dst, text...)
}

// AppendGap appends the notice that messages after the mid that was resumed from are gone:
// from is the first that can still be had, or else the last of the key. v has no Redis.
func AppendGap(dst []byte, v Variant, from int64) []byte {
	var scratch [len("+g -9223372036854775808\r\n")]byte
	text := strconv.AppendInt(append(scratch[:0], "+g "...), from, 10)
	text = append(text, "\r\n"...)
	if v&WebSocket != 0 {
		return ws.AppendFrame(dst, ws.Text, false, text)
	}
	return append(dst, text...)
}

// AppendRetry appends the notice that the connection is about to be closed, and may be made again after so long: for a
// subscriber that came with a MID, over RESP.
func AppendRetry(dst []byte, after time.Duration) []byte {
	dst = strconv.AppendInt(append(dst, "+r "...), after.Milliseconds(), 10)
	return append(dst, "\r\n"...)
}
