package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// trial is one run of one subject: the server, all its subscribers, and publishers.
type trial struct {
	subject subject
	server  *process
	crowd   *crowd
	clock   clock
	pushers []*pusher
	sent    []int64 // messages pushed to each key, which belongs to one pusher
}

// layout says who subscribes and publishes in a trial.
type layout struct {
	connections int  // at most
	shared      bool // all connections have one key, else each one of its own
	keys        int
	publishers  int  // with keys of their own
	pipelined   bool // they write on before they are answered
	random      bool // they choose keys at random, else in turn
	batch       int  // messages in a call
	size        int  // of payloads
	expire      int  // seconds that messages are kept; 0: live only
	stored      int  // messages that are kept for a key, at most
}

// trial starts a subject and a crowd without connections yet.
func (c *Config) trial(ctx context.Context, s subject, l layout) (*trial, error) {
	server, err := s.start(ctx, needs{stored: l.stored})
	if err != nil {
		return nil, err
	}
	t := &trial{subject: s, server: server, sent: make([]int64, l.keys)}
	if err := t.populate(ctx, c, &l); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// populate makes the crowd and the pushers.
func (t *trial) populate(ctx context.Context, c *Config, l *layout) (err error) {
	target := t.server.Target
	if _, ok := t.subject.dialect(&target).(resumer); l.expire > 0 && !ok {
		return errors.New("it keeps no messages for subscribers that are away: measure it with --expire 0")
	}
	p := plan{Subject: t.subject.name(), Target: target, Shared: l.shared, Key: uniqueKey()}
	if t.crowd, err = c.crowd(ctx, p, l.connections); err != nil {
		return err
	}
	if t.clock, err = newClock(); err != nil {
		return err
	}
	for i := range l.publishers {
		conn, err := newPublisher(target.Admin, t.subject.backend(&target, l.expire), l.batch)
		if err != nil {
			return err
		}
		t.pushers = append(t.pushers, newPusher(conn, l, i, t.sent, p.keyOf))
	}
	return nil
}

// uniqueKey returns four characters that keys of other runs at the same server hardly begin with.
func uniqueKey() string {
	const digits, most = 36, 36 * 36 * 36 * 36
	return strconv.FormatInt(most/digits+rand.Int64N(most-most/digits), digits)
}

// close ends all of it.
func (t *trial) close() {
	t.hangUp()
	if t.crowd != nil {
		t.crowd.close()
	}
	t.server.stop()
}

// schedule is which messages are pushed when.
type schedule struct {
	messages int
	window   int     // that may be on their way at a time; 0: any number
	rate     float64 // a second, each due at its time; 0: as the window has room
}

// publish pushes messages and waits until they have come everywhere and all is answered. It ends
// with errStalled when nothing comes any more; then publishers are not to be used again.
func (t *trial) publish(ctx context.Context, s schedule) error {
	g := newGate(s.messages, s.window)
	base := t.crowd.follow(g.came)
	return t.push(ctx, g, s.rate, func(ctx context.Context) error {
		return t.crowd.until(ctx, func(total report) bool { return total.Through >= base+s.messages })
	})
}

// pushOnly pushes messages that nobody is there for and waits until all is answered.
func (t *trial) pushOnly(ctx context.Context, s schedule) error {
	return t.push(ctx, newGate(s.messages, 0), s.rate, func(context.Context) error { return nil })
}

// push lets all pushers push what g hands out. It returns when come has returned and they have
// ended, or with its error, or that of a pusher.
func (t *trial) push(ctx context.Context, g *gate, rate float64, come func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	abort := context.AfterFunc(ctx, func() {
		g.close()
		t.hangUp()
	})
	defer abort()
	pushed := t.pushAll(ctx, cancel, g, pace{rate: rate, began: t.clock.now(), clock: t.clock})
	if err := come(ctx); err != nil {
		cancel(err)
	}
	for before := -1; ctx.Err() == nil && before < g.handedOut(); {
		before = g.handedOut()
		select {
		case <-pushed:
			return context.Cause(ctx)
		case <-ctx.Done():
		case <-time.After(t.crowd.patience):
		}
	}
	cancel(fmt.Errorf("%w: not every push was answered", errStalled))
	<-pushed
	return context.Cause(ctx)
}

// pushAll starts all pushers. The channel is closed when they have ended.
func (t *trial) pushAll(ctx context.Context, cancel context.CancelCauseFunc, g *gate, p pace) <-chan struct{} {
	var pushing sync.WaitGroup
	for _, pusher := range t.pushers {
		pushing.Go(func() {
			if err := pusher.run(ctx, cancel, g, p); err != nil {
				cancel(err)
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		pushing.Wait()
		close(ended)
	}()
	return ended
}

// hangUp ends what publishers wait for.
func (t *trial) hangUp() {
	for _, p := range t.pushers {
		p.conn.close()
	}
}

// answered is how long answers took, of all publishers.
func (t *trial) answered() *hdrhistogram.Histogram {
	all := newHistogram()
	for _, p := range t.pushers {
		all.Merge(p.conn.answered)
	}
	return all
}
