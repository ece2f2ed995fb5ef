package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"gopush/internal/message"
	"gopush/internal/redis"
)

// fakeFar has keys that are far until they are approached, if they come near at all.
type fakeFar struct {
	mu       sync.Mutex
	near     map[string]bool
	asked    []string // of Approach
	fails    error    // of Approach, which then changes nothing
	during   func()   // happens while a key is approached
	now, top int      // calls of Approach under way, and the most there ever were
}

func (f *fakeFar) Near(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.near[key]
}

func (f *fakeFar) Approach(_ context.Context, key string) error {
	f.mu.Lock()
	f.asked = append(f.asked, key)
	f.now++
	f.top = max(f.top, f.now)
	f.mu.Unlock()
	if f.during != nil {
		f.during()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	if f.fails == nil {
		f.near[key] = true
	}
	return f.fails
}

// wantAsked checks what was approached since it was called last.
func (f *fakeFar) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(f.asked)
	if !slices.Equal(f.asked, want) {
		t.Errorf("approached %q, want %q", f.asked, want)
	}
	f.asked = nil
}

func withFar(near ...string) (*fake, *fakeFar) {
	f, far := newFake(), &fakeFar{near: map[string]bool{}}
	for _, key := range near {
		far.near[key] = true
	}
	f.Far = far
	return f, far
}

func TestKeysAreNearBeforeSomebodyListens(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		line string
		want []string // approached
	}{
		{"SUBSCRIBE near", nil},
		{"SUBSCRIBE a near b", []string{"a", "b"}},
		{"SSUBSCRIBE a", []string{"a"}},
		{"PSUBSCRIBE a*", nil},
		{"UNSUBSCRIBE a", nil},
		{"XREAD BLOCK 0 STREAMS a near b $ $ $", []string{"a", "b"}},
		{"XREAD BLOCK 0 STREAMS a a $ $", []string{"a"}},
		{"XREAD STREAMS a $", nil},
		{"PUBLISH a 1", nil},
		{"XLEN a", nil},
	} {
		f, far := withFar("near")
		f.admin(t).tell(row.line)
		t.Log(row.line)
		far.wantAsked(t, row.want...)
	}
}

func TestWhoseKeyStaysFarListensAllTheSame(t *testing.T) {
	t.Parallel()
	f, far := withFar()
	far.fails = errors.New("no link")
	c := f.connect(t, redis.Trust{})
	c.wants(row{"SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1"})
	far.wantAsked(t, "a")
	c.tell("SUBSCRIBE b")
	far.wantAsked(t, "b")
}

func TestWhoIsWrongHereIsToldWhereToGo(t *testing.T) {
	t.Parallel()
	f, far := withFar("near")
	far.fails = fmt.Errorf("approach: %w", &message.WrongNode{Key: "foo", TCP: "10.0.0.2:6969", Admin: "10.0.0.2:6970"})
	device, backend := f.connect(t, redis.Trust{}), f.admin(t)
	const ping = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnear\r\n:1"
	device.wants(row{"SUBSCRIBE near foo", "-MOVED 12182 10.0.0.2:6969"}, row{"SUBSCRIBE foo", "-MOVED 12182 10.0.0.2:6969"}, row{"SUBSCRIBE near", ping})
	backend.wants(row{"XREAD BLOCK 0 STREAMS foo $", "-MOVED 12182 10.0.0.2:6970"}, row{"EXISTS foo", ":0"}, row{"SUBSCRIBE near", ping})
	far.wantAsked(t, "foo", "foo", "foo")

	far.fails = &message.WrongNode{Key: "foo"}
	device.wants(row{"SSUBSCRIBE foo", "-ERR the key belongs to another node"})
	far.fails = nil
	device.wants(row{"SSUBSCRIBE foo", "*3\r\n$10\r\nssubscribe\r\n$3\r\nfoo\r\n:1"})
}

// TestSlotsAreThoseOfRedisCluster has what CLUSTER KEYSLOT of Redis says.
func TestSlotsAreThoseOfRedisCluster(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"foo": "12182", "123456789": "12739", "{user1000}.fol": "3443", "user1000": "3443", "foo{}{bar}": "8363", "{bar": "4015", "bar": "5061", "foo{{bar}}zap": "4015"} {
		f, far := withFar()
		far.fails = &message.WrongNode{Key: key, TCP: "h:1"}
		f.connect(t, redis.Trust{}).wants(row{"SUBSCRIBE " + key, "-MOVED " + want + " h:1"})
	}
}

func TestManyKeysAreApproachedAFewAtATime(t *testing.T) {
	t.Parallel()
	f, far := withFar()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("k%03d", i)
	}
	f.admin(t).tell("SUBSCRIBE " + strings.Join(names, " "))
	far.wantAsked(t, names...)
	if far.top > 32 {
		t.Errorf("%d keys were approached at once, want at most 32", far.top)
	}
}

func TestTokensAreCheckedAfterApproachingToo(t *testing.T) {
	t.Parallel()
	f, far := withFar()
	f.withTokens(map[string]string{"k": "secret", "l": "other"})
	c := f.connect(t, redis.Trust{})
	c.wants(row{"AUTH k secret", "+OK"}, row{"AUTH l other", "+OK"})
	far.during = func() { f.revoked++ }
	c.wants(row{"SUBSCRIBE k", "*3\r\n$9\r\nsubscribe\r\n$1\r\nk\r\n:1"})
	far.wantAsked(t, "k")

	delete(far.near, "k")
	far.during = func() {
		f.revoked++
		delete(f.tokens, "k")
	}
	c.wants(row{"SSUBSCRIBE k", "-NOPERM this user has no permissions to access one of the channels used as arguments"})
	far.wantAsked(t, "k")
	far.during = nil
	c.tell("SSUBSCRIBE l") // what was tried for a command that was refused is not for this one
	far.wantAsked(t, "l")
}
