package proof

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// BreakInside has the nodes of t, which is not started, take faults from inside. Their binary is built with the tag "proof" (CONTRIBUTING.md,
// "Breaking a node from inside"). Sockets are in dir, the name of which has to be short. With losesPower all that a node has not synced is
// gone when it is killed.
func (t *Topology) BreakInside(dir string, losesPower bool) {
	for _, n := range t.Nodes {
		n.FaultSocket = filepath.Join(dir, n.Name+".faults")
		variables := []string{"PROOF_FAULTS=" + n.FaultSocket}
		if losesPower {
			variables = append(variables, "PROOF_POWER_LOSS=1")
		}
		command := n.Command
		n.Command = func() *exec.Cmd {
			cmd := command()
			if cmd.Env == nil {
				cmd.Env = os.Environ()
			}
			cmd.Env = append(cmd.Env, variables...)
			return cmd
		}
	}
}

// errOrder is what a node says of an order that it does not obey.
var errOrder = errors.New("the order was refused")

// Order has the node do what breaks it, or mends it. Where it has ended, or ends meanwhile, there is nothing to break.
func (n *Node) Order(ctx context.Context, order string) error {
	for {
		err := orderOnce(ctx, n.FaultSocket, order)
		if err == nil || errors.Is(err, errOrder) || !n.Running() {
			return onlyRefusal(err)
		}
		if pause(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("%s: %w: %w", n.Name, ctx.Err(), err)
		}
	}
}

func onlyRefusal(err error) error {
	if errors.Is(err, errOrder) {
		return err
	}
	return nil
}

// orderOnce sends an order, and waits for its answer for no longer than a node needs that is not halted.
func orderOnce(ctx context.Context, socket, order string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if _, err := fmt.Fprintln(c, order); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return fmt.Errorf("%w: %s: %s", errOrder, order, answer)
	}
	return nil
}
