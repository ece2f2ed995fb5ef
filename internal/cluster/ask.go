package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gopush/internal/cluster/link"
	"gopush/internal/message"
)

// Kick closes the connections of all nodes that subscribe to key, all or only those opened with a token of tags, and returns how many there
// were. Its error tells which nodes could not be asked.
func (c *Cluster) Kick(ctx context.Context, key string, tags ...uint64) (int, error) {
	n, err := c.hub.Kick(ctx, key, tags...)
	err = errors.Join(err, c.unreached())
	others, more := askAll(c, func(l *link.Link) (int, error) { return l.Kick(ctx, key, tags...) })
	for _, other := range others {
		n += other
	}
	return n, errors.Join(err, more)
}

// Revoked tells all nodes that tokens of key were deleted: those with the tags, or all if there are none.
func (c *Cluster) Revoked(key string, tags []uint64) {
	for _, l := range c.view.Load().links {
		l.Revoked(key, tags)
	}
}

// unreached returns which nodes that own keys cannot be asked now, or nil.
func (c *Cluster) unreached() error {
	var errs []error
	v := c.view.Load()
	for _, n := range v.nodes {
		if l := v.links[n.Name]; l != nil && !l.Up() {
			errs = append(errs, fmt.Errorf("%w: no link to node %q", message.ErrUnavailable, n.Name))
		}
	}
	return errors.Join(errs...)
}

// askAll asks all other nodes that can be reached, at the same time, and returns what they answered.
func askAll[T any](c *Cluster, ask func(*link.Link) (T, error)) ([]T, error) {
	var mu sync.Mutex
	var answers []T
	var errs []error
	var asking sync.WaitGroup
	for _, l := range c.view.Load().links {
		if !l.Up() {
			continue
		}
		asking.Go(func() {
			answer, err := ask(l)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			answers = append(answers, answer)
		})
	}
	asking.Wait()
	return answers, errors.Join(errs...)
}

// CountSubscribers returns how many connections of all nodes subscribe to each of keys.
func (c *Cluster) CountSubscribers(ctx context.Context, keys []string) ([]int, error) {
	counts := make([]int, len(keys))
	for i, key := range keys {
		counts[i] = c.hub.OwnSubscribers(key)
	}
	others, err := askAll(c, func(l *link.Link) ([]int, error) { return l.Subscribers(ctx, keys) })
	for _, other := range others {
		for i := range min(len(other), len(counts)) {
			counts[i] += other[i]
		}
	}
	return counts, err
}

// FindSubscribed returns at most limit keys (0: any number) that match pattern and that a connection of any node subscribes to, in no
// order.
func (c *Cluster) FindSubscribed(ctx context.Context, pattern string, limit int) ([]string, error) {
	keys := c.hub.Subscribed(pattern, limit)
	others, err := askAll(c, func(l *link.Link) ([]string, error) { return l.Subscribed(ctx, pattern, limit) })
	seen := map[string]bool{}
	for _, key := range keys {
		seen[key] = true
	}
	for _, other := range others {
		for _, key := range other {
			if !seen[key] && (limit == 0 || len(keys) < limit) {
				seen[key] = true
				keys = append(keys, key)
			}
		}
	}
	return keys, err
}

// CountPatterns returns how many different patterns connections of all nodes subscribe to: each node follows its own at all others.
func (c *Cluster) CountPatterns(ctx context.Context) (int, error) { return c.hub.CountPatterns(ctx) }

// Info is channel.Hub's, with the subscribers of all nodes.
func (c *Cluster) Info(ctx context.Context, key string) (message.KeyInfo, error) {
	info, err := c.hub.Info(ctx, key)
	if err != nil {
		return info, err
	}
	counts, err := c.CountSubscribers(ctx, []string{key})
	info.Subscribers = counts[0]
	return info, err
}

// Range is channel.Hub's, as all that only concerns the shared store.
func (c *Cluster) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	return c.hub.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

// Delete is channel.Hub's.
func (c *Cluster) Delete(ctx context.Context, key string, mids ...int64) (int, error) {
	return c.hub.Delete(ctx, key, mids...)
}

// Trim is channel.Hub's.
func (c *Cluster) Trim(ctx context.Context, key string, keep int, minMid int64) (int, error) {
	return c.hub.Trim(ctx, key, keep, minMid)
}

// Keys is channel.Hub's.
func (c *Cluster) Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error) {
	return c.hub.Keys(ctx, cursor, limit)
}

// Position returns a mid that all nodes' pushes from now on are above, if their clocks are not more than a second apart.
func (c *Cluster) Position() int64 {
	return min(c.hub.Position(), c.hub.Moment())
}

// Gateway is the cluster as connections of devices reach it: the mids that they come with may be ahead of this node's.
type Gateway struct{ *Cluster }

// maxAhead is how far the mids of another node may be ahead of this one's clock.
const maxAhead = time.Minute

// Furthest returns a mid that no node has passed.
func (g Gateway) Furthest() int64 {
	return max(g.hub.Furthest(), message.MidAt(g.cfg.Now().Add(maxAhead)))
}
