// Command gopush is the push server and the tools around it, a subcommand in a file each.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"gopush/internal/config"
)

// cli is what may stand on the command line. A subcommand is a line here and a type with a
// Run method, which kong calls with what it asks for: a context.Context that ends at SIGINT or
// SIGTERM, the *kong.Kong with the streams, the commandLine.
type cli struct {
	Serve       serveCmd         `cmd:"" help:"Run a node."`
	Sub         subCmd           `cmd:"" help:"Subscribe to keys and print their messages."`
	Push        pushCmd          `cmd:"" help:"Push a message, or lines of standard input."`
	Demo        demoCmd          `cmd:"" help:"Push a text of this machine to 1,000 devices through a crash, and count what came."`
	ClusterDemo clusterDemoCmd   `cmd:"" name:"cluster-demo" help:"The same on a cluster of three nodes of which one is killed; needs redis-server."`
	Bench       benchCmd         `cmd:"" help:"Measure a node: what messages, connections and devices that come back cost it."`
	Ring        ringCmd          `cmd:"" help:"Say which node of a cluster owns a key."`
	CheckConfig checkConfigCmd   `cmd:"" help:"Check the configuration and print what it comes to."`
	Version     versionCmd       `cmd:"" help:"Print the version."`
	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

// Help is printed by gopush --help, behind the description.
func (*cli) Help() string {
	return `A first message, in three terminals:

    gopush serve
    gopush sub hello
    gopush push hello 'first message'
`
}

// What the process answers to its caller.
const (
	exitOK      = 0
	exitFailure = 1 // something failed while it ran
	exitUsage   = 2 // the command line or the configuration is wrong: nothing was started
)

func main() { os.Exit(run(os.Args[1:])) }

// run does what args say and returns the exit code.
func run(args []string) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	_, command, err := commandLine(args).parse()
	if err != nil {
		complain(os.Stderr, err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal ends the process at once
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(); err != nil {
		complain(os.Stderr, err)
		return exitFailure
	}
	return exitOK
}

// complain tells a person what is wrong and where to read on.
func complain(w io.Writer, err error) {
	fmt.Fprintln(w, "gopush:", err)
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		if _, ok := errors.AsType[config.Mistakes](err); !ok {
			fmt.Fprintf(w, "Run \"%s --help\" for more.\n", path(parse.Context))
		}
	}
}

// path is the part of a command line that was understood, as "gopush serve".
func path(ctx *kong.Context) string {
	if ctx == nil || ctx.Selected() == nil {
		return "gopush"
	}
	return ctx.Selected().FullPath()
}

// commandLine is what follows the name of the program. It is kept so that a running node can read
// its configuration again from the same sources.
type commandLine []string

// parse reads the command line with all that it refers to.
func (line commandLine) parse() (*cli, *kong.Context, error) {
	var c cli
	options := append(config.Options(os.Environ()),
		kong.Name("gopush"),
		kong.Description("A push server: a backend pushes a message to a key, every connection subscribed to the key gets it, in order; who was away gets what it missed."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Vars{"version": version()},
		kong.Bind(line),
	)
	parser, err := kong.New(&c, options...)
	if err != nil {
		return nil, nil, err
	}
	command, err := parser.Parse(line)
	return &c, command, err
}
