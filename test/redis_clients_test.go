package test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// needProgram returns where the program is. Where it is missing the test is skipped, but not on CI.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, err.Error())
	}
	return path
}

// missing skips the test for want of something that "make deps" installs; on CI it fails.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s: \"make deps\" should have installed it", why)
	}
	t.Skipf("%s (\"make deps\" installs it)", why)
}

// redisProgram is a program in clients that uses a server as the users of its library do, and checks what it gets.
//
// It says "ok NAME" for each thing that it has checked, "> restart" when it wants the server killed and started
// again (a line on its standard input tells it when that is done), and ends with 0 if all was well.
type redisProgram struct {
	name      string
	protocols []string // versions of RESP that it can speak
	checks    []string
	command   func(t *testing.T) []string
}

// all is what is checked of a client that can do everything.
func all(but ...string) []string {
	checks := []string{
		"connect", "auth", "token", "pubsub", "patterns", "shards", "streams", "blocking", "groups", "pipeline", "reconnect", "cursor",
	}
	return slices.DeleteFunc(checks, func(c string) bool { return slices.Contains(but, c) })
}

func redisPrograms() []redisProgram {
	return []redisProgram{
		{"redis-py", []string{"2"}, all("shards"), func(t *testing.T) []string { return withPython(t, "clients/python/check.py") }},
		{"hiredis", []string{"2"}, all("reconnect"), func(t *testing.T) []string { return withC(t, "clients/c/check.c") }},
		{"redis-rb", []string{"2"}, all("shards"), func(t *testing.T) []string { return withRuby(t, "clients/ruby/check.rb") }},
		{"ioredis", []string{"2", "3"}, all(), func(t *testing.T) []string { return withNode(t, "ioredis.js") }},
		{"node-redis", []string{"2", "3"}, all(), func(t *testing.T) []string { return withNode(t, "node-redis.js") }},
	}
}

// Clients that others wrote find in gopush what they find in Redis.
func TestRedisClients(t *testing.T) {
	t.Parallel()
	for _, p := range redisPrograms() {
		for _, protocol := range p.protocols {
			t.Run(p.name+"/RESP"+protocol, func(t *testing.T) {
				argv := p.command(t)
				onRedisTargets(t, func(t *testing.T, target *redisTarget) { target.run(t, p.checks, protocol, argv...) })
			})
		}
	}
}

// withPython runs a script with Debian's Python, which has Debian's redis-py; another Python on the PATH has not.
func withPython(t *testing.T, script string) []string {
	t.Helper()
	python := needProgram(t, "/usr/bin/python3")
	if out, err := exec.Command(python, "-c", "import redis").CombinedOutput(); err != nil {
		missing(t, "python3-redis: "+lastLine(out))
	}
	return []string{python, "-u", script}
}

// withRuby runs a script with Debian's Ruby and its redis-rb.
func withRuby(t *testing.T, script string) []string {
	t.Helper()
	ruby := needProgram(t, "ruby")
	if out, err := exec.Command(ruby, "-e", `require "redis"`).CombinedOutput(); err != nil {
		missing(t, "ruby-redis: "+lastLine(out))
	}
	return []string{ruby, script}
}

// withC builds a program with Debian's hiredis.
func withC(t *testing.T, source string) []string {
	t.Helper()
	cc := needProgram(t, "cc")
	if _, err := os.Stat("/usr/include/hiredis/hiredis.h"); err != nil {
		missing(t, err.Error())
	}
	program := filepath.Join(t.TempDir(), "check")
	if out, err := exec.Command(cc, "-O1", "-Wall", "-Wextra", "-o", program, source, "-lhiredis").CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("build %s: %v\n%s", source, err, out)
	}
	return []string{program}
}

// withNode runs a script of clients/node, whose libraries "make deps" has installed there.
func withNode(t *testing.T, script string) []string {
	t.Helper()
	node := needProgram(t, "node")
	if _, err := os.Stat("clients/node/node_modules"); err != nil {
		missing(t, err.Error())
	}
	return []string{node, filepath.Join("clients/node", script)}
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// run runs a program that has to pass these checks, in this order.
func (g *redisTarget) run(t *testing.T, checks []string, protocol string, argv ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(),
		"TARGET="+g.name, "ADMIN="+g.admin, "PUBLIC="+g.public, "PROTOCOL="+protocol,
		"BACKEND="+backendName, "SECRET="+backendSecret, "KEY="+deviceKey, "TOKEN="+deviceToken)
	said := new(lockedBuffer)
	cmd.Stderr = said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tooLong := time.AfterFunc(4*patience, func() { // a machine under load runs a dozen of them at once
		fmt.Fprintf(said, "killed: it took more than %v\n", 4*patience)
		cmd.Process.Kill()
	})
	defer tooLong.Stop()
	passed := g.listen(stdout, stdin, said)
	if err := cmd.Wait(); err != nil || !slices.Equal(passed, checks) {
		t.Errorf("%s: %v\n%s\npassed %v, want %v\n%s said:\n%s", strings.Join(argv, " "), err, said, passed, checks, g.name, g.said())
	}
}

// listen reads what a program says, does what it asks for, and returns the names of what it has checked.
func (g *redisTarget) listen(stdout io.Reader, stdin io.Writer, said io.Writer) (passed []string) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := lines.Text()
		fmt.Fprintln(said, line)
		if name, ok := strings.CutPrefix(line, "ok "); ok {
			passed = append(passed, name)
		}
		if line == "> restart" {
			g.restart()
			_, _ = io.WriteString(stdin, "done\n") // if it ended meanwhile, its status says why
		}
	}
	return passed
}
