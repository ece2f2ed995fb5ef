package proof

import (
	"sync"
	"time"
)

// Ledger is what everybody wrote down in a run. Times are counted from its begin.
type Ledger struct {
	began time.Time

	mu     sync.Mutex
	faults []injected
}

// injected is a fault that was in force.
type injected struct {
	kind, name string
	from, to   time.Duration // to is 0 while it is
}

func newLedger() *Ledger { return &Ledger{began: time.Now()} }

func (l *Ledger) now() time.Duration { return time.Since(l.began) }

// fault notes that a fault is about to be injected, and returns its number.
func (l *Ledger) fault(kind, name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, injected{kind: kind, name: name, from: l.now()})
	return len(l.faults) - 1
}

// healed notes that a fault is no more.
func (l *Ledger) healed(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[number].to = l.now()
}
