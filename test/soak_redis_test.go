package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"gopush/internal/message"
)

// client returns a client of Redis with one connection, which is closed by the second result: sometimes by a reset, in the middle of whatever it
// does. A connection that was closed is not made again.
func (s *soak) client(ctx context.Context) (*redis.Client, func()) {
	var conn atomic.Pointer[net.TCPConn] // go-redis dials on a goroutine of its own
	var dialled atomic.Bool
	c := redis.NewClient(&redis.Options{
		Addr: s.n.public[0], PoolSize: 1, MaxRetries: -1, Protocol: 2 + rand.IntN(2), ReadTimeout: patience, ContextTimeoutEnabled: true, DisableIdentity: rand.IntN(2) == 0,
		Dialer: func(_ context.Context, network, addr string) (net.Conn, error) {
			if dialled.Swap(true) {
				return nil, io.EOF
			}
			made, err := net.DialTimeout(network, addr, patience)
			if err == nil {
				conn.Store(made.(*net.TCPConn))
			}
			return made, err
		},
	})
	stop := context.AfterFunc(ctx, func() { c.Close() })
	return c, func() {
		stop()
		if tcp := conn.Load(); tcp != nil && rand.IntN(2) == 0 {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}

// readStream has d read as readers of Redis's streams do: what it missed, then what comes.
func (s *soak) readStream(ctx context.Context, d *device, last int64) error {
	c, leave := s.client(ctx)
	defer leave()
	s.visits.Add(1)
	for d.last < last {
		streams, err := c.XRead(ctx, &redis.XReadArgs{Streams: []string{d.key, message.FormatID(d.mid)}, Count: int64(rand.IntN(50)), Block: patience}).Result()
		if err != nil {
			return unlessGone(ctx, err)
		}
		for _, m := range streams[0].Messages {
			if err := s.takeEntry(d, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeEntry checks a message of a stream against what d has read.
func (s *soak) takeEntry(d *device, m redis.XMessage) error {
	mid, number, err := numbered(m)
	if err != nil || mid <= d.mid || number != d.last+1 {
		return fmt.Errorf("%s got entry %s with %v after message %d with mid %d: %v", d.key, m.ID, m.Values, d.last, d.mid, err)
	}
	d.mid, d.last = mid, number
	s.messages.Add(1)
	return nil
}

// numbered returns the mid and the number of a message of a stream.
func numbered(m redis.XMessage) (mid, number int64, err error) {
	text, _ := m.Values["msg"].(string)
	number, failed := strconv.ParseInt(text, 10, 64)
	mid, err = message.ParseID(m.ID)
	return mid, number, errors.Join(err, failed)
}

// readGroup has d read by a consumer group: what was delivered and not acknowledged, then what is new. It leaves without acknowledging now and then.
func (s *soak) readGroup(ctx context.Context, d *device, last int64) error {
	c, leave := s.client(ctx)
	defer leave()
	s.visits.Add(1)
	if err := c.XGroupCreateMkStream(ctx, d.key, "g", "0").Err(); err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return unlessGone(ctx, err)
	}
	for from := "0"; d.last < last; {
		streams, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{d.key, from}, Count: 20, Block: patience}).Result()
		if err != nil {
			return unlessGone(ctx, err)
		}
		if len(streams) == 0 || len(streams[0].Messages) == 0 {
			from = ">"
			continue
		}
		var acknowledged []string
		for _, m := range streams[0].Messages {
			_, number, err := numbered(m)
			if err != nil || from == ">" && d.got[number] {
				return fmt.Errorf("%s got entry %s with %v from %s: %v", d.key, m.ID, m.Values, from, err)
			}
			d.got[number] = true
			acknowledged = append(acknowledged, m.ID)
			s.messages.Add(1)
		}
		for d.got[d.last+1] {
			d.last++
		}
		if rand.IntN(10) == 0 && last == 1<<62 {
			return nil
		}
		if err := c.XAck(ctx, d.key, "g", acknowledged...).Err(); err != nil {
			return unlessGone(ctx, err)
		}
	}
	return nil
}

// watch subscribes to what is broadcast, with other keys, and a pattern where that is allowed, and takes some of it back.
func (s *soak) watch(ctx context.Context) error {
	c, leave := s.client(ctx)
	defer leave()
	s.visits.Add(1)
	keys := []string{toAll}
	for i := range rand.IntN(40) {
		keys = append(keys, fmt.Sprint("watched", i))
	}
	sub := c.Subscribe(ctx, keys...)
	defer sub.Close()
	before := int64(0)
	for {
		got, err := sub.Receive(ctx)
		if err != nil {
			return unlessGone(ctx, err)
		}
		m, ok := got.(*redis.Message)
		if !ok {
			continue
		}
		number, err := strconv.ParseInt(m.Payload, 10, 64)
		if err != nil || m.Channel != toAll || before > 0 && number != before+1 {
			return fmt.Errorf("a subscriber of Redis got %q of %s after %d", m.Payload, m.Channel, before)
		}
		before = number
		s.messages.Add(1)
		if rand.IntN(20) == 0 && len(keys) > 1 {
			if err := sub.Unsubscribe(ctx, keys[1:]...); err != nil {
				return unlessGone(ctx, err)
			}
			keys = keys[:1]
		}
	}
}

// unlessGone returns err, unless it is how a connection ends that is kicked, is closed, or whose time is over.
func unlessGone(ctx context.Context, err error) error {
	reply := redis.Error(nil)
	if ctx.Err() == nil && errors.As(err, &reply) && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("a client of Redis was told: %w", err)
	}
	return nil
}
