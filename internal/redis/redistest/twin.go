package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	ours   = 0 // index of what is tested
	theirs = 1 // index of the real redis-server
)

const lines = 4 // connections of a twin to each server

// twin does the same on two servers and compares what they reply.
type twin struct {
	addrs   [2]string
	control [2]*wire // sees what goes on; sends nothing that scripts do
	lines   []*line
	prefix  string // of keys and channels
	base    int64  // a moment of ten minutes ago, in milliseconds
	marks   int
	done    []string // what was done so far

	ids        map[string][][2]string // of keys, that the servers chose, in order: the one of ours and the one of theirs
	paired     map[[2]string]bool     // all of them
	deleted    map[string]bool        // keys, as they are named in this run
	generation map[string]int         // of keys: how often they were made after they were deleted
}

// Compare carries out a script on a server that is tested and on a redis-server, and deletes what it made. No two
// calls with one prefix are made on the same servers. The error says where they differ, and what was done until then.
func Compare(tested, redis, prefix string, s Script) error {
	w := &twin{
		addrs: [2]string{tested, redis}, prefix: prefix, base: time.Now().Add(-10 * time.Minute).UnixMilli(),
		ids: map[string][][2]string{}, paired: map[[2]string]bool{}, deleted: map[string]bool{}, generation: map[string]int{},
	}
	defer w.close()
	err := w.open()
	for i := 0; err == nil && i < len(s); i++ {
		w.done = append(w.done, s[i].String())
		err = w.step(s[i])
	}
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return fmt.Errorf("%w\nafter\n%s", err, strings.Join(w.done, "\n"))
	}
	return nil
}

func (w *twin) open() (err error) {
	for side, addr := range w.addrs {
		if w.control[side], err = dial(addr); err != nil {
			return err
		}
	}
	for range lines {
		l, err := w.connect()
		if err != nil {
			return err
		}
		w.lines = append(w.lines, l)
	}
	return nil
}

func (w *twin) connect() (l *line, err error) {
	l = new(line)
	for side, addr := range w.addrs {
		if l.wires[side], err = dial(addr); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (w *twin) close() {
	for _, c := range w.control {
		c.close()
	}
	for _, l := range w.lines {
		l.close()
	}
}

// step carries out one step, and compares all that can be seen of it.
func (w *twin) step(s step) error {
	l := w.lines[s.line%len(w.lines)]
	if l.waits {
		return nil // Redis does not look at what it sends
	}
	w.send(l, s)
	if err := w.collect(l); err != nil {
		return err
	}
	if err := w.others(l); err != nil {
		return err
	}
	if slices.ContainsFunc(s.commands, publishes) {
		return w.settle()
	}
	return nil
}

func publishes(args []string) bool {
	return strings.EqualFold(args[0], "publish") || strings.EqualFold(args[0], "spublish")
}

// finish has no connection wait any more, compares what is left, and deletes the keys.
func (w *twin) finish() error {
	for _, l := range w.lines {
		if l.waits {
			if err := w.reconnect(l); err != nil {
				return err
			}
		}
	}
	if err := w.settle(); err != nil {
		return err
	}
	tested, err := w.keys(ours)
	if err != nil {
		return err
	}
	redis, err := w.keys(theirs)
	if err != nil || len(redis) == 0 && len(tested) == 0 {
		return err
	}
	if !slices.Equal(tested, redis) {
		return fmt.Errorf("gopush has the keys %q; redis-server %q", tested, redis)
	}
	for _, c := range w.control {
		if r, err := c.ask(append([]string{"DEL"}, redis...)...); err != nil || r.text != strconv.Itoa(len(redis)) {
			return fmt.Errorf("DEL of %q = %v, %w", redis, r, err)
		}
	}
	return nil
}

// keys returns the keys of this run that a side has.
func (w *twin) keys(side int) (keys []string, err error) {
	cursor := "0"
	for {
		r, err := w.control[side].ask("SCAN", cursor, "COUNT", "1000", "MATCH", w.prefix+"/*")
		if err != nil || len(r.elems) != 2 {
			return nil, fmt.Errorf("SCAN = %v, %w", r, err)
		}
		for _, k := range r.elems[1].elems {
			keys = append(keys, k.text)
		}
		if cursor = r.elems[0].text; cursor == "0" {
			slices.Sort(keys)
			return slices.Compact(keys), nil
		}
	}
}

func (w *twin) reconnect(l *line) error {
	l.close()
	next, err := w.connect()
	if err == nil {
		*l = *next
	}
	return err
}
