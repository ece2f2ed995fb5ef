package client

import (
	"net"
	"strconv"
	"time"

	"gopush/internal/wire/resp"
)

// respStream speaks docs/protocol.md, "legacy RESP".
type respStream struct {
	stream
	limit int // bytes of one message
}

func (s *subscription) openRESP(conn net.Conn) (transport, error) {
	t := &respStream{stream: stream{Conn: conn}, limit: s.cfg.MaxMessageBytes}
	cmd := resp.AppendArray(nil, 6)
	for _, arg := range []string{
		"sub", s.cfg.Key, heartbeatSeconds(s.cfg.Heartbeat), s.cfg.Token, version, strconv.FormatInt(s.last, 10),
	} {
		cmd = resp.AppendBulk(cmd, arg)
	}
	return t, t.send(cmd)
}

func heartbeatSeconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func (t *respStream) next() (kind byte, data []byte, err error) {
	for {
		kind, data, n, err := resp.ParseReply(t.unused(), t.limit)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			t.used += n
			return kind, data, nil
		}
		if err := t.fill(); err != nil {
			return 0, nil, err
		}
	}
}

func (t *respStream) beat() error { return t.send([]byte{'h'}) }
