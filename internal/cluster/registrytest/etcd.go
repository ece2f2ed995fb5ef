package registrytest

import (
	"crypto/tls"
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

// StartSecuredEtcd is StartEtcd with TLS: client certificates must be signed by c, which is that of the server, too.
func StartSecuredEtcd(t testing.TB, c Certificate) *Server {
	t.Helper()
	need(t, "etcd", "etcd")
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: c.Pool, Certificates: []tls.Certificate{c.Pair}}}}
	serves := func(addr string) bool {
		answer, err := client.Get("https://" + addr + "/health")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}
	return launch(t, serves, func(addr, dir string) *exec.Cmd {
		cmd, url := etcd(addr, dir), "https://"+addr
		cmd.Args = append(cmd.Args, "--listen-client-urls", url, "--advertise-client-urls", url,
			"--cert-file", c.File, "--key-file", c.KeyFile, "--client-cert-auth", "--trusted-ca-file", c.File)
		return cmd
	})
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
