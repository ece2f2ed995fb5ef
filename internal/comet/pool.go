package comet

import "sync"

const (
	poolWorkers = 64      // how many things that may block run at once for all loops
	poolQueue   = 1 << 16 // how many may wait; who comes then is closed, to come back later
)

// pool runs what a loop must not wait for: store reads, token checks.
type pool struct {
	most int // workers; set by newPool, never changed
	wg   sync.WaitGroup

	mu      sync.Mutex
	jobs    []func() // guarded by mu
	running int      // workers; guarded by mu
	stopped bool     // guarded by mu
}

func newPool(most int) *pool { return &pool{most: most} }

// run has job run by a worker, started if there are not enough. It returns false if the queue
// is full or p was stopped: the job will not run.
func (p *pool) run(job func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || len(p.jobs) == poolQueue {
		return false
	}
	p.jobs = append(p.jobs, job)
	if p.running < p.most {
		p.running++
		p.wg.Go(p.work)
	}
	return true
}

// work runs jobs until there are none.
func (p *pool) work() {
	for job := p.next(); job != nil; job = p.next() {
		job()
	}
}

// next returns the next job, or nil for a worker to end.
func (p *pool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.jobs) == 0 {
		p.running--
		p.jobs = nil
		return nil
	}
	job := p.jobs[0]
	p.jobs[0] = nil // may be long in the array
	p.jobs = p.jobs[1:]
	return job
}

// workers returns how many run.
func (p *pool) workers() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.running)
}

// stop forgets the jobs that wait and returns when none runs.
func (p *pool) stop() {
	p.mu.Lock()
	p.stopped, p.jobs = true, nil
	p.mu.Unlock()
	p.wg.Wait()
}
