package bench

import (
	"bytes"
	"fmt"
	"strconv"
)

// nats is nats-server: its own protocol of lines, without JetStream.
func nats() *peer {
	return &peer{
		label:   "nats",
		program: "nats-server",
		args:    []string{"-c"},
		// Nobody answers pings: a measurement ends before the second.
		config: `
listen: "127.0.0.1:PORT"
ping_interval: "1h"
`,
		subscriber: func(*Target) dialect { return natsSubscriber{} },
		publisher:  func(*Target) backend { return natsPublisher{} },
	}
}

const natsConnect = `CONNECT {"verbose":false,"pedantic":false,"protocol":1}` + "\r\n"

type natsSubscriber struct{}

// hello asks for a PONG: it comes when the subscription stands.
func (natsSubscriber) hello(key string) []byte {
	return []byte(natsConnect + "SUB " + key + " 1\r\nPING\r\n")
}

func (natsSubscriber) next(buf []byte) (it item, n int, err error) {
	n = linesEnd(buf, 1)
	if n == 0 {
		return item{}, 0, nil
	}
	line := bytes.TrimRight(buf[:n], "\r\n")
	word, _, _ := bytes.Cut(line, []byte(" "))
	switch string(word) {
	case "INFO", "PING":
		return item{}, n, nil
	case "PONG":
		return item{kind: subscribed}, n, nil
	case "MSG":
		return natsDelivery(buf, line, n)
	}
	return item{}, 0, fmt.Errorf("subscription refused with %.80q", line)
}

// natsDelivery takes a message, line being "MSG KEY 1 SIZE", with the payload from at on.
func natsDelivery(buf, line []byte, at int) (it item, n int, err error) {
	size, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
	if err != nil {
		return item{}, 0, fmt.Errorf("message with the head %.80q: %w", line, err)
	}
	end := at + size
	if n = end + len("\r\n"); len(buf) < n {
		return item{}, 0, nil
	}
	return item{kind: delivery, payload: buf[at:end]}, n, nil
}

type natsPublisher struct{}

func (natsPublisher) hello() []byte { return []byte(natsConnect) }

// pushes are not answered.
func (natsPublisher) pushes(dst []byte, batch []push) (out []byte, answers int) {
	for _, p := range batch {
		dst = append(append(append(dst, "PUB "...), p.key...), ' ')
		dst = append(strconv.AppendInt(dst, int64(len(p.payload)), 10), "\r\n"...)
		dst = append(append(dst, p.payload...), "\r\n"...)
	}
	return dst, 0
}

func (natsPublisher) answer([]byte) (n int, answered bool, err error) { return 0, false, nil }
