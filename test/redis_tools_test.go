package test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tool is a command line of redis-tools that connects to target as a backend.
func (g *redisTarget) tool(ctx context.Context, t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	host, port, err := net.SplitHostPort(g.admin)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, needProgram(t, name), append([]string{"-h", host, "-p", port, "--user", backendName}, args...)...)
	cmd.Env = append(cmd.Environ(), "REDISCLI_AUTH="+backendSecret, "REDISCLI_HISTFILE=/dev/null")
	return cmd
}

// cli returns what redis-cli prints for these arguments.
func (g *redisTarget) cli(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := g.tool(ctx, t, "redis-cli", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// likeness compares text with what is wanted of it line by line, where ID stands for an id of a stream.
func likeness(t *testing.T, what, got, want string) {
	t.Helper()
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "ID", `\d{13}-\d+`)
	if !regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimSpace(got)) {
		t.Errorf("%s printed\n%s\nwant\n%s", what, got, want)
	}
}

// A script on standard input, in both versions of RESP.
func TestRedisCLI(t *testing.T) {
	script := strings.Join([]string{
		"PING", "CLIENT GETNAME", "XADD cli * msg first", "XADD cli * a 1 b 2", "XLEN cli", "XRANGE cli - +", "XREAD COUNT 1 STREAMS cli 0",
		"TYPE cli", "EXISTS cli none", "PUBLISH cli nobody", "XADD cli", "NOSUCH x", "SELECT 0", "PUBSUB NUMPAT", "DEL cli", "XRANGE cli - +",
	}, "\n") + "\n"
	onRedisTargets(t, func(t *testing.T, target *redisTarget) {
		replies := func(read, numpat string) string {
			return "PONG\n\nID\nID\n2\nID\nmsg\nfirst\nID\na\n1\nb\n2\n" + read + "stream\n1\n0\n" +
				"ERR wrong number of arguments for 'xadd' command\n\nERR unknown command 'NOSUCH', with args beginning with: 'x' \n\nOK\n" + numpat + "1\n\n"
		}
		likeness(t, "redis-cli", target.cli(t, script), replies("cli\nID\nmsg\nfirst\n", "0\n"))
		likeness(t, "redis-cli -3", target.cli(t, script, "-3"), replies("cli ID\nmsg\nfirst\n", "0\n"))
		likeness(t, "redis-cli --csv", target.cli(t, "", "--csv", "XADD", "cli", "*", "msg", "a b"), `"ID"`)
		likeness(t, "redis-cli -x", target.cli(t, "from\nstandard input", "-x", "XADD", "cli", "*", "msg"), "ID")
		likeness(t, "redis-cli --no-raw", target.cli(t, "", "--no-raw", "XRANGE", "cli", "-", "+"),
			"1) 1) \"ID\"\n   2) 1) \"msg\"\n      2) \"a b\"\n2) 1) \"ID\"\n   2) 1) \"msg\"\n      2) \"from\\nstandard input\"")
		likeness(t, "redis-cli --scan", target.cli(t, "", "--scan", "--pattern", "cl?"), "cli")
		likeness(t, "redis-cli --json", target.cli(t, "", "--json", "-3", "XINFO", "GROUPS", "cli"), "[]")
		for _, survey := range []string{"--bigkeys", "--memkeys"} {
			if out := target.cli(t, "", survey); !strings.Contains(out, `Biggest stream found "cli"`) && !strings.Contains(out, `Biggest stream found '"cli"'`) {
				t.Errorf("redis-cli %s printed\n%s", survey, out)
			}
		}
		if info := target.cli(t, "", "INFO"); !strings.Contains(info, "redis_version:") {
			t.Errorf("redis-cli INFO printed\n%s", info)
		}
		likeness(t, "redis-cli -r", target.cli(t, "", "-r", "3", "-i", "0.001", "PING"), "PONG\nPONG\nPONG")
	})
}

// A terminal: redis-cli then asks for the documentation of all commands first.
func TestRedisCLIInTerminal(t *testing.T) {
	script := needProgram(t, "script")
	onRedisTargets(t, func(t *testing.T, target *redisTarget) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		inside := target.tool(ctx, t, "redis-cli")
		cmd := exec.CommandContext(ctx, script, "-qec", strings.Join(inside.Args, " "), "/dev/null")
		cmd.Env = append(inside.Env, "TERM=dumb")
		cmd.Stdin = strings.NewReader("HELLO 3\nXADD terminal * msg typed\nXLEN terminal\nHELP XADD\nQUIT\n")
		out, err := cmd.CombinedOutput()
		for _, want := range []string{"proto", "(integer) 1", "Appends a new entry to a stream"} {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("redis-cli in a terminal: %v, without %q:\n%s", err, want, out)
			}
		}
	})
}

// redis-cli SUBSCRIBE prints what comes, until it is ended.
func TestRedisCLISubscribes(t *testing.T) {
	onRedisTargets(t, func(t *testing.T, target *redisTarget) {
		for _, row := range []struct {
			args      []string
			confirmed string // the last that is printed before what comes
			publish   string
		}{
			{[]string{"SUBSCRIBE", "a", "b"}, "2", "PUBLISH"},
			{[]string{"-3", "SUBSCRIBE", "a", "b"}, "2", "PUBLISH"},
			{[]string{"PSUBSCRIBE", "[ab]"}, "1", "PUBLISH"},
			{[]string{"-3", "PSUBSCRIBE", "[ab]"}, "1", "PUBLISH"},
			{[]string{"SSUBSCRIBE", "a", "b"}, "2", "SPUBLISH"},
			{[]string{"-3", "SSUBSCRIBE", "a", "b"}, "2", "SPUBLISH"},
		} {
			args := row.args
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := target.tool(ctx, t, "redis-cli", args...)
				stdout, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewScanner(stdout)
				var seen []string
				until := func(line string) {
					t.Helper()
					for lines.Scan() {
						if seen = append(seen, lines.Text()); lines.Text() == line {
							return
						}
					}
					t.Fatalf("redis-cli %v ended without %q:\n%s", args, line, strings.Join(seen, "\n"))
				}
				until(row.confirmed)
				likeness(t, row.publish, target.cli(t, "", row.publish, "b", "it comes"), "1")
				until("it comes")
				cmd.Process.Kill()
				_ = cmd.Wait()
			})
		}
	})
}

// Mass insertion, as the documentation of Redis has it: commands as they are on the wire, with their replies counted.
func TestRedisCLIPipe(t *testing.T) {
	onRedisTargets(t, func(t *testing.T, target *redisTarget) {
		const count = 5000
		var commands strings.Builder
		for i := range count {
			commands.WriteString(command("XADD", "mass", "*", "msg", fmt.Sprint(i)))
		}
		out := target.cli(t, commands.String(), "--pipe")
		if !strings.Contains(out, fmt.Sprintf("errors: 0, replies: %d", count)) {
			t.Errorf("redis-cli --pipe printed\n%s", out)
		}
		likeness(t, "XLEN", target.cli(t, "", "XLEN", "mass"), fmt.Sprint(count))
	})
}

// redis-benchmark asks for some settings first, then for as much as it can.
func TestRedisBenchmark(t *testing.T) {
	onRedisTargets(t, func(t *testing.T, target *redisTarget) {
		for _, args := range []string{
			"-t ping -n 2000 -c 20", "-t ping -n 2000 -P 64 -3", "-n 5000 -P 64 PUBLISH bench x", "-n 5000 -P 64 -c 5 XADD bench * msg x", "-n 1000 -r 100 -P 16 XADD bench:__rand_int__ * msg x",
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			cmd := target.tool(ctx, t, "redis-benchmark", append([]string{"-a", backendSecret, "-q"}, strings.Fields(args)...)...)
			out, err := cmd.CombinedOutput()
			cancel()
			if err != nil || !strings.Contains(string(out), "requests per second") || strings.Contains(string(out), "rror") {
				t.Errorf("redis-benchmark %s: %v\n%s", args, err, out)
			}
		}
		// It sends whole pipelines, so that there may be more than it was told.
		if stored, err := strconv.Atoi(strings.TrimSpace(target.cli(t, "", "XLEN", "bench"))); err != nil || stored < 5000 || stored > 5000+5*64 {
			t.Errorf("redis-benchmark stored %d messages (%v), want 5000", stored, err)
		}
	})
}
