package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gopush/internal/message"
)

const (
	settled    = 10 * time.Second // a connection that was up so long ends a row of attempts
	toldToGo   = time.Second      // likewise, if it ended since its server said so
	replyGrace = 15 * time.Second // how late the answer to a heartbeat may be
)

// Subscribe calls handle for each message of cfg.Key, in order and once, until ctx ends, the
// server refuses for good (ErrToken, ErrUnknownKey, ErrRefused), or handle returns an error,
// and returns that: ctx.Err(), the refusal, or handle's own error. A mistake in cfg is
// returned at once. Everything else that goes wrong is told to cfg.OnDisconnect and mended
// by connecting again.
//
// A message counts as delivered when handle returns nil. While handle runs, the connection
// is kept alive but nothing is read from it: a server closes a subscriber that is too far
// behind, and what it stored comes after the next connect.
func Subscribe(ctx context.Context, cfg Config, handle func(Message) error) error {
	s, err := newSubscription(cfg, handle)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return s.run(ctx)
}

// subscription is one call of Subscribe. Only the goroutine of the call touches it.
type subscription struct {
	cfg    Config
	addrs  []address // at least one
	handle func(Message) error

	turn    int       // of addrs: where to connect to
	located bool      // whether last is known
	last    int64     // mid of the last message delivered, or the position to resume after
	told    int64     // what a gap was told up to since the last delivery; noGap: none was
	lastUp  time.Time // when a subscribed connection ended; zero: there was none

	random func(time.Duration) time.Duration // even in [0, n)
}

func newSubscription(cfg Config, handle func(Message) error) (*subscription, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	addrs, err := parseAddresses(cfg.Addr)
	if err != nil {
		return nil, err
	}
	s := &subscription{cfg: cfg, addrs: addrs, handle: handle, located: cfg.After != "", told: noGap, random: rand.N[time.Duration]}
	if s.located {
		s.last, err = message.ParseID(cfg.After)
	}
	return s, err
}

// addr is where to connect to now.
func (s *subscription) addr() *address { return &s.addrs[s.turn] }

// run makes connections until one ends for good.
func (s *subscription) run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		up, err := s.connect(ctx)
		if final := new(permanent); errors.As(err, final) {
			return final.error
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if up >= settled || up >= toldToGo && errors.Is(err, ErrLater) {
			attempt = 0
		}
		pause := s.pause(attempt, err)
		s.turn = (s.turn + 1) % len(s.addrs)
		s.cfg.OnDisconnect(err, pause)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// sleep waits for pause or until ctx ends, and returns ctx's error.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return ctx.Err()
}

// connect makes one connection and serves it to its end. It returns how long the connection
// was subscribed and why it ended.
func (s *subscription) connect(ctx context.Context) (up time.Duration, err error) {
	if err := s.locate(ctx); err != nil {
		return 0, err
	}
	t, err := s.dial(ctx)
	if err != nil {
		return 0, s.final(err)
	}
	s.cfg.OnConnect(message.FormatID(s.last))
	since := time.Now()
	defer s.keepAlive(t)()
	err = s.receive(t)
	s.lastUp = time.Now()
	return s.lastUp.Sub(since), s.final(err)
}

// final marks err as permanent if it is a refusal that no further connection can mend.
func (s *subscription) final(err error) error {
	counted := time.Since(s.lastUp) < s.cfg.Heartbeat+replyGrace // the old connection may still be
	switch {
	case errors.Is(err, ErrToken), errors.Is(err, ErrRefused),
		errors.Is(err, ErrUnknownKey) && !counted:
		return permanent{err}
	}
	return err
}

// keepAlive sends heartbeats until the returned function is called, which closes t.
func (s *subscription) keepAlive(t transport) (end func()) {
	done := make(chan struct{})
	var beats sync.WaitGroup
	beats.Go(func() {
		tick := time.NewTicker(s.cfg.Heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if t.beat() != nil {
				t.Close() // receive sees it
				return
			}
		}
	})
	return func() {
		close(done)
		t.Close()
		beats.Wait()
	}
}

// receive delivers what comes until the connection or the callback fails.
func (s *subscription) receive(t transport) error {
	for {
		kind, data, err := t.next()
		if err != nil {
			return err
		}
		switch kind {
		case '$':
			err = s.deliver(data)
		case '-':
			err = refusal(data)
		default:
			err = s.notice(data)
		}
		if err != nil {
			return err
		}
	}
}

// deliver hands a message to the callback unless it had it already.
func (s *subscription) deliver(data []byte) error {
	m, err := decodeMessage(s.cfg.Key, data)
	if err != nil || m.Mid <= s.last {
		return err
	}
	if m.Prev > max(s.last, s.told) {
		s.tellGap(m.Mid)
	}
	if err := s.handle(m); err != nil {
		return permanent{err}
	}
	s.last, s.told = m.Mid, noGap
	return nil
}
