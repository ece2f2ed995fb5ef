package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// connectTimeout bounds dialling, handshakes and the first answer together.
const connectTimeout = 10 * time.Second

// scheme is a way to reach a node.
type scheme struct {
	port      string // when the address names none
	http      string // scheme of plain requests to the same listener
	secure    bool   // TLS
	webSocket bool   // else RESP
}

func schemeOf(name string) (s scheme, known bool) {
	switch name {
	case "tcp":
		return scheme{port: "6969", http: "http"}, true
	case "tls":
		return scheme{port: "6969", http: "https", secure: true}, true
	case "ws":
		return scheme{port: "80", http: "http", webSocket: true}, true
	case "wss":
		return scheme{port: "443", http: "https", webSocket: true, secure: true}, true
	}
	return scheme{}, false
}

// address is where a subscription connects to. It never changes.
type address struct {
	scheme
	host string   // HOST:PORT
	base *url.URL // for HTTP requests to the same listener, with the path that all begin with
}

// parseAddresses reads Config.Addr: one address, or several with commas between them.
func parseAddresses(s string) (all []address, err error) {
	for one := range strings.SplitSeq(s, ",") {
		a, err := parseAddress(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// parseAddress reads one address.
func parseAddress(s string) (address, error) {
	if !strings.Contains(s, "://") {
		s = "tcp://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return address{}, fmt.Errorf("address: %w", err)
	}
	sch, known := schemeOf(u.Scheme)
	if !known || u.Hostname() == "" {
		return address{}, fmt.Errorf("address %q: want HOST:PORT, or tcp://, tls://, ws:// or wss:// before it", s)
	}
	if u.RawQuery != "" || u.User != nil || (u.Path != "" && !sch.webSocket) {
		return address{}, fmt.Errorf("address %q: want only a host and port, and a path for ws:// and wss://", s)
	}
	host := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), sch.port))
	base := &url.URL{Scheme: sch.http, Host: host, Path: cmp.Or(u.Path, "/")}
	return address{scheme: sch, host: host, base: base}, nil
}

// dial connects to the address. The connection is closed when ctx ends, and has
// connectTimeout left until its deadlines are set anew.
func (a address) dial(ctx context.Context, cfg *Config) (net.Conn, error) {
	deadline := time.Now().Add(connectTimeout)
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	raw, err := cfg.Dial(limited, "tcp", a.host)
	if err != nil {
		return nil, err
	}
	if err := raw.SetDeadline(deadline); err != nil {
		raw.Close()
		return nil, err
	}
	conn := &boundConn{Conn: raw, release: context.AfterFunc(ctx, func() { raw.Close() })}
	if !a.secure {
		return conn, nil
	}
	secured := tls.Client(conn, cfg.tlsFor(a))
	if err := secured.HandshakeContext(limited); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", a.host, err)
	}
	return secured, nil
}

// boundConn is a connection that is closed when a context ends.
type boundConn struct {
	net.Conn
	release func() bool // lets go of the context
}

func (c *boundConn) Close() error {
	c.release()
	return c.Conn.Close()
}
