package ws

import "encoding/binary"

// AppendFrame appends payload as one unmasked frame, as servers send them. compressed says
// that payload is the output of a Deflater.
func AppendFrame(dst []byte, op Op, compressed bool, payload []byte) []byte {
	dst = appendHeader(dst, op, compressed, 0, len(payload))
	return append(dst, payload...)
}

// AppendMasked appends payload as one masked frame, as clients send them. mask is random and
// new for each frame. compressed says that payload is the output of a Deflater.
func AppendMasked(dst []byte, op Op, compressed bool, mask [4]byte, payload []byte) []byte {
	dst = appendHeader(dst, op, compressed, maskBit, len(payload))
	dst = append(dst, mask[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	xor(dst[start:], mask)
	return dst
}

// AppendClose appends an unmasked Close frame with code and as much of reason as fits, in
// whole characters. CloseNoStatus gives one without either.
func AppendClose(dst []byte, code int, reason string) []byte {
	var body [maxControl]byte
	return AppendFrame(dst, Close, false, AppendCloseBody(body[:0], code, reason))
}

// appendHeader appends the header of a frame that is a whole message, up to the mask.
func appendHeader(dst []byte, op Op, compressed bool, masked byte, length int) []byte {
	first := finBit | byte(op)
	if compressed {
		first |= rsv1Bit
	}
	switch {
	case length < length16:
		return append(dst, first, masked|byte(length))
	case length <= 0xffff:
		dst = append(dst, first, masked|length16)
		return binary.BigEndian.AppendUint16(dst, uint16(length))
	}
	dst = append(dst, first, masked|length64)
	return binary.BigEndian.AppendUint64(dst, uint64(length))
}

// xor masks data, or unmasks it, RFC 6455 section 5.3.
func xor(data []byte, mask [4]byte) {
	word := binary.NativeEndian.Uint32(mask[:])
	wide := uint64(word)<<32 | uint64(word)
	for len(data) >= 8 {
		binary.NativeEndian.PutUint64(data, binary.NativeEndian.Uint64(data)^wide)
		data = data[8:]
	}
	for i := range data {
		data[i] ^= mask[i%len(mask)]
	}
}
