//go:build proof

// Package fault is what a binary with the build tag "proof" lets tests break from inside: the disk below its embedded store,
// and its clock. Nothing of it is in any other binary.
//
//	pebble ─> fence ─> disk (errors, slow syncs, stalls) ─> power (what is not synced stays in memory) ─> the real disk
//	hub, tokens, Redis, HTTP ─> clock (set forward and back)
//
// Tests drive it over a unix socket: a line is an order, and each is answered with a line, "ok" or what is wrong with it.
//
//	fail KINDS ERROR   operations on files fail: KINDS are of read, write and sync, with commas; ERROR is EIO or ENOSPC
//	fail none          they work again
//	slow DURATION      each sync takes so much longer; 0s: no longer than it does
//	stall on           writes and syncs wait
//	stall off          until here
//	clock DURATION     the clock is so far ahead of the machine's, or with a minus behind it, in whole seconds
//	power PERCENT      the power goes, and so the process; so much of what is not synced survives, at random
//
// With power losses a kill -9 is one, too, that nothing survives that is not synced.
package fault

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// The variables of the environment that tell what a process lets tests break.
const (
	SocketVariable = "PROOF_FAULTS"     // where it listens for orders; not set: nowhere
	PowerVariable  = "PROOF_POWER_LOSS" // not empty: what is not synced does not survive a kill -9
)

// Faults is what is broken of a process.
type Faults struct {
	log    *slog.Logger
	disk   disk
	power  *power // nil: kill -9 takes nothing that was written
	clock  clock
	listen net.Listener // nil: nobody gives orders

	done  sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool // nil: closed
}

// Open listens for orders at socket, if there is one. Close ends that.
func Open(socket string, losesPower bool, log *slog.Logger) (*Faults, error) {
	f := &Faults{log: log, conns: map[net.Conn]bool{}}
	if losesPower {
		f.power = newPower(vfs.Default)
	}
	if socket == "" {
		return f, nil
	}
	listener, err := listen(socket)
	if err != nil {
		return nil, fmt.Errorf("listen for faults: %w", err)
	}
	f.listen = listener
	f.done.Go(f.serve)
	return f, nil
}

// Disk is the disk that can be broken.
func (f *Faults) Disk() vfs.FS {
	below := vfs.Default
	if f.power != nil {
		below = f.power
	}
	return errorfs.Wrap(below, &f.disk)
}

// Now is the time, as far as anybody is to know.
func (f *Faults) Now() time.Time { return f.clock.now() }

// Close takes no more orders, and lets what is stalled go on.
func (f *Faults) Close() error {
	f.disk.stall(false)
	if f.listen == nil {
		return nil
	}
	err := f.listen.Close()
	f.mu.Lock()
	for c := range f.conns {
		err = errors.Join(err, c.Close())
	}
	f.conns = nil
	f.mu.Unlock()
	f.done.Wait()
	return err
}
