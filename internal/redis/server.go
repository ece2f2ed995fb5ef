package redis

import (
	"bytes"
	"errors"
	"strings"

	"gopush/internal/wire/resp"
)

// Server carries out commands of the connections of a node, or says how to.
type Server struct {
	Stats Stats

	cfg      Config
	commands table
	others   map[string]bool // names of commands that Redis has and gopush has not
	numbered []*command      // by their numbers, less one
	cursors  *cursors        // of SCAN
}

// New returns a server.
func New(cfg Config) *Server {
	commands, numbered := newTable()
	return &Server{cfg: cfg, commands: commands, others: otherCommands(), numbered: numbered, cursors: newCursors()}
}

// SetClients has s reach the connections of the node. It comes before the first command.
func (s *Server) SetClients(c Clients) { s.cfg.Clients = c }

// Command carries out a command, the name and its arguments, of the connection whose session is c: it appends the reply to dst, or sets
// step to what is to be done for it. args are the caller's: what outlives the call is copied. step.Kind is Done if
// nothing is to be done. While commands of c are under way that are not Done, c runs no others but pushes.
func (s *Server) Command(c *Session, args [][]byte, dst []byte, step *Step) []byte {
	*step = Step{}
	step.call = call{reply: reply{dst: dst, three: c.RESP3()}, server: s, session: c, args: args, step: step}
	k := &step.call
	s.run(k)
	k.nearFirst()
	reply := k.dst
	step.call = call{}
	if step.Kind == Check {
		return reply[:len(dst)] // the same command comes again
	}
	s.Stats.Commands.Add(1)
	s.Stats.countReply(reply[len(dst):])
	if step.Mute = c.mutes(); step.Mute {
		return reply[:len(dst)]
	}
	return reply
}

// run finds the command and has it carried out, if c may.
func (s *Server) run(c *call) {
	c.command = s.commands.find(c.args[0])
	if c.command == nil {
		c.unknown()
		return
	}
	if c.command.subcommands != nil && len(c.args) > 1 {
		sub := c.command.byName.find(c.args[1])
		if sub == nil {
			c.errorf("ERR unknown subcommand '%s'. Try %s HELP.", show(c.args[1], maxShown), strings.ToUpper(c.command.name))
			return
		}
		c.command = sub
	}
	if !c.command.fits(len(c.args)) || c.command.do == nil {
		c.arity()
		return
	}
	if c.allowed() {
		c.session.ran(c.command)
		c.command.do(c)
	}
}

// maxShown is how much of an unknown command is shown, and how much of its arguments.
const maxShown = 128

// unknown replies in the words of Redis.
func (c *call) unknown() {
	var shown strings.Builder
	for _, arg := range c.args[1:] {
		room := maxShown - shown.Len()
		if room <= 0 {
			break
		}
		shown.WriteString("'" + show(arg, room) + "' ")
	}
	c.errorf("ERR unknown command '%s', with args beginning with: %s", show(c.args[0], maxShown), shown.String())
}

// show returns at most room bytes of arg, as much as is before a zero byte, as Redis shows it.
func show(arg []byte, room int) string {
	shown, _, _ := bytes.Cut(arg, []byte{0})
	return string(shown[:min(len(shown), room)])
}

// AppendError appends what a client is told when err was met: by a push, a read, a subscription.
func (s *Server) AppendError(dst []byte, err error) []byte {
	r := reply{dst: dst}
	r.failed(err)
	s.Stats.countReply(r.dst[len(dst):])
	return r.dst
}

// Malformed appends what a client is told whose bytes are no command; err is what resp.ParseRequest failed with.
func (s *Server) Malformed(dst []byte, err error) []byte {
	text := err.Error()
	if bad := (*resp.Error)(nil); errors.As(err, &bad) {
		text = bad.Reason
	}
	r := reply{dst: dst}
	r.error("ERR " + text)
	s.Stats.countReply(r.dst[len(dst):])
	return r.dst
}
