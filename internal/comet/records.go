package comet

import "encoding/binary"

// recordHead is the length of the head of a TLS record: type, version, length (RFC 8446 section 5.1).
const recordHead = 5

// records follows a stream of TLS records.
type records struct {
	head [recordHead]byte // of the record that the stream is in
	got  uint8            // bytes of it
	left uint16           // of the record behind its head
}

// size returns the length of the record that the stream is in, its head not included; 0 within the head.
func (r *records) size() uint16 {
	if r.got > 0 {
		return 0
	}
	return binary.BigEndian.Uint16(r.head[3:])
}

// take copies from src to dst, at most up to where the head or the record ends that the stream is in.
func (r *records) take(dst, src []byte) int {
	n := int(r.left)
	if n == 0 {
		n = recordHead - int(r.got)
	}
	n = copy(dst, src[:min(n, len(src))])
	r.pass(dst[:n])
	return n
}

// pass is told that b went by.
func (r *records) pass(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(int(r.left), len(b))
			r.left -= uint16(n)
			b = b[n:]
			continue
		}
		n := copy(r.head[r.got:], b)
		b = b[n:]
		if r.got += uint8(n); r.got == recordHead {
			r.got, r.left = 0, binary.BigEndian.Uint16(r.head[3:])
		}
	}
}
