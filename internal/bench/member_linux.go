package bench

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// goroutine is a worker in this process.
type goroutine struct {
	*worker
	cancel  context.CancelFunc
	working sync.WaitGroup
}

func newGoroutine(ctx context.Context, p plan, tell func(report)) (member, error) {
	w, err := newWorker(p, tell)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	g := &goroutine{worker: w, cancel: cancel}
	g.working.Go(func() { w.run(ctx) })
	return g, nil
}

func (g *goroutine) order(o order) error {
	g.worker.order(o)
	return nil
}

func (g *goroutine) close() error {
	g.cancel()
	g.working.Wait()
	return nil
}

// child is a worker in a process of its own, "gopush bench worker": a plan and orders go to its
// standard input, reports come from its standard output.
type child struct {
	process *exec.Cmd
	orders  io.Closer
	encoder *gob.Encoder
	reading sync.WaitGroup
}

func newChild(ctx context.Context, binary string, p plan, tell func(report)) (member, error) {
	c := &child{process: exec.CommandContext(ctx, binary, "bench", "worker")}
	c.process.Stderr = os.Stderr
	orders, err1 := c.process.StdinPipe()
	reports, err2 := c.process.StdoutPipe()
	if err := errors.Join(err1, err2, c.process.Start()); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	c.orders, c.encoder = orders, gob.NewEncoder(orders)
	c.reading.Go(func() { readReports(reports, tell) })
	if err := c.encoder.Encode(p); err != nil {
		return nil, errors.Join(fmt.Errorf("tell a worker its plan: %w", err), c.close())
	}
	return c, nil
}

// readReports tells all that a worker reports, and at its end that it has ended.
func readReports(from io.Reader, tell func(report)) {
	decoder := gob.NewDecoder(from)
	for {
		var r report
		if err := decoder.Decode(&r); err != nil {
			tell(report{Err: fmt.Sprintf("a worker ended: %v", err)})
			return
		}
		tell(r)
	}
}

func (c *child) order(o order) error {
	if err := c.encoder.Encode(o); err != nil {
		return fmt.Errorf("order to a worker: %w", err)
	}
	return nil
}

func (c *child) close() error {
	c.orders.Close()
	c.reading.Wait()
	return c.process.Wait()
}

// Work is a worker of a measurement in another process: it takes orders from in, reports to out,
// and returns at the end of in.
func Work(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	decoder := gob.NewDecoder(in)
	encoder := gob.NewEncoder(out)
	var p plan
	if err := decoder.Decode(&p); err != nil {
		return fmt.Errorf("read the plan of a worker (it is started by the other commands of bench): %w", err)
	}
	w, err := newWorker(p, func(r report) { encoder.Encode(r) })
	if err != nil {
		return err
	}
	var working sync.WaitGroup
	working.Go(func() { w.run(ctx) })
	for {
		var o order
		if err := decoder.Decode(&o); err != nil { // the end
			break
		}
		w.order(o)
	}
	cancel()
	working.Wait()
	return nil
}
