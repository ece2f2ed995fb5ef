package redis

// adminCommands are those about the node.
func adminCommands() []command {
	group := func(summary, since string) about { return about{summary, since, "server"} }
	const admins, aclAdmin = "admin noscript loading stale", "admin slow dangerous"
	return []command{
		{
			name: "info", arity: -1, flags: "loading stale", categories: "slow dangerous",
			about: group("Get information and statistics about the server", "1.0.0"), do: info,
		},
		{
			name: "time", arity: 1, flags: flagsFast, categories: "fast",
			about: group("Return the current server time", "2.6.0"), do: timeNow,
		},
		{
			name: "config", arity: -2, categories: "slow", about: group("A container for server configuration commands", "2.0.0"),
			subcommands: []command{
				{
					name: "get", arity: -3, flags: admins, categories: aclAdmin, rights: adminOnly,
					about: group("Get the values of configuration parameters", "2.0.0"), do: configGet,
				},
				{
					name: "set", arity: -4, rights: adminOnly | unlisted,
					do: refuse("CONFIG SET is not supported: settings come from the file, the environment and the flags that the node began with"),
				},
				{
					name: "rewrite", arity: 2, rights: adminOnly | unlisted,
					do: refuse("CONFIG REWRITE is not supported: nothing was changed by CONFIG SET"),
				},
				{
					name: "resetstat", arity: 2, rights: adminOnly | unlisted,
					do: refuse("CONFIG RESETSTAT is not supported: counters only grow; take differences"),
				},
				helpCommand("config", "slow", []string{
					"GET <pattern>",
					"    Return parameters matching the glob-like <pattern> and their values.",
				}),
			},
		},
	}
}

func timeNow(c *call) {
	now := c.server.cfg.Now()
	c.array(2)
	c.number(now.Unix())
	c.number(int64(now.Nanosecond()) / 1000)
}
