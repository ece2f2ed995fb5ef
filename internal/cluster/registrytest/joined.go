package registrytest

import (
	"context"
	"testing"
	"time"

	"gopush/internal/cluster"
)

// Joined runs r until the test ends, and returns the error of joining within wait.
func Joined(t testing.TB, r cluster.Registry, wait time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.Run(ctx, func([]cluster.Node) {}); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	limited, stop := context.WithTimeout(ctx, wait)
	defer stop()
	return r.Join(limited)
}
