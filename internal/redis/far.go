package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"gopush/internal/message"
)

// Who subscribes to a key that another node owns, or waits for its messages, has it near first: a Check, then the same
// command again, which is carried out however near the keys are then.

// maxApproaches is how many keys of a command are approached at once.
const maxApproaches = 32

// nearFirst has the keys checked that c is about to be told of, if some are far. It does so once for a command.
func (c *call) nearFirst() {
	tried, moved := c.session.approached()
	if c.step.Kind == Check && tried {
		c.session.set(approached, true) // its tokens, this time
	}
	listens := c.step.Kind == Subscribe && c.step.How != Pattern || c.step.Kind == Wait
	switch {
	case !listens || c.server.cfg.Far == nil:
	case moved != nil:
		c.step.Kind, c.step.Names, c.step.Wait = Done, nil, nil
		c.error(c.session.textMoved(moved))
	case !tried:
		c.approach()
	}
}

// approach has those keys approached that are far.
func (c *call) approach() {
	far := c.server.cfg.Far
	keys := c.farKeys(far)
	if len(keys) == 0 {
		return
	}
	c.step.Kind, c.step.Names, c.step.Wait = Check, nil, nil
	c.step.Work = func(ctx context.Context, dst []byte) ([]byte, func(*Session)) {
		moved := approachAll(ctx, far, keys)
		return dst, func(s *Session) {
			s.set(approached, true)
			if moved != nil {
				s.also().moved = moved
			}
		}
	}
}

// farKeys returns the keys of c that are far.
func (c *call) farKeys(far Far) (keys []string) {
	for _, name := range c.step.Names {
		if key := string(name); !far.Near(key) {
			keys = append(keys, key)
		}
	}
	if c.step.Wait == nil {
		return keys
	}
	for _, key := range c.step.Wait.Keys {
		if !far.Near(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// approachAll approaches all of keys, and returns why one of them must not be waited for here, or nil.
func approachAll(ctx context.Context, far Far, keys []string) *message.WrongNode {
	var (
		next  atomic.Int64
		moved atomic.Pointer[message.WrongNode]
		all   sync.WaitGroup
	)
	for range min(maxApproaches, len(keys)) {
		all.Go(func() {
			for i := next.Add(1); i <= int64(len(keys)) && moved.Load() == nil; i = next.Add(1) {
				if wrong, ok := errors.AsType[*message.WrongNode](far.Approach(ctx, keys[i-1])); ok {
					moved.Store(wrong)
				}
			}
		})
	}
	all.Wait()
	return moved.Load()
}

// approached tells whether the keys of this command were approached already, and why it is refused, if it is; and forgets.
func (s *Session) approached() (tried bool, moved *message.WrongNode) {
	if !s.is(approached) {
		return false, nil
	}
	s.set(approached, false)
	if s.more != nil {
		moved, s.more.moved = s.more.moved, nil
	}
	return true, moved
}

// textMoved tells a client where to go, as a node of a Redis Cluster does.
func (s *Session) textMoved(wrong *message.WrongNode) string {
	addr := wrong.TCP
	if s.is(admin) {
		addr = wrong.Admin
	}
	if addr == "" {
		return "ERR " + message.ErrWrongNode.Error()
	}
	return fmt.Sprintf("MOVED %d %s", slot(wrong.Key), addr)
}
