package ws

import "unicode/utf8"

// Message is what a peer said: a whole message or a control frame.
type Message struct {
	Op      Op     // Text, Binary, Close, Ping or Pong; Continuation: none yet
	Payload []byte // inflated; nil for Close; valid until the next call of Next
	Code    int    // of Close: CloseNoStatus if the frame had none
	Reason  string // of Close
}

// Assembly is a message of which some fragments, and not the last, have come. Its connection
// keeps it between calls of Next; nil is none.
type Assembly struct {
	op         Op
	compressed bool
	data       []byte // at most the parser's MaxMessage
}

// Size returns about how much memory the fragments take, in bytes.
func (a *Assembly) Size() int { return cap(a.data) + 48 }

// Parser takes messages from bytes. One event loop has one and uses it for all its
// connections: what it remembers is scratch only. The zero value refuses every message that
// is not empty.
type Parser struct {
	MaxMessage int  // bytes of a message, as it is sent and inflated
	Client     bool // the peer is a server: its frames are not masked

	inflater inflater
}

// Next takes the next whole frame from the start of buf and unmasks it there. part is what the
// last call for the same connection returned as next; deflate says that permessage-deflate was
// agreed on.
//
//   - n == 0: the frame is not complete; call again with the same bytes and more.
//   - msg.Op == Continuation: the frame was a fragment; its message is not complete.
//   - else msg is a whole message or a control frame, and Payload may alias buf.
//
// Control frames may stand between the fragments of a message. The error is a *CloseError,
// after which nothing of the connection can be parsed any more.
func (p *Parser) Next(buf []byte, part *Assembly, deflate bool) (msg Message, n int, next *Assembly, err error) {
	h, err := p.parseHeader(buf, part, deflate)
	if err != nil {
		return Message{}, 0, nil, err
	}
	n = h.size + h.length
	if h.size == 0 || len(buf) < n {
		return Message{}, 0, part, nil
	}
	payload := buf[h.size:n:n]
	if h.masked {
		xor(payload, h.mask)
	}
	switch {
	case h.op.control():
		next = part
		msg, err = control(h.op, payload)
	case h.fin:
		msg, err = p.message(part.last(h, payload))
	default:
		next = part.add(h, payload)
	}
	if err != nil {
		return Message{}, 0, nil, err
	}
	return msg, n, next, nil
}

func control(op Op, payload []byte) (msg Message, err error) {
	if op != Close {
		return Message{Op: op, Payload: payload}, nil
	}
	msg.Op = Close
	msg.Code, msg.Reason, err = parseClose(payload)
	return msg, err
}

// message makes the message whose payload is all there.
func (p *Parser) message(op Op, compressed bool, data []byte) (msg Message, err error) {
	if compressed {
		if data, err = p.inflater.inflate(data, p.MaxMessage); err != nil {
			return Message{}, err
		}
	}
	if op == Text && !utf8.Valid(data) {
		return Message{}, &CloseError{CloseInvalidData, "text is not UTF-8"}
	}
	return Message{Op: op, Payload: data}, nil
}

// size returns how many bytes of the message there are.
func (a *Assembly) size() int {
	if a == nil {
		return 0
	}
	return len(a.data)
}

// add adds a fragment that is not the last; nil begins a message.
func (a *Assembly) add(h header, payload []byte) *Assembly {
	if a == nil {
		a = &Assembly{op: h.op, compressed: h.compressed}
	}
	a.data = append(a.data, payload...)
	return a
}

// last returns the message that ends with payload, which is all of it for nil.
func (a *Assembly) last(h header, payload []byte) (op Op, compressed bool, data []byte) {
	if a == nil {
		return h.op, h.compressed, payload
	}
	return a.op, a.compressed, append(a.data, payload...)
}
