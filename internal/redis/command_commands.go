package redis

import (
	"slices"
	"strings"

	"gopush/internal/message"
)

// commandCommands is COMMAND.
func commandCommands() []command {
	const flags = "loading stale"
	group := func(summary, since string) about { return about{summary, since, "server"} }
	entry := func(name string, arity int, summary, since string, do func(*call)) command {
		return command{name: name, arity: arity, flags: flags, categories: aclSlow, about: group(summary, since), do: do}
	}
	whole := entry("command", -1, "Get array of Redis command details", "2.8.13", commandAll)
	whole.subcommands = []command{
		entry("count", 2, "Get total number of Redis commands", "2.8.13", func(c *call) { c.int(int64(len(c.server.listed()))) }),
		entry("docs", -2, "Get array of specific Redis command documentation", "7.0.0", commandDocs),
		entry("info", -2, "Get array of specific Redis command details, or all when no argument is given.", "2.8.13", commandInfo),
		entry("list", -2, "Get an array of Redis command names", "7.0.0", commandList),
		entry("getkeys", -4, "Extract keys given a full Redis command", "2.8.13", commandGetKeys),
		helpCommand("command", aclSlow, []string{
			"(no subcommand)",
			"    Return details about all Redis commands.",
			"COUNT",
			"    Return the total number of commands in this Redis server.",
			"LIST",
			"    Return a list of all commands in this Redis server.",
			"INFO [<command-name> ...]",
			"    Return details about multiple Redis commands.",
			"    If no command names are given, documentation details for all",
			"    commands are returned.",
			"DOCS [<command-name> ...]",
			"    Return documentation details about multiple Redis commands.",
			"    If no command names are given, documentation details for all",
			"    commands are returned.",
			"GETKEYS <full-command>",
			"    Return the keys from a full Redis command.",
		}),
	}
	return []command{whole}
}

// listed returns the commands that are there not only to be refused, in the order of their numbers.
func (s *Server) listed() []*command { return s.commands.listed(s.numbered) }

// listed returns those of numbered that are in t.
func (t table) listed(numbered []*command) (in []*command) {
	for _, c := range numbered {
		if t[c.name] == c && !c.rights.has(unlisted) {
			in = append(in, c)
		}
	}
	return in
}

// named returns the command, or subcommand as in "client|list", of a name in any case; nil: there is none.
func (s *Server) named(name []byte) *command {
	parent, sub, isSub := strings.Cut(string(name), "|")
	c := s.commands.find([]byte(parent))
	if c != nil && isSub {
		c = c.byName.find([]byte(sub))
	}
	if c == nil || c.rights.has(unlisted) {
		return nil
	}
	return c
}

func commandAll(c *call) {
	all := c.server.listed()
	c.array(len(all))
	for _, k := range all {
		c.describe(k)
	}
}

func commandInfo(c *call) {
	if len(c.args) == 2 {
		commandAll(c)
		return
	}
	c.array(len(c.args) - 2)
	for _, name := range c.args[2:] {
		if k := c.server.named(name); k != nil {
			c.describe(k)
		} else {
			c.nullArray()
		}
	}
}

// describe is an entry of COMMAND. Tips and key specifications are empty.
func (c *call) describe(k *command) {
	c.array(10)
	c.text(k.full)
	c.int(int64(k.arity))
	c.words(k.flags, "")
	shown := k.keys
	if k.rights.has(asChannels) || k.keys.first == 0 {
		shown = keys{}
	}
	c.int(int64(shown.first))
	c.int(int64(shown.last))
	c.int(int64(shown.step))
	c.words(k.categories, "@")
	c.set(0)
	c.set(0)
	subs := k.byName.listed(c.server.numbered)
	c.setOrArray(len(subs))
	for _, sub := range subs {
		c.describe(sub)
	}
}

// setOrArray is the head of the subcommands in COMMAND: Redis has no set of aggregates, but of none.
func (c *call) setOrArray(n int) {
	if n == 0 {
		c.set(0)
		return
	}
	c.array(n)
}

// words is a set of the words of text, each behind prefix.
func (r *reply) words(text, prefix string) {
	words := strings.Fields(text)
	r.set(len(words))
	for _, word := range words {
		r.simple(prefix + word)
	}
}

func commandDocs(c *call) {
	var found []*command
	for _, name := range c.args[2:] {
		if k := c.server.named(name); k != nil {
			found = append(found, k)
		}
	}
	if len(c.args) == 2 {
		found = c.server.listed()
	}
	c.docs(found)
}

// docs is a map of what COMMAND DOCS tells of commands.
func (c *call) docs(commands []*command) {
	c.mapping(len(commands))
	for _, k := range commands {
		c.text(k.full)
		subs := k.byName.listed(c.server.numbered)
		fields := 3
		if len(subs) > 0 {
			fields++
		}
		c.mapping(fields)
		c.text("summary")
		c.text(k.about.summary)
		c.text("since")
		c.text(k.about.since)
		c.text("group")
		c.text(k.about.group)
		if len(subs) > 0 {
			c.text("subcommands")
			c.docs(subs)
		}
	}
}

// commandList is COMMAND LIST [FILTERBY ACLCAT category | PATTERN pattern | MODULE name].
func commandList(c *call) {
	var keep func(*command) bool
	switch args := c.args[2:]; {
	case len(args) == 0:
		keep = func(k *command) bool { return k.full == k.name }
	case len(args) != 3 || !is(args[0], "FILTERBY"):
		c.syntax()
		return
	case is(args[1], "ACLCAT"):
		category := strings.ToLower(string(args[2]))
		keep = func(k *command) bool { return slices.Contains(strings.Fields(k.categories), category) }
	case is(args[1], "PATTERN"):
		pattern := strings.ToLower(string(args[2]))
		keep = func(k *command) bool { return message.Match(pattern, k.full) }
	case is(args[1], "MODULE"):
		keep = func(*command) bool { return false }
	default:
		c.syntax()
		return
	}
	names := []string{}
	for _, k := range c.server.numbered {
		if !k.rights.has(unlisted) && keep(k) {
			names = append(names, k.full)
		}
	}
	c.strings(names)
}

func commandGetKeys(c *call) {
	args := c.args[2:]
	k := c.server.commands.find(args[0])
	if k != nil && k.byName != nil && len(args) > 1 {
		k = k.byName.find(args[1])
	}
	if k == nil || k.rights.has(unlisted) {
		c.error("ERR Invalid command specified")
		return
	}
	if k.keys.first == 0 && k.keys.find == nil || k.rights.has(asChannels) {
		c.error("ERR The command has no key arguments")
		return
	}
	if !k.fits(len(args)) {
		c.error("ERR Invalid number of arguments specified for command")
		return
	}
	first, end, step := k.keysOf(args)
	if first == 0 {
		c.error("ERR Invalid arguments specified for command")
		return
	}
	c.array((end - first + step - 1) / step)
	for i := first; i < end; i += step {
		c.bulk(args[i])
	}
}
