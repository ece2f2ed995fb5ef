package redis

import (
	"context"
	"crypto/sha256"
	"strconv"
)

const (
	flagsAlways = "noscript loading stale fast no_auth allow_busy"
	flagsFast   = "loading stale fast"
	aclFast     = "fast connection"
	aclSlow     = "slow connection"
)

// compatible is the version of Redis whose replies these are.
const compatible = "7.0.15"

// connectionCommands are those about the connection itself.
func connectionCommands() []command {
	group := func(summary, since string) about { return about{summary, since, "connection"} }
	return []command{
		{
			name: "auth", arity: -2, flags: flagsAlways, categories: aclFast, rights: anybody,
			about: group("Opens a key with a token; with an API key on an admin listener", "1.0.0"), do: auth,
		},
		{
			name: "hello", arity: -1, flags: flagsAlways, categories: aclFast, rights: anybody,
			about: group("Handshake with Redis", "6.0.0"), do: hello,
		},
		{
			name: "ping", arity: -1, flags: "fast", categories: aclFast, rights: subscribed,
			about: group("Ping the server", "1.0.0"), do: ping,
		},
		{
			name: "echo", arity: 2, flags: flagsFast, categories: aclFast,
			about: group("Echo the given string", "1.0.0"), do: func(c *call) { c.bulk(c.args[1]) },
		},
		{
			name: "quit", arity: -1, flags: flagsAlways, categories: aclFast, rights: anybody | subscribed,
			about: group("Close the connection", "1.0.0"), do: quit,
		},
		{
			name: "reset", arity: 1, flags: flagsAlways, categories: aclFast, rights: anybody | subscribed,
			about: group("Reset the connection", "6.2.0"), do: reset,
		},
		{
			name: "select", arity: 2, flags: flagsFast, categories: aclFast,
			about: group("Change the selected database for the current connection", "1.0.0"), do: selectDB,
		},
	}
}

func ping(c *call) {
	switch {
	case len(c.args) > 2:
		c.arity()
	case c.onlySubscribed():
		c.array(2)
		c.text("pong")
		c.bulk(append([]byte(nil), c.argument(1)...))
	case len(c.args) == 2:
		c.bulk(c.args[1])
	default:
		c.simple("PONG")
	}
}

// argument returns the nth argument, or nil.
func (c *call) argument(n int) []byte {
	if n < len(c.args) {
		return c.args[n]
	}
	return nil
}

func quit(c *call) {
	c.ok()
	c.step.Kind = Close
}

// reset has the session be what it was when it began.
func reset(c *call) {
	s := c.session
	*s = Session{id: s.id, Subscriptions: s.Subscriptions, state: s.state & (admin | open | tokens | mutedOnce), last: s.last}
	c.simple("RESET")
	c.step.Kind = Reset
}

func selectDB(c *call) {
	switch n, err := strconv.ParseInt(string(c.args[1]), 10, 64); {
	case err != nil:
		c.error(textNotInt)
	case n != 0:
		c.error("ERR DB index is out of range")
	default:
		c.ok()
	}
}

const (
	textNotInt = "ERR value is not an integer or out of range"
	textName   = "ERR Client names cannot contain spaces, newlines or special characters."
)

// auth is AUTH KEY TOKEN on public listeners, AUTH [NAME] APIKEY on admin ones.
func auth(c *call) {
	name, secret := "", string(c.args[len(c.args)-1])
	switch {
	case len(c.args) > 3:
		c.syntax()
		return
	case len(c.args) == 3:
		name = string(c.args[1])
	case c.session.is(tokens):
		c.error("ERR a key is opened with its name and a token: AUTH KEY TOKEN")
		return
	}
	c.authenticate(name, secret, func(r *reply) { r.ok() }, nil)
}

// authenticate has secret looked at. If it is good, welcome makes the reply, and then, if not nil, changes the session.
func (c *call) authenticate(name, secret string, welcome func(*reply), then func(*Session)) {
	if c.session.is(tokens) {
		c.open(name, secret, welcome, then)
		return
	}
	if c.session.is(admin) && !c.server.showAPIKey(c.session, name, secret) {
		c.error(textWrongPass)
		return
	}
	welcome(&c.reply)
	if then != nil {
		then(c.session)
	}
}

// showAPIKey has c be an admin by an API key, and tells whether it is one.
func (s *Server) showAPIKey(c *Session, name, secret string) bool {
	var generation any
	if s.cfg.APIKeys != nil {
		generation = s.cfg.APIKeys()
	}
	if s.cfg.APIKey == nil || !s.cfg.APIKey(name, secret) {
		return false
	}
	c.set(apiKey, true)
	c.also().shown = shownKey{name: name, hash: sha256.Sum256([]byte(secret)), generation: generation}
	return true
}

// open opens key if token is good for it.
func (c *call) open(key, token string, welcome func(*reply), then func(*Session)) {
	if !c.goodKey([]byte(key), c.limits().MaxKeyBytes) {
		return
	}
	if ring := c.session.keyring(); len(ring) >= maxOpened {
		if _, found := ring.find(key); !found {
			c.failed(errTooManyOpened)
			return
		}
	}
	server := c.server
	c.workThen(func(ctx context.Context, r *reply) func(*Session) {
		o := opened{key: key, token: token}
		switch server.authorize(ctx, &o); {
		case o.failed == nil:
			welcome(r)
		case refused(o.failed):
			r.error(textWrongPass)
			return nil
		default:
			r.failed(o.failed)
			return nil
		}
		return func(s *Session) {
			s.also().opened.put(o)
			if then != nil {
				then(s)
			}
		}
	})
}
