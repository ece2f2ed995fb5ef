//go:build unix

package redis_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
)

// TestWhatMayBeLostIsNotReleased: a message that the replica does not have, whose push therefore failed, would be gone when the replica takes the
// master's place, and would come again when it is pushed again. So nobody is given it, until the replica has it.
func TestWhatMayBeLostIsNotReleased(t *testing.T) {
	t.Parallel()
	master := redisserver.Start(t)
	replica := redisserver.StartReplica(t, master)
	n := startNode(t, "a", mustOpen(t, redis.Config{Addresses: []string{master.Addr}, WaitReplicas: 1}))
	first := push(t, n, "first")
	if first.Err != nil {
		t.Fatal(first.Err)
	}
	replica.Pause()
	for _, payload := range []string{"not replicated", "after it"} {
		if r := push(t, n, payload); r.Err == nil {
			t.Errorf("push %q was acknowledged, though no replica has it", payload)
		}
	}
	if seen := n.subscriber.seen(); !slices.Equal(seen, []int64{first.Mid}) {
		t.Errorf("the subscriber was given %v, want %d alone", seen, first.Mid)
	}
	replica.Resume()
	var last message.Receipt
	eventually(t, "pushes are acknowledged", func() bool {
		last = push(t, n, "last")
		return last.Err == nil
	})
	seen := n.subscriber.seen()
	if len(seen) < 3 || seen[len(seen)-1] != last.Mid || !slices.IsSorted(seen) {
		t.Errorf("the subscriber was given %v, want in order what was stored and %d as the last", seen, last.Mid)
	}
}

func push(t *testing.T, n *node, payload string) message.Receipt {
	t.Helper()
	return n.hub.Publish(t.Context(), []message.Push{{Key: "k", Payload: []byte(payload), Expire: time.Hour}})[0]
}

// TestWhatIsAcknowledgedIsReplicated: what a device has acknowledged, and what it is kept by, is not said to be done while the replica may
// take the master's place without it.
func TestWhatIsAcknowledgedIsReplicated(t *testing.T) {
	t.Parallel()
	master := redisserver.Start(t)
	replica := redisserver.StartReplica(t, master)
	s := mustOpen(t, redis.Config{Addresses: []string{master.Addr}, WaitReplicas: 1})
	mid := message.MidAt(time.Now())
	if err := appendTo(s, entry("k", mid, 0)); err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(ctx context.Context) error{
		"CreateGroup": func(ctx context.Context) error { return s.CreateGroup(ctx, "k", "device", 0, false) },
		"CreateConsumer": func(ctx context.Context) error {
			_, err := s.CreateConsumer(ctx, "k", "device", "app")
			return err
		},
		"Ack":      func(ctx context.Context) error { _, err := s.Ack(ctx, "k", "device", mid); return err },
		"Delete":   func(ctx context.Context) error { _, err := s.Delete(ctx, "k", mid); return err },
		"PutToken": func(ctx context.Context) error { return s.PutToken(ctx, "k", [32]byte{1}, time.Hour, time.Now()) },
		"Own": func(ctx context.Context) error {
			_, err := s.Own(ctx, "k", channel.Owner{Name: "a", Epoch: 1})
			return err
		},
		"Own again": func(ctx context.Context) error {
			_, err := s.Own(ctx, "k", channel.Owner{Name: "a", Epoch: 1})
			return err
		},
		"DeleteToken": func(ctx context.Context) error { _, err := s.DeleteTokens(ctx, "k", [32]byte{1}); return err },
	}
	replica.Pause()
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := call(ctx); !errors.Is(err, channel.ErrUnknown) {
			t.Errorf("%s = %v though no replica has what it did, want ErrUnknown", name, err)
		}
		cancel()
	}
	if err := s.SetMidLimit(t.Context(), "n", mid); err != nil {
		t.Errorf("SetMidLimit = %v: without it no node pushes anything, whatever server has it", err)
	}
	replica.Resume()
	for _, name := range []string{"Ack", "Delete", "PutToken", "Own", "DeleteToken"} {
		if err := calls[name](t.Context()); err != nil {
			t.Errorf("%s = %v when the replica is there again", name, err)
		}
	}
	eventually(t, "the replica has acknowledged all that the master has", func() bool { return acknowledged(t, master.Addr) })
	replica.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := calls["Own again"](ctx); !errors.Is(err, channel.ErrUnknown) {
		t.Errorf("Own = %v by who owns the key already, though no replica says so now, want ErrUnknown", err)
	}
	replica.Resume()
}

// TestAReadForReleaseNeedsReplicasNow: it is not enough that replicas had all that the server has. They had that, too, of a master that was halted while one of
// them took its place, and which does not know what was stored since.
func TestAReadForReleaseNeedsReplicasNow(t *testing.T) {
	t.Parallel()
	master := redisserver.Start(t)
	replica := redisserver.StartReplica(t, master)
	s := mustOpen(t, redis.Config{Addresses: []string{master.Addr}, WaitReplicas: 1})
	mustAppend(t, s, "k")
	read := func(limit time.Duration) (int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		found, err := s.RangeFirm(ctx, "k", 1, 0)
		return len(found), err
	}
	if n, err := read(20 * time.Second); n != 1 || err != nil {
		t.Errorf("RangeFirm = %d messages, %v, want 1", n, err)
	}
	eventually(t, "the replica has acknowledged all that the master has", func() bool { return acknowledged(t, master.Addr) })
	replica.Pause()
	if n, err := read(200 * time.Millisecond); !errors.Is(err, channel.ErrUnavailable) {
		t.Errorf("RangeFirm while the replica does not answer = %d messages, %v, want ErrUnavailable", n, err)
	}
	replica.Resume()
	if n, err := read(20 * time.Second); n != 1 || err != nil {
		t.Errorf("RangeFirm when it does again = %d messages, %v, want 1", n, err)
	}
}

// TestEpochsAreReplicated: nobody enters an epoch that a failover may take, by beginning it or by being told of it. Limits are moved in the one that is all the same.
func TestEpochsAreReplicated(t *testing.T) {
	t.Parallel()
	master := redisserver.Start(t)
	replica := redisserver.StartReplica(t, master)
	s, c := mustOpen(t, redis.Config{Addresses: []string{master.Addr}, WaitReplicas: 1}), raw(t, master.Addr)
	if e, err := s.BeginEpoch(t.Context(), 0); err != nil || e.Number != 1 {
		t.Fatalf("BeginEpoch = %+v, %v, want number 1", e, err)
	}
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	replica.Pause()
	if e, err := s.BeginEpoch(soon(), 1); !errors.Is(err, channel.ErrUnavailable) {
		t.Errorf("BeginEpoch = %+v, %v though no replica would have it, want ErrUnavailable", e, err)
	}
	if e, err := s.SetLimitIn(t.Context(), 1, "n", 1000); err != nil || e.Number != 1 {
		t.Errorf("SetLimitIn = %+v, %v, want it in 1: one that nobody could enter was not begun", e, err)
	}
	send(t, c, "HSET", "gopush:epoch{gopush:midlimits}", "number", "2", "floor", "0000000000000001000") // its replica went away in that moment
	if e, err := s.SetLimitIn(soon(), 1, "n", 2000); !errors.Is(err, channel.ErrUnavailable) {
		t.Errorf("SetLimitIn = %+v, %v in an earlier epoch than one that no replica has, want ErrUnavailable", e, err)
	}
	if e, err := s.SetLimitIn(t.Context(), 2, "m", 2000); err != nil || e.Number != 2 {
		t.Errorf("SetLimitIn = %+v, %v in the epoch that is, want it in 2, whatever server has it", e, err)
	}
	replica.Resume()
	if e, err := s.SetLimitIn(t.Context(), 1, "n", 3000); err != nil || e != (channel.Epoch{Number: 2, Floor: 1000}) {
		t.Errorf("SetLimitIn = %+v, %v when the replica is there again, want number 2, floor 1000", e, err)
	}
	if e, err := s.BeginEpoch(t.Context(), 2); err != nil || e != (channel.Epoch{Number: 3, Floor: 2000}) {
		t.Errorf("BeginEpoch = %+v, %v when the replica is there again, want number 3, floor 2000", e, err)
	}
}

// acknowledged tells whether the only replica of a master has said that it has all that there is.
func acknowledged(t *testing.T, addr string) bool {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	info, err := c.Do(t.Context(), c.B().Info().Section("replication").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	field := func(after, until string) string {
		_, rest, _ := strings.Cut(info, after)
		value, _, _ := strings.Cut(rest, until)
		return value
	}
	return field(",offset=", ",") == field("master_repl_offset:", "\r")
}
