package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Broadcast measures what a delivery costs a node in CPU: messages to one key to which all
// connections are subscribed, a new one as soon as fewer than Window are on their way. With a
// floor, each run of the node follows one of the floor, under the same load. The report comes
// also with ErrFailed.
func Broadcast(ctx context.Context, cfg BroadcastConfig) (*BroadcastReport, error) {
	report := &BroadcastReport{
		Connections: cfg.Connections, Messages: cfg.Messages, Size: cfg.Size, Window: cfg.Window,
	}
	for i := range max(1, cfg.Runs) {
		for _, name := range cfg.Subjects {
			cfg.progress(fmt.Sprintf("broadcast, %s, run %d: %d connections", name, i+1, cfg.Connections))
			subject, err := cfg.subject(name)
			if err != nil {
				return nil, err
			}
			run, tally, err := cfg.run(ctx, subject)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			report.Runs = append(report.Runs, run)
			report.Tally.add(tally)
		}
	}
	report.Ratios = ratios(report.Runs)
	return report, report.Tally.Err()
}

func (cfg *BroadcastConfig) run(ctx context.Context, subject subject) (run BroadcastRun, tally Tally, err error) {
	server, err := subject.start(ctx, needs{})
	if err != nil {
		return run, tally, err
	}
	defer server.stop()
	f := newFan(cfg)
	if f.swarm, err = cfg.swarm(server.Public, subject.dialect(&server.Target), f.took); err != nil {
		return run, tally, err
	}
	defer f.swarm.close()
	if err := f.swarm.grow(ctx, cfg.Connections, func(int) string { return f.key }); err != nil {
		return run, tally, err
	}
	if f.publisher, err = newPublisher(server.Admin, subject.backend(&server.Target, 0)); err != nil {
		return run, tally, err
	}
	defer f.publisher.close()
	run, err = f.measure(ctx, &server.Target)
	run.Subject = subject.name()
	return run, f.swarm.end(func(int) int64 { return f.pushed }), err
}

// uniqueKey returns a key that no earlier run has used.
func uniqueKey() string { return fmt.Sprintf("bench-%x", time.Now().UnixNano()) }

// fan is one key with many subscribers, and what is on its way to them.
type fan struct {
	size      int
	key       string
	swarm     *swarm
	publisher *publisher
	began     time.Time     // what send times count from
	free      chan struct{} // has one for each message that may be pushed now
	pushed    int64         // last sequence number that was accepted; the publisher's while it runs

	came    []int // by sequence number: how many connections have it
	through int   // messages that have come everywhere
	latency *hdrhistogram.Histogram
}

// warmUp is how many messages go before those that are measured: they make what is made once.
const warmUp = 3

func newFan(cfg *BroadcastConfig) *fan {
	f := &fan{
		size: cfg.Size, key: uniqueKey(), began: time.Now(), free: make(chan struct{}, cfg.Window),
		came: make([]int, 1+warmUp+cfg.Messages), latency: newHistogram(),
	}
	for range cfg.Window {
		f.free <- struct{}{}
	}
	return f
}

// took is called by the swarm for each message that came to a connection.
func (f *fan) took(a arrival, at time.Time) {
	record(f.latency, at.Sub(f.began)-a.sent)
	f.came[a.seq]++
	if f.came[a.seq] == len(f.swarm.subscribers) {
		f.through++
		f.free <- struct{}{}
	}
}

func (f *fan) measure(ctx context.Context, server *Target) (run BroadcastRun, err error) {
	if err := f.broadcast(ctx, warmUp); err != nil {
		return run, fmt.Errorf("the first messages: %w", err)
	}
	m, err := newMeter(server)
	if err != nil {
		return run, err
	}
	f.latency.Reset()
	messages, received, reads := len(f.came)-1-warmUp, f.swarm.tally.Received, f.swarm.reads
	if err := f.broadcast(ctx, messages); err != nil && !errors.Is(err, errStalled) {
		return run, err
	}
	u, err := m.read()
	deliveries := float64(f.swarm.tally.Received - received)
	return BroadcastRun{
		CPUPerDelivery:      float64(u.cpu.Microseconds()) / deliveries,
		DeliveriesPerSecond: deliveries / u.wall.Seconds(),
		MessagesPerRead:     deliveries / float64(f.swarm.reads-reads),
		AllocsPerMessage:    u.mallocs / float64(messages),
		AllocsPerDelivery:   u.mallocs / deliveries,
		Latency:             latencyOf(f.latency),
	}, err
}

// broadcast pushes n messages and waits until they have come everywhere, or nothing comes any
// more.
func (f *fan) broadcast(ctx context.Context, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var publishing sync.WaitGroup
	publishing.Go(func() {
		if err := f.push(ctx, n); err != nil {
			cancel(err)
		}
	})
	goal := f.through + n
	err := f.swarm.until(ctx, func() bool { return f.through == goal })
	cancel(nil)
	publishing.Wait()
	return err
}

// push pushes n messages, each when there is room in the window.
func (f *fan) push(ctx context.Context, n int) error {
	var payload []byte
	for range n {
		select {
		case <-f.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		payload = appendPayload(payload[:0], f.size, f.pushed+1, time.Since(f.began))
		if err := f.publisher.push([]push{{f.key, payload}}); err != nil {
			return err
		}
		f.pushed++
	}
	return nil
}
