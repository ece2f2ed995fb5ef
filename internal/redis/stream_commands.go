package redis

// streamCommands are those of streams.
func streamCommands() []command { return nil }
