package bench

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// mosquitto is an MQTT broker: MQTT 3.1.1, QoS 0, clean sessions without keep-alive.
func mosquitto() *peer {
	return &peer{
		label:   "mosquitto",
		program: "mosquitto",
		args:    []string{"-c"},
		// It drops what waits for a connection beyond max_queued_messages.
		config: `
listener PORT 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 100000
log_type error
`,
		subscriber: func(*Target) dialect { return &mqttSubscriber{name: clientName()} },
		publisher:  func(*Target) backend { return mqttPublisher{} },
	}
}

// Control packets, MQTT 3.1.1 section 2.2, with the flags that they must have.
const (
	mqttConnect   = 0x10
	mqttConnAck   = 0x20
	mqttPublish   = 0x30
	mqttSubscribe = 0x82
	mqttSubAck    = 0x90
)

// appendMQTT appends a packet whose body is made of parts.
func appendMQTT(dst []byte, packet byte, parts ...[]byte) []byte {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	dst = binary.AppendUvarint(append(dst, packet), uint64(size))
	for _, part := range parts {
		dst = append(dst, part...)
	}
	return dst
}

// mqttString returns text with its length before it, MQTT 3.1.1 section 1.5.3.
func mqttString(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

// appendMQTTConnect asks for a clean session without keep-alive, MQTT 3.1.1 section 3.1.
func appendMQTTConnect(dst []byte, client string) []byte {
	const level, cleanSession = 4, 0x02
	return appendMQTT(dst, mqttConnect, mqttString("MQTT"), []byte{level, cleanSession, 0, 0}, mqttString(client))
}

// clientName returns a name that no other client has: a server ends the older of two.
func clientName() string { return rand.Text()[:12] }

type mqttSubscriber struct {
	name    string // what the names of its clients begin with
	clients int
}

// hello does not wait for the answer to CONNECT before it subscribes, MQTT 3.1.1 section 3.1.4.
func (s *mqttSubscriber) hello(key string) []byte {
	s.clients++
	hello := appendMQTTConnect(nil, fmt.Sprint(s.name, "-", s.clients))
	const id, qos = 1, 0
	return appendMQTT(hello, mqttSubscribe, []byte{0, id}, mqttString(key), []byte{qos})
}

func (s *mqttSubscriber) next(buf []byte) (it item, n int, err error) {
	size, width := binary.Uvarint(buf[1:])
	if n = 1 + width + int(size); width <= 0 || len(buf) < n {
		return item{}, 0, nil
	}
	packet, body := buf[0], buf[1+width:n]
	accepted := len(body) > 0 && body[len(body)-1] == 0
	switch {
	case packet == mqttPublish:
		topic := 2 + int(binary.BigEndian.Uint16(body))
		return item{kind: delivery, payload: body[topic:]}, n, nil
	case packet == mqttConnAck && accepted:
		return item{}, n, nil
	case packet == mqttSubAck && accepted:
		return item{kind: subscribed}, n, nil
	}
	return item{}, 0, fmt.Errorf("subscription refused with the packet %#x", buf[:n])
}

type mqttPublisher struct{}

func (mqttPublisher) hello() []byte { return appendMQTTConnect(nil, clientName()) }

// pushes of QoS 0 are not answered.
func (mqttPublisher) pushes(dst []byte, batch []push) (out []byte, answers int) {
	for _, p := range batch {
		dst = appendMQTT(dst, mqttPublish, mqttString(p.key), p.payload)
	}
	return dst, 0
}

func (mqttPublisher) answer([]byte) (n int, answered bool, err error) { return 0, false, nil }
