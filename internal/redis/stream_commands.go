package redis

// streamCommands are those of streams.
func streamCommands() []command {
	const write, read = "write stream fast", "read stream slow"
	return []command{
		{
			name: "xadd", arity: -5, flags: "write denyoom fast", categories: write, keys: oneKey(), rights: adminOnly, do: xadd,
			about: about{"Appends a new entry to a stream", "5.0.0", "stream"},
		},
		{
			name: "xrange", arity: -4, flags: "readonly", categories: read, keys: oneKey(), do: xrange,
			about: about{"Return a range of elements in a stream, with IDs matching the specified IDs interval", "5.0.0", "stream"},
		},
		{
			name: "xrevrange", arity: -4, flags: "readonly", categories: read, keys: oneKey(), do: xrevrange,
			about: about{"Return a range of elements in a stream, with IDs matching the specified IDs interval, in reverse order (from greater to smaller IDs) compared to XRANGE", "5.0.0", "stream"},
		},
		{
			name: "xread", arity: -4, flags: "readonly blocking movablekeys", categories: read + " blocking", keys: keys{find: streamKeys}, do: xread,
			about: about{"Return never seen elements in multiple streams, with IDs greater than the ones reported by the caller for each stream. Can block.", "5.0.0", "stream"},
		},
		{
			name: "xlen", arity: 2, flags: "readonly fast", categories: "read stream fast", keys: oneKey(), do: xlen,
			about: about{"Return the number of entries in a stream", "5.0.0", "stream"},
		},
		{
			name: "xdel", arity: -3, flags: "write fast", categories: write, keys: oneKey(), rights: adminOnly, do: xdel,
			about: about{"Removes the specified entries from the stream. Returns the number of items actually deleted, that may be different from the number of IDs passed in case certain IDs do not exist.", "5.0.0", "stream"},
		},
		{
			name: "xtrim", arity: -4, flags: "write", categories: "write stream slow", keys: oneKey(), rights: adminOnly, do: xtrim,
			about: about{"Trims the stream to (approximately if '~' is passed) a certain size", "5.0.0", "stream"},
		},
		{
			name: "xsetid", arity: -3, flags: "write denyoom fast", categories: write, keys: oneKey(), rights: adminOnly, do: xsetid,
			about: about{"An internal command for replicating stream values", "5.0.0", "stream"},
		},
		{
			name: "xinfo", arity: -2, categories: "slow", subcommands: streamInfoCommands(),
			about: about{"A container for stream introspection commands", "5.0.0", "stream"},
		},
	}
}

// streamInfoCommands are the subcommands of XINFO.
func streamInfoCommands() []command {
	const read = "read stream slow"
	return []command{
		{
			name: "consumers", arity: 4, flags: "readonly", categories: read, keys: subKey(), do: xinfoConsumers,
			about: about{"List the consumers in a consumer group", "5.0.0", "stream"},
		},
		{
			name: "groups", arity: 3, flags: "readonly", categories: read, keys: subKey(), do: xinfoGroups,
			about: about{"List the consumer groups of a stream", "5.0.0", "stream"},
		},
		{
			name: "stream", arity: -3, flags: "readonly", categories: read, keys: subKey(), do: xinfoStream,
			about: about{"Get information about a stream", "5.0.0", "stream"},
		},
		helpCommand("xinfo", "stream slow", []string{
			"CONSUMERS <key> <groupname>",
			"    Show consumers of <groupname>.",
			"GROUPS <key>",
			"    Show the stream consumer groups.",
			"STREAM <key> [FULL [COUNT <count>]",
			"    Show information about the stream.",
		}),
	}
}
