package proof

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"
)

const (
	dialTime = 3 * time.Second
	beatTime = 3 * time.Second  // who hears nothing for so long asks
	deadTime = 15 * time.Second // and gives the connection up after so long
)

// line is a device's or a pusher's end of a connection. One goroutine reads.
type line struct {
	net.Conn
	r    *bufio.Reader
	beat string // asks the other end whether it is there; "": there is no such word
}

// connect dials addr. When ctx ends the connection does, in one of the ways in which connections end.
func (t *Topology) connect(ctx context.Context, addr string, draw *rand.Rand) (*line, error) {
	timed, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := t.dial(timed, addr)
	if err != nil {
		return nil, err
	}
	abrupt := draw.IntN(3) == 0
	context.AfterFunc(ctx, func() {
		if tcp, ok := conn.(*net.TCPConn); ok && abrupt {
			tcp.SetLinger(0)
		}
		conn.Close()
	})
	return &line{Conn: conn, r: bufio.NewReader(conn)}, nil
}

// say sends text.
func (c *line) say(text string) error {
	c.SetWriteDeadline(time.Now().Add(deadTime))
	_, err := io.WriteString(c.Conn, text)
	return err
}

// await waits for the first byte of what comes next. It asks now and then whether the other end is there, and fails if that says nothing
// for long.
func (c *line) await() error {
	for silent := time.Duration(0); ; silent += beatTime {
		c.SetReadDeadline(time.Now().Add(beatTime))
		_, err := c.r.Peek(1)
		if err == nil {
			c.SetReadDeadline(time.Now().Add(deadTime)) // for the rest of it
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || silent >= deadTime {
			return err
		}
		if err := c.say(c.beat); err != nil {
			return err
		}
	}
}

// text reads one line without its end.
func (c *line) text() (string, error) {
	text, err := c.r.ReadString('\n')
	return strings.TrimSuffix(text, "\r\n"), err
}

// bytes reads n bytes and skips what follows them.
func (c *line) bytes(n, skip int) (string, error) {
	b := make([]byte, n+skip)
	_, err := io.ReadFull(c.r, b)
	return string(b[:n]), err
}
