package redis

import "strconv"

// greeting is what HELLO asks for.
type greeting struct {
	three        bool
	auth         bool
	user, secret string
	name         string
	named        bool
}

func hello(c *call) {
	g, ok := c.greeting()
	if !ok {
		return
	}
	id := c.session.id
	welcome := func(r *reply) {
		r.three = g.three
		r.welcome(id)
	}
	then := func(s *Session) { s.greeted(&g) }
	switch {
	case g.auth:
		c.authenticate(g.user, g.secret, welcome, then)
	case c.session.is(admin) && !c.server.authenticated(c.session):
		c.error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be " +
			"used to authenticate the client and select the RESP protocol version at the same time")
	default:
		then(c.session)
		welcome(&c.reply)
	}
}

// greeting reads the arguments of HELLO. If they are wrong, it has replied.
func (c *call) greeting() (g greeting, ok bool) {
	g.three = c.three
	args := c.args[1:]
	if len(args) == 0 {
		return g, true
	}
	version, err := strconv.ParseInt(string(args[0]), 10, 64)
	switch {
	case err != nil:
		c.error("ERR Protocol version is not an integer or out of range")
		return g, false
	case version != 2 && version != 3:
		c.error("NOPROTO unsupported protocol version")
		return g, false
	}
	g.three = version == 3
	for args = args[1:]; len(args) > 0; {
		switch {
		case is(args[0], "AUTH") && len(args) > 2:
			g.auth, g.user, g.secret = true, string(args[1]), string(args[2])
			args = args[3:]
		case is(args[0], "SETNAME") && len(args) > 1:
			if !c.goodName(args[1], textName) {
				c.keepName(&g)
				return g, false
			}
			g.name, g.named = string(args[1]), true
			args = args[2:]
		default:
			c.keepName(&g)
			c.errorf("ERR Syntax error in HELLO option '%s'", args[0])
			return g, false
		}
	}
	return g, true
}

// keepName has the client be called as it asked for before it made a mistake, as Redis does.
func (c *call) keepName(g *greeting) {
	if g.named {
		c.session.rename(g.name)
	}
}

func (r *reply) welcome(id int64) {
	r.mapping(7)
	r.text("server")
	r.text("redis")
	r.text("version")
	r.text(compatible)
	r.text("proto")
	if r.three {
		r.int(3)
	} else {
		r.int(2)
	}
	r.text("id")
	r.int(id)
	r.text("mode")
	r.text("standalone")
	r.text("role")
	r.text("master")
	r.text("modules")
	r.array(0)
}

// greeted has c be as it asked for.
func (c *Session) greeted(g *greeting) {
	c.set(resp3, g.three)
	if g.named {
		c.rename(g.name)
	}
}

// rename has c be called name; "": nothing.
func (c *Session) rename(name string) {
	if name != "" || c.more != nil {
		c.also().name = name
	}
}

// maxCalled is how long a name is that a client gives itself: it is kept.
const maxCalled = 255

// goodName tells whether a client or library may be called name. Otherwise it has replied, with strange if there is anything strange in it.
func (c *call) goodName(name []byte, strange string) bool {
	switch {
	case len(name) > maxCalled:
		c.errorf("ERR names of clients and libraries have at most %d bytes", maxCalled)
	case !printable(name):
		c.error(strange)
	default:
		return true
	}
	return false
}

// printable tells whether text may stand in a line of CLIENT LIST.
func printable(text []byte) bool {
	for _, b := range text {
		if b < '!' || b > '~' {
			return false
		}
	}
	return true
}
