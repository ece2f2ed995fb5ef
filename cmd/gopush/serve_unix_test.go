//go:build unix

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serving is a gopush serve that runs as a process of its own.
type serving struct {
	*exec.Cmd
	greeting string        // all of standard output until the last line of what to try
	log      *bufio.Reader // standard error
}

// serve starts a node on free ports and returns when it has greeted.
func serve(t *testing.T, args ...string) *serving {
	t.Helper()
	args = append([]string{"serve", "--public=127.0.0.1:0", "--admin=127.0.0.1:0", "--ops=127.0.0.1:0"}, args...)
	s := &serving{Cmd: exec.Command("gopush", args...)}
	s.Dir = t.TempDir()
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := s.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = s.Process.Kill() })
	t.Cleanup(func() { watchdog.Stop(); _ = s.Process.Kill(); _ = s.Wait() })

	s.log = bufio.NewReader(stderr)
	s.greeting = until(t, bufio.NewReader(stdout), "/readyz")
	return s
}

// until reads lines up to the first that has want in it.
func until(t *testing.T, r *bufio.Reader, want string) (read string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		read += line
		if strings.Contains(line, want) {
			return read
		}
		if err != nil {
			t.Fatalf("no line with %q in:\n%s(%v)", want, read, err)
		}
	}
}

func (s *serving) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func TestServeIsReadyWhenItGreetsAndStopsWithZero(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := serve(t)
		url := regexp.MustCompile(`curl (\S+)`).FindStringSubmatch(s.greeting)[1]
		answer, err := http.Get(url)
		if err != nil {
			t.Fatalf("%s, as the greeting says: %v", url, err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("GET %s = %s, %v; want 200", url, answer.Status, err)
		}
		s.signal(t, sig)
		told, _ := io.ReadAll(s.log)
		if err := s.Wait(); err != nil {
			t.Errorf("after %s: %v, want exit code 0\n%s", sig, err, told)
		}
	}
}

func TestHangupTakesOverWhatItCanAndSaysWhatItCannot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gopush.toml")
	rewrite := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rewrite("store = 'memory'")
	s := serve(t, "--config", file)

	rewrite("store = 'pebble'\nlog_level = 'debug'\nmax_pending_messages = 10")
	s.signal(t, syscall.SIGHUP)
	until(t, s.log, `msg="configuration reloaded" changed="[max_pending_messages log_level]"`)
	until(t, s.log, `msg="settings changed that need a restart" settings=[store]`)

	rewrite("log_level = 'loud'")
	s.signal(t, syscall.SIGHUP)
	until(t, s.log, `msg="configuration not reloaded; the old one stays" error="1 mistake`)

	s.signal(t, syscall.SIGTERM)
	told, _ := io.ReadAll(s.log)
	if err := s.Wait(); err != nil {
		t.Errorf("after three reloads and SIGTERM: %v, want exit code 0\n%s", err, told)
	}
}

func TestAnAddressInUseIsNamedAndEndsWithOne(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	command := exec.Command("gopush", "serve", "--store=memory", "--admin=", "--ops=", "--public", taken.Addr().String())
	command.Dir = t.TempDir()
	told, err := command.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != exitFailure || !strings.Contains(string(told), taken.Addr().String()) {
		t.Errorf("serve on an address in use: %v\n%s\nwant exit code 1 and the address named", err, told)
	}
}
