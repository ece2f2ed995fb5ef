package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// gopush is a node of this repository, a new one in a directory of its own for each run.
type gopush struct {
	binary   string
	protocol Protocol
}

func (g *gopush) name() string { return "gopush " + string(g.protocol) }

func (g *gopush) start(ctx context.Context, need needs) (*process, error) {
	dir, err := os.MkdirTemp("", "gopush-bench-")
	if err != nil {
		return nil, err
	}
	const free = "127.0.0.1:0"
	public := free
	if g.secure() {
		if public, err = certified(free, dir); err != nil {
			os.RemoveAll(dir)
			return nil, err
		}
	}
	args := []string{
		"serve", "--public", public, "--admin", free, "--ops", free,
		"--data", filepath.Join(dir, "data"), "--log-level", "warn",
	}
	if need.stored > 0 {
		args = append(args, "--max-stored-per-key", strconv.Itoa(need.stored))
	}
	switch need.store {
	case Memory:
		args = append(args, "--store", "memory")
	case Disk:
		args = append(args, "--store", "pebble")
	}
	p, err := start(ctx, "ops", g.binary, args...)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	end := p.stop
	p.stop = func() {
		end()
		os.RemoveAll(dir)
	}
	return p, nil
}

func (g *gopush) dialect(t *Target) dialect {
	switch g.protocol {
	case WebSocket, WSS:
		return newLegacyWebSocket(t.Public)
	case Redis:
		return redisSubscriber{}
	case Streams:
		return streamReader{}
	}
	return legacyRESP{}
}

func (g *gopush) backend(t *Target, expire int) backend {
	switch g.protocol {
	case Redis:
		return redisPublisher{}
	case Streams:
		return streamWriter{}
	}
	return &v1{host: t.Admin, expire: strconv.Itoa(expire)}
}

// v1 is the HTTP of docs/protocol.md, "The v1 API": a message alone goes to /v1/push/KEY, several
// in one call to /v1/push.
type v1 struct {
	httpAnswers
	host   string
	expire string
	body   []byte // scratch
}

func (*v1) hello() []byte { return nil }

func (v *v1) pushes(dst []byte, batch []push) (out []byte, answers int) {
	if len(batch) == 1 {
		return appendPost(dst, v.host, "/v1/push/"+batch[0].key+"?expire="+v.expire, batch[0].payload), 1
	}
	v.body = append(v.body[:0], `{"messages":[`...)
	for i, p := range batch {
		if i > 0 {
			v.body = append(v.body, ',')
		}
		v.body = append(append(v.body, `{"key":"`...), p.key...)
		v.body = append(append(v.body, `","payload":`...), p.payload...)
		v.body = append(append(v.body, `,"expire":`...), v.expire...)
		v.body = append(v.body, '}')
	}
	v.body = append(v.body, `]}`...)
	return appendPost(dst, v.host, "/v1/push", v.body), 1
}

// appendPost appends a request over HTTP/1.1.
func appendPost(dst []byte, host, target string, body []byte) []byte {
	dst = append(append(append(dst, "POST "...), target...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, host...), "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	return append(append(dst, "\r\n\r\n"...), body...)
}

// httpAnswers reads answers over HTTP/1.1 of which only the status counts, and the length, which
// must be there.
type httpAnswers struct{}

func (httpAnswers) answer(buf []byte) (n int, answered bool, err error) {
	head, _, found := bytes.Cut(buf, []byte("\r\n\r\n"))
	if !found {
		return 0, false, nil
	}
	size, err := contentLength(head)
	if err != nil {
		return 0, false, err
	}
	end := len(head) + len("\r\n\r\n") + size
	if len(buf) < end {
		return 0, false, nil
	}
	body := buf[end-size : end]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 2")) || failedItem(body) {
		status, _, _ := bytes.Cut(head, []byte("\r\n"))
		return 0, false, fmt.Errorf("push: %s: %.300s", bytes.TrimPrefix(status, []byte("HTTP/1.1 ")), body)
	}
	return end, true, nil
}

// failedItem tells whether body is the answer to a batch of which an item failed.
func failedItem(body []byte) bool { return bytes.Contains(body, []byte(`"error":`)) }

// contentLength returns the value of that header field, however it is written.
func contentLength(head []byte) (int, error) {
	for line := range bytes.Lines(head) {
		name, value, found := bytes.Cut(line, []byte(":"))
		if found && bytes.EqualFold(name, []byte("Content-Length")) {
			return strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	return 0, fmt.Errorf("push: an answer without Content-Length: %.300q", head)
}
