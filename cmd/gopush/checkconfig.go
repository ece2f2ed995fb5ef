package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"gopush/internal/config"
)

type checkConfigCmd struct {
	config.Flags
	Example bool `help:"Print a file that shows every setting with its default, and nothing else."`
}

// Help is printed behind the description.
func (*checkConfigCmd) Help() string {
	return `Takes the flags of serve, and refuses what serve would refuse: it ends with 0 when a node would start, with 2 when not. What it prints is a valid file, but for the secrets, which are masked.

    gopush check-config --config gopush.toml
    gopush check-config --example > gopush.toml
`
}

// Run prints the configuration; that it is valid was seen when it was read.
func (c *checkConfigCmd) Run(app *kong.Kong) error {
	text := c.Config.TOML()
	if c.Example {
		text = config.Example()
	}
	_, err := fmt.Fprint(app.Stdout, text)
	return err
}
