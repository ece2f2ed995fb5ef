package node

import (
	"gopush/internal/channel"
	"gopush/internal/redis"
)

// Commands reach keys through the hub.
var _ redis.Keys = (*channel.Hub)(nil)
