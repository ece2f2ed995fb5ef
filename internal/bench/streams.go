package bench

import (
	"bytes"
	"fmt"
	"strconv"

	"gopush/internal/wire/resp"
)

// streamReader is a subscriber that has one XREAD without an end on its way, and sends the next behind the last message it
// has seen. The first one is for all that there is: a message cannot come between its being subscribed and its reading.
type streamReader struct{}

func (s streamReader) hello(key string) []byte { return s.resume(key, 0) }

// resume sends a PING before, for an answer that comes at once.
func (s streamReader) resume(key string, mid int64) []byte {
	return s.ask(appendCommand(nil, 1, "PING"), key, mid)
}

func (streamReader) ask(dst []byte, key string, mid int64) []byte {
	dst = appendCommand(dst, 6, "XREAD", "BLOCK", "0", "STREAMS", key)
	return appendID(dst, "", mid)
}

func (streamReader) next(buf []byte) (it item, n int, err error) {
	if buf[0] == '+' {
		return item{kind: subscribed}, linesEnd(buf, 1), nil
	}
	r := reply{buf: buf}
	r.array(1) // stream
	r.array(2) // its key and its messages
	r.bulk()
	messages, n, err := r.messages()
	if n == 0 || err != nil {
		return item{}, 0, err
	}
	if len(messages) == 0 {
		return item{}, 0, fmt.Errorf("an answer to XREAD without a message: %.80q", buf)
	}
	it = messages[0]
	it.more = messages[1:]
	return it, n, nil
}

// streamWriter pushes with XADD.
type streamWriter struct{}

func (streamWriter) hello() []byte { return nil }

func (streamWriter) pushes(dst []byte, batch []push) (out []byte, answers int) {
	for _, p := range batch {
		dst = appendCommand(dst, 5, "XADD", p.key, "*", "msg")
		dst = resp.AppendBulk(dst, p.payload)
	}
	return dst, len(batch)
}

// answer takes the id of a message.
func (streamWriter) answer(buf []byte) (n int, answered bool, err error) {
	r := reply{buf: buf}
	r.bulk()
	n, err = r.taken()
	return n, n > 0, err
}

func (streamWriter) count(dst []byte, key string) []byte { return appendCommand(dst, 2, "XLEN", key) }

func (streamWriter) counted(buf []byte) (count, n int, err error) {
	r := reply{buf: buf}
	count = r.head(':')
	n, err = r.taken()
	return count, n, err
}

func (streamWriter) page(dst []byte, key string, mid int64, limit int) []byte {
	dst = appendID(appendCommand(dst, 6, "XRANGE", key), "(", mid)
	for _, arg := range []string{"+", "COUNT", strconv.Itoa(limit)} {
		dst = resp.AppendBulk(dst, arg)
	}
	return dst
}

func (streamWriter) paged(buf []byte) (messages []item, n int, err error) {
	r := reply{buf: buf}
	return r.messages()
}

// midStep is how many ids a millisecond has in a mid: docs/design.md, "Dialect: Redis".
const midStep = 10_000

// appendID appends an id as an argument, with prefix before it.
func appendID(dst []byte, prefix string, mid int64) []byte {
	return resp.AppendBulk(dst, fmt.Sprintf("%s%d-%d", prefix, mid/midStep, mid%midStep))
}

// parseID reads an id.
func parseID(id []byte) (mid int64, err error) {
	before, after, _ := bytes.Cut(id, []byte("-"))
	ms, ok1 := digits(before)
	seq, ok2 := digits(after)
	if !ok1 || !ok2 || seq >= midStep {
		return 0, fmt.Errorf("%.40q where an id is due", id)
	}
	return ms*midStep + seq, nil
}

// reply takes a reply apart, from its start. Behind what is not complete, or not what was asked for, all is empty.
type reply struct {
	buf []byte
	at  int   // what was taken of it
	cut bool  // it is not complete
	err error // why it is refused
}

// taken returns how long the reply was; 0 if it is not complete.
func (r *reply) taken() (n int, err error) {
	if r.cut || r.err != nil {
		return 0, r.err
	}
	return r.at, nil
}

// messages takes messages with their ids to the end of the reply, and returns what taken does.
func (r *reply) messages() (all []item, n int, err error) {
	count := r.head('*')
	all = make([]item, 0, min(count, len(r.buf)))
	for range count {
		r.array(2) // its id and its fields
		id := r.bulk()
		r.array(2) // "msg" and the payload
		r.bulk()
		payload := r.bulk()
		if n, err = r.taken(); n == 0 || err != nil {
			return nil, 0, err
		}
		mid, err := parseID(id)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, item{kind: delivery, payload: payload, mid: mid})
	}
	n, err = r.taken()
	return all, n, err
}

// array takes the head of an array that has to have so many elements.
func (r *reply) array(elements int) {
	begin := r.at
	if n := r.head('*'); n != elements && !r.cut && r.err == nil {
		r.refuse(begin)
	}
}

// bulk takes a bulk string.
func (r *reply) bulk() []byte {
	length := r.head('$')
	end := r.at + length + len("\r\n")
	if r.cut || r.err != nil || end > len(r.buf) {
		r.cut = true
		return nil
	}
	text := r.buf[r.at:][:length]
	r.at = end
	return text
}

// head takes a line that is kind and a number.
func (r *reply) head(kind byte) int {
	length := bytes.IndexByte(r.buf[r.at:], '\n')
	if r.cut || r.err != nil || length < 0 {
		r.cut = true
		return 0
	}
	line := bytes.TrimSuffix(r.buf[r.at:][:length], []byte("\r"))
	n, ok := int64(0), len(line) > 0 && line[0] == kind
	if ok {
		n, ok = digits(line[1:])
	}
	if !ok || n > maxMessage {
		r.refuse(r.at)
		return 0
	}
	r.at += length + 1
	return int(n)
}

func (r *reply) refuse(at int) { r.err = fmt.Errorf("refused with %.80q", r.buf[at:]) }
