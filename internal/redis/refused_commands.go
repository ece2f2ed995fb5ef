package redis

// refusedCommands are those that people expect and that are not there, for a reason that the error tells.
func refusedCommands() []command {
	const pipeline = " is not supported: gopush has no transactions; pipeline the commands without"
	const scripts = " is not supported: gopush runs no scripts"
	const expiry = " is not supported: messages expire one by one; give XADD the option EXPIRE seconds"
	reasons := []struct{ name, reason string }{
		{"multi", "MULTI" + pipeline},
		{"exec", "EXEC" + pipeline},
		{"discard", "DISCARD" + pipeline},
		{"watch", "WATCH" + pipeline},
		{"unwatch", "UNWATCH" + pipeline},
		{"eval", "EVAL" + scripts},
		{"evalsha", "EVALSHA" + scripts},
		{"script", "SCRIPT" + scripts},
		{"fcall", "FCALL" + scripts},
		{"function", "FUNCTION" + scripts},
		{"monitor", "MONITOR is not supported: PSUBSCRIBE * shows what is pushed"},
		{"wait", "WAIT is not supported: what XADD was answered for is durable"},
		{"keys", "KEYS is not supported: it would hold up the node; use SCAN"},
		{"flushall", "FLUSHALL is not supported: DEL the keys that SCAN returns"},
		{"flushdb", "FLUSHDB is not supported: DEL the keys that SCAN returns"},
		{"expire", "EXPIRE" + expiry},
		{"pexpire", "PEXPIRE" + expiry},
		{"persist", "PERSIST" + expiry},
		{"cluster", "This instance has cluster support disabled"},
	}
	commands := make([]command, len(reasons))
	for i, r := range reasons {
		commands[i] = command{name: r.name, arity: -1, rights: unlisted, do: refuse(r.reason)}
	}
	return commands
}

// refuse replies with a reason.
func refuse(reason string) func(*call) {
	return func(c *call) { c.error("ERR " + reason) }
}
