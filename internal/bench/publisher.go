package bench

import (
	"fmt"
	"net"
	"time"
)

// publisher pushes over one connection what its backend makes of it. It is a client of as few
// instructions as it can be, since it shares the machine with the server that it measures.
type publisher struct {
	backend
	conn net.Conn
	out  []byte // scratch
	buf  []byte // of what is read
	in   []byte // of buf: not yet taken
}

// newPublisher connects to admin.
func newPublisher(admin string, b backend) (*publisher, error) {
	conn, err := net.DialTimeout("tcp", admin, patience)
	if err != nil {
		return nil, fmt.Errorf("connect a publisher: %w", err)
	}
	p := &publisher{backend: b, conn: conn}
	if _, err := conn.Write(b.hello()); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect a publisher: %w", err)
	}
	return p, nil
}

func (p *publisher) close() { p.conn.Close() }

// push pushes batch in one write and returns when all of it was answered, if the protocol answers.
func (p *publisher) push(batch []push) error {
	var answers int
	p.out, answers = p.pushes(p.out[:0], batch)
	p.conn.SetDeadline(time.Now().Add(patience))
	if _, err := p.conn.Write(p.out); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	for answers > 0 {
		n, answered, err := p.answer(p.in)
		if err != nil {
			return err
		}
		if answered {
			answers--
		}
		if p.in = p.in[n:]; n == 0 {
			if err := p.read(); err != nil {
				return fmt.Errorf("push: %w", err)
			}
		}
	}
	return nil
}

// read reads more behind what is left of in.
func (p *publisher) read() error {
	kept := copy(p.buf, p.in)
	if kept == len(p.buf) {
		p.buf = append(p.buf, make([]byte, max(4096, kept))...)
	}
	n, err := p.conn.Read(p.buf[kept:])
	p.in = p.buf[:kept+n]
	return err
}
