package bench

import (
	"bytes"
	"fmt"

	"gopush/internal/wire/resp"
)

// redis is redis-server: SUBSCRIBE and PUBLISH in RESP 2.
func redis() *peer {
	return redisServer("redis", redisSubscriber{}, redisPublisher{})
}

// redisStreams is redis-server: XREAD and XADD in RESP 2.
func redisStreams() *peer {
	return redisServer("redis streams", streamReader{}, streamWriter{})
}

func redisServer(label string, d dialect, b backend) *peer {
	return &peer{
		label:   label,
		program: "redis-server",
		config: `
bind 127.0.0.1
protected-mode no
port PORT
dir DIR
save ""
maxclients ` + peerConnections + `
loglevel warning
`,
		disk: `
appendonly yes
appendfsync always
`,
		subscriber: func(*Target) dialect { return d },
		publisher:  func(*Target) backend { return b },
	}
}

type redisSubscriber struct{}

func (redisSubscriber) hello(key string) []byte { return appendCommand(nil, 2, "SUBSCRIBE", key) }

// What a subscriber hears: the latter goes on with the key and the number of subscriptions, a
// line for the length of the key, one for it, one for the number.
const (
	redisMessage    = "*3\r\n$7\r\nmessage\r\n"
	redisSubscribed = "*3\r\n$9\r\nsubscribe\r\n"
)

func (redisSubscriber) next(buf []byte) (it item, n int, err error) {
	switch {
	case bytes.HasPrefix(buf, []byte(redisMessage)):
		return redisDelivery(buf)
	case bytes.HasPrefix(buf, []byte(redisSubscribed)):
		return item{kind: subscribed}, linesEnd(buf, 6), nil
	case len(buf) >= len(redisSubscribed) || buf[0] == '-':
		return item{}, 0, fmt.Errorf("subscription refused with %.80q", buf)
	}
	return item{}, 0, nil
}

// redisDelivery takes a message: the key and the payload follow.
func redisDelivery(buf []byte) (it item, n int, err error) {
	n = len(redisMessage)
	for range 2 {
		_, data, size, err := resp.ParseReply(buf[n:], maxMessage)
		if size == 0 || err != nil {
			return item{}, 0, err
		}
		it.payload, n = data, n+size
	}
	it.kind = delivery
	return it, n, nil
}

type redisPublisher struct{}

func (redisPublisher) hello() []byte { return nil }

func (redisPublisher) pushes(dst []byte, batch []push) (out []byte, answers int) {
	for _, p := range batch {
		dst = resp.AppendBulk(appendCommand(dst, 3, "PUBLISH", p.key), p.payload)
	}
	return dst, len(batch)
}

func (redisPublisher) answer(buf []byte) (n int, answered bool, err error) {
	n = linesEnd(buf, 1)
	if n > 0 && buf[0] != ':' {
		return 0, false, fmt.Errorf("push: %.80q", buf[:n])
	}
	return n, n > 0, nil
}

// appendCommand appends a command of n arguments, its name among them, of which the last may be left to be appended.
func appendCommand(dst []byte, n int, args ...string) []byte {
	dst = resp.AppendArray(dst, n)
	for _, arg := range args {
		dst = resp.AppendBulk(dst, arg)
	}
	return dst
}

// linesEnd returns where the first n lines of buf end; 0 if they are not complete.
func linesEnd(buf []byte, n int) (end int) {
	for range n {
		length := bytes.IndexByte(buf[end:], '\n')
		if length < 0 {
			return 0
		}
		end += length + 1
	}
	return end
}
