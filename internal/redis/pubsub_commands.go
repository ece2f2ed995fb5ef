package redis

// pubsubCommands are those of pubsubs.
func pubsubCommands() []command { return nil }

// word is the command that subscribes this way.
func (h How) word() string {
	switch h {
	case Shard:
		return "ssubscribe"
	case Pattern:
		return "psubscribe"
	}
	return "subscribe"
}
