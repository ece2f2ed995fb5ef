package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Push measures how many pushes a node takes a second and what one costs it, live only and
// stored, in turn. Every push that was acknowledged must have come to the subscriber of its
// key, and if it was stored must be there to be read. The report comes also with ErrFailed.
func Push(ctx context.Context, cfg PushConfig) (*PushReport, error) {
	report := &PushReport{Publishers: cfg.Publishers, Messages: cfg.Messages, Size: cfg.Size}
	for i := range max(1, cfg.Runs) {
		for _, expire := range []int{0, cfg.Expire} {
			l := &load{cfg: &cfg, expire: expire, key: uniqueKey(), began: time.Now(), delivered: newHistogram()}
			cfg.progress(fmt.Sprintf("push, %s, run %d: %d publishers", l.subject(), i+1, cfg.Publishers))
			run, err := l.run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.subject(), err)
			}
			report.Runs = append(report.Runs, run)
			report.Tally.add(l.tally)
			report.ReadBack.add(l.readBack)
		}
	}
	return report, errors.Join(report.Tally.Err(), report.ReadBack.Err())
}

// load is one run of Push.
type load struct {
	cfg    *PushConfig
	expire int
	key    string    // what all keys begin with
	began  time.Time // what send times count from

	swarm     *swarm
	delivered *hdrhistogram.Histogram
	came      int // messages, at all subscribers
	tally     Tally
	readBack  Tally
}

func (l *load) subject() string {
	if l.expire == 0 {
		return "expire=0"
	}
	return "stored"
}

func (l *load) keyOf(i int) string { return l.key + "-" + strconv.Itoa(i) }

func (l *load) took(a arrival, at time.Time) {
	record(l.delivered, at.Sub(l.began)-a.sent)
	l.came++
}

func (l *load) run(ctx context.Context) (run PushRun, err error) {
	subject, err := l.cfg.subject(l.cfg.Subjects[0])
	if err != nil {
		return run, err
	}
	node, err := subject.start(ctx, needs{stored: l.cfg.Messages})
	if err != nil {
		return run, err
	}
	defer node.stop()
	if l.swarm, err = l.cfg.swarm(node.Public, subject.dialect(&node.Target), l.took); err != nil {
		return run, err
	}
	defer l.swarm.close()
	if err := l.swarm.grow(ctx, l.cfg.Publishers, l.keyOf); err != nil {
		return run, err
	}
	if run, err = l.measure(ctx, subject, &node.Target); err != nil {
		return run, err
	}
	last := int64(l.cfg.Messages)
	l.tally = l.swarm.end(func(int) int64 { return last })
	for i := range l.cfg.Publishers {
		if l.expire == 0 {
			break
		}
		if err := l.read(node.Public, l.keyOf(i), last); err != nil {
			return run, err
		}
	}
	return run, nil
}

func (l *load) measure(ctx context.Context, subject subject, node *Target) (run PushRun, err error) {
	publishers, err := l.publishers(subject, node)
	defer func() {
		for _, p := range publishers {
			p.close()
		}
	}()
	if err != nil {
		return run, err
	}
	m, err := newMeter(node)
	if err != nil {
		return run, err
	}
	acknowledged, wall, err := l.push(ctx, publishers)
	if err != nil {
		return run, err
	}
	u, err := m.read()
	pushes := float64(l.cfg.Publishers * l.cfg.Messages)
	return PushRun{
		Subject:         l.subject(),
		PushesPerSecond: pushes / wall.Seconds(),
		CPUPerPush:      float64(u.cpu.Microseconds()) / pushes,
		AllocsPerPush:   u.mallocs / pushes,
		Acknowledged:    latencyOf(acknowledged),
		Delivered:       latencyOf(l.delivered),
	}, err
}

func (l *load) publishers(subject subject, node *Target) (all []*publisher, err error) {
	for range l.cfg.Publishers {
		p, err := newPublisher(node.Admin, subject.backend(node, l.expire))
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}

// push lets all publishers push all their messages and waits until they have come to the
// subscribers, or nothing comes any more. wall is the time until the last answer.
func (l *load) push(ctx context.Context, publishers []*publisher) (acknowledged *hdrhistogram.Histogram, wall time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var publishing sync.WaitGroup
	var mu sync.Mutex // guards acknowledged and wall
	acknowledged = newHistogram()
	began := time.Now()
	for i, p := range publishers {
		publishing.Go(func() {
			latencies, err := l.pushAll(ctx, l.keyOf(i), p)
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			acknowledged.Merge(latencies)
			wall = max(wall, time.Since(began))
		})
	}
	err = l.swarm.until(ctx, func() bool { return l.came == l.cfg.Publishers*l.cfg.Messages })
	if err != nil && !errors.Is(err, errStalled) { // what is lost is counted
		cancel(err)
	}
	publishing.Wait()
	return acknowledged, wall, context.Cause(ctx)
}

// pushAll pushes all messages of one publisher, each when the one before it was acknowledged.
func (l *load) pushAll(ctx context.Context, key string, p *publisher) (*hdrhistogram.Histogram, error) {
	latencies := newHistogram()
	var payload []byte
	for i := range l.cfg.Messages {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		sent := time.Since(l.began)
		payload = appendPayload(payload[:0], l.cfg.Size, int64(i+1), sent)
		if err := p.push([]push{{key, payload}}); err != nil {
			return nil, err
		}
		record(latencies, time.Since(l.began)-sent)
	}
	return latencies, nil
}

// read reads back what is stored of key: all messages up to last.
func (l *load) read(public, key string, last int64) error {
	var answer struct {
		Data struct{ Msgs []json.RawMessage }
	}
	if err := getJSON("http://"+public+"/1/msg/get?m=0&k="+key, &answer); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	var t track
	for _, msg := range answer.Data.Msgs {
		payload, mid, err := parseJSON(msg)
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		a, err := parsePayload(payload)
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		a.mid = mid
		t.take(a, &l.readBack)
	}
	t.end(last, &l.readBack)
	return nil
}
