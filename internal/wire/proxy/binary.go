package proxy

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
)

// A header of version 2: the signature, version and command, family and protocol, the length of what follows; then the
// addresses, as long as the family has them, and TLVs.
const (
	fixed    = len(signature) + 4
	v2Local  = 0x20
	v2Proxy  = 0x21
	typeCRC  = 0x03 // TLV: CRC-32C of the header, with zeros in its place
	sizeTLV  = 3    // of a TLV without its value
	sizeCRC  = 4
	maxKnown = 0x32 // the highest family and protocol
)

// sizeOfAddresses is how long the addresses of a family are; its number is the high half of a byte.
var sizeOfAddresses = [...]int{0, 12, 36, 216}

func parseBinary(b []byte) (Header, error) {
	if len(b) < fixed {
		return Header{}, nil
	}
	command, family := b[len(signature)], b[len(signature)+1]
	length := int(binary.BigEndian.Uint16(b[len(signature)+2:]))
	switch {
	case command != v2Local && command != v2Proxy:
		return Header{}, fmt.Errorf("%w: version and command %#x", ErrMalformed, command)
	case family > maxKnown || family&0xf > 2:
		return Header{}, fmt.Errorf("%w: family and protocol %#x", ErrMalformed, family)
	case len(b) < fixed+length:
		return Header{}, nil
	}
	h := Header{Local: command == v2Local, Size: fixed + length}
	if h.Local {
		return h, nil // what follows is to be skipped, whatever it is
	}
	size := sizeOfAddresses[family>>4]
	if size > length {
		return Header{}, fmt.Errorf("%w: %d bytes are too few for addresses of family %#x", ErrMalformed, length, family)
	}
	h.Source = binarySource(family, b[fixed:])
	return h, checkTLVs(b[:h.Size], fixed+size)
}

// binarySource returns the address of the client; not valid for what is no TCP over IP.
func binarySource(family byte, b []byte) netip.AddrPort {
	switch family {
	case 0x11:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[8:]))
	case 0x21:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), binary.BigEndian.Uint16(b[32:]))
	}
	return netip.AddrPort{}
}

// checkTLVs holds those of a header, from at on, to their form, and to the checksum if there is one. Nobody looks at the others.
func checkTLVs(header []byte, at int) error {
	for at < len(header) {
		if len(header)-at < sizeTLV {
			return fmt.Errorf("%w: a TLV is cut off", ErrMalformed)
		}
		length := int(binary.BigEndian.Uint16(header[at+1:]))
		value := at + sizeTLV
		switch {
		case length > len(header)-value:
			return fmt.Errorf("%w: a TLV of %d bytes is longer than its header", ErrMalformed, length)
		case header[at] != typeCRC:
		case length != sizeCRC || binary.BigEndian.Uint32(header[value:]) != checksum(header, value):
			return fmt.Errorf("%w: its checksum is wrong", ErrMalformed)
		}
		at = value + length
	}
	return nil
}

// checksum returns what the checksum of a header, which is at a place in it, should be.
func checksum(header []byte, at int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, header[:at])
	sum = crc32.Update(sum, table, make([]byte, sizeCRC))
	return crc32.Update(sum, table, header[at+sizeCRC:])
}
