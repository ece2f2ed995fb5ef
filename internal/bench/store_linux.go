package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stored measures what it costs to store messages that nobody is there for, until each is answered. At the end
// all are counted and read back, each as a key has it. The report comes also with ErrFailed.
func Stored(ctx context.Context, cfg StoreConfig) (*StoreReport, error) {
	runs, err := inTurn(ctx, &cfg.Config, cfg.run)
	if err != nil {
		return nil, err
	}
	report := &StoreReport{
		Store: cfg.Store, Keys: cfg.Keys, Publishers: cfg.Publishers, Batch: cfg.Batch,
		Messages: cfg.Messages, Size: cfg.Size, Runs: runs,
	}
	for _, run := range runs {
		report.Tally.add(run.Tally)
	}
	return report, report.Tally.Err()
}

func (cfg *StoreConfig) run(ctx context.Context, s subject, which string) (run StoreRun, err error) {
	const hour = 3600
	t, err := cfg.trial(ctx, s, layout{
		keys: cfg.Keys, publishers: cfg.Publishers, batch: cfg.Batch, size: cfg.Size,
		expire: hour, stored: cfg.Keys + cfg.Messages, // if all were of one key, none is trimmed
	})
	if err != nil {
		return run, err
	}
	defer t.end(ctx, &err)
	if _, ok := s.backend(&t.server.Target, hour).(reader); !ok {
		return run, errors.New("what it has stored is not read with XLEN and XRANGE: only protocol \"streams\" is")
	}
	if err := t.pushOnly(ctx, schedule{messages: cfg.Keys}); err != nil { // what is made once for each key
		return run, fmt.Errorf("the first messages: %w", err)
	}
	cfg.progress(which + ": storing")
	if run, err = cfg.measure(ctx, t); err != nil {
		return run, err
	}
	cfg.progress(which + ": reading back")
	run.Tally, err = t.readStored(ctx)
	return run, err
}

func (cfg *StoreConfig) measure(ctx context.Context, t *trial) (run StoreRun, err error) {
	for _, p := range t.pushers {
		if p.conn != nil {
			p.conn.answered.Reset()
		}
	}
	m, err := newMeter(t.server)
	if err != nil {
		return run, err
	}
	if err := t.pushOnly(ctx, schedule{messages: cfg.Messages}); err != nil {
		return run, err
	}
	cost, err := m.read()
	n := float64(cfg.Messages)
	return StoreRun{
		Subject:         t.subject.name(),
		PushesPerSecond: n / cost.Seconds,
		CPUPerPush:      cost.CPU / n,
		Answered:        latencyOf(t.answered()),
		Cost:            cost,
	}, err
}

// readStored reads all that every key has, over a connection of its own, and counts it beside what was pushed.
func (t *trial) readStored(ctx context.Context) (tally Tally, err error) {
	at := &t.server.Target
	conn, err := newPublisher(at.Admin, t.subject.backend(at, t.layout.expire), 1)
	if err != nil {
		return tally, err
	}
	defer conn.close()
	defer context.AfterFunc(ctx, conn.close)()
	for key, sent := range t.sent {
		if err := conn.readKey(t.crowd.plan.keyOf(key), key, sent, &tally); err != nil {
			return tally, fmt.Errorf("read back: %w", errors.Join(context.Cause(ctx), err))
		}
	}
	return tally, nil
}

// readKey reads what is stored for a key, to which so many messages were sent, page by page.
func (p *publisher) readKey(name string, key int, sent int64, tally *Tally) error {
	const page = 200
	r := p.backend.(reader)
	counted := 0
	err := p.ask(r.count(nil, name), func(buf []byte) (n int, err error) {
		counted, n, err = r.counted(buf)
		return n, err
	})
	if err != nil {
		return err
	}
	var k track
	var messages []item
	read := 0
	for more := true; more; more = len(messages) == page {
		err := p.ask(r.page(nil, name, k.mid, page), func(buf []byte) (n int, err error) {
			messages, n, err = r.paged(buf)
			return n, err
		})
		if err != nil {
			return err
		}
		read += len(messages)
		if err := k.takeAll(messages, key, tally); err != nil {
			return err
		}
	}
	if read != counted {
		return fmt.Errorf("%w: %q has %d messages, and says that it has %d", ErrFailed, name, read, counted)
	}
	k.end(sent, tally)
	return nil
}

// takeAll notes messages that were read of a key.
func (k *track) takeAll(messages []item, key int, tally *Tally) error {
	for _, m := range messages {
		a, err := parsePayload(m.payload)
		if err != nil {
			return err
		}
		if a.key != key {
			return fmt.Errorf("%w: it is for key %d, and was stored for key %d", errMessage, a.key, key)
		}
		a.mid = m.mid
		k.take(a, tally)
	}
	return nil
}

// ask sends a question and lets take take the answer; n is 0 while it is not complete.
func (p *publisher) ask(question []byte, take func(buf []byte) (n int, err error)) error {
	if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := p.conn.Write(question); err != nil {
		return err
	}
	for {
		n, err := take(p.in)
		if err != nil {
			return err
		}
		if p.in = p.in[n:]; n > 0 {
			return nil
		}
		if err := p.read(); err != nil {
			return err
		}
	}
}
