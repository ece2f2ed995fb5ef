package redis

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// clientCommands is CLIENT.
func clientCommands() []command {
	const flags, admins = "noscript loading stale", "admin noscript loading stale"
	const aclAdmin = "admin slow dangerous connection"
	group := func(summary, since string) about { return about{summary, since, "connection"} }
	slow := func(name string, arity int, summary, since string, do func(*call)) command {
		return command{name: name, arity: arity, flags: flags, categories: aclSlow, about: group(summary, since), do: do}
	}
	subcommands := []command{
		slow("id", 2, "Returns the client ID for the current connection", "5.0.0", func(c *call) { c.int(c.session.id) }),
		slow("getname", 2, "Get the current connection name", "2.6.9", clientGetName),
		slow("setname", 3, "Set the current connection name", "2.6.9", clientSetName),
		slow("setinfo", 4, "Set client or connection specific info", "7.2.0", clientSetInfo),
		slow("info", 2, "Returns information about the current client connection.", "6.2.0", clientInfo),
		slow("reply", 3, "Instruct the server whether to reply to commands", "3.2.0", clientReply),
		slow("no-touch", 3, "Controls whether commands sent by the client affect the LRU/LFU of accessed keys", "7.2.0", clientFlag(noTouch)),
		slow("capa", -3, "Tells what the client can do: attributes", "8.0.0", clientCapa),
		slow("getredir", 2, "Get tracking notifications redirection client ID if any", "6.0.0", func(c *call) { c.int(-1) }),
		{
			name: "no-evict", arity: 3, flags: admins, categories: aclAdmin,
			about: group("Set client eviction mode for the current connection", "7.0.0"), do: clientFlag(noEvict),
		},
		{
			name: "list", arity: -2, flags: admins, categories: aclAdmin, rights: adminOnly,
			about: group("Get the list of client connections", "2.4.0"), do: clientList,
		},
		{
			name: "kill", arity: -3, flags: admins, categories: aclAdmin, rights: adminOnly,
			about: group("Kill the connection of a client", "2.4.0"), do: clientKill,
		},
		{
			name: "tracking", arity: -3, rights: unlisted,
			do: refuse("CLIENT TRACKING is not supported: gopush does not tell of keys that change; switch the client's own cache off, or SUBSCRIBE"),
		},
		helpCommand("client", aclSlow, []string{
			"CAPA <capability> [<capability> ...]",
			"    Tell what the client can do. Capabilities are:",
			"    * attributes: deliveries carry the id of the message as an attribute, with RESP3.",
			"GETNAME",
			"    Return the name of the current connection.",
			"ID",
			"    Return the ID of the current connection.",
			"INFO",
			"    Return information about the current client connection.",
			"KILL <ip:port>",
			"    Kill connection made from <ip:port>.",
			"KILL <option> <value> [<option> <value> [...]]",
			"    Kill connections. Options are:",
			"    * ADDR <ip:port>",
			"      Kill connections made from the specified address",
			"    * ID <client-id>",
			"      Kill the connection with the specified ID",
			"    * LADDR <ip:port>",
			"      Kill connections made to specified local address",
			"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
			"      Kill connections by type.",
			"    * USER <username>",
			"      Kill connections authenticated by <username>.",
			"    * SKIPME (YES|NO)",
			"      Skip killing current connection (default: yes).",
			"LIST [options ...]",
			"    Return information about client connections. Options:",
			"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
			"      Return clients of specified type.",
			"    * ID <client-id> [<client-id> ...]",
			"      Return the clients with these IDs.",
			"NO-EVICT (ON|OFF)",
			"    Protect current client connection from eviction.",
			"NO-TOUCH (ON|OFF)",
			"    Will not touch LRU/LFU stats when this mode is on.",
			"REPLY (ON|OFF|SKIP)",
			"    Control the replies sent to the current connection.",
			"SETINFO <option> <value>",
			"    Set client meta attr. Options are:",
			"    * LIB-NAME: the client lib name.",
			"    * LIB-VER: the client lib version.",
			"SETNAME <name>",
			"    Assign the name <name> to the current connection.",
		}),
	}
	return []command{{
		name: "client", arity: -2, categories: "slow",
		about: group("A container for client connection commands", "2.4.0"), subcommands: subcommands,
	}}
}

func clientGetName(c *call) {
	if c.session.more == nil || c.session.more.name == "" {
		c.null()
		return
	}
	c.text(c.session.more.name)
}

func clientSetName(c *call) {
	if c.goodName(c.args[2], textName) {
		c.session.rename(string(c.args[2]))
		c.ok()
	}
}

func clientSetInfo(c *call) {
	option, value := c.args[2], string(c.args[3])
	name := is(option, "LIB-NAME")
	switch {
	case !name && !is(option, "LIB-VER"):
		c.errorf("ERR Unrecognized option '%s'", option)
	case !c.goodName(c.args[3], "ERR "+strings.ToLower(string(option))+" cannot contain spaces, newlines or special characters."):
	case name:
		c.session.also().library = value
		c.ok()
	default:
		c.session.also().version = value
		c.ok()
	}
}

func clientReply(c *call) {
	s := c.session
	switch mode := c.args[2]; {
	case is(mode, "ON"):
		s.set(muted|mutedOnce, false)
		c.ok()
	case is(mode, "OFF"):
		s.set(muted, true)
	case is(mode, "SKIP"):
		s.set(mutesNext, !s.is(muted))
	default:
		c.syntax()
	}
}

// clientFlag is a subcommand that takes ON or OFF.
func clientFlag(what state) func(*call) {
	return func(c *call) {
		on := is(c.args[2], "ON")
		if !on && !is(c.args[2], "OFF") {
			c.syntax()
			return
		}
		c.session.set(what, on)
		c.ok()
	}
}

// clientCapa takes what the client can do; what is not known is left alone, as in Valkey.
func clientCapa(c *call) {
	for _, capability := range c.args[2:] {
		if is(capability, "attributes") {
			c.session.set(attributes, true)
		}
	}
	c.ok()
}

// maxClients is how many lines CLIENT LIST has at most.
const maxClients = 10_000

// clientInfo shows the connection itself: on an admin listener as CLIENT LIST does, else by what it said alone, for there may be
// a million of them to look through.
func clientInfo(c *call) {
	server, id := c.server, c.session.id
	if !c.session.is(admin) || server.cfg.Clients == nil {
		self := Client{ID: id, Session: c.session, Subscriptions: c.session.Subscriptions}
		c.verbatim(string(server.appendClient(nil, &self)))
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		r.verbatim(server.list(ctx, 1, func(client *Client) bool { return client.ID == id }))
	})
}

func clientList(c *call) {
	match, ok := c.listFilter()
	if !ok {
		return
	}
	server := c.server
	c.work(func(ctx context.Context, r *reply) { r.verbatim(server.list(ctx, maxClients, match)) })
}

// listFilter reads the options of CLIENT LIST. If they are wrong, it has replied.
func (c *call) listFilter() (match func(*Client) bool, ok bool) {
	args := c.args[2:]
	switch {
	case len(args) == 0:
		return func(*Client) bool { return true }, true
	case len(args) == 2 && is(args[0], "TYPE"):
		return c.typeFilter(args[1])
	case len(args) > 1 && is(args[0], "ID"):
		ids := make(map[int64]bool, len(args)-1)
		for _, arg := range args[1:] {
			id, err := strconv.ParseInt(string(arg), 10, 64)
			if err != nil {
				c.error("ERR Invalid client ID")
				return nil, false
			}
			ids[id] = true
		}
		return func(client *Client) bool { return ids[client.ID] }, true
	}
	c.syntax()
	return nil, false
}

// typeFilter returns what is of a type: normal and pubsub, others there are none of. If the type is unknown, it has replied.
func (c *call) typeFilter(name []byte) (match func(*Client) bool, ok bool) {
	switch {
	case is(name, "normal"):
		return func(client *Client) bool { return client.Subscriptions == Subscriptions{} }, true
	case is(name, "pubsub"):
		return func(client *Client) bool { return client.Subscriptions != Subscriptions{} }, true
	case is(name, "master"), is(name, "replica"), is(name, "slave"):
		return func(*Client) bool { return false }, true
	}
	c.errorf("ERR Unknown client type '%s'", name)
	return nil, false
}

// list returns at most limit lines of those that match, by id.
func (s *Server) list(ctx context.Context, limit int, match func(*Client) bool) string {
	type entry struct {
		id   int64
		line []byte
	}
	var entries []entry
	if s.cfg.Clients != nil {
		s.cfg.Clients.VisitClients(ctx, func(client *Client) (more bool) {
			if match(client) {
				entries = append(entries, entry{client.ID, s.appendClient(nil, client)})
			}
			return len(entries) < limit
		})
	}
	slices.SortFunc(entries, func(a, b entry) int { return int(a.id - b.id) })
	var lines strings.Builder
	for _, e := range entries {
		lines.Write(e.line)
	}
	return lines.String()
}

// appendClient appends the line of client. What Redis has and there is nothing of here, is 0.
func (s *Server) appendClient(dst []byte, client *Client) []byte {
	field := func(name, value string) { dst = append(append(append(dst, name...), '='), value...) }
	number := func(name string, v int64) {
		field(name, "")
		dst = strconv.AppendInt(dst, v, 10)
	}
	c := client.Session
	m := c.more
	if m == nil {
		m = &more{}
	}
	number("id", client.ID)
	field(" addr", client.Addr)
	field(" laddr", client.LAddr)
	field(" fd", "-1")
	field(" name", m.name)
	number(" age", int64(client.Age.Seconds()))
	number(" idle", int64(client.Idle.Seconds()))
	field(" flags", client.flags())
	field(" db", "0")
	number(" sub", int64(client.Subscriptions.Channels))
	number(" psub", int64(client.Subscriptions.Patterns))
	number(" ssub", int64(client.Subscriptions.Shards))
	dst = append(dst, " multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r"...)
	field(" cmd", s.lastCommand(c))
	field(" user", c.user())
	field(" redir", "-1")
	if c.is(resp3) {
		field(" resp", "3")
	} else {
		field(" resp", "2")
	}
	field(" lib-name", m.library)
	field(" lib-ver", m.version)
	return append(dst, '\n')
}

// flags returns what Redis shows so.
func (c *Client) flags() string {
	var flags []byte
	if c.Subscriptions != (Subscriptions{}) {
		flags = append(flags, 'P')
	}
	if c.Blocked {
		flags = append(flags, 'b')
	}
	if c.Session.is(noEvict) {
		flags = append(flags, 'e')
	}
	if c.Session.is(noTouch) {
		flags = append(flags, 'T')
	}
	if flags == nil {
		return "N"
	}
	return string(flags)
}

// lastCommand returns the name of the command that c ran last.
func (s *Server) lastCommand(c *Session) string {
	if c.last == 0 {
		return "NULL"
	}
	return s.numbered[c.last-1].full
}

// user returns the name of the API key that c showed, as it named it.
func (c *Session) user() string {
	if c.is(apiKey) && c.more.shown.name != "" && printable([]byte(c.more.shown.name)) {
		return c.more.shown.name
	}
	return "default"
}
