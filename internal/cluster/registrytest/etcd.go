package registrytest

import (
	"net/http"
	"os/exec"
	"testing"
	"time"
)

// StartEtcd starts a real etcd that answers. It grants leases from one second. Where none is installed the test is skipped, or
// fails on CI.
func StartEtcd(t testing.TB) *Server {
	t.Helper()
	need(t, "etcd", "etcd")
	return launch(t, etcdServes, etcd)
}

func etcd(addr, dir string) *exec.Cmd {
	const nobody = "http://127.0.0.1:0" // there are no others
	url := "http://" + addr
	return exec.Command("etcd", "--data-dir", dir, "--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", nobody, "--initial-advertise-peer-urls", nobody, "--initial-cluster", "default="+nobody,
		"--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap", "--log-outputs", "stderr", "--log-level", "error")
}

// etcdServes tells whether a server has a leader.
func etcdServes(addr string) bool {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + addr + "/health")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
