package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// nodeFlags are those of every node, besides where it listens and stores.
func nodeFlags() []string {
	return []string{
		"--min-free-bytes", "0", "--max-stored-per-key", "100000",
		"--log-level", "warn",
	}
}

// newNode returns a node called name at host, which is not started. Its log, and its store if it has one of its own, are in dir.
func newNode(binary, name, host, dir string, flags ...string) *Node {
	at := func(port int) string { return fmt.Sprintf("%s:%d", host, port) }
	n := &Node{Public: at(6969), Admin: at(6970), Ops: at(6971)}
	args := append([]string{"serve", "--public", n.Public, "--admin", n.Admin, "--ops", n.Ops}, nodeFlags()...)
	n.Process = &Process{
		Name: name, Log: filepath.Join(dir, name+".log"),
		Command: func() *exec.Cmd {
			cmd := exec.Command(binary, append(args, flags...)...)
			cmd.Dir = dir // what it leaves there is not among sources
			return cmd
		},
		Ready: n.ready,
	}
	return n
}

// ready asks the node whether it is.
func (n *Node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return Get(ctx, http.DefaultClient, "http://"+n.Ops+"/readyz")
}

// Get returns nil where the answer to url is 200, else what it says. The connection is not kept.
func Get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusOK {
		return err
	}
	return errors.New(strings.TrimSpace(resp.Status + " " + string(body)))
}

// freeHost returns a loopback address of this machine that nobody uses, where it has so many.
func freeHost() (string, error) {
	if runtime.GOOS != "linux" {
		return "", errors.New("processes get a loopback address each, which only Linux has")
	}
	for range 1000 {
		host := fmt.Sprintf("127.%d.%d.%d", 2+rand.IntN(250), rand.IntN(256), 1+rand.IntN(254))
		l, err := net.Listen("tcp", host+":6969")
		if err == nil {
			return host, l.Close()
		}
	}
	return "", errors.New("found no free loopback address")
}
