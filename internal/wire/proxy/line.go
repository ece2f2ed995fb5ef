package proxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxLine is how long a header of version 1 can be, its line end included.
const maxLine = 107

// parseLine reads a header of version 1: PROXY TCP4 SOURCE DESTINATION PORT PORT, or PROXY UNKNOWN and anything.
func parseLine(b []byte) (Header, error) {
	end := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	if end < 0 {
		if len(b) >= maxLine {
			return Header{}, fmt.Errorf("%w: a line of more than %d bytes", ErrMalformed, maxLine)
		}
		return Header{}, nil
	}
	text, crlf := strings.CutSuffix(string(b[:end]), "\r")
	if !crlf {
		return Header{}, fmt.Errorf("%w: the line does not end in CRLF", ErrMalformed)
	}
	h := Header{Size: end + 1}
	fields := strings.Split(text[len(line):], " ")
	if fields[0] == "UNKNOWN" {
		return h, nil
	}
	if len(fields) != 5 {
		return Header{}, fmt.Errorf("%w: %d words behind PROXY, not 5", ErrMalformed, len(fields))
	}
	source, err := lineAddr(fields[0], fields[1], fields[3])
	if err == nil {
		_, err = lineAddr(fields[0], fields[2], fields[4])
	}
	if err != nil {
		return Header{}, err
	}
	h.Source = source
	return h, nil
}

func lineAddr(family, host, port string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || !(family == "TCP4" && addr.Is4() || family == "TCP6" && addr.Is6()) {
		return netip.AddrPort{}, fmt.Errorf("%w: %q is no address of %q", ErrMalformed, host, family)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, fmt.Errorf("%w: %q is no port", ErrMalformed, port)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}
