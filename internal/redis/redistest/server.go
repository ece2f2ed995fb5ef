package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Start starts a real redis-server on a port of its own, waits until it answers, ends it with the test and returns its
// address. MAXLEN ~ and MINID ~ are exact there, as they are in gopush. Where there is none that can be compared with, the
// test is skipped, or fails on CI.
func Start(t testing.TB) string {
	t.Helper()
	return startConfigured(t)
}

// startConfigured is Start with a configuration file, or with none.
func startConfigured(t testing.TB, file ...string) string {
	t.Helper()
	path, err := find()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 5 { // somebody else may be given the free port meanwhile
		addr := freeAddress(t)
		_, port, _ := net.SplitHostPort(addr)
		cmd := exec.Command(path, append(slices.Clone(file),
			"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--logfile", "log",
			"--save", "", "--databases", "1", "--stream-node-max-entries", "1")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() {
			cmd.Wait()
			close(exited)
		}()
		if answers(addr, exited) {
			t.Cleanup(func() {
				cmd.Process.Kill()
				<-exited
			})
			return addr
		}
		cmd.Process.Kill()
		<-exited
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	t.Fatalf("redis-server does not answer:\n%s", log)
	return ""
}

// find returns where a redis-server is whose words are those of gopush.
func find() (path string, err error) {
	path, err = exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("no redis-server here, make deps installs it: %w", err)
	}
	version, err := exec.Command(path, "--version").Output()
	if err == nil && !strings.Contains(string(version), " v=7.0.") {
		err = fmt.Errorf("gopush replies as Redis 7.0 does, this is %s", version)
	}
	return path, err
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answers waits until a server of Redis's protocol answers at addr, or has exited.
func answers(addr string, exited chan struct{}) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-exited:
			return false
		case <-time.After(5 * time.Millisecond):
		}
		if pings(addr) {
			return true
		}
	}
	return false
}

func pings(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.HasPrefix(line, "+PONG")
}
