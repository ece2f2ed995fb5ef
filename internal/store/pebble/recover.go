package pebble

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// How long the store waits between attempts to open again after a failure: none before the
// first, then twice as long each time until a commit succeeds.
const (
	minBackoff = 10 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// probeBytes is how much must fit on the disk before a failed instance is given up for a new
// one: opening writes about as much as a memtable holds.
const probeBytes = 1 << 20

// recover replaces in, which failed, and returns false if the store was closed meanwhile. in is
// read from until a probe says that a new instance has a chance.
func (s *Store) recover(in *instance) bool {
	s.cfg.Log.Error("store failed", "dir", s.cfg.Dir, "error", in.cause())
	for {
		if !s.wait() {
			s.close()
			return false
		}
		err := s.probe()
		if err == nil {
			err = s.reopen()
		}
		if err == nil {
			s.cfg.Log.Info("store recovered", "dir", s.cfg.Dir)
			return true
		}
		s.cfg.Log.Debug("store not recovered yet", "dir", s.cfg.Dir, "error", err, "next", s.backoff)
	}
}

// wait waits before the next attempt, refusing what comes; false: the store was closed.
func (s *Store) wait() bool {
	timer := time.NewTimer(s.backoff)
	defer timer.Stop()
	s.backoff = min(max(2*s.backoff, minBackoff), maxBackoff)
	for {
		select {
		case <-s.stop:
			return false
		case o := <-s.ops:
			o.done <- unavailable(s.trouble())
		case <-timer.C:
			return true
		}
	}
}

// reopen closes the instance, if there still is one, and opens a new one.
func (s *Store) reopen() error {
	if in := s.db.Load(); in != nil {
		s.retire(in.cause())
		if err := in.shut(); err != nil {
			s.cfg.Log.Debug("failed store closed", "error", err)
		}
	}
	clear(s.cache) // it may know what was written lazily, and is lost
	in, err := openInstance(&s.cfg, s.lock)
	if err != nil {
		s.why.Store(&err)
		return err
	}
	s.db.Store(in)
	return nil
}

// retire takes the instance away from readers and writers, because of why.
func (s *Store) retire(why error) {
	s.why.Store(&why)
	s.db.Store(nil)
}

// close closes the store for good.
func (s *Store) close() {
	in := s.db.Load()
	s.retire(errClosed)
	if in != nil {
		failed := in.cause() != nil
		if err := in.shut(); err != nil && !failed {
			s.err = err
		}
	}
	s.err = errors.Join(s.err, s.lock.Close())
}

// probe tells whether the disk takes a little.
func (s *Store) probe() error {
	name := s.cfg.FS.PathJoin(s.cfg.Dir, "probe")
	f, err := s.cfg.FS.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	return errors.Join(err, f.Sync(), f.Close(), s.cfg.FS.Remove(name))
}
