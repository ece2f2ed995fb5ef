package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
)

// Host is a machine of a Lab.
type Host struct {
	Name string
	IP   string

	lab   *Lab
	space *namespace
}

// plugIn makes the host, the nth, and connects it to the switch.
func (h *Host) plugIn(n int) (err error) {
	h.IP = fmt.Sprintf("%s.%d", network, n)
	if h.space, err = unshare(h.lab.home); err != nil {
		return err
	}
	cable := fmt.Sprintf("host%d", n)
	err = h.lab.wire.ip(fmt.Sprintf("link add %[1]s type veth peer name eth0 netns %[2]s\nlink set %[1]s master switch up", cable, h.space.path()))
	if err != nil {
		return err
	}
	if err := h.space.ip(fmt.Sprintf("link set lo up\naddr add %s/24 dev eth0\nlink set eth0 up", h.IP)); err != nil {
		return err
	}
	return h.lab.late.add(h)
}

func (h *Host) close() {
	if h.space != nil {
		h.space.close()
	}
}

// Addr is a port of the host as others reach it.
func (h *Host) Addr(port int) string { return fmt.Sprintf("%s:%d", h.IP, port) }

// DialContext connects from the host, as net.Dialer's does. The address is one of a Lab's, without names to look up.
func (h *Host) DialContext(ctx context.Context, network, addr string) (c net.Conn, err error) {
	if host, _, err := net.SplitHostPort(addr); err != nil || net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dial %q from %s: want IP:PORT", addr, h.Name)
	}
	err = h.space.do(func() (err error) {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, addr)
		return err
	})
	return c, err
}

// Listen listens on a port of the host, also for the test itself; 0: a free one.
func (h *Host) Listen(port int) (l net.Listener, err error) {
	err = h.space.do(func() (err error) {
		l, err = net.Listen("tcp", h.Addr(port))
		return err
	})
	return l, err
}

// ListenPacket is Listen for datagrams.
func (h *Host) ListenPacket(port int) (p net.PacketConn, err error) {
	err = h.space.do(func() (err error) {
		p, err = net.ListenPacket("udp", h.Addr(port))
		return err
	})
	return p, err
}

// Command returns the command of a process on the host, which whoever starts it ends.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + h.space.path(), name}, args...)...)
}

// obey has the host drop and delay what rules say.
func (h *Host) obey(rules []*Rule) error {
	var drop, route strings.Builder
	for _, r := range rules {
		if r.To == h {
			drop.WriteString(r.drop())
		}
	}
	for _, to := range h.lab.hosts {
		late := h.lab.late.set(h, to, lateness(rules, h, to))
		switch {
		case late.is:
			fmt.Fprintf(&route, "route replace %s/32 dev %s src %s\n", to.IP, lateDevice, h.IP)
		case late.was:
			fmt.Fprintf(&route, "route del %s/32 dev %s\n", to.IP, lateDevice)
		}
	}
	errs := []error{h.space.nft("table inet lab {\nchain in {\ntype filter hook input priority 0;\n" + drop.String() + "}\n}\n")}
	if route.Len() > 0 {
		errs = append(errs, h.space.ip(route.String()))
	}
	return errors.Join(errs...)
}
