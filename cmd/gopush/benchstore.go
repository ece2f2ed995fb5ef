package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"gopush/internal/bench"
)

type benchStoreCmd struct {
	benchFlags
	benchLoad
	Keys       int `short:"k" default:"1000" help:"Keys, pushed to in turn."`
	Publishers int `short:"p" default:"8" help:"Connections, each with keys of its own; each has --batch pushes under way."`
}

// Help is printed behind the description.
func (*benchStoreCmd) Help() string {
	return `Publishers push with XADD to keys that nobody reads: each writes a batch at once and goes on when all of it is answered. At the end every key is read with XLEN and XRANGE, and every message counted. --store says whether a push is answered when it is in memory or when it is on disk.

    gopush bench store --protocol streams --subject gopush,redis --store disk --batch 8
    gopush bench store --protocol streams --subject gopush,redis --store memory -p 1
`
}

// Validate is called by kong.
func (b *benchStoreCmd) Validate() error {
	if b.Publishers > b.Keys {
		return fmt.Errorf("--publishers=%d: want at most one for each of the %d keys", b.Publishers, b.Keys)
	}
	return errors.Join(b.benchFlags.check(), b.benchLoad.check(), atLeast("keys", b.Keys, 1), atLeast("publishers", b.Publishers, 1))
}

// Run measures and prints.
func (b *benchStoreCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	c := bench.StoreConfig{
		Config: cfg, Keys: b.Keys, Publishers: b.Publishers, Batch: b.Batch, Messages: b.Messages, Size: b.Size,
	}
	if c.Messages == 0 {
		c.Messages = 50_000
	}
	report, err := bench.Stored(ctx, c)
	done()
	return b.print(app.Stdout, report, err)
}
