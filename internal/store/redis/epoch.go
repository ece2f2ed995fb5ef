package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
)

func (s *Store) limitsName() string { return s.cfg.Prefix + "midlimits" }

// MidLimit implements channel.Limits.
func (s *Store) MidLimit(ctx context.Context) (int64, error) {
	reply, err := s.read(ctx, s.limitsName(), func(b rueidis.Builder, name string) rueidis.Completed { return b.Hvals().Key(name).Build() })
	if err != nil {
		return 0, fmt.Errorf("mid limits: %w", err)
	}
	limits, err := reply.AsIntSlice()
	if err != nil || len(limits) == 0 {
		return 0, err
	}
	return slices.Max(limits), nil
}

// SetMidLimit implements channel.Limits.
func (s *Store) SetMidLimit(ctx context.Context, node string, limit int64) error {
	if _, err := s.run(ctx, setLimitScript, []string{s.limitsName()}, node, formatMid(limit)); err != nil {
		return fmt.Errorf("mid limit of %q: %w", node, err)
	}
	return nil
}

// epochName is where the limits are in a Redis Cluster: an epoch begins, and limits stand still, at once.
func (s *Store) epochName() string { return s.cfg.Prefix + "epoch{" + s.limitsName() + "}" }

// BeginEpoch implements channel.Epochs. Other than a limit, an epoch waits for replicas, here and where SetLimitIn tells of it: when a failover takes it,
// limits are moved in the earlier one again, beyond the floor from which those who had entered it mint. Replicas are asked before, too, since all are shut out of the
// earlier epoch by one that nobody may enter.
func (s *Store) BeginEpoch(ctx context.Context, known int64) (channel.Epoch, error) {
	if s.cfg.WaitReplicas > 0 {
		if _, err := s.firmEpoch(ctx); err != nil {
			return channel.Epoch{}, fmt.Errorf("begin an epoch after %d: %w", known, err)
		}
	}
	reply, err := s.run(ctx, beginEpochScript, []string{s.limitsName(), s.epochName()}, strconv.FormatInt(known, 10))
	if err != nil {
		return channel.Epoch{}, fmt.Errorf("begin an epoch after %d: %w", known, err)
	}
	return parseEpoch(reply)
}

// SetLimitIn implements channel.Epochs. Only a later epoch waits for replicas, not the limit.
func (s *Store) SetLimitIn(ctx context.Context, epoch int64, node string, limit int64) (channel.Epoch, error) {
	e, err := s.setLimitIn(ctx, epoch, node, limit)
	if err == nil && e.Number > epoch && s.cfg.WaitReplicas > 0 {
		var firm channel.Epoch
		if firm, err = s.firmEpoch(ctx); err == nil && firm.Number < e.Number {
			err = fmt.Errorf("%w: epoch %d was lost", channel.ErrUnavailable, e.Number)
		}
		e = firm
	}
	if err != nil {
		return channel.Epoch{}, fmt.Errorf("mid limit of %q in epoch %d: %w", node, epoch, err)
	}
	return e, nil
}

func (s *Store) setLimitIn(ctx context.Context, epoch int64, node string, limit int64) (channel.Epoch, error) {
	reply, err := s.run(ctx, setLimitInScript, []string{s.limitsName(), s.epochName()}, strconv.FormatInt(epoch, 10), node, formatMid(limit))
	if err != nil {
		return channel.Epoch{}, err
	}
	return parseEpoch(reply)
}

// firmEpoch returns the epoch that is, which no failover takes. Number 0: none.
func (s *Store) firmEpoch(ctx context.Context) (channel.Epoch, error) {
	reply, err := s.readKept(ctx, s.limitsName(), s.client.B().Hmget().Key(s.epochName()).Field("number", "floor").Build())
	if err != nil {
		return channel.Epoch{}, err
	}
	return parseEpoch(reply)
}

// parseEpoch reads number and floor.
func parseEpoch(reply rueidis.RedisMessage) (channel.Epoch, error) {
	values, err := reply.AsIntSlice()
	if err != nil {
		return channel.Epoch{}, fmt.Errorf("epoch: %w", err)
	}
	if len(values) != 2 {
		return channel.Epoch{}, fmt.Errorf("epoch: Redis replied %v", values)
	}
	return channel.Epoch{Number: values[0], Floor: values[1]}, nil
}

// Own implements channel.Epochs. Where replicas are waited for it is written even if Redis has it: WAIT is about what its connection wrote, so that one which
// follows nothing would tell of neither an earlier call, whose wait failed, nor a master that was halted and replaced.
func (s *Store) Own(ctx context.Context, key string, owner channel.Owner) (channel.Info, error) {
	reply, err := s.runKey(ctx, ownScript, key, formatOwner(&owner), formatBool(s.cfg.WaitReplicas > 0))
	if err != nil {
		return channel.Info{}, fmt.Errorf("own %q: %w", key, err)
	}
	info, err := parseOwned(reply)
	if err != nil {
		return channel.Info{}, fmt.Errorf("own %q: %w", key, err)
	}
	return info, nil
}

// parseOwned reads what own.lua replies.
func parseOwned(reply rueidis.RedisMessage) (channel.Info, error) {
	values, err := reply.AsIntSlice()
	if err != nil {
		return channel.Info{}, err
	}
	if err := refusedOwner(values); err != nil {
		return channel.Info{}, err
	}
	return parseInfo(reply)
}

// refusedOwner returns a *channel.Owned if that is what a script replied.
func refusedOwner(values []int64) error {
	if len(values) == 2 && values[0] == -1 {
		return &channel.Owned{Epoch: values[1]}
	}
	return nil
}

// formatOwner writes an owner as scripts compare it. nil: none.
func formatOwner(o *channel.Owner) string {
	if o == nil {
		return ""
	}
	return strconv.FormatInt(o.Epoch, 10) + " " + o.Name
}
