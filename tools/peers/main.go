// Command peers measures a node beside the floor and beside other servers, under the same loads,
// on the same machine and in turn, and makes docs/benchmarks.md and docs/plots of it.
//
//	plan.go ── workloads ──> run ── gopush bench … --json ──> bench/results/*.json ──> render ──> tables, plots
//
// "make bench-peers" does all of it, "make bench-redis" what clients of Redis do, "make bench-cluster" what clusters do, "make bench-render" only the last step. It knows the command
// line of "gopush bench" and what that prints, and no package of the product.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

const usage = `usage: peers [flags] run|render

  run     measure everything, about half an hour with nothing else on the machine: bench/results
  render  write the tables of docs/benchmarks.md and docs/plots from bench/results

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("peers", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	root := flags.String("root", ".", "the repository")
	rounds := flags.Int("runs", 3, "how often each server is measured under each workload")
	only := flags.String("only", "", "regular expression: measure the workloads with a matching id, keep the rest")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	results := filepath.Join(*root, "bench", "results")
	switch flags.Arg(0) {
	case "run":
		r := runner{root: *root, results: results, rounds: max(1, *rounds), out: os.Stderr}
		return r.run(ctx, chosen)
	case "render":
		return render(*root, results)
	}
	flags.Usage()
	return fmt.Errorf("what to do? %q is neither run nor render", flags.Arg(0))
}
