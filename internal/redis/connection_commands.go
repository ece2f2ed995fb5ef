package redis

// connectionCommands are those of connections.
func connectionCommands() []command { return nil }
