package comet

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestThePoolRunsNoMoreThanItsWorkersAtOnce(t *testing.T) {
	t.Parallel()
	const most, jobs = 3, 50
	p := newPool(most)
	var now, peak, done atomic.Int64
	began := make(chan struct{}, jobs)
	gate := make(chan struct{})
	var all sync.WaitGroup
	all.Add(jobs)
	for range jobs {
		p.run(func() {
			defer all.Done()
			peak.Store(max(peak.Load(), now.Add(1)))
			began <- struct{}{}
			<-gate
			now.Add(-1)
			done.Add(1)
		})
	}
	for range most {
		<-began
	}
	if n := len(began); n != 0 || now.Load() != most {
		t.Errorf("%d jobs run at once, want %d", now.Load(), most)
	}
	close(gate)
	all.Wait()
	p.stop()
	if done.Load() != jobs || peak.Load() > most {
		t.Errorf("%d of %d jobs were run, at most %d at once, want %d", done.Load(), jobs, peak.Load(), most)
	}
}

func TestAPoolThatIsFullOrStoppedTakesNothing(t *testing.T) {
	t.Parallel()
	p := newPool(1)
	began, gate := make(chan struct{}), make(chan struct{})
	p.run(func() {
		close(began)
		<-gate
	})
	<-began
	ran := new(atomic.Int64)
	for i := range poolQueue {
		if !p.run(func() { ran.Add(1) }) {
			t.Fatalf("job %d was refused", i)
		}
	}
	if p.run(func() {}) {
		t.Errorf("a job was taken with %d waiting", poolQueue)
	}
	stopped := make(chan struct{})
	go func() {
		p.stop()
		close(stopped)
	}()
	for !isStopped(p) {
		runtime.Gosched()
	}
	close(gate)
	<-stopped
	if p.run(func() {}) || ran.Load() != 0 {
		t.Errorf("%d jobs that waited were run after the stop, or a new one was taken", ran.Load())
	}
}

func isStopped(p *pool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}
