package comet

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// newTestEpoll returns the poller of engine, or skips the test where the kernel has none.
func newTestEpoll(t *testing.T, engine Engine) *epoll {
	t.Helper()
	p, err := newPoller(&Config{Engine: engine, Log: slog.New(slog.DiscardHandler)}, new(atomic.Int64))
	if err != nil && engine == EngineRing {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p.(*epoll)
}

// sockets returns n pairs of connected sockets.
func sockets(t *testing.T, n int) (ours, peers []int) {
	t.Helper()
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			unix.Close(pair[0])
			unix.Close(pair[1])
		})
		ours, peers = append(ours, pair[0]), append(peers, pair[1])
	}
	return ours, peers
}

// Both ways of sending a batch answer the same for each socket: one that takes all, one that takes a
// part, one that takes nothing, one whose peer has gone, and one that is none.
func TestABatchIsAnsweredSocketBySocket(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]Engine{"io_uring": EngineRing, "epoll": EngineEpoll} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEpoll(t, engine)
			ours, peers := sockets(t, 4)
			big := bytes.Repeat([]byte("big"), 1<<20)
			for sendOne(int32(ours[2]), big) > 0 {
				continue
			}
			unix.Shutdown(peers[3], unix.SHUT_RDWR) // closing is for the cleanup: by then the number may be another's
			small := []byte("small")
			sends := []sending{
				{fd: int32(ours[0]), bytes: small},
				{fd: int32(ours[1]), bytes: big},
				{fd: int32(ours[2]), bytes: small},
				{fd: int32(ours[3]), bytes: small},
				{fd: -1, bytes: small},
			}
			for round := range 3 { // the ring goes on where it ended
				e.sendAll(sends)
				part := round == 0 && sends[1].result > 0 && int(sends[1].result) < len(big)
				full := round > 0 && sends[1].result == -int32(unix.EAGAIN)
				if !part && !full {
					t.Errorf("round %d: a socket that takes a part answered %d of %d", round, sends[1].result, len(big))
				}
				for i, want := range map[int]int32{0: 5, 2: -int32(unix.EAGAIN), 3: -int32(unix.EPIPE), 4: -int32(unix.EBADF)} {
					if got := sends[i].result; got != want {
						t.Errorf("round %d: send %d answered %d, want %d", round, i, got, want)
					}
				}
			}
			got := make([]byte, 100)
			if n, err := unix.Read(peers[0], got); string(got[:max(n, 0)]) != strings.Repeat("small", 3) {
				t.Errorf("the first peer read %q, %v, want small three times", got[:max(n, 0)], err)
			}
		})
	}
}

// A ring that fails while the node runs costs nothing that was to be sent.
func TestSendsGoOnWithoutARingThatFailed(t *testing.T) {
	t.Parallel()
	e := newTestEpoll(t, EngineRing)
	ours, peers := sockets(t, maxBatch)
	sends := make([]sending, maxBatch)
	for i := range sends {
		sends[i] = sending{fd: int32(ours[i]), bytes: []byte{byte(i)}}
	}
	unix.Close(e.ring.fd)
	e.ring.fd = -1
	e.sendAll(sends)
	if n := e.rings.Load(); e.ring != nil || n != 0 {
		t.Errorf("the ring is still in use, and %d are counted", n)
	}
	for i, peer := range peers {
		var got [2]byte
		if n, err := unix.Read(peer, got[:]); n != 1 || got[0] != byte(i) {
			t.Errorf("peer %d read %v, %v, want its own number once", i, got[:max(n, 0)], err)
		}
	}
}

// A stack may move after the kernel was told where the bytes are.
func TestNothingIsSentFromAStack(t *testing.T) {
	e := newTestEpoll(t, EngineRing)
	ours, _ := sockets(t, 2)
	n := testing.AllocsPerRun(1, func() {
		var b [8]byte
		e.ring.send([]sending{{fd: int32(ours[0]), bytes: b[:]}, {fd: int32(ours[1]), bytes: b[:]}})
	})
	if n < 2 {
		t.Errorf("%v allocations, want one of the bytes and one of the sends", n)
	}
}

func TestABatchIsSentWithoutAllocations(t *testing.T) {
	e := newTestEpoll(t, EngineRing)
	ours, _ := sockets(t, 2)
	sends := []sending{{fd: int32(ours[0]), bytes: []byte("1")}, {fd: int32(ours[1]), bytes: []byte("1")}}
	if n := testing.AllocsPerRun(100, func() { e.sendAll(sends) }); n != 0 {
		t.Errorf("%v allocations for a batch, want none", n)
	}
}
