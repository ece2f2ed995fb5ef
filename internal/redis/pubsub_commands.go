package redis

import (
	"bytes"
	"context"
	"strings"

	"gopush/internal/message"
)

// maxNames is how many keys PUBSUB CHANNELS returns at most.
const maxNames = 10_000

// pubsubCommands are those of live delivery.
func pubsubCommands() []command {
	const flags, acl = "pubsub noscript loading stale", "pubsub slow"
	group := func(summary, since string) about { return about{summary, since, "pubsub"} }
	all := keys{first: 1, last: -1, step: 1}
	return []command{
		{
			name: "subscribe", arity: -2, flags: flags, categories: acl, keys: all, rights: subscribed | asChannels,
			about: group("Listen for messages published to the given channels", "2.0.0"), do: subscribe(Channel),
		},
		{
			name: "unsubscribe", arity: -1, flags: flags, categories: acl, keys: all, rights: subscribed | asChannels | unchecked,
			about: group("Stop listening for messages posted to the given channels", "2.0.0"), do: unsubscribe(Channel),
		},
		{
			name: "ssubscribe", arity: -2, flags: flags, categories: acl, keys: all, rights: subscribed | asChannels,
			about: group("Listen for messages published to the given shard channels", "7.0.0"), do: subscribe(Shard),
		},
		{
			name: "sunsubscribe", arity: -1, flags: flags, categories: acl, keys: all, rights: subscribed | asChannels | unchecked,
			about: group("Stop listening for messages posted to the given shard channels", "7.0.0"), do: unsubscribe(Shard),
		},
		{
			name: "psubscribe", arity: -2, flags: flags, categories: acl, rights: subscribed | adminOnly,
			about: group("Listen for messages published to channels matching the given patterns", "2.0.0"), do: psubscribe,
		},
		{
			name: "punsubscribe", arity: -1, flags: flags, categories: acl, rights: subscribed,
			about: group("Stop listening for messages posted to channels matching the given patterns", "2.0.0"), do: unsubscribe(Pattern),
		},
		{
			name: "publish", arity: 3, flags: "pubsub loading stale fast", categories: "pubsub fast", keys: oneKey(), rights: adminOnly | asChannels,
			about: group("Post a message to a channel", "2.0.0"), do: publish,
		},
		{
			name: "spublish", arity: 3, flags: "pubsub loading stale fast", categories: "pubsub fast", keys: oneKey(), rights: adminOnly | asChannels,
			about: group("Post a message to a shard channel", "7.0.0"), do: publish,
		},
		{
			name: "pubsub", arity: -2, categories: "slow", about: group("A container for Pub/Sub commands", "2.8.0"), subcommands: pubsubSubcommands(),
		},
	}
}

func pubsubSubcommands() []command {
	const flags, acl = "pubsub loading stale", "pubsub slow"
	group := func(summary, since string) about { return about{summary, since, "pubsub"} }
	some := keys{first: 2, last: -1, step: 1}
	return []command{
		{name: "channels", arity: -2, flags: flags, categories: acl, rights: adminOnly, about: group("List active channels", "2.8.0"), do: pubsubChannels},
		{name: "shardchannels", arity: -2, flags: flags, categories: acl, rights: adminOnly, about: group("List active shard channels", "7.0.0"), do: pubsubChannels},
		{
			name: "numsub", arity: -2, flags: flags, categories: acl, keys: some, rights: asChannels,
			about: group("Get the count of subscribers for channels", "2.8.0"), do: pubsubNumSub,
		},
		{
			name: "shardnumsub", arity: -2, flags: flags, categories: acl, keys: some, rights: asChannels,
			about: group("Get the count of subscribers for shard channels", "7.0.0"), do: pubsubNumSub,
		},
		{
			name: "numpat", arity: 2, flags: flags, categories: acl, rights: adminOnly,
			about: group("Get the count of unique patterns pattern subscriptions", "2.8.0"), do: pubsubNumPat,
		},
		helpCommand("pubsub", "slow", []string{
			"CHANNELS [<pattern>]",
			"    Return the currently active channels matching a <pattern> (default: '*').",
			"NUMPAT",
			"    Return number of subscriptions to patterns.",
			"NUMSUB [<channel> ...]",
			"    Return the number of subscribers for the specified channels, excluding",
			"    pattern subscriptions(default: no channels).",
			"SHARDCHANNELS [<pattern>]",
			"    Return the currently active shard level channels matching a <pattern> (default: '*').",
			"SHARDNUMSUB [<shardchannel> ...]",
			"    Return the number of subscribers for the specified shard level channel(s)",
		}),
	}
}

// word is the command that subscribes this way or, with off, ends it.
func (h How) word(off bool) string {
	switch {
	case h == Shard && off:
		return "sunsubscribe"
	case h == Shard:
		return "ssubscribe"
	case h == Pattern && off:
		return "punsubscribe"
	case h == Pattern:
		return "psubscribe"
	case off:
		return "unsubscribe"
	}
	return "subscribe"
}

func subscribe(how How) func(*call) {
	return func(c *call) { c.step.Kind, c.step.How, c.step.Names = Subscribe, how, c.args[1:] }
}

func unsubscribe(how How) func(*call) {
	return func(c *call) { c.step.Kind, c.step.How, c.step.Names = Unsubscribe, how, c.args[1:] }
}

func psubscribe(c *call) {
	most := c.limits().MaxKeyBytes
	for _, pattern := range c.args[1:] {
		if len(pattern) > most {
			c.errorf("ERR pattern of %d bytes, max_key_bytes is %d", len(pattern), most)
			return
		}
	}
	subscribe(Pattern)(c)
}

// publish pushes live-only: PUBLISH KEY PAYLOAD.
func publish(c *call) {
	c.push(message.Push{Key: string(c.args[1]), Payload: bytes.Clone(c.args[2])}, answerReceivers)
}

// answerReceivers replies to how many a message was posted.
func answerReceivers(dst []byte, receipts []message.Receipt, _ bool) []byte {
	r := reply{dst: dst}
	if err := receipts[0].Err; err != nil {
		r.failed(err)
	} else {
		r.int(int64(receipts[0].Subscribers))
	}
	return r.dst
}

func pubsubChannels(c *call) {
	if len(c.args) > 3 {
		c.subcommandSyntax()
		return
	}
	pattern := "*"
	if len(c.args) == 3 {
		pattern = string(c.args[2])
	}
	keys := c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		names, err := keys.FindSubscribed(ctx, pattern, maxNames)
		if err != nil {
			r.failed(err)
			return
		}
		r.strings(names)
	})
}

func pubsubNumSub(c *call) {
	names := make([]string, len(c.args)-2)
	for i, name := range c.args[2:] {
		names[i] = string(name)
	}
	keys := c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		counts, err := keys.CountSubscribers(ctx, names)
		if err != nil {
			r.failed(err)
			return
		}
		r.array(2 * len(names))
		for i, name := range names {
			r.text(name)
			r.int(int64(counts[i]))
		}
	})
}

func pubsubNumPat(c *call) {
	keys := c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		patterns, err := keys.CountPatterns(ctx)
		if err != nil {
			r.failed(err)
			return
		}
		r.int(int64(patterns))
	})
}

// strings is an array of texts.
func (r *reply) strings(texts []string) {
	r.array(len(texts))
	for _, text := range texts {
		r.text(text)
	}
}

// subcommandSyntax replies what Redis says of a subcommand whose arguments it does not understand.
func (c *call) subcommandSyntax() {
	c.errorf("ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP.",
		show(c.args[1], maxShown), strings.ToUpper(string(c.args[0])))
}

// helpCommand is a subcommand HELP of command, which shows lines.
func helpCommand(parent, categories string, lines []string) command {
	lines = append([]string{strings.ToUpper(parent) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}, lines...)
	lines = append(lines, "HELP", "    Prints this help.")
	return command{
		name: "help", arity: 2, flags: "loading stale", categories: categories,
		about: about{"Show helpful text about the different subcommands", "5.0.0", "server"},
		do: func(c *call) {
			c.array(len(lines))
			for _, line := range lines {
				c.simple(line)
			}
		},
	}
}
