package comet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls that never wait. The scheduler is not told of them: it would take the processor away from a loop
// that is just about to come back.

// sendFlags: a send neither waits nor raises a signal.
const sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

// sendOne sends what the socket takes at once and returns how much that was, or below 0 the number of
// an error.
func sendOne(fd int32, b []byte) int32 {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), sendFlags, 0, 0)
	if errno != 0 {
		return -int32(errno)
	}
	return int32(n)
}

// receive reads what a socket has, as much as b has room for. 0 bytes are the end.
func receive(fd int32, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// happened returns how many of events an epoll set has now.
func happened(fd int, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
