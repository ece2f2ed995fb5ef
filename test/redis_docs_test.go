package test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// redisPage is docs/redis.md.
func redisPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// example is the block of the page with this language and name, for node n.
func (n *node) example(language, name string) string {
	n.t.Helper()
	_, rest, found := strings.Cut(redisPage(n.t), "```"+language+" "+name+"\n")
	text, _, ended := strings.Cut(rest, "\n```")
	if !found || !ended {
		n.t.Fatalf("docs/redis.md has no block ```%s %s", language, name)
	}
	for port, addr := range map[string]string{"6969": n.public[0], "6970": n.admin[0]} {
		_, actual, err := net.SplitHostPort(addr)
		if err != nil {
			n.t.Fatal(err)
		}
		text = strings.ReplaceAll(text, port, actual)
	}
	return text
}

// language tells how a program of it is run, from a file in a directory of its own.
type language struct {
	file string
	argv func(t *testing.T, path string) []string
}

func languages() map[string]language {
	return map[string]language{
		"sh": {"example.sh", func(t *testing.T, path string) []string {
			needProgram(t, "redis-cli")
			return []string{needProgram(t, "sh"), "-e", path}
		}},
		"go": {"example.go", func(t *testing.T, path string) []string {
			program := filepath.Join(filepath.Dir(path), "example")
			return built(t, program, "go", "build", "-o", program, path)
		}},
		"c": {"example.c", func(t *testing.T, path string) []string {
			withC(t, "clients/c/check.c") // or the test is skipped
			program := filepath.Join(filepath.Dir(path), "example")
			return append([]string{needProgram(t, "stdbuf"), "-oL"}, built(t, program, "cc", "-Wall", "-Wextra", "-o", program, path, "-lhiredis")...)
		}},
		"js": {"example.mjs", func(t *testing.T, path string) []string {
			argv := withNode(t, path)
			modules, err := filepath.Abs("clients/node/node_modules")
			if err == nil {
				err = os.Symlink(modules, filepath.Join(filepath.Dir(path), "node_modules"))
			}
			if err != nil {
				t.Fatal(err)
			}
			return []string{argv[0], path}
		}},
		"python": {"example.py", withPython},
		"ruby": {"example.rb", func(t *testing.T, path string) []string {
			sync := filepath.Join(filepath.Dir(path), "sync.rb") // what it prints is to be seen at once
			if err := os.WriteFile(sync, []byte("$stdout.sync = true\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			argv := withRuby(t, path)
			return []string{argv[0], "-r", sync, path}
		}},
	}
}

// built runs a compiler and returns the program that it makes.
func built(t *testing.T, program string, compiler ...string) []string {
	t.Helper()
	if out, err := exec.Command(compiler[0], compiler[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(compiler, " "), err, out)
	}
	return []string{program}
}

// prepare writes a block of the page to a file and returns how it is run.
func (n *node) prepare(lang, name string) *exec.Cmd {
	n.t.Helper()
	l := languages()[lang]
	path, text := filepath.Join(n.t.TempDir(), l.file), n.example(lang, name)
	if lang == "sh" && !strings.Contains(text, "\n") {
		text = "exec " + text // so that to kill the shell is to kill the command
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		n.t.Fatal(err)
	}
	argv := l.argv(n.t, path)
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	n.t.Cleanup(cancel)
	return exec.CommandContext(ctx, argv[0], argv[1:]...)
}

// finish runs a program to its end and returns what it printed.
func (n *node) finish(cmd *exec.Cmd) string {
	n.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// running is a program that goes on until it is killed.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	said  *lockedBuffer
}

func (n *node) begin(cmd *exec.Cmd) *running {
	n.t.Helper()
	r := &running{t: n.t, cmd: cmd, said: new(lockedBuffer)}
	stdout, err := cmd.StdoutPipe()
	cmd.Stderr = r.said
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		n.t.Fatal(err)
	}
	r.lines = bufio.NewScanner(stdout)
	n.t.Cleanup(r.end)
	return r
}

func (r *running) expect(lines ...string) {
	r.t.Helper()
	for _, want := range lines {
		if !r.lines.Scan() || r.lines.Text() != want {
			r.t.Fatalf("%v printed %q, want %q; it says:\n%s", r.cmd, r.lines.Text(), want, r.said)
		}
	}
}

func (r *running) end() {
	r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// The programs of docs/redis.md do what the page says.
func TestRedisPagePrograms(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"go", "js", "python", "ruby", "c"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			n := serve(t)
			subscriber := n.begin(n.prepare(lang, "subscribe"))
			eventually(t, "the program subscribes", func() bool {
				return strings.Contains(do(t, "GET", n.adminURL("/v1/keys/hello"), "").body, `"subscribers":1`)
			})
			n.finish(n.prepare(lang, "push"))
			subscriber.expect("hello stored", "hello live")
			device := n.begin(n.prepare(lang, "device"))
			device.expect("stored")
			n.push("hello", "by HTTP", "")
			subscriber.expect("hello by HTTP")
			device.expect("by HTTP")
			n.expectAcknowledged("hello", "my-phone")
			device.end()
			n.push("hello", "while it was away", "")
			n.begin(n.prepare(lang, "device")).expect("while it was away")
		})
	}
}

// expectAcknowledged waits until nothing of key is pending for a device.
func (n *node) expectAcknowledged(key, device string) {
	n.t.Helper()
	eventually(n.t, "all is acknowledged", func() bool {
		p := dial(n.t, n.admin[0])
		defer p.Close()
		p.send(command("XPENDING", key, device))
		line, err := p.r.ReadString('\n')
		count, countErr := p.r.ReadString('\n')
		return err == nil && countErr == nil && line == "*4\r\n" && count == ":0\r\n"
	})
}

// What the page shows of redis-cli prints what is meant.
func TestRedisPageCommands(t *testing.T) {
	t.Parallel()
	n := serve(t)
	const stored = "ID\nmsg\nkept until it is trimmed\nID\nmsg\nkept for an hour\n"
	likeness(t, "push", n.finish(n.prepare("sh", "push")), "ID\nID\n0\n"+stored)
	likeness(t, "resume", n.finish(n.prepare("sh", "resume")), "hello\n"+stored)
	repeated := n.finish(n.prepare("sh", "repeat"))
	likeness(t, "repeat", repeated, "ID\nID\n1\n")
	if ids := strings.Fields(repeated); ids[0] != ids[1] {
		t.Errorf("a repeated XADD is answered with another id: %s", repeated)
	}
	likeness(t, "device", n.finish(n.prepare("sh", "device")), "OK\nhello\nID\nmsg\nkept until it is trimmed\n1\n0")
	subscriber := n.begin(n.prepare("sh", "subscribe"))
	subscriber.expect("subscribe", "hello", "1")
	n.push("hello", "now", "?expire=0")
	subscriber.expect("message", "hello", "now")
}

// The page's table says what was tested, of which versions.
func TestRedisPageTable(t *testing.T) {
	t.Parallel()
	page := redisPage(t)
	modules, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := os.ReadFile("clients/node/package.json")
	if err != nil {
		t.Fatal(err)
	}
	version := func(text []byte, pattern string) string {
		found := regexp.MustCompile(pattern).FindSubmatch(text)
		if found == nil {
			t.Fatalf("no %s", pattern)
		}
		return string(found[1])
	}
	rows := redisPrograms()
	for _, name := range []string{"go-redis", "rueidis"} {
		rows = append(rows, redisProgram{name: name, protocols: []string{"2", "3"}, checks: all()})
	}
	versions := map[string]string{
		"go-redis":   version(modules, `redis/go-redis/v9 v(\S+)`),
		"rueidis":    version(modules, `redis/rueidis v(\S+)`),
		"ioredis":    version(packages, `"ioredis": "([^"]+)"`),
		"node-redis": version(packages, `"redis": "([^"]+)"`),
	}
	for _, p := range rows {
		installed, ours := versions[p.name]
		if !ours { // Debian's, which differ
			installed = `[\d.]+`
		}
		row := fmt.Sprintf(`(?m)^\| %s \| %s \| %s \| %s \|$`, p.name, installed, strings.Join(p.protocols, ", "), strings.Join(p.checks, ", "))
		if !regexp.MustCompile(row).MatchString(page) {
			t.Errorf("docs/redis.md has no row %s", row)
		}
	}
}
