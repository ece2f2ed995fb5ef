package redis

// adminCommands are those of admins.
func adminCommands() []command { return nil }
