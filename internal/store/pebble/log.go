package pebble

import (
	"path"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// zeroAhead is how much of a log is zeroed at a time.
const zeroAhead = 256 << 10

// zeroedLog is a log that is longer than what was written to it, by zeros. Syncing what lies within a file, in blocks that were written
// before, takes a fraction of what it takes where the file grows, or where room was only asked for: then what the file system knows
// of the file is written too. Zeros are written a little at a time, since the next sync has them to write. A journal ends at
// them, and its file is used again when its messages are in tables: then only what is new of it is zeroed.
type zeroedLog struct {
	*fencedFile
	written int64
	zeroed  int64 // the file is so long at least
}

// zeroedAhead returns file, or what zeroes it if it is a log.
func zeroedAhead(file vfs.File) vfs.File {
	w, ok := file.(*fencedFile)
	if !ok || path.Ext(w.name) != ".log" {
		return file
	}
	l := &zeroedLog{fencedFile: w}
	if info, err := w.File.Stat(); err == nil {
		l.zeroed = info.Size()
	}
	return l
}

func (l *zeroedLog) Write(p []byte) (int, error) {
	l.written += int64(len(p))
	if l.written > l.zeroed && l.zeroed < l.f.logBytes {
		l.zero()
	}
	return l.fencedFile.Write(p)
}

// zero writes zeros where the log will be. That this fails is no failure yet.
func (l *zeroedLog) zero() {
	if l.f.cause() != nil {
		return
	}
	end := min(l.written+zeroAhead, l.f.logBytes)
	for l.zeroed < end {
		n, err := l.File.WriteAt(l.f.zeros[:min(int64(len(l.f.zeros)), end-l.zeroed)], l.zeroed)
		if err != nil {
			l.zeroed = l.f.logBytes // no more
			return
		}
		l.zeroed += int64(n)
	}
}
