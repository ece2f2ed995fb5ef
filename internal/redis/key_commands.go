package redis

// keyCommands are those of keys.
func keyCommands() []command { return nil }
