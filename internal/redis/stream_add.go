package redis

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"gopush/internal/message"
)

// adding is the options of XADD.
type adding struct {
	trimming
	idempotent
	noMake bool          // NOMKSTREAM
	expire time.Duration // math.MaxInt64: never
	mids   message.Span
}

// maxExpire is the longest that EXPIRE may ask for: a hundred years.
const maxExpire = 100 * 365 * 24 * time.Hour

const textAhead = "ERR The ID specified in XADD is more than an hour ahead of the clock"

// xadd is XADD key [NOMKSTREAM] [IDMP producer id | IDMPAUTO producer] [MAXLEN|MINID [=|~] threshold [LIMIT count]] [EXPIRE seconds]
// *|id field value [field value ...].
func xadd(c *call) {
	a := adding{expire: math.MaxInt64}
	at, problem := a.options(c.args)
	fields := c.args[min(at+1, len(c.args)):]
	switch {
	case problem != "":
		c.error(problem)
		return
	case len(fields) < 2 || len(fields)%2 == 1:
		c.arity()
		return
	}
	if problem := cmp.Or(a.goesWith(c.args[at]), a.setID(c.args[at])); problem != "" {
		c.error(problem)
		return
	}
	payload, form := payloadOf(fields)
	p := message.Push{
		Key: string(c.args[1]), Payload: payload, Form: form, Expire: a.expire, Mids: a.mids, Trim: a.ofPush(), IdemKey: a.key(fields),
	}
	if a.noMake {
		c.addIfThere(p)
		return
	}
	c.push(p, answerAdded)
}

// options takes all before the id, and returns where that stands. The id is good, if it is there.
func (a *adding) options(args [][]byte) (at int, problem string) {
	at = 2
	for at < len(args) {
		took, problem := a.option(args[at:])
		switch {
		case problem != "":
			return at, problem
		case took == 0:
			return at, a.check()
		}
		at += took
	}
	return at, a.check()
}

// option takes one. took is 0 for what is the id.
func (a *adding) option(args [][]byte) (took int, problem string) {
	if string(args[0]) == "*" {
		return 0, ""
	}
	if took, problem = a.trimming.option(args); took > 0 || problem != "" {
		return took, problem
	}
	if took, problem = a.idempotent.option(args); took > 0 || problem != "" {
		return took, problem
	}
	switch {
	case is(args[0], "expire") && len(args) > 1:
		return 2, a.expires(args[1])
	case is(args[0], "nomkstream"):
		a.noMake = true
		return 1, ""
	}
	if _, _, ok := parseID(args[0], 0); !ok {
		return 0, textBadID
	}
	return 0, ""
}

// expires takes the seconds of EXPIRE.
func (a *adding) expires(arg []byte) (problem string) {
	seconds, ok := parseInt(arg)
	switch {
	case !ok:
		return textNoNumber
	case seconds < 1 || seconds > int64(maxExpire/time.Second):
		return "ERR The EXPIRE argument must be 1 to 3153600000 seconds."
	}
	a.expire = time.Duration(seconds) * time.Second
	return ""
}

// setID takes the id: docs/protocol.md, "Streams", says which ones are good.
func (a *adding) setID(arg []byte) (problem string) {
	if string(arg) == "*" {
		return ""
	}
	id, anySeq, _ := parseID(arg, 0)
	switch {
	case !anySeq && id == streamID{}:
		return "ERR The ID specified in XADD must be greater than 0-0"
	case id.seq >= seqs:
		return "ERR The ID specified in XADD has a sequence above 9999, the last one of a millisecond"
	case id.ms >= math.MaxInt64/seqs:
		return textAhead
	}
	first := id.floor()
	if anySeq {
		a.mids = message.Span{First: max(first, 1), Last: first + seqs - 1}
		return ""
	}
	if first > 1<<53 && first%message.MidStep != 0 {
		return "ERR The ID specified in XADD has a sequence that is no multiple of 4, as those of today are"
	}
	a.mids = message.Span{First: first, Last: first}
	return ""
}

// addIfThere pushes p if its key exists.
func (c *call) addIfThere(p message.Push) {
	store := c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		info, err := store.Info(ctx, p.Key)
		switch {
		case err != nil:
			r.failed(err)
		case !info.Exists:
			r.null()
		default:
			r.dst = answerAdded(r.dst, store.Publish(ctx, []message.Push{p}), true)
		}
	})
}

// answerAdded answers an XADD with the id of its message.
func answerAdded(dst []byte, receipts []message.Receipt, _ bool) []byte {
	r := reply{dst: dst}
	switch err := receipts[0].Err; {
	case err == nil:
		r.id(receipts[0].Mid)
	case errors.Is(err, message.ErrMidAhead):
		r.error(textAhead)
	default:
		r.failed(err)
	}
	return r.dst
}
