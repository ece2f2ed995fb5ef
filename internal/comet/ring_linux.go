package comet

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring sends to many sockets in one system call: an io_uring, used for nothing but sends that never
// wait. Each ends before the call returns, so that the ring is empty between calls, and what is sent
// need not outlive them. Not safe for concurrent use, but any thread may use it.
//
// The layout of what is shared with the kernel is that of io_uring_setup(2) and linux/io_uring.h.
type ring struct {
	fd      int
	shared  []byte // the indexes of both queues, and the completions
	entries []byte // what is submitted

	submitted *uint32 // tail of the submission queue, ours
	taken     *uint32 // head of the submission queue, the kernel's
	done      *uint32 // tail of the completion queue, the kernel's
	seen      *uint32 // head of the completion queue, ours
	sqes      []sqe   // a power of two
	cqes      []cqe   // a power of two

	sending []sending // what is sent is on the heap because of it: a stack may move while the kernel reads from it
}

// sqe is struct io_uring_sqe, what is to be done.
type sqe struct {
	opcode   uint8
	_        uint8
	_        uint16
	fd       int32
	_        uint64
	addr     uint64
	len      uint32
	msgFlags uint32
	userData uint64
	_        [3]uint64
}

// cqe is struct io_uring_cqe, what became of it.
type cqe struct {
	userData uint64
	res      int32
	_        uint32
}

// ringParams is struct io_uring_params: what the kernel made, and where in shared memory that is.
type ringParams struct {
	sqEntries, cqEntries uint32
	_                    [3]uint32
	features             uint32
	_                    [4]uint32

	sq struct {
		head, tail uint32
		_          [4]uint32
		array      uint32
		_          [3]uint32
	}
	cq struct {
		head, tail uint32
		_          [3]uint32
		cqes       uint32
		_          [4]uint32
	}
}

// Of linux/io_uring.h.
const (
	opSend         = 26
	enterGetEvents = 1 << 0
	featSingleMmap = 1 << 0
	featNoDrop     = 1 << 1
	offSQRing      = 0
	offSQEs        = 0x10000000
)

// errRing says that a kernel has io_uring, but not such as is needed.
var errRing = errors.New("io_uring does not do what it should")

// openRing makes a ring for size sends at a time, a power of two, and tries it.
func openRing(size uint32) (*ring, error) {
	var p ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(size), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &ring{fd: int(fd)}
	err := r.share(&p)
	if err == nil {
		err = r.probe()
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// share maps what is shared with the kernel.
func (r *ring) share(p *ringParams) (err error) {
	if need := uint32(featSingleMmap | featNoDrop); p.features&need != need {
		return errRing
	}
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(int(p.sq.array)+4*int(p.sqEntries), int(p.cq.cqes)+int(unsafe.Sizeof(cqe{}))*int(p.cqEntries))
	if r.shared, err = unix.Mmap(r.fd, offSQRing, size, prot, flags); err != nil {
		return fmt.Errorf("mmap of io_uring: %w", err)
	}
	if r.entries, err = unix.Mmap(r.fd, offSQEs, int(unsafe.Sizeof(sqe{}))*int(p.sqEntries), prot, flags); err != nil {
		return fmt.Errorf("mmap of io_uring: %w", err)
	}
	r.taken, r.submitted = sharedAt[uint32](r.shared, p.sq.head), sharedAt[uint32](r.shared, p.sq.tail)
	r.seen, r.done = sharedAt[uint32](r.shared, p.cq.head), sharedAt[uint32](r.shared, p.cq.tail)
	r.sqes = unsafe.Slice(sharedAt[sqe](r.entries, 0), p.sqEntries)
	r.cqes = unsafe.Slice(sharedAt[cqe](r.shared, p.cq.cqes), p.cqEntries)
	order := unsafe.Slice(sharedAt[uint32](r.shared, p.sq.array), p.sqEntries)
	for i := range order {
		order[i] = uint32(i)
	}
	return nil
}

// sharedAt returns what is at an offset of shared memory.
func sharedAt[T any](b []byte, offset uint32) *T { return (*T)(unsafe.Pointer(&b[offset])) }

func (r *ring) close() {
	if r.entries != nil {
		unix.Munmap(r.entries)
	}
	if r.shared != nil {
		unix.Munmap(r.shared)
	}
	unix.Close(r.fd)
}

// send does what sends ask for, at most as many as the ring has room for, and notes in each what became
// of it. With an error those from n on were not tried, and the ring is of no use any more.
func (r *ring) send(sends []sending) (n int, err error) {
	r.sending = sends
	defer func() { r.sending = nil }()
	tail := *r.submitted
	for i := range sends {
		s := &sends[i]
		s.result = -int32(unix.EIO) // until the kernel has told
		r.sqes[tail&uint32(len(r.sqes)-1)] = sqe{
			opcode: opSend, fd: s.fd, addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(s.bytes)))), len: uint32(len(s.bytes)),
			msgFlags: sendFlags, userData: uint64(i),
		}
		tail++
	}
	atomic.StoreUint32(r.submitted, tail)
	for got, tries := 0, 0; got < len(sends); tries++ {
		err := r.enter(len(sends)-n, len(sends)-got)
		n = len(sends) - int(tail-atomic.LoadUint32(r.taken))
		got += r.reap(sends)
		if err != nil || tries == maxTries {
			return n, errors.Join(err, errRing)
		}
	}
	return n, nil
}

// maxTries bounds how often the kernel is asked again for the same sends. It takes them at once unless it
// has no memory.
const maxTries = 100

// enter has the kernel take what was submitted, and waits until so many completions are there.
func (r *ring) enter(submit, complete int) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(submit), uintptr(complete), enterGetEvents, 0, 0)
	switch errno {
	case 0, unix.EINTR, unix.EAGAIN, unix.EBUSY:
		return nil
	}
	return fmt.Errorf("io_uring_enter: %w", errno)
}

// reap notes what became of sends and returns how many have ended since the last time.
func (r *ring) reap(sends []sending) (n int) {
	head, tail := *r.seen, atomic.LoadUint32(r.done)
	for ; head != tail; head++ {
		c := &r.cqes[head&uint32(len(r.cqes)-1)]
		sends[c.userData].result = c.res
		n++
	}
	atomic.StoreUint32(r.seen, head)
	return n
}

// probe tells whether sends end at once, as they must: one that a socket takes, and one that it does not.
func (r *ring) probe() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	full := make([]byte, 64<<10)
	for sendOne(int32(pair[1]), full) > 0 {
		continue
	}
	sends := []sending{{fd: int32(pair[0]), bytes: full[:1]}, {fd: int32(pair[1]), bytes: full}}
	if _, err := r.send(sends); err != nil {
		return err
	}
	if sends[0].result != 1 || sends[1].result != -int32(unix.EAGAIN) {
		return fmt.Errorf("%w: sends answered %d and %d", errRing, sends[0].result, sends[1].result)
	}
	return nil
}
