//go:build !proof

package node

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// faults is what tests can break from inside: nothing, but in a binary with the build tag "proof" (package fault).
type faults struct{}

func openFaults(*slog.Logger) (faults, error) { return faults{}, nil }

// disk is the one below the embedded store; nil: the machine's.
func (faults) disk() vfs.FS { return nil }

// now is the clock that all goes by that decides on mids and on what is expired.
func (faults) now() func() time.Time { return time.Now }

func (faults) close() error { return nil }
