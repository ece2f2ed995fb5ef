package network

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"gopush/test/proof"
	"gopush/test/proof/lab"
)

const (
	slots     = 16384  // of every Redis Cluster
	failAfter = "1000" // ms without an answer after which a server of a Redis Cluster is taken for dead
)

// addStore adds a Redis, or the servers of a Redis Cluster. What they have answered is on disk.
func (n *Network) addStore() {
	if n.setup.Shards > 0 {
		n.shards = &shards{n: n}
	}
	for i, h := range n.store {
		args := []string{"--appendfsync", "always", "--dbfilename", h.Name + ".rdb", "--repl-diskless-sync-delay", "0"}
		if n.shards != nil {
			args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", h.Name+".nodes", "--cluster-node-timeout", failAfter,
				"--cluster-allow-replica-migration", "no")
		}
		p := proof.NewRedis(h.Name, h.IP, n.setup.Dir, args...)
		n.place(p, h, func(ctx context.Context) error { return n.redisServes(ctx, i) })
		n.Store = append(n.Store, p)
	}
}

// redis returns a client of the ith server, which tries nothing twice.
func (n *Network) redis(i int) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: n.store[i].Addr(redisPort), Dialer: n.operator.DialContext, MaxRetries: -1, PoolSize: 1,
		DialTimeout: askTime, ReadTimeout: askTime, WriteTimeout: askTime,
	})
}

// redisServes tells whether the ith server can be used: one of a Redis Cluster when it has all that its shard has.
func (n *Network) redisServes(ctx context.Context, i int) error {
	c := n.redis(i)
	defer c.Close()
	if err := c.Ping(ctx).Err(); err != nil || n.shards == nil {
		return err
	}
	return n.shards.serve(ctx, i)
}

// shards is a Redis Cluster. The ith server is of shard i mod Setup.Shards.
type shards struct {
	n *Network

	mu     sync.Mutex
	formed bool
}

// serve is redisServes for a server that answers. The last one that is started for the first time makes a cluster of all.
func (s *shards) serve(ctx context.Context, i int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.formed {
		return s.whole(ctx)
	}
	if i < len(s.n.store)-1 {
		return nil
	}
	if err := s.form(ctx); err != nil {
		return err
	}
	err := s.whole(ctx)
	s.formed = err == nil
	return err
}

// form does of what makes a cluster what can be done now. It is called until nothing is left.
func (s *shards) form(ctx context.Context) error {
	count := s.n.setup.Shards
	for i := range s.n.store {
		c := s.n.redis(i)
		defer c.Close()
		info, err := c.ClusterInfo(ctx).Result()
		if err == nil && strings.Contains(info, "cluster_known_nodes:1\r") {
			err = s.meet(ctx, c, i)
		}
		if err == nil && i >= count {
			err = s.replicate(ctx, c, i%count)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// meet gives the ith server, which knows no other, its slots if it is to be a master, and has it meet the first.
func (s *shards) meet(ctx context.Context, c *redis.Client, i int) error {
	if count := s.n.setup.Shards; i < count {
		_ = c.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", i*slots/count, (i+1)*slots/count-1).Err() // it may have them
		_ = c.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err()                             // it may have one
	}
	if i == 0 {
		return nil
	}
	return c.Do(ctx, "CLUSTER", "MEET", s.n.store[0].IP, redisPort).Err()
}

// replicate has a server be a replica of the ith.
func (s *shards) replicate(ctx context.Context, c *redis.Client, i int) error {
	master := s.n.redis(i)
	defer master.Close()
	id, err := master.Do(ctx, "CLUSTER", "MYID").Text()
	if err != nil {
		return err
	}
	if role, err := replication(ctx, c); err != nil || role["role"] == "slave" {
		return err
	}
	return c.Do(ctx, "CLUSTER", "REPLICATE", id).Err()
}

// whole returns nil when all servers see a complete cluster, and each shard has a master whose replicas have all that it has had.
func (s *shards) whole(ctx context.Context) error {
	masters := 0
	for i, h := range s.n.store {
		c := s.n.redis(i)
		defer c.Close()
		info, err := c.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(s.n.store))) {
			return fmt.Errorf("%s does not see a complete cluster", h.Name)
		}
		role, err := replication(ctx, c)
		switch {
		case err != nil:
			return err
		case role["role"] == "master" && role["connected_slaves"] != fmt.Sprint(s.n.setup.Replicas):
			return fmt.Errorf("%s has %s replicas", h.Name, role["connected_slaves"])
		case role["role"] == "master":
			masters++
		case role["master_link_status"] != "up" || role["master_sync_in_progress"] != "0":
			return fmt.Errorf("%s is not up to date", h.Name)
		}
	}
	if masters != s.n.setup.Shards {
		return fmt.Errorf("there are %d masters", masters)
	}
	return nil
}

// replication is what a server says of it.
func replication(ctx context.Context, c *redis.Client) (map[string]string, error) {
	info, err := c.Info(ctx, "replication").Result()
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	return fields, err
}

// master returns which server is the master of a shard, that is, of those that say so the one that was made it last.
func (s *shards) master(ctx context.Context, shard int) (at int, err error) {
	for i := shard; i < len(s.n.store); i += s.n.setup.Shards {
		c := s.n.redis(i)
		defer c.Close()
		role, err := replication(ctx, c)
		if err == nil && role["role"] == "master" {
			return i, nil
		}
	}
	return 0, fmt.Errorf("shard %d has no master", shard)
}

// others are all servers but the ith.
func others(all []*lab.Host, i int) (rest []*lab.Host) {
	for at, h := range all {
		if at != i {
			rest = append(rest, h)
		}
	}
	return rest
}
