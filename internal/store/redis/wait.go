package redis

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
)

const (
	waitSlots = 16 // of a Redis Cluster whose calls wait for replicas at the same time
	waitShare = 10 // of the time that is left one part is for the answer to come
)

// runKept calls scripts whose changes are to stay. With Config.WaitReplicas it waits until as many replicas have them: else a result
// is an error that leaves open whether they do.
func (s *Store) runKept(ctx context.Context, calls []scriptCall) []rueidis.RedisResult {
	if s.cfg.WaitReplicas == 0 {
		return s.runAll(ctx, calls)
	}
	results := make([]rueidis.RedisResult, len(calls))
	var running sync.WaitGroup
	room := make(chan struct{}, waitSlots)
	for _, at := range s.bySlot(calls) {
		running.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			some := make([]scriptCall, len(at))
			for n, i := range at {
				some[n] = calls[i]
			}
			for n, r := range s.runWaiting(ctx, some) {
				results[at[n]] = r
			}
		})
	}
	running.Wait()
	return results
}

// bySlot returns which calls go to the same connection: those of one slot of a Redis Cluster, else all.
func (s *Store) bySlot(calls []scriptCall) map[uint16][]int {
	groups := map[uint16][]int{}
	for i := range calls {
		slot := uint16(0)
		if s.client.Mode() == rueidis.ClientModeCluster {
			slot = s.slotOf(calls[i].names[0])
		}
		groups[slot] = append(groups[slot], i)
	}
	return groups
}

// runWaiting sends calls and a WAIT on one connection: it waits for what that connection wrote, on the server that it is with.
func (s *Store) runWaiting(ctx context.Context, calls []scriptCall) []rueidis.RedisResult {
	most := waitTime(ctx)
	return s.background(ctx, len(calls), func(ctx context.Context) []rueidis.RedisResult {
		client, release := s.client.Dedicate()
		defer release()
		results := s.sendWaiting(ctx, client, calls, most, s.build)
		for _, r := range results {
			if e, ok := rueidis.IsRedisErr(r.Error()); ok && e.IsNoScript() { // then all are
				return s.sendWaiting(ctx, client, calls, most, s.buildWhole)
			}
		}
		return results
	})
}

func (s *Store) sendWaiting(ctx context.Context, client rueidis.DedicatedClient, calls []scriptCall, most time.Duration, build func(*scriptCall) rueidis.Completed) []rueidis.RedisResult {
	commands := make([]rueidis.Completed, 0, len(calls)+1)
	for i := range calls {
		commands = append(commands, build(&calls[i]))
	}
	return s.doWaiting(ctx, client, commands, most)
}

// doKept sends commands for what is in one slot, whose changes are to stay, as runKept does.
func (s *Store) doKept(ctx context.Context, commands ...rueidis.Completed) []rueidis.RedisResult {
	if s.cfg.WaitReplicas == 0 {
		return s.do(ctx, commands...)
	}
	most := waitTime(ctx)
	return s.background(ctx, len(commands), func(ctx context.Context) []rueidis.RedisResult {
		client, release := s.client.Dedicate()
		defer release()
		return s.doWaiting(ctx, client, commands, most)
	})
}

// doWaiting sends commands on one connection. Where the replicas do not have all that its server had when it had carried them out, a
// result that would be none is an error.
func (s *Store) doWaiting(ctx context.Context, client rueidis.DedicatedClient, commands []rueidis.Completed, most time.Duration) []rueidis.RedisResult {
	wait := client.B().Wait().Numreplicas(int64(s.cfg.WaitReplicas)).Timeout(most.Milliseconds()).Build()
	all := client.DoMulti(ctx, append(commands, wait)...)
	results := all[:len(commands)]
	n, err := all[len(commands)].AsInt64()
	if err == nil && n >= int64(s.cfg.WaitReplicas) {
		return results
	}
	if err == nil {
		err = fmt.Errorf("%d of %d replicas have it", n, s.cfg.WaitReplicas)
	}
	for i := range results {
		if results[i].Error() == nil {
			results[i] = rueidis.NewErrorResult(notReplicated{err})
		}
	}
	return results
}

// touched is for how long what readKept writes is there: it is for nobody.
const touched = time.Second

// readKept is read for what is to stay: WAIT is about all that the server had when it replied, whoever wrote it. Something is written
// before it is read: a server that has been halted while a replica took its place would answer from what it had then, and its replicas
// would have acknowledged that. A write they would not.
func (s *Store) readKept(ctx context.Context, key string, read rueidis.Completed) (rueidis.RedisMessage, error) {
	touch := s.name(touchKind, key)
	if err := s.readyFor(ctx, touch); err != nil {
		return rueidis.RedisMessage{}, err
	}
	results := s.doKept(ctx, s.client.B().Set().Key(touch).Value("").Px(touched).Build(), read)
	reply, err := results[1].ToMessage()
	if err = cmp.Or(results[0].Error(), err); err != nil {
		err = fmt.Errorf("%w: %w", channel.ErrUnavailable, err)
	}
	return reply, err
}

// waitTime is how long Redis may wait for replicas, at least a moment: 0 would be for ever.
func waitTime(ctx context.Context) time.Duration {
	left := askTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return max(left-left/waitShare, time.Millisecond)
}

// notReplicated is why an append that a master carried out may yet be lost. It is never one of the refusals: those say that
// nothing was done.
type notReplicated struct{ reason error }

func (e notReplicated) Error() string { return fmt.Sprintf("not replicated: %v", e.reason) }
