package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"gopush/internal/config"
	"gopush/internal/node"
)

type serveCmd struct {
	config.Flags
}

// Help is printed behind the description.
func (*serveCmd) Help() string {
	return `Without any flag it listens on loopback only and keeps its data in ./gopush-data. A setting --some-name is also the variable GOPUSH_SOME_NAME and the line some_name = ... of the file; flags override the environment, which overrides the file. Sizes are bytes or have a unit (64KiB, 1MiB), so have durations (250ms, 5s, 12h, 7d).

    gopush serve
    gopush serve --config gopush.toml --log-level debug
    gopush serve --public ':6969?tls_cert=push.pem&tls_key=push.key' --auth token

SIGTERM and Ctrl-C drain the node (subscribers are told to go, --drain-rate of them a second), close the store and end with 0; a second one ends at once. SIGHUP reads the configuration again and takes over log level, limits, API keys and certificates.
`
}

// Run opens a node, serves until ctx ends, and says where it listens when it does.
func (s *serveCmd) Run(ctx context.Context, app *kong.Kong, line commandLine) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	level := new(slog.LevelVar)
	level.Set(s.Config.LogLevel)
	log := logger(app.Stderr, s.Config.LogFormat, level)
	n, err := node.Open(ctx, s.Config, log, level)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	initial := s.Config

	var beside sync.WaitGroup
	beside.Go(func() {
		select {
		case <-n.Ready():
			greet(app.Stdout, initial, n.Addrs())
		case <-ctx.Done():
		}
	})
	beside.Go(func() {
		for range hangups {
			s.reload(line, n, log)
		}
	})
	err = n.Run(ctx)
	signal.Stop(hangups)
	close(hangups)
	beside.Wait()
	return err
}

// reload reads the configuration again and hands the node what can be changed while it runs.
// A configuration with a mistake changes nothing.
func (s *serveCmd) reload(line commandLine, n *node.Node, log *slog.Logger) {
	parsed, _, err := line.parse()
	if err != nil {
		log.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	reloaded, fixed := config.Changes(s.Config, parsed.Serve.Config)
	next := config.Reloaded(s.Config, parsed.Serve.Config)
	if err := n.Reload(next); err != nil {
		log.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	s.Config = next
	log.Info("configuration reloaded", "changed", reloaded)
	if len(fixed) > 0 {
		log.Warn("settings changed that need a restart", "settings", fixed)
	}
}

// logger writes lines of the format that the configuration names.
func logger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
