package registry

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Health is whether a registry can be reached; its log has a line when that changes. It may be used by any number of
// goroutines.
type Health struct {
	log *slog.Logger

	mu    sync.Mutex
	since time.Time // when it was reached last; zero: it can be reached
	why   error     // what happened last; nil: nothing is known
}

// NewHealth returns the health of a registry that was not reached yet.
func NewHealth(log *slog.Logger) *Health { return &Health{log: log, since: time.Now()} }

// Away says that the registry cannot be reached.
func (h *Health) Away(why error) {
	h.mu.Lock()
	first := h.since.IsZero()
	if first {
		h.since = time.Now()
	}
	h.why = why
	h.mu.Unlock()
	if first {
		h.log.Warn("registry of the cluster cannot be reached: the nodes stay as they are known", "error", why)
	}
}

// Back says that it can.
func (h *Health) Back() {
	h.mu.Lock()
	since := h.since
	h.since, h.why = time.Time{}, nil
	h.mu.Unlock()
	if !since.IsZero() {
		h.log.Info("registry of the cluster reached", "away", time.Since(since).Round(time.Millisecond))
	}
}

// Err returns nil, or since when and why the registry cannot be reached.
func (h *Health) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.since.IsZero():
		return nil
	case h.why == nil:
		return fmt.Errorf("registry not reached since %s", h.since.Format(time.RFC3339))
	}
	return fmt.Errorf("registry not reached since %s: %w", h.since.Format(time.RFC3339), h.why)
}
