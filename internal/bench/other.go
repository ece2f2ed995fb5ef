//go:build !linux

package bench

import (
	"context"
	"errors"
)

var errSystem = errors.New("measuring needs epoll and /proc: run it on Linux, beside the node")

// Idle measures what an idle connection costs in memory; here it answers that it cannot.
func Idle(context.Context, IdleConfig) (*IdleReport, error) { return nil, errSystem }

// Broadcast measures what a delivery costs in CPU; here it answers that it cannot.
func Broadcast(context.Context, BroadcastConfig) (*BroadcastReport, error) { return nil, errSystem }

// Push measures how many pushes a node takes; here it answers that it cannot.
func Push(context.Context, PushConfig) (*PushReport, error) { return nil, errSystem }
