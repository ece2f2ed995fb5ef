package redis

import (
	"context"
	"math"

	"gopush/internal/message"
)

// trimming is what the options of XADD and XTRIM say of what is to go.
type trimming struct {
	given   bool
	approx  bool // ~, which trims exactly, too
	limited bool // LIMIT was given; it changes nothing
	limit   int64

	keep   int // MAXLEN; -1 with MINID
	minMid int64
}

// option takes the option at the start of args, if it is one of trimming. It returns how many arguments it took, and "" or the error.
func (t *trimming) option(args [][]byte) (took int, problem string) {
	switch {
	case len(args) < 2:
		return 0, ""
	case is(args[0], "maxlen"), is(args[0], "minid"):
		return t.strategy(args)
	case is(args[0], "limit"):
		return 2, t.most(args[1])
	}
	return 0, ""
}

// strategy takes MAXLEN or MINID.
func (t *trimming) strategy(args [][]byte) (took int, problem string) {
	if t.given {
		return 0, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
	}
	value := 1
	if len(args) > 2 && (string(args[1]) == "~" || string(args[1]) == "=") {
		t.approx = args[1][0] == '~'
		value = 2
	}
	t.given = true
	if is(args[0], "minid") {
		return value + 1, t.from(args[value])
	}
	return value + 1, t.length(args[value])
}

func (t *trimming) length(arg []byte) (problem string) {
	length, ok := parseInt(arg)
	switch {
	case !ok:
		return textNoNumber
	case length < 0:
		return "ERR The MAXLEN argument must be >= 0."
	}
	t.keep = int(min(length, math.MaxInt))
	return ""
}

func (t *trimming) from(arg []byte) (problem string) {
	id, ok := parseOneID(arg)
	if !ok {
		return textBadID
	}
	t.keep, t.minMid = -1, id.ceil()
	return ""
}

func (t *trimming) most(arg []byte) (problem string) {
	var ok bool
	t.limit, ok = parseInt(arg)
	switch {
	case !ok:
		return textNoNumber
	case t.limit < 0:
		return "ERR The LIMIT argument must be >= 0."
	}
	t.limited = true
	return ""
}

// check tells whether the options go together, when all were taken.
func (t *trimming) check() (problem string) {
	switch {
	case t.limit > 0 && !t.given:
		return "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
	case t.limited && !t.approx:
		return "ERR syntax error, LIMIT cannot be used without the special ~ option"
	}
	return ""
}

// ofPush returns what a push does of it in its commit.
func (t *trimming) ofPush() message.Trim {
	switch {
	case !t.given:
		return message.Trim{}
	case t.keep < 0:
		return message.Trim{MinMid: t.minMid}
	case t.keep == 0:
		return message.Trim{Keep: -1}
	}
	return message.Trim{Keep: t.keep}
}

// xtrim is XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count].
func xtrim(c *call) {
	var t trimming
	for rest := c.args[2:]; len(rest) > 0; {
		took, problem := t.option(rest)
		switch {
		case problem != "":
			c.error(problem)
			return
		case took == 0:
			c.syntax()
			return
		}
		rest = rest[took:]
	}
	problem := t.check()
	if problem == "" && !t.given {
		problem = "ERR syntax error, XTRIM must be called with a trimming strategy"
	}
	if problem != "" {
		c.error(problem)
		return
	}
	key, store := string(c.args[1]), c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		removed, err := store.Trim(ctx, key, t.keep, t.minMid)
		r.count(removed, err)
	})
}

// count is a number of things, unless counting them failed.
func (r *reply) count(n int, err error) {
	if err != nil {
		r.failed(err)
		return
	}
	r.int(int64(n))
}
