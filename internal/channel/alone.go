package channel

import "context"

// A hub is all keys of a node that is alone. Package cluster answers the same of several nodes, where it may block and fail.

// Near tells that what is pushed to key from now on is posted here: always.
func (h *Hub) Near(string) bool { return true }

// Approach makes key near, which it is.
func (h *Hub) Approach(context.Context, string) error { return nil }

// CountSubscribers returns how many connections subscribe to each of keys, as Subscribers does.
func (h *Hub) CountSubscribers(_ context.Context, keys []string) ([]int, error) {
	counts := make([]int, len(keys))
	for i, key := range keys {
		counts[i] = h.Subscribers(key)
	}
	return counts, nil
}

// FindSubscribed is Subscribed.
func (h *Hub) FindSubscribed(_ context.Context, pattern string, limit int) ([]string, error) {
	return h.Subscribed(pattern, limit), nil
}

// CountPatterns is Patterns.
func (h *Hub) CountPatterns(context.Context) (int, error) { return h.Patterns(), nil }
