package redis

import (
	"context"
	"strings"

	"gopush/internal/message"
)

// call is a command that is being carried out. What it appends to reply is sent when nothing is to be done. It belongs to who
// called Server.Command until that returns: what works later captures what it needs, never the call.
type call struct {
	reply
	server  *Server
	session *Session
	command *command // that args name, or its subcommand
	args    [][]byte // the caller's; the name, and that of the subcommand, included
	step    *Step
}

// arity replies what Redis says of a command that has too many or too few arguments.
func (c *call) arity() {
	c.errorf("ERR wrong number of arguments for '%s' command", c.command.full)
}

// syntax replies what Redis says of options that it does not understand.
func (c *call) syntax() { c.error("ERR syntax error") }

// limits returns those of the node as they are now.
func (c *call) limits() Limits { return c.server.cfg.Limits() }

// maxReplyBytes is how much payload one reply to c may hold.
func (c *call) maxReplyBytes() int {
	most := c.limits().MaxReplyBytes
	if c.session.is(admin) {
		return most[1]
	}
	return most[0]
}

// work has f make the reply somewhere where it may block. f must not use c, nor c.args, which are the caller's.
func (c *call) work(f func(ctx context.Context, r *reply)) {
	c.workThen(func(ctx context.Context, r *reply) func(*Session) {
		f(ctx, r)
		return nil
	})
}

// workThen is work whose f returns what is to be told to the session afterwards, or nil.
func (c *call) workThen(f func(ctx context.Context, r *reply) func(*Session)) {
	three, stats := c.three, &c.server.Stats
	c.step.Kind = Work
	c.step.Work = func(ctx context.Context, dst []byte) ([]byte, func(*Session)) {
		r := reply{dst: dst, three: three}
		then := f(ctx, &r)
		stats.countReply(r.dst[len(dst):])
		return r.dst, then
	}
}

// push has p pushed; answer, a function without a closure, makes the reply of its receipt.
func (c *call) push(p message.Push, answer func(dst []byte, receipts []message.Receipt, last bool) []byte) {
	c.step.Kind, c.step.Push, c.step.Answer = Push, p, answer
}

// wait has w waited for.
func (c *call) wait(w *Waiting) { c.step.Kind, c.step.Wait = Wait, w }

// is tells whether arg is word, in any case.
func is(arg []byte, word string) bool {
	return len(arg) == len(word) && strings.EqualFold(string(arg), word)
}
