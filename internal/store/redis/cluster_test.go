package redis_test

import (
	"net"
	"os"
	"path/filepath"
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

// TestClusterFailover: nothing is lost that a replica had to have, and appends go on when it has taken its master's place.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t, true)
	s := mustOpen(t, redis.Config{Addresses: cluster.Addrs(), WaitReplicas: 1})
	under(t, s, func(owners []*owner) {
		goOn(t, owners)
		cluster.Masters[0].Kill()
		cluster.WaitFailover(0)
		if err := cluster.Masters[0].Restart(); err != nil { // as a replica of the one that was its own
			t.Fatal(err)
		}
		goOn(t, owners)
		eventually(t, "the store is healthy", func() bool { return s.Healthy() == nil })
	})
}

// TestSentinelFailover: the same where Sentinels have a replica take the master's place.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	master := redisserver.Start(t)
	for range 2 {
		redisserver.StartReplica(t, master)
	}
	var addrs []string
	for _, sentinel := range redisserver.StartSentinels(t, master, 3, 2) {
		addrs = append(addrs, sentinel.Addr)
	}
	s := mustOpen(t, redis.Config{Addresses: addrs, SentinelMaster: redisserver.MasterName, WaitReplicas: 1})
	under(t, s, func(owners []*owner) {
		goOn(t, owners)
		master.Kill()
		goOn(t, owners)
		eventually(t, "the store is healthy", func() bool { return s.Healthy() == nil })
	})
}

// TestSentinelPassword: what Redis lets in, Sentinels do too, with a password and without.
func TestSentinelPassword(t *testing.T) {
	t.Parallel()
	master := redisserver.Start(t)
	for _, require := range []string{"", "requirepass secret\n"} {
		host, port, _ := net.SplitHostPort(master.Addr)
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		if err := os.WriteFile(file, []byte(require+"sentinel monitor m "+host+" "+port+" 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinel := redisserver.Start(t, file, "--sentinel")
		s := mustOpen(t, redis.Config{Addresses: []string{sentinel.Addr}, SentinelMaster: "m", Password: "secret"})
		mustAppend(t, s, "k"+require)
	}
}
