package bench

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// publisher pushes over one connection what its backend makes of it. It is a client of as few
// instructions as it can be, since it shares the machine with the server that it measures.
type publisher struct {
	backend
	conn     net.Conn
	batch    int                     // pushes in a call
	out      []byte                  // scratch
	buf      []byte                  // of what is read
	in       []byte                  // of buf: not yet taken
	answered *hdrhistogram.Histogram // from before a write to the last answer to it
}

// newPublisher connects to admin, to push so many messages in a call.
func newPublisher(admin string, b backend, batch int) (*publisher, error) {
	conn, err := net.DialTimeout("tcp", admin, patience)
	if err != nil {
		return nil, fmt.Errorf("connect a publisher: %w", err)
	}
	if _, err := conn.Write(b.hello()); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect a publisher: %w", err)
	}
	return &publisher{backend: b, conn: conn, batch: batch, answered: newHistogram()}, nil
}

// close ends the connection, and with an error whatever is being pushed.
func (p *publisher) close() { p.conn.Close() }

// push pushes all in one write and returns when all of it was answered, if the protocol answers.
func (p *publisher) push(all []push) error {
	began := time.Now()
	answers, err := p.write(all)
	if err != nil {
		return err
	}
	return p.await(written{answers, began})
}

// write pushes all in one write, in calls of a batch each, and returns how many answers will come.
func (p *publisher) write(all []push) (answers int, err error) {
	p.out = p.out[:0]
	for batch := range slices.Chunk(all, p.batch) {
		var n int
		p.out, n = p.pushes(p.out, batch)
		answers += n
	}
	if _, err := p.conn.Write(p.out); err != nil {
		return 0, fmt.Errorf("push: %w", err)
	}
	return answers, nil
}

// written is a write whose answers are to come.
type written struct {
	answers int
	at      time.Time
}

// await reads the answers to w, the oldest write of which none were read.
func (p *publisher) await(w written) error {
	for left := w.answers; left > 0; {
		n, answered, err := p.answer(p.in)
		if err != nil {
			return err
		}
		if answered {
			left--
		}
		if p.in = p.in[n:]; n == 0 {
			if err := p.read(); err != nil {
				return fmt.Errorf("answer to a push: %w", err)
			}
		}
	}
	if w.answers > 0 {
		record(p.answered, time.Since(w.at))
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

// pipeline is a publisher that does not wait for answers before it writes more.
type pipeline struct {
	*publisher
	owed    chan written // bounded: one who never answers is not written to forever
	reading sync.WaitGroup
}

// pipelined begins a pipeline over p. failed is told when an answer is bad or does not come, on
// its goroutine.
func (p *publisher) pipelined(failed func(error)) *pipeline {
	const underWay = 1024
	l := &pipeline{publisher: p, owed: make(chan written, underWay)}
	l.reading.Go(func() {
		var err error
		for w := range l.owed {
			if err != nil {
				continue
			}
			if err = p.await(w); err != nil {
				failed(err)
			}
		}
	})
	return l
}

// push writes all at once.
func (l *pipeline) push(all []push) error {
	began := time.Now()
	answers, err := l.write(all)
	if err == nil {
		l.owed <- written{answers, began}
	}
	return err
}

// end waits until all is answered.
func (l *pipeline) end() {
	close(l.owed)
	l.reading.Wait()
}
