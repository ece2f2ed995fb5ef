package redis

import (
	"bytes"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats counts what a Server did. Written by whoever does it, read by anyone.
type Stats struct {
	Commands atomic.Int64             // carried out, or refused
	Errors   [errorKinds]atomic.Int64 // replies that are errors, by their first word: ErrorKind
}

// ErrorKind is one of the first words of errors.
type ErrorKind uint8

const (
	Err ErrorKind = iota // ERR, and all that are none of the others
	NoAuth
	WrongPass
	NoPerm
	NoProto
	NoGroup
	BusyGroup
	Moved
	errorKinds = iota
)

// String returns the word.
func (k ErrorKind) String() string {
	return [errorKinds]string{"ERR", "NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO", "NOGROUP", "BUSYGROUP", "MOVED"}[k]
}

// countReply counts reply if it is an error.
func (s *Stats) countReply(reply []byte) {
	if len(reply) == 0 || reply[0] != '-' {
		return
	}
	s.Errors[kindOf(reply[1:])].Add(1)
}

// errors returns how many there were of all kinds.
func (s *Stats) errors() (sum int64) {
	for k := range s.Errors {
		sum += s.Errors[k].Load()
	}
	return sum
}

func kindOf(text []byte) ErrorKind {
	word, _, _ := bytes.Cut(text, []byte{' '})
	for k := range ErrorKind(errorKinds) {
		if string(word) == k.String() {
			return k
		}
	}
	return Err
}

// Register makes what s counts metrics.
func (s *Server) Register(reg prometheus.Registerer) {
	counter(reg, "gopush_redis_commands_total", "Redis commands carried out or refused.", nil, &s.Stats.Commands)
	for k := range ErrorKind(errorKinds) {
		counter(reg, "gopush_redis_errors_total", "Redis commands answered with an error, by its first word.",
			prometheus.Labels{"kind": k.String()}, &s.Stats.Errors[k])
	}
}

func counter(reg prometheus.Registerer, name, help string, labels prometheus.Labels, v *atomic.Int64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(v.Load()) }))
}
