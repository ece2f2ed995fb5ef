package redis

import (
	"context"
	"strconv"
)

// killing is what CLIENT KILL asks for: a client has to match all.
type killing struct {
	match  []func(*Client) bool
	skipMe bool
}

func clientKill(c *call) {
	if len(c.args) == 3 {
		c.killAddr(string(c.args[2]))
		return
	}
	k := killing{skipMe: true}
	options := c.args[2:]
	if len(options)%2 != 0 {
		c.syntax()
		return
	}
	for i := 0; i < len(options); i += 2 {
		if !c.killOption(&k, options[i], options[i+1]) {
			return
		}
	}
	if me := c.session.id; k.skipMe {
		k.match = append(k.match, func(client *Client) bool { return client.ID != me })
	}
	c.kill(k.matches, func(r *reply, n int) { r.int(int64(n)) })
}

// killAddr is the old form.
func (c *call) killAddr(addr string) {
	c.kill(func(client *Client) bool { return client.Addr == addr }, func(r *reply, n int) {
		if n == 0 {
			r.error("ERR No such client")
			return
		}
		r.ok()
	})
}

// kill closes those that match; answer is told how many.
func (c *call) kill(match func(*Client) bool, answer func(r *reply, n int)) {
	clients := c.server.cfg.Clients
	c.work(func(ctx context.Context, r *reply) {
		n := 0
		if clients != nil {
			n = clients.KillClients(ctx, match)
		}
		answer(r, n)
	})
}

func (k *killing) matches(client *Client) bool {
	for _, match := range k.match {
		if !match(client) {
			return false
		}
	}
	return true
}

// killOption takes one option of the new form into k. If it is wrong, it has replied.
func (c *call) killOption(k *killing, option, value []byte) (ok bool) {
	text := string(value)
	var match func(*Client) bool
	switch {
	case is(option, "ID"):
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			c.error("ERR client-id should be greater than 0")
			return false
		}
		match = func(client *Client) bool { return client.ID == id }
	case is(option, "TYPE"):
		if match, ok = c.typeFilter(value); !ok {
			return false
		}
	case is(option, "ADDR"):
		match = func(client *Client) bool { return client.Addr == text }
	case is(option, "LADDR"):
		match = func(client *Client) bool { return client.LAddr == text }
	case is(option, "USER"):
		match = func(client *Client) bool { return client.Session.user() == text }
	case is(option, "SKIPME") && is(value, "yes"):
		k.skipMe = true
		return true
	case is(option, "SKIPME") && is(value, "no"):
		k.skipMe = false
		return true
	default:
		c.syntax()
		return false
	}
	k.match = append(k.match, match)
	return true
}
