package bench

import (
	"bytes"
	"fmt"

	"gopush/internal/wire/resp"
)

// redis is redis-server: SUBSCRIBE and PUBLISH in RESP 2.
func redis() *peer {
	return &peer{
		label:   "redis",
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
		subscriber: func(*Target) dialect { return redisSubscriber{} },
		publisher:  func(*Target) backend { return redisPublisher{} },
	}
}

type redisSubscriber struct{}

func (redisSubscriber) hello(key string) []byte { return appendCommand(nil, "SUBSCRIBE", key) }

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
		dst = appendCommand(dst, "PUBLISH", p.key, string(p.payload))
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

func appendCommand(dst []byte, args ...string) []byte {
	dst = resp.AppendArray(dst, len(args))
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
