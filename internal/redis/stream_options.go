package redis

import (
	"fmt"
	"time"
)

// reading is the options of XREAD and XREADGROUP.
type reading struct {
	block  time.Duration // with blocks; 0: there is no end
	blocks bool
	count  int // 0: no limit

	group, consumer []byte // nil: none was given
	noAck           bool

	keys, ids [][]byte // as many of each
}

// parseReading reads the arguments of XREAD or, with group, of XREADGROUP. problem is "" or the error.
func parseReading(args [][]byte, group bool) (o reading, problem string) {
	for rest := args[1:]; len(rest) > 0; {
		if is(rest[0], "streams") && len(rest) > 1 {
			return o, o.streams(rest[1:], group)
		}
		took, problem := o.option(rest, group)
		if problem != "" {
			return o, problem
		}
		rest = rest[took:]
	}
	return o, textSyntax
}

const textSyntax = "ERR syntax error"

// option takes the option that args begin with, and returns how many arguments that was.
func (o *reading) option(args [][]byte, group bool) (took int, problem string) {
	const only = "ERR The %s option is only supported by XREADGROUP. You called XREAD instead."
	switch more := len(args) - 1; {
	case is(args[0], "block") && more > 0:
		return 2, o.timeout(args[1])
	case is(args[0], "count") && more > 0:
		var ok bool
		if o.count, ok = parseCount(args[1]); !ok {
			return 2, textNoNumber
		}
		return 2, ""
	case is(args[0], "group") && more > 1:
		if !group {
			return 3, fmt.Sprintf(only, "GROUP")
		}
		o.group, o.consumer = args[1], args[2]
		return 3, ""
	case is(args[0], "noack"):
		if !group {
			return 1, fmt.Sprintf(only, "NOACK")
		}
		o.noAck = true
		return 1, ""
	}
	return 1, textSyntax
}

// timeout takes the milliseconds of BLOCK.
func (o *reading) timeout(arg []byte) (problem string) {
	ms, ok := parseInt(arg)
	switch {
	case !ok:
		return "ERR timeout is not an integer or out of range"
	case ms < 0:
		return "ERR timeout is negative"
	}
	o.block, o.blocks = milliseconds(ms), true
	return ""
}

// streams takes the keys and ids, which are the rest of the arguments.
func (o *reading) streams(args [][]byte, group bool) (problem string) {
	switch n := len(args); {
	case n%2 != 0: // redis-server 7.0 speaks of XREAD and $ for XREADGROUP, too
		return "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
	case group && o.group == nil:
		return "ERR Missing GROUP option for XREADGROUP"
	default:
		o.keys, o.ids = args[:n/2], args[n/2:]
	}
	return ""
}

// streamKeys finds the keys of XREAD and XREADGROUP where parseReading finds them.
func streamKeys(args [][]byte) (first, last, step int) {
	var o reading
	for at := 1; at < len(args); {
		rest := args[at:]
		if is(rest[0], "streams") {
			if len(rest) < 3 || len(rest)%2 == 0 {
				return 0, 0, 1
			}
			return at + 1, at + len(rest)/2, 1
		}
		took, problem := o.option(rest, true)
		if problem != "" {
			return 0, 0, 1
		}
		at += took
	}
	return 0, 0, 1
}
