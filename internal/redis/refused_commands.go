package redis

// refusedCommands are those of refuseds.
func refusedCommands() []command { return nil }
