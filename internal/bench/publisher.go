package bench

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire"
)

// publisher pushes one message after the other over one connection. push returns when the
// server has accepted the message.
type publisher interface {
	push(payload []byte) error
	close()
}

// httpPublisher pushes to a key of a node: POST /v1/push/KEY, kept alive. It is a client of as
// few instructions as it can be, since it shares the machine with the node that it measures.
type httpPublisher struct {
	conn    net.Conn
	head    string // of every request, up to the value of Content-Length
	request []byte // scratch
	answers *bufio.Reader
}

// newHTTPPublisher connects to the admin address of a node. key needs no escaping; messages are
// kept for expire seconds, 0: not at all.
func newHTTPPublisher(admin, key string, expire int) (*httpPublisher, error) {
	conn, err := net.DialTimeout("tcp", admin, patience)
	if err != nil {
		return nil, fmt.Errorf("connect a publisher: %w", err)
	}
	head := fmt.Sprintf("POST /v1/push/%s?expire=%d HTTP/1.1\r\nHost: %s\r\nContent-Length: ", key, expire, admin)
	return &httpPublisher{conn: conn, head: head, answers: bufio.NewReader(conn)}, nil
}

func (p *httpPublisher) close() { p.conn.Close() }

func (p *httpPublisher) push(payload []byte) error {
	p.request = fmt.Appendf(p.request[:0], "%s%d\r\n\r\n%s", p.head, len(payload), payload)
	p.conn.SetDeadline(time.Now().Add(patience))
	if _, err := p.conn.Write(p.request); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	resp, err := http.ReadResponse(p.answers, nil)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("push: %s: %.300s", resp.Status, body)
	}
	return err
}

// floorPublisher hands frames to bench/floor.c, which says what it understands.
type floorPublisher struct {
	conn    net.Conn
	encoder wire.Encoder
	mid     int64
	request []byte // scratch
}

func newFloorPublisher(admin string) (*floorPublisher, error) {
	conn, err := net.DialTimeout("tcp", admin, patience)
	if err != nil {
		return nil, fmt.Errorf("connect to the floor: %w", err)
	}
	return &floorPublisher{conn: conn}, nil
}

func (p *floorPublisher) close() { p.conn.Close() }

// push makes the frame that a node makes of the same payload. It returns when it was sent to all.
func (p *floorPublisher) push(payload []byte) error {
	p.mid = message.NextMid(time.Now(), p.mid)
	frame := p.encoder.Frame(0, &message.Message{Mid: p.mid, Payload: payload})
	p.request = binary.LittleEndian.AppendUint32(p.request[:0], uint32(len(frame)))
	p.conn.SetDeadline(time.Now().Add(patience))
	if _, err := p.conn.Write(append(p.request, frame...)); err != nil {
		return fmt.Errorf("broadcast of the floor: %w", err)
	}
	var done [1]byte
	if _, err := io.ReadFull(p.conn, done[:]); err != nil {
		return fmt.Errorf("broadcast of the floor: %w", err)
	}
	return nil
}
