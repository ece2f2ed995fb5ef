package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"gopush/internal/message"
	"gopush/internal/ring"
)

type ringCmd struct {
	Keys   []string   `arg:"" optional:"" name:"key" help:"Keys to look up. Without any, each line of standard input is one."`
	Nodes  []ringNode `required:"" placeholder:"NAME:WEIGHT" help:"All nodes of the cluster; without a weight: 1."`
	Shares bool       `help:"Print what share of all keys each node owns instead: NODE WEIGHT SHARE, by name."`
}

// Help is printed behind the description.
func (*ringCmd) Help() string {
	return `Prints KEY NODE, a line for each key in the order of the keys; a key may have blanks, a node has none. It computes and asks nobody: what nodes there are and which weights they have is told by GET /v1/cluster of any node. The hash is that of gopush-cluster (ketama: SHA-1, 255 points for each weight), so its owners are found just as well. The order of the nodes does not matter.

    gopush ring --nodes n1,n2,n3 alice bob
    gopush ring --nodes n1:1,n2:2 --shares
    gopush ring --nodes n1,n2 < keys.txt | awk '{ print $NF }' | sort | uniq -c
`
}

// ringNode is a node as --nodes names it: NAME or NAME:WEIGHT. A name may have colons if a weight follows.
type ringNode struct{ ring.Node }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *ringNode) UnmarshalText(text []byte) error {
	name, weight := string(text), "1"
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		name, weight = name[:colon], name[colon+1:]
	}
	if name == "" || strings.ContainsFunc(name, unicode.IsSpace) || message.CheckKey(name, len(name)) != nil {
		return fmt.Errorf("%q: want NAME or NAME:WEIGHT, the name without blanks", text)
	}
	w, err := strconv.Atoi(weight)
	if err != nil || w < 1 || w > ring.MaxWeight {
		return fmt.Errorf("%q: want a weight of 1 to %d behind the last colon", text, ring.MaxWeight)
	}
	n.Node = ring.Node{Name: name, Weight: w}
	return nil
}

// Validate refuses what would be answered, but not as meant.
func (c *ringCmd) Validate() error {
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		if seen[n.Name] {
			return fmt.Errorf("--nodes: %q stands there twice", n.Name)
		}
		seen[n.Name] = true
	}
	if c.Shares && len(c.Keys) > 0 {
		return errors.New("--shares looks no key up: leave one of both out")
	}
	return nil
}

// Run prints the owners of the keys of the command line or of standard input.
func (c *ringCmd) Run(ctx context.Context, app *kong.Kong) error {
	nodes := make([]ring.Node, len(c.Nodes))
	for i, n := range c.Nodes {
		nodes[i] = n.Node
	}
	r := ring.New(nodes)
	switch {
	case c.Shares:
		return printShares(app.Stdout, r)
	case len(c.Keys) > 0:
		return printOwners(app.Stdout, r, c.Keys)
	case isTerminal(os.Stdin):
		fmt.Fprintln(app.Stderr, "gopush: each line that you type is a key; Ctrl-D ends")
	}
	return printOwnersOf(ctx, app.Stdout, r, os.Stdin)
}

func printShares(out io.Writer, r *ring.Ring) error {
	shares := r.Shares()
	for _, n := range r.Nodes() {
		if _, err := fmt.Fprintf(out, "%s %d %.4f\n", n.Name, n.Weight, shares[n.Name]); err != nil {
			return err
		}
	}
	return nil
}

// printOwners prints nothing if a key of the command line is none.
func printOwners(out io.Writer, r *ring.Ring, keys []string) error {
	var text bytes.Buffer
	for _, key := range keys {
		if err := message.CheckKey(key, message.MaxKeyBytes); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		fmt.Fprintln(&text, key, r.Owner(key))
	}
	_, err := out.Write(text.Bytes())
	return err
}

// printOwnersOf prints the owner of each line of in, those that came together at once, until in or ctx ends or a line is no key.
func printOwnersOf(ctx context.Context, out io.Writer, r *ring.Ring, in io.Reader) error {
	batches := make(chan batch)
	ended := make(chan error, 1)
	// Reading a terminal cannot be interrupted: if ctx ends first, this ends with the process.
	go func() { ended <- readBatches(ctx, newLineReader(in), batches) }()
	for {
		select {
		case b := <-batches:
			if err := printBatch(out, r, b); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil // the user has seen enough
		}
	}
}

// printBatch prints the owners of the lines before the first that is no key.
func printBatch(out io.Writer, r *ring.Ring, b batch) error {
	var text bytes.Buffer
	var bad error
	for i, line := range b.lines {
		if err := message.CheckKey(string(line), message.MaxKeyBytes); err != nil {
			bad = fmt.Errorf("line %d: %w", b.first+i, err)
			break
		}
		fmt.Fprintf(&text, "%s %s\n", line, r.Owner(string(line)))
	}
	_, err := out.Write(text.Bytes())
	return cmp.Or(bad, err)
}
