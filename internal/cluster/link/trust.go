package link

import (
	"context"
	"errors"
	"fmt"

	"gopush/internal/wire/resp"
)

// Trusted returns nil, or how this node and the others do not believe each other, since secrets differ or certificates are not known: when
// it has no link, and never had one, or it is so with more than one of them. A node that was linked does not take it from a
// single one that came with another secret.
func (ls *Links) Trusted() error {
	var differs error
	refusing := 0
	for _, l := range ls.All() {
		if l.Up() {
			return nil
		}
		if err := l.Err(); errors.Is(err, errSecret) || errors.Is(err, errUntrusted) {
			differs = fmt.Errorf("not linked with node %s: %w", l.name, err)
			refusing++
		}
	}
	if refusing == 1 && ls.linked.Load() {
		return nil
	}
	return differs
}

// Namesake asks the node at addr, which has this node's name, whether it is this process, and returns false if it is another one. An
// error: nobody answers there who proves to be a node of this name.
func (ls *Links) Namesake(ctx context.Context, addr string) (itself bool, err error) {
	conn, err := ls.dial(ctx, addr)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	in := input{conn: conn, parse: resp.ParsePush, lim: handLimits(), beat: ls.cfg.Beat}
	self := ls.cfg.Self()
	h, err := ls.greet(ctx, &in, self.Name)
	return h.Instance == self.Instance, err
}

// itself tells whether a link is one from this process to itself: it looks who answers under its name.
func (ls *Links) itself(peer Hello) bool {
	self := ls.cfg.Self()
	return peer.Name == self.Name && peer.Instance == self.Instance
}
