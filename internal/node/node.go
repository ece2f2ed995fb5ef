// Package node puts a node together and runs it.
package node

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"gopush/internal/config"
)

// Node is one gopush process.
type Node struct{}

// Addrs is where a node listens.
type Addrs struct{ Public, Admin, Ops []net.Addr }

// Open makes a node.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger, level *slog.LevelVar) (*Node, error) {
	return nil, errors.New("not built yet")
}

// Run serves until ctx ends.
func (n *Node) Run(ctx context.Context) error { return nil }

// Reload takes over what can be changed at run time.
func (n *Node) Reload(cfg config.Config) error { return nil }

// Addrs returns where the node listens.
func (n *Node) Addrs() Addrs { return Addrs{} }
