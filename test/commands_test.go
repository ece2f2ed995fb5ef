package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// invocation is a command of gopush that runs.
type invocation struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *lockedBuffer
}

// invoke starts gopush with args; env is added to the environment.
func invoke(t *testing.T, env []string, stdin string, args ...string) *invocation {
	t.Helper()
	i := &invocation{t: t, stdout: new(lockedBuffer), stderr: new(lockedBuffer)}
	i.cmd = exec.CommandContext(t.Context(), gopush, args...)
	i.cmd.Dir, i.cmd.Env = t.TempDir(), append(os.Environ(), env...)
	i.cmd.Stdin, i.cmd.Stdout, i.cmd.Stderr = strings.NewReader(stdin), i.stdout, i.stderr
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return i
}

// wait returns the exit code. A command that does not end is ended with the test's patience.
func (i *invocation) wait() int {
	i.t.Helper()
	timer := time.AfterFunc(patience, func() { i.cmd.Process.Kill() })
	defer timer.Stop()
	err := i.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		i.t.Fatalf("gopush %v: %v", i.cmd.Args[1:], err)
	}
	return i.cmd.ProcessState.ExitCode()
}

// runCommand runs gopush with args and returns what it says and its exit code.
func runCommand(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	i := invoke(t, nil, stdin, args...)
	code = i.wait()
	return i.stdout.String(), i.stderr.String(), code
}

// said waits until the command has said text on standard error.
func (i *invocation) said(text string) {
	i.t.Helper()
	eventually(i.t, fmt.Sprintf("gopush %v says %q", i.cmd.Args[1:], text), func() bool {
		return strings.Contains(i.stderr.String(), text)
	})
}

// pushCommand runs gopush push, which must end well and print what matches want.
func (n *node) pushCommand(want, stdin string, args ...string) {
	n.t.Helper()
	args = append([]string{"push", "--addr", n.admin[0]}, args...)
	stdout, stderr, code := runCommand(n.t, stdin, args...)
	if code != 0 || !regexp.MustCompile(want).MatchString(stdout) {
		n.t.Fatalf("gopush %v ended with %d and said %s%s, want 0 and %s", args, code, stdout, stderr, want)
	}
}

// subCommand runs gopush sub to its end, which prints want.
func (n *node) subCommand(want string, args ...string) {
	n.t.Helper()
	args = append([]string{"sub", "--addr", n.public[0]}, args...)
	if stdout, stderr, code := runCommand(n.t, "", args...); code != 0 || stdout != want {
		n.t.Errorf("gopush %v ended with %d and printed\n%s%s, want 0 and\n%s", args, code, stdout, stderr, want)
	}
}

func TestPushAndSub(t *testing.T) {
	t.Parallel()
	n := serve(t)
	live := invoke(t, nil, "", "sub", "--addr", n.public[0], "--count", "2", "k")
	live.said(`subscribed to "k"`)

	const id = `\d{13}-\d{1,4}`
	n.pushCommand("^"+id+" stored, sent to 1 subscriber\n$", "", "k", "hello")
	n.pushCommand("^"+id+" not stored, sent to 1 subscriber\n$", "", "--expire", "0", "k", "live only")
	if code := live.wait(); code != 0 || live.stdout.String() != "hello\nlive only\n" {
		t.Errorf("gopush sub --count 2 ended with %d and printed %q", code, live.stdout)
	}
	n.pushCommand("^pushed 4 messages, .*messages/s\n$", "first\n{\"n\": 2}\n\nlast without an end", "--expire", "1h", "k", "-")
	n.pushCommand("^"+id+" stored, sent to 0 subscribers\n$", "", "other", "a\x1b[31mtext\nof lines")
	n.pushCommand("^pushed 0 messages", "", "k")

	n.subCommand("hello\nfirst\n{\"n\":2}\n\nlast without an end\n", "--after", "0", "--count", "5", "k")
	n.subCommand(`"a\x1b[31mtext\nof lines"`+"\n", "--after", "0", "-n", "1", "other")
	n.subJSON("k", `"hello"`, `"first"`, `{"n":2}`, `""`, `"last without an end"`)

	both := invoke(t, nil, "", "sub", "--addr", "ws://"+n.public[0], "--count", "2", "a", "b")
	both.said(`subscribed to "a"`)
	both.said(`subscribed to "b"`)
	n.push("b", "2", "")
	eventually(t, "a line of b", func() bool { return both.stdout.String() == "b\t2\n" })
	n.push("a", "1", "")
	if code := both.wait(); code != 0 || both.stdout.String() != "b\t2\na\t1\n" {
		t.Errorf("gopush sub a b ended with %d and printed %q", code, both.stdout)
	}
}

// subJSON has the messages of key printed as JSON, a line each: the payloads, and ids to go on after.
func (n *node) subJSON(key string, payloads ...string) {
	n.t.Helper()
	stdout, stderr, code := runCommand(n.t, "", "sub", "--addr", n.public[0], "--after", "0", "--count", fmt.Sprint(len(payloads)), "--json", key)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if code != 0 || len(lines) != len(payloads) {
		n.t.Fatalf("gopush sub --json ended with %d and printed\n%s%s", code, stdout, stderr)
	}
	var m struct {
		ID, Key string
		Payload json.RawMessage
	}
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Key != key || string(m.Payload) != payloads[i] {
			n.t.Errorf("line %d is %s, want the payload %s", i, line, payloads[i])
		}
		if i == len(lines)-2 {
			n.subCommand(strings.Trim(payloads[i+1], `"`)+"\n", "--after", m.ID, "--count", "1", key)
		}
	}
}

// A line that is refused is told by its number, and the others go on.
func TestPushRefusals(t *testing.T) {
	t.Parallel()
	n := serve(t, "--max-message-bytes", "10", "--api-keys", "web:a-secret-of-web")
	stdout, stderr, code := runCommand(t, "one\nmuch too long\nthree\n", "push", "--addr", n.admin[0], "k")
	if code != 1 || !strings.Contains(stdout, "pushed 2 messages") || !strings.Contains(stderr, "line 2: too_large") {
		t.Errorf("with a line too long it ended with %d and said\n%s%s", code, stdout, stderr)
	}
	n.subCommand("one\nthree\n", "--after", "0", "--count", "2", "k")
	for name, secret := range map[string]string{"a wrong": "wrong-secret", "a good": "a-secret-of-web"} {
		i := invoke(t, []string{"GOPUSH_API_KEY=" + secret}, "", "push", "--addr", n.admin[0], "k", "x")
		code := i.wait()
		if good := name == "a good"; good != (code == 0) || good == strings.Contains(i.stderr.String(), "api_key_wrong") {
			t.Errorf("with %s API key it ended with %d and said %s", name, code, i.stderr)
		}
	}
	n.kill()
	if stdout, stderr, code := runCommand(t, "", "push", "--addr", n.admin[0], "k", "x"); code != 1 || !strings.Contains(stderr, "start a node with gopush serve") {
		t.Errorf("without a node it ended with %d and said %s%s", code, stdout, stderr)
	}
}

// A subscriber of the command line goes on after its node was killed, and prints nothing twice.
func TestSubThroughAKill(t *testing.T) {
	t.Parallel()
	n := serve(t, "--auth", "token")
	token := n.register("k", "")
	r := newRelay(t, n.public[0])
	sub := invoke(t, []string{"GOPUSH_TOKEN=" + token}, "", "sub", "--addr", r.addr(), "--count", "40", "k")
	sub.said(`subscribed to "k"`)
	var want strings.Builder
	for i := range 40 {
		if i == 10 || i == 30 {
			n = n.restart("--auth", "token")
			r.to.Store(&n.public[0])
		}
		n.push("k", fmt.Sprint(i), "?expire=60")
		fmt.Fprintln(&want, i)
	}
	if code := sub.wait(); code != 0 || sub.stdout.String() != want.String() {
		t.Errorf("gopush sub ended with %d and printed\n%s%s", code, sub.stdout, sub.stderr)
	}
	if !strings.Contains(sub.stderr.String(), "connecting again") {
		t.Errorf("it did not tell that the connection was lost:\n%s", sub.stderr)
	}
	refused := invoke(t, nil, "", "sub", "--addr", n.public[0], "k")
	if code := refused.wait(); code != 1 || !strings.Contains(refused.stderr.String(), "token refused") {
		t.Errorf("without its token it ended with %d and said %s", code, refused.stderr)
	}
}

// Flags stand above the environment, that above the file, that above the defaults; a node runs
// with what check-config prints.
func TestConfigurationOfARunningNode(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gopush.toml")
	writeFile(t, file, []byte("max_arguments = 7\nmax_key_bytes = 77\nmax_pending_messages = 777\nloops = 1\n"))
	env := []string{"GOPUSH_MAX_KEY_BYTES=88", "GOPUSH_MAX_PENDING_MESSAGES=888"}
	flags := []string{"--config", file, "--max-pending-messages", "999"}

	check := invoke(t, env, "", append([]string{"check-config"}, flags...)...)
	if code := check.wait(); code != 0 {
		t.Fatalf("check-config ended with %d: %s", code, check.stderr)
	}
	n := start(t, t.TempDir(), append(append([]string{"env"}, env...), gopush), flags...)
	running := n.stat("config")
	for name, want := range map[string]float64{
		"loops": 1, "max_arguments": 7, "max_key_bytes": 88, "max_pending_messages": 999, "max_stored_per_key": 1000,
	} {
		if running[name] != want {
			t.Errorf("the node runs with %s = %v, want %v", name, running[name], want)
		}
		if line := fmt.Sprintf("\n%s = %v\n", name, want); !strings.Contains(check.stdout.String(), line) {
			t.Errorf("check-config does not print %q:\n%s", line, check.stdout)
		}
	}
	if a := do(t, "POST", n.adminURL("/v1/push/"+strings.Repeat("k", 89)), "x"); a.status != 400 || !strings.Contains(a.body, "max_key_bytes is 88") {
		t.Errorf("a key of 89 bytes: %d %s", a.status, a.body)
	}
	writeFile(t, file, []byte("max_arguments = 7\nmax_keys = 1\n"))
	for _, command := range []string{"check-config", "serve"} {
		if stdout, stderr, code := runCommand(t, "", command, "--config", file); code != 2 || stdout != "" || !strings.Contains(stderr, "max_keys") {
			t.Errorf("%s with an unknown setting ended with %d and said %s%s, want 2 and its name", command, code, stdout, stderr)
		}
	}
}
