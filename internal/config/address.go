package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Address is where to listen. Its text is HOST:PORT, or HOST:PORT?tls_cert=FILE&tls_key=FILE
// for TLS, with &tls_client_ca=FILE for peers that must show a certificate; the files are PEM. An empty host is every address of the machine, port 0 any free one.
type Address struct {
	HostPort string // as net.Listen takes it
	TLSCert  string // file of the certificate chain; empty: no TLS
	TLSKey   string // file of its private key; empty: no TLS
	ClientCA string // file of those who must have signed a peer's certificate; empty: peers need none
}

var errAddress = errors.New("an address is HOST:PORT, as 127.0.0.1:6969, [::1]:6969 or :6969, with ?tls_cert=FILE&tls_key=FILE behind it for TLS, and &tls_client_ca=FILE where peers must show a certificate")

// TLS tells whether the address speaks TLS.
func (a Address) TLS() bool { return a.TLSCert != "" || a.TLSKey != "" }

// Loopback tells whether only this machine can reach the address. A host name other than
// localhost counts as reachable from outside, whatever it resolves to.
func (a Address) Loopback() bool {
	host, _, err := net.SplitHostPort(a.HostPort)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return ip.Unmap().IsLoopback()
}

// String returns a as UnmarshalText reads it.
func (a Address) String() string {
	if !a.TLS() {
		return a.HostPort
	}
	text := a.HostPort + "?tls_cert=" + escape(a.TLSCert) + "&tls_key=" + escape(a.TLSKey)
	if a.ClientCA != "" {
		text += "&tls_client_ca=" + escape(a.ClientCA)
	}
	return text
}

// escape escapes in a file name what would end it in an address; slashes stay readable.
func escape(file string) string {
	return strings.ReplaceAll(url.QueryEscape(file), "%2F", "/")
}

// MarshalText implements encoding.TextMarshaler.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Address) UnmarshalText(text []byte) error {
	hostPort, query, _ := strings.Cut(strings.TrimSpace(string(text)), "?")
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return errAddress
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errAddress
	}
	parsed := Address{HostPort: hostPort}
	if err := parsed.setTLS(query); err != nil {
		return err
	}
	*a = parsed
	return nil
}

// setTLS reads what stands behind the question mark.
func (a *Address) setTLS(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errAddress
	}
	for name := range values {
		switch name {
		case "tls_cert":
			a.TLSCert = values.Get(name)
		case "tls_key":
			a.TLSKey = values.Get(name)
		case "tls_client_ca":
			a.ClientCA = values.Get(name)
		default:
			return fmt.Errorf("%q is not known behind an address; tls_cert, tls_key and tls_client_ca are", name)
		}
	}
	if (a.TLSCert == "") != (a.TLSKey == "") {
		return errors.New("tls_cert and tls_key are given together or not at all")
	}
	if a.ClientCA != "" && !a.TLS() {
		return errors.New("tls_client_ca is for TLS: it needs tls_cert and tls_key")
	}
	return nil
}
