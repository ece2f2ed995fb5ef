//go:build proof

package node

import (
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/fault"
)

// faults is what tests can break from inside.
type faults struct{ *fault.Faults }

// openFaults takes orders where the environment says.
func openFaults(log *slog.Logger) (faults, error) {
	f, err := fault.Open(os.Getenv(fault.SocketVariable), os.Getenv(fault.PowerVariable) != "", log)
	return faults{f}, err
}

func (f faults) disk() vfs.FS { return f.Disk() }

func (f faults) now() func() time.Time { return f.Now }

func (f faults) close() error {
	if f.Faults == nil {
		return nil
	}
	return f.Close()
}
