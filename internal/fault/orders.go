//go:build proof

package fault

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// listen listens at socket, also where one is left of a process that was killed.
func listen(socket string) (net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", socket)
}

func (f *Faults) serve() {
	for {
		c, err := f.listen.Accept()
		if err != nil {
			return // closed
		}
		if !f.add(c) {
			c.Close()
			return
		}
		f.done.Go(func() {
			f.obey(c)
			f.remove(c)
		})
	}
}

func (f *Faults) add(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil {
		return false
	}
	f.conns[c] = true
	return true
}

func (f *Faults) remove(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	c.Close()
}

// obey does what is ordered on c, until its end.
func (f *Faults) obey(c net.Conn) {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		answer := "ok"
		if err := f.order(strings.Fields(lines.Text())); err != nil {
			answer = err.Error()
		}
		f.log.Warn("fault ordered", "order", lines.Text(), "answer", answer)
		if _, err := fmt.Fprintln(c, answer); err != nil {
			return
		}
	}
}

func (f *Faults) order(words []string) error {
	if len(words) == 0 {
		return errors.New("no order: one of fail, slow, stall, clock, power")
	}
	args := words[1:]
	switch {
	case words[0] == "fail" && len(args) == 1 && args[0] == "none":
		f.disk.fail(0, nil)
		return nil
	case words[0] == "fail" && len(args) == 2:
		return f.orderFail(args[0], args[1])
	case words[0] == "slow" && len(args) == 1:
		d, err := time.ParseDuration(args[0])
		f.disk.slow(d)
		return err
	case words[0] == "stall" && len(args) == 1:
		f.disk.stall(args[0] == "on")
		return nil
	case words[0] == "clock" && len(args) == 1:
		d, err := time.ParseDuration(args[0])
		f.clock.set(d)
		return err
	case words[0] == "power" && len(args) == 1:
		return f.orderPower(args[0])
	}
	return fmt.Errorf("%q is no order", strings.Join(words, " "))
}

func (f *Faults) orderFail(kinds, name string) error {
	named := map[string]error{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC}
	err := named[name]
	if err == nil {
		return fmt.Errorf("%q is no error that is known: EIO or ENOSPC", name)
	}
	var which kind
	for _, k := range strings.Split(kinds, ",") {
		bit, known := map[string]kind{"read": reads, "write": writes, "sync": syncs}[k]
		if !known {
			return fmt.Errorf("%q is no kind of operation: read, write or sync", k)
		}
		which |= bit
	}
	f.disk.fail(which, err)
	return nil
}

// orderPower ends the process, if it is one that loses its power.
func (f *Faults) orderPower(percent string) error {
	n, err := strconv.Atoi(percent)
	if err != nil {
		return err
	}
	if f.power == nil {
		return fmt.Errorf("the power is not lost here: %s is not set", PowerVariable)
	}
	f.power.lose(n)
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}
