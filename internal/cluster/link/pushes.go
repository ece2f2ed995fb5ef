package link

import (
	"gopush/internal/message"
	"gopush/internal/wire/resp"
)

// addPush queues one push; more: the next is of the same call. queue.mu is locked.
func (d *dialled) addPush(p *message.Push, more bool) {
	n := optional(p, more)
	b := d.queue.room(len(p.Key) + frameBytes)
	b = resp.AppendArray(b, 3+n)
	b = append(b, "$4\r\nPUSH\r\n"...)
	d.queue.keep(resp.AppendBulk(b, p.Key))
	d.queue.addBulk(p.Payload)
	if n > 0 {
		d.queue.keep(appendOptions(d.queue.room(9*(bulkBytes+20)+len(p.IdemKey)), p, more, n))
	}
}

// optional returns how many words of a PUSH follow the payload.
func optional(p *message.Push, more bool) int {
	switch {
	case p.Trim.MinMid != 0:
		return 9
	case p.Trim.Keep != 0:
		return 8
	case p.Mids.Last != 0:
		return 7
	case p.Mids.First != 0:
		return 6
	case p.IdemKey != nil:
		return 5
	case more:
		return 4
	case p.GID != 0:
		return 3
	case p.Form != 0:
		return 2
	case p.Expire != 0:
		return 1
	}
	return 0
}

// appendOptions appends the first n words that may follow the payload: EXPIRE FORM GID MORE IDEM FIRST LAST KEEP MINMID.
func appendOptions(b []byte, p *message.Push, more bool, n int) []byte {
	again := int64(0)
	if more {
		again = 1
	}
	for i, v := range [...]int64{int64(p.Expire), int64(p.Form), int64(p.GID), again, 0, p.Mids.First, p.Mids.Last, int64(p.Trim.Keep), p.Trim.MinMid} {
		switch {
		case i == n:
			return b
		case i == 4:
			b = resp.AppendBulk(b, p.IdemKey)
		default:
			b = appendInt(b, v)
		}
	}
	return b
}
