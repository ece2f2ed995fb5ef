package comet

import (
	"testing"

	"gopush/internal/message"
)

// One of 100 takes nothing: it is closed as slow at its bound, and the others get every message
// at once all along.
func TestASlowConnectionDelaysNoOther(t *testing.T) {
	t.Parallel()
	const connections, messages = 100, 20
	f := newFanout(t.Fatalf, "a", "b")
	for range connections {
		f.join("a", -1)
	}
	f.deliver() // the greetings
	slow := f.living()[connections/2]
	f.engine.full[slow.fd] = true
	fd, most := slow.fd, f.loop.g.limits.Load().MaxPendingMessages
	for i := range messages {
		f.keys.post("a", false)
		f.deliver()
		for _, c := range f.living() {
			if r := f.readers[c.fd]; c.fd != fd && r.seen != f.keys.keys["a"].last {
				t.Fatalf("after message %d a connection had messages up to %d, want %d", i, r.seen, f.keys.keys["a"].last)
			}
		}
		if c := f.loop.find(f.readers[fd].id); (c != nil) != (i < most) || c != nil && c.out.messages != i+1 {
			t.Fatalf("after message %d the slow connection is %+v, the bound is %d messages", i, c, most)
		}
	}
	if n := f.loop.g.Stats.Closed[Slow].Load(); n != 1 || len(f.living()) != connections-1 {
		t.Errorf("%d were closed as slow and %d are left, want 1 and %d", n, len(f.living()), connections-1)
	}
}

// A broadcast to very many goes out in slices: the loop looks at its sockets after each, a
// publisher does a few writes only, and another key's message does not wait for the end.
func TestABroadcastGoesOutInSlices(t *testing.T) {
	t.Parallel()
	const connections = 5000
	f := newFanout(t.Fatalf, "a", "b")
	writes := 0
	for range connections {
		f.join("a", -1)
	}
	f.join("b", -1)
	f.deliver()
	other := f.readers[f.fds]
	took := f.engine.took
	f.engine.took = func(fd int32, b []byte) {
		writes++
		took(fd, b)
	}

	f.keys.post("a", false)
	f.loop.Flush()
	if writes > publisherWrites {
		t.Errorf("a publisher did %d writes, want at most %d", writes, publisherWrites)
	}
	f.keys.post("b", false)
	f.loop.drain()
	for before := writes; f.loop.walk(slice); before = writes {
		if n := writes - before; n > slice {
			t.Fatalf("a turn of the loop did %d writes, want at most %d", n, slice)
		}
		if other.seen != message.MidStep {
			t.Fatalf("the message of the other key waits after %d writes", writes)
		}
	}
	if writes != connections+1 {
		t.Errorf("%d writes, want %d", writes, connections+1)
	}
}
