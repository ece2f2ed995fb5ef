package comet

import "sync"

// poolWorkers is how many things that may block run at once for all loops.
const poolWorkers = 16

// pool runs what a loop must not wait for: store reads, token checks. Its queue is bounded by
// the connections: each has at most one job.
type pool struct {
	mu      sync.Mutex
	jobs    []func() // guarded by mu
	running int      // workers; guarded by mu
	most    int
	wg      sync.WaitGroup
}

func newPool(most int) *pool { return &pool{most: most} }

// run has job run by a worker, started if there are not enough.
func (p *pool) run(job func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs = append(p.jobs, job)
	if p.running < p.most {
		p.running++
		p.wg.Go(p.work)
	}
}

// work runs jobs until there are none.
func (p *pool) work() {
	for {
		p.mu.Lock()
		if len(p.jobs) == 0 {
			p.running--
			p.jobs = nil
			p.mu.Unlock()
			return
		}
		job := p.jobs[0]
		p.jobs = p.jobs[1:]
		p.mu.Unlock()
		job()
	}
}

// wait returns when no job runs. None may be added any more.
func (p *pool) wait() { p.wg.Wait() }
