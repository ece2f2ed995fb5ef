package redistest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// collect reads and compares the replies to what l has sent: all of them, or those before a read that blocks.
func (w *twin) collect(l *line) error {
	if err := w.collectTheirs(l); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	if err := w.collectOurs(l); err != nil {
		return err
	}
	if err := w.compare(l); err != nil {
		return err
	}
	if !l.closed {
		return nil
	}
	return w.reconnect(l)
}

// collectTheirs reads what redis-server replies until the mark, the end, or a read that blocks.
func (w *twin) collectTheirs(l *line) error {
	c, blocks := l.wires[theirs], slices.ContainsFunc(l.sent, mayWait)
	if blocks {
		if err := w.turn(); err != nil {
			return err
		}
	}
	l.waits = false
	for !l.marked(theirs) {
		if blocks && c.silent() {
			l.waits = true
			return nil
		}
		r, err := c.next()
		if ended(err) {
			l.closed = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", showCommands(l.sent), err)
		}
		l.take(theirs, r)
	}
	return nil
}

// ended tells whether the other side has closed.
func ended(err error) bool {
	var timeout net.Error
	return err != nil && (errors.Is(err, io.EOF) || errors.As(err, &timeout) && !timeout.Timeout())
}

// turn returns when redis-server has seen all that was sent to it before, and has sent its replies: the second of
// two turns of its loop begins after the end of the first.
func (w *twin) turn() error {
	for range 2 {
		if r, err := w.control[theirs].ask("PING"); err != nil || !r.is("PONG") {
			return fmt.Errorf("PING = %v, %w", r, err)
		}
	}
	return nil
}

// mayWait tells whether a command may block until somebody else does something.
func mayWait(args []string) bool { return block(args) == "0" }

// waitsForTime tells whether a command may block for a time.
func waitsForTime(args []string) bool { return block(args) != "" && block(args) != "0" }

// block returns what BLOCK says in a command, "" if it does not block.
func block(args []string) string {
	name := strings.ToLower(args[0])
	at := slices.IndexFunc(args, func(a string) bool { return strings.EqualFold(a, "block") })
	if name != "xread" && name != "xreadgroup" || at < 0 || at+1 >= len(args) {
		return ""
	}
	return args[at+1]
}

// collectOurs reads what must come: as many replies as redis-server has given, or the end.
func (w *twin) collectOurs(l *line) error {
	c := l.wires[ours]
	for !l.marked(ours) {
		if !l.closed && len(l.replies[ours]) >= len(l.replies[theirs]) {
			break
		}
		r, err := c.next()
		if ended(err) && l.closed {
			return nil
		}
		if err != nil {
			return fmt.Errorf("gopush replies %v to %s, then %w; redis-server %v", l.replies[ours], showCommands(l.sent), err, l.replies[theirs])
		}
		l.take(ours, r)
	}
	if l.waits {
		return w.blocks(l)
	}
	return nil
}

// blocks waits until l is known to wait on our side.
func (w *twin) blocks(l *line) error {
	c := l.wires[ours]
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if !c.silent() {
			r, err := c.next()
			return fmt.Errorf("gopush replies %v (%w) to %s; redis-server waits", r, err, showCommands(l.sent))
		}
		list, err := w.control[ours].ask("CLIENT", "LIST", "ID", c.id)
		if err != nil {
			return err
		}
		if blocked(list.text) {
			return nil
		}
	}
	return fmt.Errorf("%s does not wait in gopush", showCommands(l.sent))
}

// blocked tells whether a line of CLIENT LIST has the flag b, among others or alone.
func blocked(client string) bool {
	_, flags, _ := strings.Cut(client, " flags=")
	flags, _, _ = strings.Cut(flags, " ")
	return strings.Contains(flags, "b")
}

func showCommands(commands [][]string) string { return step{commands: commands}.String()[3:] }

// others looks whether what l did ends what others wait for.
func (w *twin) others(l *line) error {
	for _, o := range w.lines {
		if o == l || !o.waits {
			continue
		}
		before := len(o.replies[theirs])
		if err := w.collectTheirs(o); err != nil {
			return fmt.Errorf("redis-server: %w", err)
		}
		if len(o.replies[theirs]) == before && !o.closed {
			continue
		}
		if err := w.collect(o); err != nil {
			return err
		}
	}
	return nil
}

// settle compares the deliveries of all connections.
func (w *twin) settle() error {
	for _, l := range w.lines {
		if l.waits {
			continue
		}
		w.send(l, step{})
		if err := w.collect(l); err != nil {
			return err
		}
		if err := w.compareDeliveries(l); err != nil {
			return err
		}
	}
	return nil
}

// compareDeliveries waits until as much was delivered by gopush as by redis-server.
func (w *twin) compareDeliveries(l *line) error {
	for len(l.deliveries[ours]) < len(l.deliveries[theirs]) {
		r, err := l.wires[ours].next()
		if err != nil || !r.delivery() {
			return fmt.Errorf("gopush delivers %v, then %v (%w); redis-server %v", l.deliveries[ours], r, err, l.deliveries[theirs])
		}
		l.take(ours, r)
	}
	for _, all := range l.deliveries {
		sortDeliveries(all)
	}
	if !slices.EqualFunc(l.deliveries[ours], l.deliveries[theirs], func(a, b reply) bool { return a.String() == b.String() }) {
		return fmt.Errorf("gopush delivers %v; redis-server %v", l.deliveries[ours], l.deliveries[theirs])
	}
	l.deliveries = [2][]reply{}
	return nil
}
