package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// reply is a reply that is being made, for a client that speaks RESP2 or RESP3. An aggregate is its head, then
// its elements one by one.
type reply struct {
	dst   []byte // what was there before, then the reply
	three bool   // RESP3
}

// error has text begin with its kind: "ERR …".
func (r *reply) error(text string) { r.dst = resp.AppendError(r.dst, text) }

func (r *reply) errorf(format string, args ...any) { r.error(fmt.Sprintf(format, args...)) }

func (r *reply) simple(text string) { r.dst = resp.AppendSimple(r.dst, text) }

func (r *reply) ok() { r.dst = append(r.dst, "+OK\r\n"...) }

func (r *reply) bulk(data []byte) { r.dst = resp.AppendBulk(r.dst, data) }

// text is a bulk string, too.
func (r *reply) text(text string) { r.dst = resp.AppendBulk(r.dst, text) }

// id is mid as a stream id, MS-SEQ.
func (r *reply) id(mid int64) {
	var id [24]byte
	r.bulk(message.AppendID(id[:0], mid))
}

func (r *reply) int(v int64) { r.dst = resp.AppendInt(r.dst, v) }

// number is v as a bulk string.
func (r *reply) number(v int64) {
	var digits [20]byte
	r.bulk(strconv.AppendInt(digits[:0], v, 10))
}

// null stands where a string is not there.
func (r *reply) null() {
	if r.three {
		r.dst = resp.AppendNull(r.dst)
		return
	}
	r.dst = resp.AppendNullBulk(r.dst)
}

// nullArray stands where an array is not there.
func (r *reply) nullArray() {
	if r.three {
		r.dst = resp.AppendNull(r.dst)
		return
	}
	r.dst = resp.AppendNullArray(r.dst)
}

// array is the head of n elements.
func (r *reply) array(n int) { r.dst = resp.AppendArray(r.dst, n) }

// mapping is the head of n pairs: a map, or an array of twice as many.
func (r *reply) mapping(n int) {
	if r.three {
		r.dst = resp.AppendMap(r.dst, n)
		return
	}
	r.array(2 * n)
}

// set is the head of n elements without an order.
func (r *reply) set(n int) {
	if r.three {
		r.dst = resp.AppendSet(r.dst, n)
		return
	}
	r.array(n)
}

// push is the head of n elements that RESP3 has outside of the order of replies.
func (r *reply) push(n int) {
	if r.three {
		r.dst = resp.AppendPush(r.dst, n)
		return
	}
	r.array(n)
}

// verbatim is text for people to read.
func (r *reply) verbatim(text string) {
	if r.three {
		r.dst = resp.AppendVerbatim(r.dst, "txt", text)
		return
	}
	r.text(text)
}

// failed says what a push, a read or a subscription met. Commands whose errors have words of their own, such as
// NOGROUP, look for those first.
func (r *reply) failed(err error) { r.error(errorText(err)) }

// errorText is what a client is told of err. What is wrong with the store, and where that is, is for the log of the node: anybody may ask.
func errorText(err error) string {
	switch {
	case errors.Is(err, message.ErrMid):
		return "ERR The ID specified in XADD is equal or smaller than the target stream top item"
	case errors.Is(err, message.ErrToken), errors.Is(err, message.ErrUnknownKey):
		return "NOPERM this user has no permissions to access one of the keys used as arguments"
	case errors.Is(err, message.ErrUnreachable):
		return "ERR nothing was done, try again later: " + message.ErrUnreachable.Error()
	case errors.Is(err, message.ErrUnavailable):
		return "ERR nothing was done, try again later: " + message.ErrUnavailable.Error()
	case errors.Is(err, message.ErrUnknown):
		return "ERR it may or may not have been done, look before trying again: " + message.ErrUnknown.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "ERR not answered in time, try again later"
	}
	return "ERR " + err.Error()
}
