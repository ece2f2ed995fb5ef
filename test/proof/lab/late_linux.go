package lab

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lateDevice = "late0"
	lateRoom   = 4096 // packets on their way from one host to another; more are lost, as a router does
	mostPacket = 64 << 10
)

// latecomer carries packets that are to come late. The kernel of a host routes them to a device of the test instead of the switch;
// the test holds them back, and gives them to the other host's device.
//
//	from: route TO/32 ──> late0 ──> read, way: wait ──> late0 of TO
type latecomer struct {
	reading, waiting sync.WaitGroup

	mu    sync.Mutex
	files map[netip.Addr]*os.File
	ways  map[[2]netip.Addr]*way // from, to
}

// way is what is late between two hosts. It stays when it is not used any more.
type way struct {
	late time.Duration // guarded by latecomer.mu
	held chan packet
}

// packet is one that is on its way.
type packet struct {
	bytes []byte
	due   time.Time
}

func newLatecomer() *latecomer {
	return &latecomer{files: map[netip.Addr]*os.File{}, ways: map[[2]netip.Addr]*way{}}
}

// add gives a host the device.
func (l *latecomer) add(h *Host) error {
	var file *os.File
	err := h.space.do(func() (err error) {
		file, err = openDevice(lateDevice)
		return err
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.files[netip.MustParseAddr(h.IP)] = file
	l.mu.Unlock()
	l.reading.Go(func() { l.read(file, netip.MustParseAddr(h.IP)) })
	return h.space.ip("link set " + lateDevice + " up")
}

// openDevice makes a device of the thread's namespace whose packets are read and written here.
func openDevice(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make the device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// change tells what set changed.
type change struct{ was, is bool }

// set notes how late packets are to come; 0: in time.
func (l *latecomer) set(from, to *Host, late time.Duration) change {
	addrs := [2]netip.Addr{netip.MustParseAddr(from.IP), netip.MustParseAddr(to.IP)}
	l.mu.Lock()
	defer l.mu.Unlock()
	w, found := l.ways[addrs]
	if !found && late == 0 {
		return change{}
	}
	if !found {
		w = &way{held: make(chan packet, lateRoom)}
		l.ways[addrs] = w
		l.waiting.Go(func() { w.deliver(l.files[addrs[1]]) })
	}
	before := w.late
	w.late = late
	return change{was: before > 0, is: late > 0}
}

// read takes what a host sends late, until its device is closed.
func (l *latecomer) read(file *os.File, from netip.Addr) {
	buffer := make([]byte, mostPacket)
	for {
		n, err := file.Read(buffer)
		if err != nil {
			return
		}
		l.hold(from, buffer[:n])
	}
}

// hold puts a packet on its way, if there is one with room.
func (l *latecomer) hold(from netip.Addr, bytes []byte) {
	if len(bytes) < 20 || bytes[0]>>4 != 4 { // RFC 791 section 3.1
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w, found := l.ways[[2]netip.Addr{from, netip.AddrFrom4([4]byte(bytes[16:20]))}]
	if !found {
		return
	}
	select {
	case w.held <- packet{slices.Clone(bytes), time.Now().Add(w.late)}:
	default:
	}
}

// deliver hands packets over when they are due, in the order in which they came.
func (w *way) deliver(to *os.File) {
	for p := range w.held {
		time.Sleep(time.Until(p.due))
		_, _ = to.Write(p.bytes) // what a closed device does not take is lost
	}
}

// close ends all that add and set started.
func (l *latecomer) close() {
	l.mu.Lock()
	for _, file := range l.files {
		file.Close()
	}
	l.mu.Unlock()
	l.reading.Wait()
	for _, w := range l.ways {
		close(w.held)
	}
	l.waiting.Wait()
}
