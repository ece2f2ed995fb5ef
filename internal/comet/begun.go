package comet

import (
	"errors"
	"net"
)

// begun is a connection of which something was read already: that comes first.
type begun struct {
	net.Conn
	unread []byte // owned by the reader
}

// Begun returns a connection that reads as unread, which is its own from now on, and then as conn.
func Begun(conn net.Conn, unread []byte) net.Conn { return &begun{conn, unread} }

func (c *begun) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		c.unread = nil
	}
	return n, nil
}

// CloseWrite tells the peer that nothing more comes, for who closes politely.
func (c *begun) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
