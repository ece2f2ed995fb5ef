package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"gopush/internal/bench"
)

type benchCmd struct {
	Broadcast benchBroadcastCmd `cmd:"" help:"What a delivery of messages to one key costs, with all connections on it."`
	Unicast   benchUnicastCmd   `cmd:"" help:"What a message costs from its push to its one subscriber, over many keys."`
	Mixed     benchMixedCmd     `cmd:"" help:"A steady load of stored messages while connections leave and resume."`
	Store     benchStoreCmd     `cmd:"" help:"What it costs to store messages that nobody is there for, in memory or on disk."`
	Resume    benchResumeCmd    `cmd:"" help:"Devices that come back all at once, each with a backlog."`
	Failover  benchFailoverCmd  `cmd:"" help:"How long a cluster takes to go on when one of its nodes ends."`
	Connect   benchConnectCmd   `cmd:"" help:"What a new connection costs that subscribes."`
	Idle      benchIdleCmd      `cmd:"" help:"Memory for each idle subscribed connection."`
	Worker    benchWorkerCmd    `cmd:"" hidden:"" help:"Subscribers of a measurement in another process; started by the others."`
}

// Help is printed behind the description.
func (*benchCmd) Help() string {
	return `Starts a node of its own in a temporary directory (TMPDIR says where) for each run, with the settings that GOPUSH_ variables give it, or measures one that runs already on this machine. Every message is counted at every connection that has to get it: it ends with 0 only if nothing was lost, doubled or out of order and no connection was closed.

CPU is that of the server, user and system, the push included. Latency is from before the write of a push, or with --rate from when the message was due, until it is read. Subscribers, publishers and server share this machine: compare what was measured in turn. Published figures and how to read them: docs/benchmarks.md.

    gopush bench broadcast --connections 10000 --subject floor,gopush
    gopush bench broadcast --connections 2000 --rate 100 --protocol tcp,ws
    gopush bench unicast --connections 2000 --publishers 4
    gopush bench unicast --connections 2000 --pipelined --rate 20000
    gopush bench unicast --connections 64 --publishers 64 --expire 3600
    gopush bench mixed --rate 5000 --churn 200
    gopush bench resume --connections 15000 --backlog 10
    gopush bench idle --protocol tcp,ws
    gopush bench unicast --pipelined --subject gopush,redis,nats,mosquitto,nchan
    gopush bench unicast -n 1000 -p 8 --batch 64 --window 1024 --protocol redis --subject gopush,redis
    gopush bench store --protocol streams --subject gopush,redis --store disk
    gopush bench broadcast -n 100000 --nodes 10 -m 5 --subject cluster
    gopush bench unicast --pipelined --subject cluster,cluster-wrong
    gopush bench failover --registry static,etcd
    gopush bench connect --server 127.0.0.1:6969 --admin 127.0.0.1:6970 --ops 127.0.0.1:6971 --pid $(pidof gopush)
`
}

// benchFlags are those that every measurement has.
type benchFlags struct {
	Subject   []string         `default:"gopush" help:"What is measured, one after the other: gopush, cluster (several nodes and a redis-server; pushes arrive at the node that owns all keys), cluster-wrong (they arrive at another), floor, redis, nats, mosquitto, nchan (make peers-deps installs what is not there)."`
	Nodes     int              `default:"3" help:"Nodes of a cluster, over which subscribers are spread."`
	Protocol  []bench.Protocol `default:"tcp" enum:"tcp,ws,tls,wss,redis,streams" help:"What is spoken, one after the other, to gopush: tcp or ws, or over TLS tls or wss, by subscribers, with pushes over HTTP; redis (SUBSCRIBE and PUBLISH) or streams (XREAD BLOCK and XADD) by all. Redis is spoken to by redis or streams."`
	Store     bench.Store      `default:"default" enum:"default,memory,disk" help:"Where gopush and redis have what is stored when they answer: memory, or disk, synced. By default gopush on disk, redis in memory."`
	Runs      int              `default:"3" help:"How often all is repeated; the table has medians."`
	Processes int              `placeholder:"N" help:"Processes that subscribers are spread over. By default as many as the limit of open files asks for."`
	JSON      bool             `name:"json" help:"Print the figures of every run as JSON instead of a table."`
	Server    string           `placeholder:"HOST:PORT" help:"Public address of a server that runs already on this machine, to be measured instead of a new one; needs --admin and --pid too."`
	Admin     string           `placeholder:"HOST:PORT" help:"Where publishers push to it."`
	Ops       string           `placeholder:"HOST:PORT" help:"Ops address of it, if it is a node: allocations are counted."`
	PID       int              `name:"pid" placeholder:"PID" help:"Its process id."`
}

// check judges the flags; kong calls only the Validate of a command itself.
func (f *benchFlags) check() error {
	given := []bool{f.Server != "", f.Admin != "", f.PID > 0}
	if slices.Contains(given, true) && slices.Contains(given, false) {
		return errors.New("a server that runs already is named by --server, --admin and --pid together")
	}
	return errors.Join(atLeast("runs", f.Runs, 1), atLeast("processes", f.Processes, 0), atLeast("nodes", f.Nodes, 2))
}

// atLeast checks the value of a flag.
func atLeast(flag string, value, least int) error {
	if value < least {
		return fmt.Errorf("--%s=%d: want at least %d", flag, value, least)
	}
	return nil
}

// config is what the flags come to. done removes the line of progress.
func (f *benchFlags) config(app *kong.Kong) (c bench.Config, done func(), err error) {
	c = bench.Config{Runs: f.Runs, Processes: f.Processes, Subjects: f.subjects(), Nodes: f.Nodes, Store: f.Store}
	done = func() {}
	if c.Binary, err = os.Executable(); err != nil {
		return c, done, err
	}
	if f.Server != "" {
		c.Target = &bench.Target{Public: f.Server, Admin: f.Admin, Ops: f.Ops, PID: f.PID}
	}
	if out, ok := app.Stderr.(*os.File); ok && isTerminal(out) {
		c.Progress = func(what string) { fmt.Fprintf(out, "\r%s\x1b[K", what) }
		done = func() { fmt.Fprint(out, "\r\x1b[K") }
	}
	return c, done, nil
}

// subjects are the names of what is measured: gopush, alone or as a cluster, is one for each protocol, and redis for those of them that it has.
func (f *benchFlags) subjects() (names []string) {
	for _, s := range f.Subject {
		switch s {
		case "gopush", "cluster", "cluster-wrong":
			for _, p := range f.Protocol {
				names = append(names, s+" "+string(p))
			}
		case "redis":
			names = append(names, f.redis()...)
		default:
			names = append(names, s)
		}
	}
	return names
}

// redis is "redis", which is SUBSCRIBE and PUBLISH, unless streams are asked for.
func (f *benchFlags) redis() (names []string) {
	streams := slices.Contains(f.Protocol, bench.Streams)
	if !streams || slices.Contains(f.Protocol, bench.Redis) {
		names = append(names, "redis")
	}
	if streams {
		names = append(names, "redis streams")
	}
	return names
}

// benchReport is what all measurements return.
type benchReport interface{ WriteTable(io.Writer) error }

// print writes the report of a measurement that came to its end, whatever its result was.
func (f *benchFlags) print(w io.Writer, r benchReport, err error) error {
	if err != nil && !errors.Is(err, bench.ErrFailed) {
		return fmt.Errorf("bench: %w", err)
	}
	if !f.JSON {
		return errors.Join(r.WriteTable(w), err)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return errors.Join(out.Encode(r), err)
}
