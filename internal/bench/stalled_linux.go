package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// besideStalled measures all runs twice in turn: with none of the connections stalled, and with some. Those are not counted.
func (cfg *LoadConfig) besideStalled(ctx context.Context) (all []LoadRun, err error) {
	for range cfg.Runs {
		for _, n := range []int{0, cfg.Stalled} {
			c := *cfg
			c.Runs, c.Stalled, c.Connections = 1, n, cfg.Connections-n
			runs, err := inTurn(ctx, &c.Config, c.run)
			if err != nil {
				return nil, err
			}
			all = append(all, runs...)
		}
	}
	return all, nil
}

// What fills the way to a stalled subscriber: so much at a time, until the server has to keep some of it.
const (
	stalledBuffer  = 4 << 10
	stalledPayload = 64 << 10
	stalledPushes  = 1000 // at most
)

// stall has n connections subscribe to the key that all have, and read nothing more. When it returns messages wait for each at the server.
func (t *trial) stall(ctx context.Context, n int) (closeAll func(), err error) {
	var conns []net.Conn
	closeAll = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	key := t.pushers[0].names[0]
	for range n {
		c, err := t.subscribeDeaf(ctx, key)
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("a subscriber that is to stall: %w", err)
		}
		conns = append(conns, c)
	}
	if err := t.fillUp(ctx, key, n); err != nil {
		closeAll()
		return nil, err
	}
	return closeAll, nil
}

func (t *trial) subscribeDeaf(ctx context.Context, key string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, stalledBuffer)
		})
	}}
	c, err := d.DialContext(ctx, "tcp", t.server.Public)
	if err != nil {
		return nil, err
	}
	said := t.subject.dialect(&t.server.Target)
	if _, err = c.Write(said.hello(key)); err == nil {
		err = awaitSubscribed(c, said)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// awaitSubscribed reads until the server says that c is subscribed.
func awaitSubscribed(c net.Conn, said dialect) error {
	buf := make([]byte, 0, 256)
	for {
		n, err := c.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+n]
		it, n, err := said.next(buf)
		switch {
		case err != nil:
			return err
		case n > 0 && it.kind == subscribed:
			return nil
		case n == 0 && len(buf) == cap(buf):
			return errors.New("what it says first is too long")
		}
		buf = append(buf[:0], buf[n:]...)
	}
}

// fillUp pushes to key until messages wait for n connections.
func (t *trial) fillUp(ctx context.Context, key string, n int) error {
	payload := bytes.Repeat([]byte("1"), stalledPayload)
	waits := float64(n) * stalledQueue
	for range stalledPushes {
		held, err := t.held(ctx)
		if err != nil {
			return err
		}
		if held >= waits {
			return nil
		}
		target := "http://" + t.server.Admin + "/v1/push/" + url.PathEscape(key) + "?expire=0"
		if err := ask(ctx, http.MethodPost, target, bytes.NewReader(payload), nil); err != nil {
			return err
		}
	}
	return errors.New("stalled subscribers take all that is pushed")
}

// stalledQueue is the least that a node holds for a connection for which something waits, in bytes.
const stalledQueue = 100

// held is how much the node holds for connections.
func (t *trial) held(ctx context.Context) (held float64, err error) {
	err = ask(ctx, http.MethodGet, "http://"+t.server.Ops+"/metrics", nil, func(line string) {
		if value, ok := strings.CutPrefix(line, "gopush_memory_bytes "); ok {
			held, _ = strconv.ParseFloat(value, 64)
		}
	})
	return held, err
}

// ask asks over HTTP and gives each line of the answer to line.
func ask(ctx context.Context, method, target string, body io.Reader, line func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, target, answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if line != nil {
			line(lines.Text())
		}
	}
	return lines.Err()
}
