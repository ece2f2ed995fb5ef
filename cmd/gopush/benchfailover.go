package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"gopush/internal/bench"
	"gopush/internal/config"
)

type benchFailoverCmd struct {
	Registry       []string        `default:"static" enum:"static,zookeeper,etcd" help:"Where the nodes find each other, one after the other: static, zookeeper, etcd; these have to be installed."`
	End            []string        `default:"kill,term" enum:"kill,term" help:"How the node ends, one after the other: kill (SIGKILL), term (SIGTERM)."`
	SessionTimeout config.Duration `default:"6s" help:"How long a node that is not heard of counts as there."`
	Nodes          int             `default:"3" help:"Nodes of the cluster."`
	Connections    int             `short:"n" default:"5000" help:"Devices, each with a key of its own, all on the node that ends, which owns these keys."`
	Publishers     int             `short:"p" default:"16" help:"Publishers at another node."`
	Size           int             `default:"128" help:"Payload in bytes."`
	Runs           int             `default:"3" help:"How often all is repeated; the table has medians."`
	JSON           bool            `name:"json" help:"Print the figures of every run as JSON instead of a table."`
}

// Help is printed behind the description.
func (*benchFailoverCmd) Help() string {
	return `Starts a cluster with a redis-server of its own. All devices are on one node, which owns all of their keys; publishers push stored messages to these keys at another node all the time, each when its last push was acknowledged. Then the node ends. Seconds count from the signal: until all devices have resumed elsewhere, until every publisher had a push acknowledged again, until every key had one, and until every device had all. Every message is counted at every device.

    gopush bench failover
    gopush bench failover --registry static,zookeeper,etcd --session-timeout 4s
    gopush bench failover -n 500 --end term
`
}

// Validate is called by kong.
func (b *benchFailoverCmd) Validate() error {
	if b.Publishers > b.Connections {
		return fmt.Errorf("--publishers=%d: want at most one for each of the %d keys", b.Publishers, b.Connections)
	}
	if time.Duration(b.SessionTimeout) < time.Second {
		return fmt.Errorf("--session-timeout=%v: want at least 1s", time.Duration(b.SessionTimeout))
	}
	return errors.Join(atLeast("runs", b.Runs, 1), atLeast("nodes", b.Nodes, 2), atLeast("connections", b.Connections, 1),
		atLeast("publishers", b.Publishers, 1), atLeast("size", b.Size, bench.MinPayload))
}

// Run measures and prints.
func (b *benchFailoverCmd) Run(ctx context.Context, app *kong.Kong) error {
	flags := benchFlags{Runs: b.Runs, Nodes: b.Nodes, JSON: b.JSON}
	cfg, done, err := flags.config(app)
	if err != nil {
		return err
	}
	report, err := bench.Failover(ctx, bench.FailoverConfig{
		Config: cfg, Registries: b.Registry, Ends: b.End, Session: time.Duration(b.SessionTimeout),
		Connections: b.Connections, Publishers: b.Publishers, Size: b.Size,
	})
	done()
	return flags.print(app.Stdout, report, err)
}
