package ws

import (
	"encoding/binary"
	"math"
)

// header is what stands before a frame's payload, RFC 6455 section 5.2.
type header struct {
	fin        bool
	compressed bool // RSV1
	op         Op
	masked     bool
	mask       [maskBytes]byte
	length     int // of the payload
	size       int // of the header itself; 0 until all of it is there
}

// parseHeader reads the header at the start of buf. What is wrong with it is an error as soon
// as the bytes are there that make it so.
func (p *Parser) parseHeader(buf []byte, part *Assembly, deflate bool) (h header, err error) {
	if len(buf) < 2 {
		return h, nil
	}
	h.fin = buf[0]&finBit != 0
	h.compressed = buf[0]&rsv1Bit != 0
	h.op = Op(buf[0] & opBits)
	h.masked = buf[1]&maskBit != 0
	if err := h.checkBits(buf[0], p.Client, deflate); err != nil {
		return h, err
	}
	if err := h.checkPlace(part, buf[1]&lengthBits); err != nil {
		return h, err
	}
	at, err := h.parseLength(buf)
	if at == 0 || err != nil {
		return h, err
	}
	if !h.op.control() && h.length > p.MaxMessage-part.size() {
		return h, tooBig(p.MaxMessage)
	}
	h.parseMask(buf, at)
	return h, nil
}

// checkBits checks what depends on nothing but the two sides and their extension.
func (h *header) checkBits(first byte, client, deflate bool) error {
	switch {
	case first&rsv23Bits != 0, h.compressed && !deflate:
		return protocolError("reserved bit set")
	case h.op.reserved():
		return protocolError("reserved opcode %#x", byte(h.op))
	case h.compressed && (h.op.control() || h.op == Continuation):
		return protocolError("compressed bit on opcode %#x", byte(h.op))
	case h.masked && client:
		return protocolError("masked frame from the server")
	case !h.masked && !client:
		return protocolError("frame from the client without a mask")
	}
	return nil
}

// checkPlace checks whether a frame of its opcode may stand here, RFC 6455 sections 5.4 and 5.5.
func (h *header) checkPlace(part *Assembly, length byte) error {
	switch {
	case h.op.control() && !h.fin:
		return protocolError("fragmented control frame")
	case h.op.control() && length > maxControl:
		return protocolError("control frame longer than %d bytes", maxControl)
	case h.op.control():
		return nil
	case part == nil && h.op == Continuation:
		return protocolError("continuation of nothing")
	case part != nil && h.op != Continuation:
		return protocolError("new message inside a fragmented one")
	}
	return nil
}

// parseLength reads the length. at is the place after it, 0 if it is not all there.
func (h *header) parseLength(buf []byte) (at int, err error) {
	switch short := buf[1] & lengthBits; {
	case short < length16:
		h.length = int(short)
		return 2, nil
	case short == length16 && len(buf) >= 4:
		length := binary.BigEndian.Uint16(buf[2:])
		if length < length16 {
			return 0, protocolError("length %d in 2 bytes", length)
		}
		h.length = int(length)
		return 4, nil
	case short == length64 && len(buf) >= 10:
		return 10, h.setLength64(binary.BigEndian.Uint64(buf[2:]))
	}
	return 0, nil
}

// setLength64 takes a length that was written in 8 bytes.
func (h *header) setLength64(length uint64) error {
	switch {
	case length <= 0xffff:
		return protocolError("length %d in 8 bytes", length)
	case length>>63 != 0:
		return protocolError("length with its top bit set")
	}
	h.length = int(min(length, math.MaxInt))
	return nil
}

// parseMask reads the mask, if there is to be one, and with it ends the header.
func (h *header) parseMask(buf []byte, at int) {
	switch {
	case !h.masked:
		h.size = at
	case len(buf) >= at+maskBytes:
		h.size = at + maskBytes
		copy(h.mask[:], buf[at:])
	}
}
