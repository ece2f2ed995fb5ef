package redistest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// StartEcho starts a redis-server that knows no commands but PING, ECHO and QUIT: whatever else it is sent it repeats in an error.
// It keeps nothing, so that one can send it anything.
func StartEcho(t testing.TB) string {
	t.Helper()
	c, err := dial(Start(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	all, err := c.ask("COMMAND", "LIST")
	if err != nil || len(all.elems) < 100 {
		t.Fatalf("COMMAND LIST = %v, %v", all, err)
	}
	var config strings.Builder
	for _, name := range all.elems {
		if known := slices.Contains([]string{"ping", "echo", "quit"}, name.text); !known && !strings.Contains(name.text, "|") {
			fmt.Fprintf(&config, "rename-command %s \"\"\n", name.text)
		}
	}
	file := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return startConfigured(t, file)
}

// Talk connects, sends what stands in sent, in pieces that end where cuts say, and then the end, and returns all that comes back until
// the other side closes.
func Talk(addr, sent string, cuts ...int) (got string, err error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	for _, piece := range cut([]byte(sent), cuts) {
		if _, err := c.Write(piece); err != nil {
			break // it was closed already
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return string(all), err
	}
	return string(all), nil
}
