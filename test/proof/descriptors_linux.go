package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ExhaustDescriptors leaves a node no descriptors but those that it has, or a few more.
func ExhaustDescriptors() Kind {
	return Kind{
		Name: "descriptors exhausted", Shortest: 200 * time.Millisecond, Longest: 5 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault {
			return &exhausted{p: anyNode(t, draw), spare: draw.IntN(4)}
		},
	}
}

// exhausted is a process that may open nothing more.
type exhausted struct {
	p     *Process
	spare int
	pid   int
	was   unix.Rlimit
}

func (e *exhausted) Name() string {
	return fmt.Sprintf("descriptors of %s exhausted but for %d", e.p.Name, e.spare)
}

func (e *exhausted) Inject(context.Context) error {
	e.pid = e.p.PID()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.pid))
	if err != nil {
		e.pid = 0
		return nil // it has ended
	}
	if err := unix.Prlimit(e.pid, unix.RLIMIT_NOFILE, nil, &e.was); err != nil {
		return e.unlessEnded(err)
	}
	limit := e.was
	limit.Cur = uint64(len(open) + e.spare)
	return e.unlessEnded(unix.Prlimit(e.pid, unix.RLIMIT_NOFILE, &limit, nil))
}

func (e *exhausted) Heal(context.Context) error {
	if e.pid == 0 || e.was.Cur == 0 {
		return nil
	}
	return e.unlessEnded(unix.Prlimit(e.pid, unix.RLIMIT_NOFILE, &e.was, nil))
}

// unlessEnded is err, but where the process has ended.
func (e *exhausted) unlessEnded(err error) error {
	if errors.Is(err, unix.ESRCH) || e.p.PID() != e.pid {
		return nil
	}
	return err
}
