package legacyrpc

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"sync/atomic"
	"time"
)

// codec is what net/rpc reads calls from, and writes answers to. One goroutine reads; net/rpc has one write at a time.
type codec struct {
	server  *Server
	conn    net.Conn
	in      *frames
	decoder *gob.Decoder
	gate    *gate
	sent    map[int64]bool // types that the peer was told of

	unwritten atomic.Pointer[error] // why an answer could not be written
}

func newCodec(s *Server, conn net.Conn) *codec {
	in := newFrames(conn, s.cfg.IdleTimeout, s.cfg.StallTimeout)
	return &codec{
		server: s, conn: conn, in: in, decoder: gob.NewDecoder(in), gate: newGate(), sent: make(map[int64]bool),
	}
}

// ReadRequestHeader waits until another call may be under way, and reads its header. Each call that it returns ends in WriteResponse.
func (c *codec) ReadRequestHeader(r *rpc.Request) error {
	c.gate.enter()
	c.in.begins, c.in.most = true, maxHeaderBytes
	err := c.decode(r)
	if err != nil {
		c.gate.leave()
	}
	return err
}

// ReadRequestBody reads what the call is given; nil: which nobody wants.
func (c *codec) ReadRequestBody(body any) error {
	c.in.most = c.server.cfg.Settings().MaxMessageBytes + slack
	return c.decode(body)
}

// decode reads a value. A panic of gob is an error as any other: only this connection is closed for it.
func (c *codec) decode(v any) (err error) {
	before := c.in.taken
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("gob: %v", p)
			c.in.err, c.in.why = err, Panicked
			c.server.cfg.Log.Error("gob panicked; the connection is closed", "peer", c.conn.RemoteAddr(), "panic", p)
		}
		c.gate.add(c.in.taken - before)
	}()
	return c.decoder.Decode(v)
}

// WriteResponse answers a call.
func (c *codec) WriteResponse(r *rpc.Response, body any) error {
	defer c.gate.leave()
	if h, ok := body.(*MessageGetResp); ok {
		defer c.server.histories.Add(-h.held)
	}
	out, err := c.encode(r, body)
	if err == nil {
		c.conn.SetWriteDeadline(time.Now().Add(c.server.cfg.StallTimeout))
		_, err = c.conn.Write(out)
	}
	if err != nil {
		c.unwritten.CompareAndSwap(nil, &err)
		c.conn.Close()
	}
	return err
}

// encode returns an answer in gob. The encoder is new each time, as one would keep the memory of its longest answer; so what the peer
// has been told already is taken out again.
func (c *codec) encode(r *rpc.Response, body any) ([]byte, error) {
	var b bytes.Buffer
	e := gob.NewEncoder(&b)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	if err := e.Encode(body); err != nil {
		return nil, err
	}
	return c.news(b.Bytes()), nil
}

// news returns the messages of all that are no definitions of types that were sent before. It overwrites all.
func (c *codec) news(all []byte) []byte {
	kept := all[:0]
	for len(all) > 0 {
		head := scanner{rest: all}
		size := int(head.uint())
		whole := len(all) - len(head.rest) + size
		content := scanner{rest: head.rest[:size]}
		id := content.int()
		if id >= 0 || !c.sent[id] {
			kept = append(kept, all[:whole]...)
		}
		if id < 0 {
			c.sent[id] = true
		}
		all = all[whole:]
	}
	return kept
}

// Close closes the connection, as net/rpc wants it when there are no more calls, and all have been answered.
func (c *codec) Close() error { return c.conn.Close() }

// why tells why the connection ended, when it has.
func (c *codec) why() Reason {
	unwritten := c.unwritten.Load()
	switch {
	case unwritten == nil:
		return c.in.why
	case errors.Is(*unwritten, os.ErrDeadlineExceeded):
		return Stalled
	}
	return Failed
}
