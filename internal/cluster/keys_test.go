package cluster_test

import (
	"gopush/internal/cluster"
	"gopush/internal/comet"
	"gopush/internal/redis"
	"gopush/internal/web"
)

var (
	_ comet.Keys = cluster.Gateway{}
	_ redis.Keys = (*cluster.Cluster)(nil)
	_ redis.Far  = (*cluster.Cluster)(nil)
	_ web.Keys   = (*cluster.Cluster)(nil)
)
