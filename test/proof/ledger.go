package proof

import (
	"fmt"
	"sync"
	"time"
)

// Ledger is what everybody wrote down in a run. Times are counted from its begin.
type Ledger struct {
	began time.Time
	keys  []*keyLog // set at the begin, never changed

	mu       sync.Mutex
	faults   []injected
	findings []Finding // what was plainly wrong when it was seen
}

// injected is a fault that was in force.
type injected struct {
	kind, name string
	from, to   time.Duration // to is 0 while it is
}

// keyLog is what was pushed to one key, and removed from it.
type keyLog struct {
	index int
	name  string
	// fleeting tells that messages are removed from it, and expire within the run: a device may miss them, and is to be told.
	fleeting bool

	mu     sync.Mutex
	pushes []*push // by number
}

// push is one payload, and what its pusher knows of it. The pusher owns it until the load has ended.
type push struct {
	key      *keyLog
	number   int
	text     string
	way      *way
	stored   bool // else live only
	expire   int  // seconds; 0: live only
	idem     string
	begun    time.Duration // before the first attempt
	done     time.Duration // after the acknowledgement
	attempts int
	doubts   int // attempts of which nobody knows whether they have stored it
	acked    bool
	mid      int64   // that was acknowledged; 0: the way does not tell
	repeats  int     // acknowledgements of it after the first
	others   []int64 // mids of these that were not mid
}

// sent is what was pushed, byte for byte.
func (p *push) sent() string {
	if p.way.quoted {
		return `"` + p.text + `"`
	}
	return p.text
}

// copies is how often the payload may be stored at most.
func (p *push) copies() int {
	if p.idem != "" {
		return 1
	}
	if p.acked {
		return p.doubts + 1
	}
	return p.doubts
}

func newLedger(keys int) *Ledger {
	l := &Ledger{began: time.Now()}
	forms := []string{"user-%d", "room/%d", "é %d", "a.b.%d"}
	for i := range keys {
		l.keys = append(l.keys, &keyLog{index: i, name: fmt.Sprintf(forms[i%len(forms)], i), fleeting: i%4 == 3})
	}
	return l
}

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

// find notes what is wrong whatever comes later.
func (l *Ledger) find(kind Breach, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.findings = append(l.findings, Finding{kind, fmt.Sprintf(format, args...)})
}

// add returns a push with the next number of the key.
func (k *keyLog) add(seed uint64) *push {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := &push{number: len(k.pushes)}
	p.text = payloadOf(seed, k.index, p.number)
	k.pushes = append(k.pushes, p)
	return p
}

// pushed returns the push of a number; nil: there is none.
func (k *keyLog) pushed(number int) *push {
	k.mu.Lock()
	defer k.mu.Unlock()
	if number < 0 || number >= len(k.pushes) {
		return nil
	}
	return k.pushes[number]
}
