package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// device listens to one key: it comes, reads, lags, goes, stays away, and comes back to any node.
type device struct {
	r      *run
	number int
	how    *dialect
	key    *keyLog
	draw   *rand.Rand // the device's goroutine's
	slack  bool       // it stops reading now and then

	mu     sync.Mutex
	events []event
	has    map[int]bool // numbers of the messages that it got
	last   int64        // the highest mid of them
	visit  int          // number of its connection
	node   string       // of the connection
	why    error        // why the last connection ended
	open   bool         // a connection is subscribed
}

// dialect is a way to listen.
type dialect struct {
	name    string
	resumes bool // by mid or id, and is told of gaps: what is stored, reaches it
	told    bool // of gaps
	group   bool // what it has not acknowledged may come again
	stored  bool // it gets stored messages only
	listen  func(ctx context.Context, d *device, n *Node) error
}

// reads tells whether what it gets is read from the store, not posted.
func (d *dialect) reads() bool { return d.stored || d.group }

// What happened to a device.
const (
	opened   = 'o' // a connection was subscribed
	got      = 'm' // a message came
	gap      = 'g' // it was told that messages are gone; mid is the first that can still be had
	answered = 'a' // a message was acknowledged, and that was answered
	closed   = 'c' // the connection ended
)

type event struct {
	what   byte
	visit  int32
	number int32 // of a message
	at     time.Duration
	mid    int64 // 0: the dialect does not tell
	prev   int64 // -1: the dialect does not tell
}

func (d *device) String() string {
	return fmt.Sprintf("device %d (%s of %q)", d.number, d.how.name, d.key.name)
}

// run comes and goes until ctx ends.
func (d *device) run(ctx context.Context) {
	for ctx.Err() == nil {
		d.rest(ctx, d.away())
		n := d.r.cfg.Topology.Nodes[d.draw.IntN(len(d.r.cfg.Topology.Nodes))]
		visit, cancel := d.stay(ctx)
		err := d.how.listen(visit, d, n)
		cancel()
		d.left(err)
	}
}

// away is how long the device is not there. When the load has ended it comes back at once.
func (d *device) away() time.Duration {
	if d.r.settling() {
		return 20 * time.Millisecond
	}
	switch d.draw.IntN(10) {
	case 0:
		return upTo(d.draw, 3*d.r.cfg.Load.Visit)
	case 1, 2, 3:
		return upTo(d.draw, d.r.cfg.Load.Visit/3)
	}
	return upTo(d.draw, 100*time.Millisecond)
}

// rest waits until the device comes back: when the load has ended that is at once.
func (d *device) rest(ctx context.Context, away time.Duration) {
	if d.r.settling() {
		pause(ctx, away)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, away)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-d.r.over:
	}
}

// stay is how long a visit lasts: when the load has ended, as long as the connection.
func (d *device) stay(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.r.settling() {
		return context.WithCancel(ctx)
	}
	longest := d.r.cfg.Load.Visit
	if d.draw.IntN(3) == 0 {
		longest *= 7
	}
	return context.WithTimeout(ctx, upTo(d.draw, longest))
}

// subscribed notes that a connection to a node is.
func (d *device) subscribed(n *Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.visit++
	d.node, d.open = n.Name, true
	d.note(event{what: opened, mid: d.last})
}

// left notes that the connection has ended.
func (d *device) left(why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.why = why; d.open {
		d.open = false
		d.note(event{what: closed})
	}
}

// note appends an event. d.mu is held.
func (d *device) note(e event) {
	e.visit, e.at = int32(d.visit), d.r.ledger.now()
	d.events = append(d.events, e)
}

// take notes a message: its text, or what was pushed if the dialect shows that.
func (d *device) take(text string, exact bool, mid, prev int64) {
	number := d.recognize(text, exact, mid)
	d.mu.Lock()
	d.note(event{what: got, number: int32(number), mid: mid, prev: prev})
	d.has[number] = true
	d.last = max(d.last, mid)
	d.mu.Unlock()
	d.lag()
}

// recognize returns which push a message is of, and finds what is wrong with its payload; -1: none.
func (d *device) recognize(text string, exact bool, mid int64) int {
	bare := text
	if exact && len(text) > 1 && text[0] == '"' {
		bare = text[1 : len(text)-1]
	}
	key, number, ok := numberIn(bare)
	switch p := d.key.pushed(number); {
	case !ok:
		d.r.ledger.find(Wrong, "%v, connection %d: mid %d has a payload that nobody pushed: %.100q", d, d.visit, mid, text)
	case key != d.key.index:
		d.r.ledger.find(Wrong, "%v, connection %d: mid %d was pushed to key %d: %.100q", d, d.visit, mid, key, text)
	case p == nil || bare != p.text || exact && text != p.sent():
		d.r.ledger.find(Wrong, "%v, connection %d: mid %d has another payload than was pushed: %.100q", d, d.visit, mid, text)
	default:
		return number
	}
	return -1
}

// gone notes that the device was told of a gap, up to from.
func (d *device) gone(from int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note(event{what: gap, mid: from})
}

// acknowledged notes that messages are.
func (d *device) acknowledged(mids []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, mid := range mids {
		d.note(event{what: answered, mid: mid})
	}
}

// lag has the device not read for a while.
func (d *device) lag() {
	if d.slack && !d.r.settling() && d.draw.IntN(300) == 0 {
		time.Sleep(upTo(d.draw, 3*time.Second))
	}
}

// after returns the mid to resume after.
func (d *device) after() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
