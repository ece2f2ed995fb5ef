package redis

// cursorCommands are those of cursors.
func cursorCommands() []command { return nil }
