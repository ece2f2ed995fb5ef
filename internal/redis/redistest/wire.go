package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// patience bounds every wait: long enough for a loaded machine, short enough to end.
const patience = 20 * time.Second

// wire is a connection to one server.
type wire struct {
	net.Conn
	r  *bufio.Reader
	id string // CLIENT ID
}

// dial connects, and has Redis spoken from then on.
func dial(addr string) (*wire, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c := &wire{Conn: conn, r: bufio.NewReader(conn)}
	id, err := c.ask("CLIENT", "ID")
	if err != nil || id.kind != ':' {
		conn.Close()
		return nil, fmt.Errorf("CLIENT ID = %v, %w", id, err)
	}
	c.id = id.text
	return c, nil
}

func (c *wire) close() {
	if c != nil {
		c.Close()
	}
}

// ask sends a command and returns its reply.
func (c *wire) ask(args ...string) (reply, error) {
	c.write(appendArray(nil, args))
	return c.next()
}

// write sends b. That the other side has closed is seen by what is read.
func (c *wire) write(b []byte) {
	c.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.Write(b)
}

// next reads what comes next.
func (c *wire) next() (reply, error) {
	c.SetReadDeadline(time.Now().Add(patience))
	return readReply(c.r)
}

// silent tells whether nothing has come.
func (c *wire) silent() bool {
	if c.r.Buffered() > 0 {
		return false
	}
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.r.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// appendArray appends a command as a RESP array.
func appendArray(dst []byte, args []string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, a := range args {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(a), a)
	}
	return dst
}

// line is a connection to each server, on which the same is sent.
type line struct {
	wires      [2]*wire
	mark       string     // what the PING says that ends what was sent
	sent       [][]string // the commands before it
	replies    [2][]reply // to sent and the PING, so far
	deliveries [2][]reply // not compared yet
	waits      bool       // theirs has not replied to all of sent: a read blocks
	closed     bool       // by theirs
}

func (l *line) close() {
	for _, c := range l.wires {
		c.close()
	}
}

// take notes what has come from a side.
func (l *line) take(side int, r reply) {
	if r.delivery() {
		l.deliveries[side] = append(l.deliveries[side], r)
	} else {
		l.replies[side] = append(l.replies[side], r)
	}
}

// marked tells whether all that was sent has its replies.
func (l *line) marked(side int) bool {
	n := len(l.replies[side])
	if n == 0 {
		return false
	}
	last := l.replies[side][n-1]
	if last.kind == '*' && len(last.elems) == 2 && last.elems[0].is("pong") {
		last = last.elems[1]
	}
	return last.is(l.mark)
}
