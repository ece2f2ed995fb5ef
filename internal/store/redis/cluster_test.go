package redis_test

import (
	"testing"

	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
	"gopush/internal/store/storetest"
)

func TestStoreInCluster(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t, false)
	storetest.Run(t, opener(redis.Config{Addresses: cluster.Addrs()}))
	storetest.RunReopen(t, opener(redis.Config{Addresses: cluster.Addrs()[:1]}))
}

func TestStoreWithReplica(t *testing.T) {
	t.Parallel()
	master := redisserver.Start(t)
	redisserver.StartReplica(t, master)
	storetest.Run(t, opener(redis.Config{Addresses: []string{master.Addr}, WaitReplicas: 1}))
}
