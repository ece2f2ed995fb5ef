package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"gopush/internal/config"
	"gopush/internal/node"
)

// greet says what listens where and what to try next.
func greet(w io.Writer, c config.Config, addrs node.Addrs) {
	where := c.Store
	if c.Store == "pebble" {
		where = c.Data
	}
	fmt.Fprintf(w, "gopush is ready: store %s, auth %s\n", where, c.Auth)
	listens(w, "public", "devices and browsers subscribe", c.Public, addrs.Public)
	listens(w, "admin", "backends push", c.Admin, addrs.Admin)
	listens(w, "ops", "operators look", c.Ops, addrs.Ops)
	if tries := commands(c, addrs); len(tries) > 0 {
		fmt.Fprintf(w, "Try in another terminal:\n  %s\n", strings.Join(tries, "\n  "))
	}
}

// listens prints a line for each address of a kind; what is configured tells TLS, what is bound
// tells the port.
func listens(w io.Writer, kind, purpose string, configured []config.Address, bound []net.Addr) {
	for i, addr := range bound {
		secured := ""
		if i < len(configured) && configured[i].TLS() {
			secured = ", TLS"
		}
		fmt.Fprintf(w, "  %-7s %-22s %s%s\n", kind, addr, purpose, secured)
	}
}

// commands are lines that work as they stand, with flags only where a default does not reach.
func commands(c config.Config, addrs node.Addrs) (lines []string) {
	defaults := config.Default()
	if at := first(addrs.Public); at != "" {
		lines = append(lines, "gopush sub"+addrFlag(at, "tls://", c.Public[0], defaults.Public[0])+" hello")
	}
	if at := first(addrs.Admin); at != "" {
		lines = append(lines, "gopush push"+addrFlag(at, "https://", c.Admin[0], defaults.Admin[0])+" hello 'first message'")
	}
	if at := first(addrs.Ops); at != "" {
		scheme := "http"
		if c.Ops[0].TLS() {
			scheme = "https"
		}
		lines = append(lines, fmt.Sprintf("curl %s://%s/readyz", scheme, at))
	}
	return lines
}

// addrFlag names the listener that is bound to at, with scheme before it where it speaks TLS,
// unless a client finds it by itself.
func addrFlag(at, scheme string, configured, usual config.Address) string {
	switch {
	case configured.TLS():
		return " --addr " + scheme + at
	case at == usual.HostPort:
		return ""
	}
	return " --addr " + at
}

// first returns where this machine reaches the first address: a listener on every address is
// asked on loopback.
func first(bound []net.Addr) string {
	if len(bound) == 0 {
		return ""
	}
	at, err := netip.ParseAddrPort(bound[0].String())
	if err != nil || !at.Addr().IsUnspecified() {
		return bound[0].String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(at.Port())))
}
