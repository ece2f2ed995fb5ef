package registrytest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Where Debian has ZooKeeper; its classes name the others that they need.
const (
	zooKeeperClasses = "/usr/share/java/zookeeper.jar"
	zooKeeperLogs    = "/usr/share/java/slf4j-simple.jar"
)

// StartZooKeeper starts a real ZooKeeper that answers. It grants session timeouts from 200 ms to a minute. Where
// none is installed the test is skipped, or fails on CI.
func StartZooKeeper(t testing.TB) *Server {
	t.Helper()
	need(t, "ZooKeeper", "java", zooKeeperClasses)
	return launch(t, zooKeeperServes, zooKeeper)
}

// zooKeeper is the command of a server that begins quickly, and does not wait for the disk.
func zooKeeper(addr, dir string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	file := filepath.Join(dir, "zoo.cfg")
	settings := fmt.Sprintf("dataDir=%s\nclientPort=%s\nclientPortAddress=%s\ntickTime=100\nmaxSessionTimeout=60000\n"+
		"maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n", filepath.ToSlash(dir), port, host)
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		return &exec.Cmd{Path: file, Err: err}
	}
	return exec.Command("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx96m", "-XX:-UsePerfData",
		"-Dzookeeper.forceSync=no", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", zooKeeperClasses+":"+zooKeeperLogs, "org.apache.zookeeper.server.ZooKeeperServerMain", file)
}

// zooKeeperServes tells whether a server accepts sessions.
func zooKeeperServes(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // what fails for it tells
	_, _ = conn.Write([]byte("srvr"))
	answer, _ := io.ReadAll(conn)
	return bytes.Contains(answer, []byte("Mode: standalone"))
}
