package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// send sends the commands of a step, and a PING by which the end of the replies is seen.
func (w *twin) send(l *line, s step) {
	w.marks++
	l.mark = "mark-" + strconv.Itoa(w.marks)
	l.sent, l.replies = w.prepare(s.commands), [2][]reply{}
	for side, c := range l.wires {
		var out []byte
		for _, args := range l.sent {
			out = w.appendCommand(out, side, args, s.inline)
		}
		out = appendArray(out, []string{"PING", l.mark})
		for _, piece := range cut(out, s.cuts) {
			c.write(piece)
		}
	}
}

// prepare returns what is sent of commands, with the keys that are meant.
func (w *twin) prepare(commands [][]string) (sent [][]string) {
	leftOut := w.leftOut(commands)
	for _, args := range commands {
		if leftOut(args, sent) {
			continue
		}
		name, args := strings.ToLower(args[0]), slices.Clone(args)
		for i, a := range args {
			if strings.HasPrefix(a, "/") {
				args[i] = w.key(a, name == "xadd" || name == "xgroup")
			}
		}
		if name == "del" {
			for _, a := range args[1:] {
				w.deleted[a] = true
			}
		}
		sent = append(sent, args)
	}
	if slices.ContainsFunc(commands, silences) {
		sent = append(sent, []string{"CLIENT", "REPLY", "ON"})
	}
	return sent
}

// leftOut tells which of commands are not sent, after others of them: what makes the comparison depend on who is quicker, or on
// a difference that no reply shows.
func (w *twin) leftOut(commands [][]string) func(args []string, sent [][]string) bool {
	silent, waits := slices.ContainsFunc(commands, silences), slices.ContainsFunc(commands, mayWait)
	waited := slices.ContainsFunc(w.lines, func(l *line) bool { return l.waits })
	timing := func(args []string) bool { return mayWait(args) || waited && strings.EqualFold(args[0], "xadd") }
	return func(args []string, sent [][]string) bool {
		name := strings.ToLower(args[0])
		switch {
		case silent && (subscribes(args) || name == "quit" || name == "xadd"):
			return true // a subscriber cannot say CLIENT REPLY ON, Redis forgets a QUIT, and nobody sees the id of an XADD
		case waits && waitsForTime(args):
			return true // a read that waits for somebody should be the only one that waits
		case (waits || waited) && name == "xadd" && trims(args):
			return true // where the new message is trimmed at once, Redis wakes a reader to show it nothing, a node does not
		case ends(args) && slices.ContainsFunc(args, w.awaited):
			return true // Redis wakes a reader whose group goes, a node when next something is stored
		case slices.ContainsFunc(sent, timing):
			return name != "ping" && name != "echo" // Redis shows a reader what there is after the XADD, a node may show what came next, too
		case slices.ContainsFunc(sent, publishes):
			// a node may be delivering yet: to who subscribes now, since a pattern has no id from which on, and not to who has ended it
			return name == "psubscribe" || strings.HasSuffix(name, "unsubscribe") || name == "hello" || name == "reset" || name == "quit"
		}
		return false
	}
}

// ends tells whether a command may remove a group.
func ends(args []string) bool {
	return strings.EqualFold(args[0], "del") || strings.EqualFold(args[0], "xgroup") && len(args) > 1 && strings.EqualFold(args[1], "destroy")
}

// awaited tells whether an argument is a key of which a group is waited for.
func (w *twin) awaited(a string) bool {
	return strings.HasPrefix(a, "/") && slices.ContainsFunc(w.lines, func(l *line) bool {
		return l.waits && slices.ContainsFunc(l.sent, func(args []string) bool {
			return strings.EqualFold(args[0], "xreadgroup") && slices.Contains(args, w.key(a, false))
		})
	})
}

// trims tells whether an XADD trims.
func trims(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.EqualFold(a, "maxlen") || strings.EqualFold(a, "minid") })
}

// key returns the name of a key in this run. A key that was deleted has another one when it may be made again: a node knows the
// last id of a deleted key, Redis does not.
func (w *twin) key(a string, makes bool) string {
	name := func() string {
		if g := w.generation[a]; g > 0 {
			return w.prefix + a + "." + strconv.Itoa(g)
		}
		return w.prefix + a
	}
	if makes && w.deleted[name()] {
		w.generation[a]++
	}
	return name()
}

func silences(args []string) bool {
	return len(args) == 3 && strings.EqualFold(args[0], "client") && strings.EqualFold(args[1], "reply") && !strings.EqualFold(args[2], "on")
}

// cut cuts b at offsets, which are taken modulo its length.
func cut(b []byte, offsets []int) (pieces [][]byte) {
	at := make([]int, 0, len(offsets))
	for _, o := range offsets {
		at = append(at, o%max(len(b), 1))
	}
	slices.Sort(at)
	from := 0
	for _, to := range append(at, len(b)) {
		if to > from {
			pieces = append(pieces, b[from:to])
			from = to
		}
	}
	return pieces
}

// appendCommand appends a command as it is sent to a side.
func (w *twin) appendCommand(dst []byte, side int, args []string, inline bool) []byte {
	sent := make([]string, len(args))
	for i, a := range args {
		sent[i] = w.argument(side, a, w.keyOf(args, i))
	}
	if !inline {
		return appendArray(dst, sent)
	}
	for i, a := range sent {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendQuoted(dst, a)
	}
	return append(dst, "\r\n"...)
}

// appendQuoted appends an argument of an inline command.
func appendQuoted(dst []byte, a string) []byte {
	plain := func(c rune) bool { return c < '0' || c > 'z' || c == '\\' }
	if a != "" && !strings.ContainsFunc(a, plain) {
		return append(dst, a...)
	}
	dst = append(dst, '"')
	for i := range len(a) {
		dst = fmt.Appendf(dst, `\x%02x`, a[i])
	}
	return append(dst, '"')
}

// argument returns what is sent to a side for an argument that belongs to key:
//
//	#N     the N-th id that the server chose for key, (#N in front of which stands a (
//	@N-M   an id N milliseconds after the base of this run, (@N-M and @N likewise
func (w *twin) argument(side int, a, key string) string {
	open, rest := "", a
	if strings.HasPrefix(a, "(") {
		open, rest = "(", a[1:]
	}
	switch {
	case strings.HasPrefix(rest, "#"):
		if n, err := strconv.Atoi(rest[1:]); err == nil && n >= 0 {
			return open + w.id(side, n, key)
		}
	case strings.HasPrefix(rest, "@"):
		ms, seq, dash := strings.Cut(rest[1:], "-")
		if n, err := strconv.Atoi(ms); err == nil {
			id := open + strconv.FormatInt(w.base+int64(n), 10)
			if dash {
				id += "-" + seq
			}
			return id
		}
	}
	return a
}

// keyOf returns the key that argument i belongs to: the first one, or for what reads many streams that of the same place.
func (w *twin) keyOf(args []string, i int) string {
	isKey := func(a string) bool { return strings.HasPrefix(a, w.prefix+"/") }
	first := slices.IndexFunc(args, isKey)
	if first < 0 {
		return ""
	}
	if streams := slices.IndexFunc(args, func(a string) bool { return strings.EqualFold(a, "streams") }); streams >= 0 {
		if at := i - (len(args)-streams-1)/2; at > streams && isKey(args[at]) {
			return args[at]
		}
	}
	return args[first]
}

func (w *twin) id(side, n int, key string) string {
	ids := w.ids[key]
	if len(ids) == 0 {
		return "0-7"
	}
	return ids[n%len(ids)][side]
}
