package proxy

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// ErrDisagree is Client's error for a request whose X-Forwarded-For and Forwarded name different clients: a proxy wrote one of
// them, and somebody else the other.
var ErrDisagree = errors.New("X-Forwarded-For and Forwarded name different clients: have the proxy remove the one that it does not write")

// Client returns who sent a request that came from peer with the fields of h: the rightmost address that is not trusted, as
// proxies append whom they got it from. forwarded tells that it is not peer; its address is not valid where a proxy hid it, or
// peer is not trusted and the fields say that it forwards all the same.
func Client(peer netip.Addr, h http.Header, trusted func(netip.Addr) bool) (client netip.Addr, forwarded bool, err error) {
	list, standard := h["X-Forwarded-For"], h["Forwarded"]
	switch {
	case len(list) == 0 && len(standard) == 0 && len(h["X-Real-Ip"]) == 0:
		return peer, false, nil
	case !trusted(peer):
		return peer, true, nil
	case len(list) == 0 && len(standard) == 0:
		return netip.Addr{}, true, nil // X-Real-IP alone: it may be the client's own, which proxies pass on
	case len(standard) == 0:
		return rightmost(peer, xForwardedFor(list), trusted), true, nil
	case len(list) == 0:
		return rightmost(peer, forwardedFor(standard), trusted), true, nil
	}
	client = rightmost(peer, xForwardedFor(list), trusted)
	if client != rightmost(peer, forwardedFor(standard), trusted) {
		return netip.Addr{}, true, ErrDisagree
	}
	return client, true, nil
}

// rightmost returns the last address that is not trusted, or the first if all are; not valid: it is hidden or makes no sense.
func rightmost(peer netip.Addr, hops []string, trusted func(netip.Addr) bool) netip.Addr {
	client := peer
	for i := len(hops) - 1; i >= 0; i-- {
		if client = hop(hops[i]); !client.IsValid() || !trusted(client) {
			break
		}
	}
	return client
}

// hop reads an address as proxies write it: bare, with a port, an IPv6 one in brackets.
func hop(text string) netip.Addr {
	text = strings.Trim(text, " \t")
	if addrPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(addrPort.Addr())
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		text = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return plain(addr)
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// xForwardedFor returns the hops of all fields, in order.
func xForwardedFor(values []string) []string {
	return strings.Split(strings.Join(values, ","), ",")
}

// forwardedFor returns what the elements of Forwarded say for "for", in order; "" where one does not say it once. RFC 7239.
func forwardedFor(values []string) (hops []string) {
	for _, element := range splitQuoted(strings.Join(values, ","), ',') {
		found, times := "", 0
		for _, pair := range splitQuoted(element, ';') {
			name, value, _ := strings.Cut(pair, "=")
			if strings.EqualFold(strings.Trim(name, " \t"), "for") {
				found, times = unquote(strings.Trim(value, " \t")), times+1
			}
		}
		if times != 1 {
			found = ""
		}
		hops = append(hops, found)
	}
	return hops
}

// splitQuoted splits s where sep stands outside of quoted strings.
func splitQuoted(s string, sep byte) (parts []string) {
	from, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// unquote takes quotes off; an address needs no escapes, so that what has some is none.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
