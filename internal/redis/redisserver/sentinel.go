package redisserver

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// MasterName is what Sentinels call the master.
const MasterName = "gopush"

// StartSentinels starts n Sentinels for a master, that take a replica for one that is gone after a second, and waits until they know
// each other and as many replicas as there are.
func StartSentinels(t testing.TB, master *Server, n, replicas int) (sentinels []*Server) {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	for range n {
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		text := fmt.Sprintf("sentinel monitor %[1]s %s %s %d\nsentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 5000\n",
			MasterName, host, port, n/2+1)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinels = append(sentinels, Start(t, file, "--sentinel"))
	}
	for _, s := range sentinels {
		s.eventually("knows the others", func() bool {
			return s.says("+OK", fmt.Sprintf("SENTINEL CKQUORUM %s", MasterName)) && s.sees(n-1, replicas)
		})
	}
	return sentinels
}

// sees tells whether a Sentinel knows some others and replicas.
func (s *Server) sees(others, replicas int) bool {
	return s.says(fmt.Sprintf("*%d\r", others), "SENTINEL SENTINELS "+MasterName) &&
		s.says(fmt.Sprintf("*%d\r", replicas), "SENTINEL REPLICAS "+MasterName)
}
