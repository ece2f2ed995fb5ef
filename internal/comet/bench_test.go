package comet

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// payload128 is JSON of 128 bytes, as messages mostly are.
var payload128 = []byte(`{"text":"` + strings.Repeat("x", 117) + `"}`)

// void is a poller without sockets: its connections take everything at once and say nothing.
type void struct {
	poller
	bell   chan struct{}
	writes int64          // so far; owned by the loop
	wanted atomic.Int64   // the write that is awaited
	came   chan time.Time // when it was done
}

func newVoid() *void { return &void{bell: make(chan struct{}, 1), came: make(chan time.Time, 1)} }

// expect has the moment told at which so many more writes will have been done. All writes are
// expected, by one goroutine, before what causes them.
func (v *void) expect(n int) <-chan time.Time {
	v.wanted.Add(int64(n))
	return v.came
}

func (v *void) sendAll(sends []sending) {
	for i := range sends {
		sends[i].result = int32(len(sends[i].bytes))
		if v.writes++; v.writes == v.wanted.Load() {
			v.came <- time.Now()
		}
	}
}

func (v *void) wait(block bool) {
	if !block {
		return
	}
	select {
	case <-v.bell:
	case <-time.After(tick):
	}
}

func (v *void) wake() {
	select {
	case v.bell <- struct{}{}:
	default:
	}
}

func (v *void) dispatch(*loop)        {}
func (v *void) end()                  {}
func (v *void) shutdown(*loop, *conn) {}
func (v *void) close(*loop, *conn)    {}
func (v *void) peer(*conn) string     { return "127.0.0.1:5" }

// newVoidGateway returns a gateway of one loop whose connections are in a void. It does not run.
func newVoidGateway(tb testing.TB, keys Keys) (*Gateway, *void) {
	tb.Helper()
	g, err := New(Config{Keys: keys, Loops: 1, StoreTimeout: 2 * time.Second, Limits: testLimits()})
	if err != nil {
		tb.Fatal(err)
	}
	v, l := newVoid(), g.loops[0]
	g.closeLoops()
	l.poll, l.alarm = v, time.AfterFunc(tick, v.wake)
	return g, v
}
