package redistest

import (
	"slices"
	"strconv"
	"strings"
)

// difference is where gopush does not reply as Redis 7.0 does, on purpose: docs/protocol.md, "Redis".
type difference struct {
	command   string // first word of the commands; "": all
	what, why string
	undo      func(args []string, got, want reply) reply // returns what got were without it
}

// differences are all of them, but for those that scripts keep out of:
//   - Keys and channels are one space in gopush: a subscriber sees what XADD adds, and SPUBLISH is PUBLISH. Keys, channels and
//     shard channels have names of their own here.
//   - A connection gets the messages of each key in order, but not those of different keys: sortDeliveries.
//   - A read that waits may get more than the message that ends its waiting; what is trimmed as it is added ends no waiting: (*twin).leftOut.
//   - A read that waits for a group which is destroyed goes on waiting, until something is stored: (*twin).leftOut.
//   - A PSUBSCRIBE may deliver what was published just before it, too, and who unsubscribes may miss it: (*twin).leftOut.
//   - A deleted key's last id is known for 30 days, so that no id is given twice: (*twin).key.
//   - A HELLO with a mistake does nothing; Redis does what stands before the mistake.
//   - The first command of a connection must be one that exists: dial.
//   - An id that XADD names has a sequence number of at most 9999, is a multiple of 4 above 2^53, and is not ahead of the clock.
var differences = []difference{
	{"", "keys are 1 to 255 bytes of UTF-8 without control characters", "all dialects have the same keys", func(_ []string, got, want reply) reply {
		if got.kind == '-' && strings.HasPrefix(got.text, "ERR bad key: ") {
			return want
		}
		return got
	}},
	{"xread", "XREAD takes +", "it is of Redis 7.4", func(args []string, got, want reply) reply {
		if slices.Contains(args, "+") && want.kind == '-' {
			return want
		}
		return got
	}},
	{"xinfo", "the lag of a group is what there is to be read", "Redis knows none where something was deleted, and counts what was trimmed", asTheirs("lag", lessOrUnknown)},
	{"xinfo", "entries-read is known, and right for a group that has caught up", "Redis may know it no more where something was deleted, and leaves out what was trimmed before it was delivered", asTheirs("entries-read", moreOrUnknown)},
	{"xinfo", "max-deleted-entry-id is 0-0", "a node does not keep it", asTheirs("max-deleted-entry-id", anyOf)},
}

// undo returns what a reply were without the differences.
func undo(args []string, got, want reply) reply {
	for _, d := range differences {
		if d.command == "" || strings.EqualFold(args[0], d.command) {
			got = d.undo(args, got, want)
		}
	}
	return got
}

func unknown(_, want reply) bool { return want.kind == '_' || want.null }

func anyOf(_, _ reply) bool { return true }

// lessOrUnknown tells whether theirs is null or not below ours.
func lessOrUnknown(got, want reply) bool {
	ours, err1 := strconv.Atoi(got.text)
	theirs, err2 := strconv.Atoi(want.text)
	return unknown(got, want) || err1 == nil && err2 == nil && ours <= theirs
}

// moreOrUnknown tells whether theirs is null or not above ours.
func moreOrUnknown(got, want reply) bool { return unknown(got, want) || lessOrUnknown(want, got) }

// asTheirs gives fields of a name, however deep, the value that theirs have if that is allowed.
func asTheirs(name string, allowed func(got, want reply) bool) func([]string, reply, reply) reply {
	var walk func(got, want reply) reply
	walk = func(got, want reply) reply {
		if len(got.elems) != len(want.elems) {
			return got
		}
		got.elems = slices.Clone(got.elems)
		for i := range got.elems {
			if named := i%2 == 1 && want.elems[i-1].is(name) && got.elems[i-1].is(name); named && allowed(got.elems[i], want.elems[i]) {
				got.elems[i] = want.elems[i]
			} else {
				got.elems[i] = walk(got.elems[i], want.elems[i])
			}
		}
		return got
	}
	return func(_ []string, got, want reply) reply { return walk(got, want) }
}

// A rule makes equal what two servers cannot have in common, or what Redis has in no order.
var rules = []struct {
	command string // the first words
	why     string
	apply   func(r reply) reply
}{
	{"command", "another table", anyValue},
	{"client id", "counted by each server", anyValue},
	{"hello", "says which server it is", fields(map[string]func(reply) reply{"server": anyValue, "version": anyValue, "id": anyValue})},
	{"time", "passes", each(anyValue)},
	{"pubsub channels", "of a hash table", sorted},
	{"pubsub shardchannels", "of a hash table", sorted},
	{"xpending", "idle times", each(nth(2, magnitude))},
	{"xinfo stream", "a radix tree is Redis's", deep(fields(map[string]func(reply) reply{"radix-tree-keys": anyValue, "radix-tree-nodes": anyValue}))},
	{"xinfo stream", "times of the day", deep(moment)},
	{"xinfo consumers", "idle times", each(fields(map[string]func(reply) reply{"idle": magnitude}))},
}

// normal applies the rules for a command to a reply, unless that is an error.
func normal(args []string, r reply) reply {
	if r.kind == '-' {
		return r
	}
	line := strings.ToLower(strings.Join(args, " ")) + " "
	for _, rule := range rules {
		if strings.HasPrefix(line, rule.command+" ") {
			r = rule.apply(r)
		}
	}
	return r
}

func anyValue(r reply) reply { return reply{kind: r.kind, null: r.null} }

// magnitude leaves of a time in milliseconds what no machine is too slow for.
func magnitude(r reply) reply {
	const step = 500_000
	if v, err := strconv.ParseInt(r.text, 10, 64); err == nil && r.kind == ':' {
		r.text = strconv.FormatInt((v+step/2)/step, 10)
	}
	return r
}

// moment leaves of a Unix time in milliseconds what no machine is too slow for.
func moment(r reply) reply {
	if v, err := strconv.ParseInt(r.text, 10, 64); err == nil && r.kind == ':' && v > 1_000_000_000_000 {
		return magnitude(r)
	}
	return r
}

func sorted(r reply) reply {
	r.elems = slices.Clone(r.elems)
	slices.SortFunc(r.elems, func(a, b reply) int { return strings.Compare(a.text, b.text) })
	return r
}

// each applies f to the elements.
func each(f func(reply) reply) func(reply) reply {
	return func(r reply) reply {
		r.elems = slices.Clone(r.elems)
		for i := range r.elems {
			r.elems[i] = f(r.elems[i])
		}
		return r
	}
}

// nth applies f to element n.
func nth(n int, f func(reply) reply) func(reply) reply {
	return func(r reply) reply {
		if n < len(r.elems) {
			r.elems = slices.Clone(r.elems)
			r.elems[n] = f(r.elems[n])
		}
		return r
	}
}

// fields applies functions to the values of a map, or of an array of names and values.
func fields(of map[string]func(reply) reply) func(reply) reply {
	return func(r reply) reply {
		r.elems = slices.Clone(r.elems)
		for i := 0; i+1 < len(r.elems); i += 2 {
			if f := of[r.elems[i].text]; f != nil {
				r.elems[i+1] = f(r.elems[i+1])
			}
		}
		return r
	}
}

// deep applies f to a reply and all that is in it.
func deep(f func(reply) reply) func(reply) reply {
	var apply func(reply) reply
	apply = func(r reply) reply { return each(apply)(f(r)) }
	return apply
}
