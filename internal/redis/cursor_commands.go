package redis

// cursorCommands are those of cursors, which Redis calls consumer groups.
func cursorCommands() []command {
	const fast = "write stream fast"
	return []command{
		{
			name: "xgroup", arity: -2, categories: "slow", subcommands: groupCommands(),
			about: about{"A container for consumer groups commands", "5.0.0", "stream"},
		},
		{
			name: "xreadgroup", arity: -7, flags: "write blocking movablekeys", categories: "write stream slow blocking", keys: keys{find: streamKeys}, do: xreadgroup,
			about: about{"Return new entries from a stream using a consumer group, or access the history of the pending entries for a given consumer. Can block.", "5.0.0", "stream"},
		},
		{
			name: "xack", arity: -4, flags: "write fast", categories: fast, keys: oneKey(), do: xack,
			about: about{"Marks a pending message as correctly processed, effectively removing it from the pending entries list of the consumer group. Return value of the command is the number of messages successfully acknowledged, that is, the IDs we were actually able to resolve in the PEL.", "5.0.0", "stream"},
		},
		{
			name: "xpending", arity: -3, flags: "readonly", categories: "read stream slow", keys: oneKey(), do: xpending,
			about: about{"Return information and entries from a stream consumer group pending entries list, that are messages fetched but never acknowledged.", "5.0.0", "stream"},
		},
		{
			name: "xclaim", arity: -6, flags: "write fast", categories: fast, keys: oneKey(), do: xclaim,
			about: about{"Changes (or acquires) ownership of a message in a consumer group, as if the message was delivered to the specified consumer.", "5.0.0", "stream"},
		},
		{
			name: "xautoclaim", arity: -6, flags: "write fast", categories: fast, keys: oneKey(), do: xautoclaim,
			about: about{"Changes (or acquires) ownership of messages in a consumer group, as if the messages were delivered to the specified consumer.", "6.2.0", "stream"},
		},
	}
}

// groupCommands are the subcommands of XGROUP. Public clients keep cursors of their own, and cannot harm those of others.
func groupCommands() []command {
	const write = "write stream slow"
	return []command{
		{
			name: "create", arity: -5, flags: "write denyoom", categories: write, keys: subKey(), do: xgroupCreate,
			about: about{"Create a consumer group.", "5.0.0", "stream"},
		},
		{
			name: "setid", arity: -5, flags: "write", categories: write, keys: subKey(), rights: adminOnly, do: xgroupSetID,
			about: about{"Set a consumer group to an arbitrary last delivered ID value.", "5.0.0", "stream"},
		},
		{
			name: "destroy", arity: 4, flags: "write", categories: write, keys: subKey(), rights: adminOnly, do: xgroupDestroy,
			about: about{"Destroy a consumer group.", "5.0.0", "stream"},
		},
		{
			name: "createconsumer", arity: 5, flags: "write denyoom", categories: write, keys: subKey(), do: xgroupCreateConsumer,
			about: about{"Create a consumer in a consumer group.", "6.2.0", "stream"},
		},
		{
			name: "delconsumer", arity: 5, flags: "write", categories: write, keys: subKey(), rights: adminOnly, do: xgroupDelConsumer,
			about: about{"Delete a consumer from a consumer group.", "5.0.0", "stream"},
		},
		helpCommand("xgroup", "stream slow", []string{
			"CREATE <key> <groupname> <id|$> [option]",
			"    Create a new consumer group. Options are:",
			"    * MKSTREAM",
			"      Create the empty stream if it does not exist.",
			"    * ENTRIESREAD entries_read",
			"      Set the group's entries_read counter (internal use).",
			"CREATECONSUMER <key> <groupname> <consumer>",
			"    Create a new consumer in the specified group.",
			"DELCONSUMER <key> <groupname> <consumer>",
			"    Remove the specified consumer.",
			"DESTROY <key> <groupname>",
			"    Remove the specified group.",
			"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
			"    Set the current group ID and entries_read counter.",
		}),
	}
}
