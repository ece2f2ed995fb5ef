package link_test

import (
	"fmt"
	"runtime"
	"testing"
)

// heap returns the bytes that live.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A followed key costs its owner little more than one with a subscriber.
func TestAFollowedKeyIsSmall(t *testing.T) {
	one, two, to := pair(t, nil)
	const keys = 100_000
	before := heap()
	for i := range keys {
		if _, _, _, err := two.keys.Subscribe(two.keys.own, fmt.Sprintf("subscribed/%06d", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	subscribed := heap() - before
	one.handler.mu.Lock()
	one.handler.forget = true
	one.handler.mu.Unlock()
	for i := range keys {
		to.Follow(fmt.Sprintf("followed/%06d", i), 0)
	}
	one.handler.wait(t, "all are followed", func() bool { return one.handler.answered == keys })
	followed := heap() - before - subscribed
	t.Logf("%d bytes a key with a subscriber, %d followed", subscribed/keys, followed/keys)
	if more := (followed - subscribed) / keys; more > 200 {
		t.Errorf("a followed key costs %d bytes more than one with a subscriber, want 200 at most", more)
	}
}
