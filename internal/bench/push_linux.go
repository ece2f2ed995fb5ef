package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

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
	if err := t.connect(); err != nil {
		return err
	}
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
		if p.conn != nil {
			p.conn.close()
		}
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
