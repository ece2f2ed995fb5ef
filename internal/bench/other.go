//go:build !linux

package bench

import (
	"context"
	"errors"
	"io"
)

var errSystem = errors.New("measuring needs epoll and /proc: run it on Linux, beside the node")

// Load measures what messages cost; here it answers that it cannot.
func Load(context.Context, LoadConfig) (*LoadReport, error) { return nil, errSystem }

// Connect measures what a new connection costs; here it answers that it cannot.
func Connect(context.Context, ConnectConfig) (*ConnectReport, error) { return nil, errSystem }

// Idle measures what an idle connection costs in memory; here it answers that it cannot.
func Idle(context.Context, IdleConfig) (*IdleReport, error) { return nil, errSystem }

// Resume measures devices that come back; here it answers that it cannot.
func Resume(context.Context, ResumeConfig) (*ResumeReport, error) { return nil, errSystem }

// Stored measures what storing messages costs; here it answers that it cannot.
func Stored(context.Context, StoreConfig) (*StoreReport, error) { return nil, errSystem }

// Failover measures how long a cluster takes without one of its nodes; here it answers that it cannot.
func Failover(context.Context, FailoverConfig) (*FailoverReport, error) { return nil, errSystem }

// Work is a worker of a measurement; here it answers that it cannot.
func Work(context.Context, io.Reader, io.Writer) error { return errSystem }
