package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// thisThread is the network namespace of the thread that opens it.
const thisThread = "/proc/thread-self/ns/net"

// namespace is a network namespace without a name. It is there until it is closed and all that began in it has ended.
type namespace struct {
	file *os.File // set when it is made, never changed
	home *os.File // the namespace of the process
}

// unshare makes a namespace in which nothing is.
func unshare(home *os.File) (*namespace, error) {
	n := &namespace{home: home}
	err := away(home, func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w%s", err, mayNot(err))
		}
		n.file, err = os.Open(thisThread)
		return err
	})
	return n, err
}

func mayNot(err error) string {
	if errors.Is(err, unix.EPERM) {
		return " (this needs root, in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN)"
	}
	return ""
}

// do runs f on a thread that is in the namespace: sockets that f makes and processes that it starts are there, too. f may
// block, and starts no goroutine that does so.
func (n *namespace) do(f func() error) error {
	return away(n.home, func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w%s", err, mayNot(err))
		}
		return f()
	})
}

// away runs f, which takes its thread to another namespace, and brings the thread home. A thread that cannot come home is not used any more.
func away(home *os.File, f func() error) error {
	runtime.LockOSThread()
	result := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return errors.Join(result, fmt.Errorf("leave a network namespace: %w", err))
	}
	runtime.UnlockOSThread()
	return result
}

// run has a program that reads commands carry them out in the namespace.
func (n *namespace) run(commands string, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(commands)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	err := n.do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s\n%s", program, strings.Join(args, " "), err, strings.TrimSpace(said.String()), commands)
	}
	return nil
}

// ip carries out commands of iproute2, one a line.
func (n *namespace) ip(commands string) error { return n.run(commands, "ip", "-batch", "-") }

// nft replaces what nftables has of the namespace by rules, all at once.
func (n *namespace) nft(rules string) error {
	return n.run("table inet lab\ndelete table inet lab\n"+rules, "nft", "-f", "-")
}

// path names the namespace to programs that this process starts.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

func (n *namespace) close() { n.file.Close() }
