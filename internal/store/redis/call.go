package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/channel"
)

// scriptCall is one call of a script.
type scriptCall struct {
	script
	names []string // all in one slot of a Redis Cluster
	args  []string
}

func (s *Store) build(c *scriptCall) rueidis.Completed {
	return s.client.B().Evalsha().Sha1(c.digest).Numkeys(int64(len(c.names))).Key(c.names...).Arg(c.args...).Build()
}

// buildWhole has the script in it, for a Redis that does not know it yet.
func (s *Store) buildWhole(c *scriptCall) rueidis.Completed {
	return s.client.B().Eval().Script(c.text).Numkeys(int64(len(c.names))).Key(c.names...).Arg(c.args...).Build()
}

// run calls a script for one key, whose names are given. Where it only reads it is called once more if the connection broke.
func (s *Store) run(ctx context.Context, sc script, names []string, args ...string) (rueidis.RedisMessage, error) {
	if err := s.readyFor(ctx, names[0]); err != nil {
		return rueidis.RedisMessage{}, err
	}
	calls, run := []scriptCall{{sc, names, args}}, s.runAll
	if sc.kept {
		run = s.runKept
	}
	reply, err := run(ctx, calls)[0].ToMessage()
	if sc.reads && broken(ctx, err) {
		reply, err = s.runAll(ctx, calls)[0].ToMessage()
	}
	if err != nil && sc.reads {
		err = fmt.Errorf("%w: %w", channel.ErrUnavailable, err)
	}
	return reply, s.failed(err)
}

// broken tells whether err is of a connection that was lost, so that the next one may do.
func broken(ctx context.Context, err error) bool {
	_, answered := rueidis.IsRedisErr(err)
	return err != nil && !answered && ctx.Err() == nil
}

// runKey calls a script that begins with record.lua for key.
func (s *Store) runKey(ctx context.Context, sc script, key string, args ...string) (rueidis.RedisMessage, error) {
	return s.run(ctx, sc, s.names(key), append(s.times(), args...)...)
}

// read sends a command for one name that only reads; once more if the connection broke. The error is channel.ErrUnavailable, or
// Redis has nothing.
func (s *Store) read(ctx context.Context, name string, build func(b rueidis.Builder, name string) rueidis.Completed) (rueidis.RedisMessage, error) {
	if err := s.readyFor(ctx, name); err != nil {
		return rueidis.RedisMessage{}, err
	}
	reply, err := s.do(ctx, build(s.client.B(), name))[0].ToMessage()
	if broken(ctx, err) {
		reply, err = s.do(ctx, build(s.client.B(), name))[0].ToMessage()
	}
	if err != nil && !rueidis.IsRedisNil(err) {
		err = fmt.Errorf("%w: %w", channel.ErrUnavailable, err)
	}
	return reply, err
}

// times are the first arguments of a script that begins with record.lua.
func (s *Store) times() []string {
	return []string{strconv.FormatInt(s.nowMS(), 10), formatMid(s.since())}
}

// runAll calls scripts, all at once, and returns their results in order.
func (s *Store) runAll(ctx context.Context, calls []scriptCall) []rueidis.RedisResult {
	commands := make([]rueidis.Completed, len(calls))
	for i := range calls {
		commands[i] = s.build(&calls[i])
	}
	results := s.do(ctx, commands...)
	unknown, at := []rueidis.Completed(nil), []int(nil)
	for i := range results {
		if e, ok := rueidis.IsRedisErr(results[i].Error()); ok && e.IsNoScript() {
			unknown, at = append(unknown, s.buildWhole(&calls[i])), append(at, i)
		}
	}
	if len(unknown) > 0 {
		for i, r := range s.do(ctx, unknown...) {
			results[at[i]] = r
		}
	}
	return results
}

// do sends commands, and returns their results.
func (s *Store) do(ctx context.Context, commands ...rueidis.Completed) []rueidis.RedisResult {
	return s.background(ctx, len(commands), func(ctx context.Context) []rueidis.RedisResult { return s.client.DoMulti(ctx, commands...) })
}

// background returns the n results of f, or errors when ctx ends before. f has some more time: rueidis waits for a connection
// without looking at ctx, and a connection that many wait for fails when the time of the one is over that asked first.
func (s *Store) background(ctx context.Context, n int, f func(context.Context) []rueidis.RedisResult) []rueidis.RedisResult {
	enough := time.Now().Add(askTimeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.After(enough) {
		enough = deadline
	}
	done := make(chan []rueidis.RedisResult, 1)
	started := s.start(func() {
		longer, cancel := context.WithDeadline(context.WithoutCancel(ctx), enough)
		defer cancel()
		done <- f(longer)
	})
	if !started {
		return failAll(n, errClosed)
	}
	select {
	case results := <-done:
		return results
	case <-ctx.Done():
		return failAll(n, ctx.Err())
	}
}

// start runs f in the background, unless the store is closed; Close waits for it.
func (s *Store) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return false
	}
	s.ended.Go(f)
	return true
}

func failAll(n int, err error) []rueidis.RedisResult {
	results := make([]rueidis.RedisResult, n)
	for i := range results {
		results[i] = rueidis.NewErrorResult(err)
	}
	return results
}

// ready is why a call need not be tried.
func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", channel.ErrUnavailable, err)
	}
	if s.closed.Load() {
		return errClosed
	}
	if err := s.ill.Load(); err != nil && s.gone(*err) {
		return fmt.Errorf("%w: redis is away: %w", channel.ErrUnavailable, *err)
	}
	return nil
}

// readyFor is why a call for what has a name need not be tried.
func (s *Store) readyFor(ctx context.Context, name string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := s.isOut(name); err != nil {
		return fmt.Errorf("%w: %w", channel.ErrUnavailable, err)
	}
	return nil
}

// gone tells whether nothing need be tried after err. A server that answers does so without delay, and may be read from; of
// a Redis Cluster others may be there.
func (s *Store) gone(err error) bool {
	_, answered := rueidis.IsRedisErr(err)
	return !answered && s.client.Mode() != rueidis.ClientModeCluster
}

// failed says of an error of a call what it means: channel.ErrUnavailable where nothing was done, else channel.ErrUnknown.
func (s *Store) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, channel.ErrUnavailable):
		return err
	case s.closed.Load():
		return fmt.Errorf("%w: the store was closed meanwhile", channel.ErrUnknown)
	case refused(err):
		return fmt.Errorf("%w: %w", channel.ErrUnavailable, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: redis did not answer in time", channel.ErrUnknown)
	}
	return fmt.Errorf("%w: %w", channel.ErrUnknown, err)
}

// refusals are how errors of Redis begin that come before anything was done.
var refusals = []string{
	"CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "ASK", "NOAUTH", "NOPERM", "NOREPLICAS", "NOSCRIPT",
	"OOM", "READONLY", "TRYAGAIN", "WRONGPASS", "BUSY",
}

// refused tells whether err is certain to mean that nothing was done.
func refused(err error) bool {
	if e, ok := rueidis.IsRedisErr(err); ok {
		code, _, _ := strings.Cut(e.Error(), " ")
		for _, r := range refusals {
			if r == code {
				return true
			}
		}
		return false
	}
	var op *net.OpError
	return errors.Is(err, rueidis.ErrNoSlot) || errors.As(err, &op) && op.Op == "dial"
}
