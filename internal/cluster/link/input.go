package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"gopush/internal/wire/resp"
)

const (
	readBytes   = 64 << 10 // that are read at once
	minRead     = 16 << 10 // a smaller buffer is another's
	missedBeats = 3        // a link on which nothing comes for so many is down
	perBeat     = 4        // how often a beat is looked whether something has to be done
)

var (
	errSilent    = errors.New("silent")
	errMalformed = errors.New("malformed")
	errEnded     = errors.New("the other end closed it")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// input takes frames from a connection. It is owned by the goroutine that reads it.
type input struct {
	conn  net.Conn
	parse func(args [][]byte, buf []byte, lim resp.Limits) ([][]byte, int, error)
	lim   resp.Limits
	beat  time.Duration

	buf        []byte // what was read; from start to end it is not parsed yet
	start, end int
	args       [][]byte
	deadline   time.Time // of the connection
	said       []byte    // what was said of this node in the handshake
	quiet      int       // reads that waited for perBeat-th of a beat in vain, one after the other
}

// next returns a frame that has come whole, or nil. It is valid until fill is called.
func (in *input) next() ([][]byte, error) {
	args, n, err := in.parse(in.args, in.buf[in.start:in.end], in.lim)
	if err != nil {
		return nil, malformed("%v", err)
	}
	in.args = args
	if in.start += n; n == 0 {
		return nil, nil
	}
	return args, nil
}

// fill reads more, for a perBeat-th of a beat at most: whatever has come. The error is errEnded, an errSilent, or the connection's.
// A beat is missed where the peer was listened to for so long, not where time passed: this process may have slept.
func (in *input) fill() error {
	in.makeRoom()
	now := time.Now()
	if in.deadline.Sub(now) < in.beat/(2*perBeat) {
		in.deadline = now.Add(in.beat / perBeat)
		in.conn.SetReadDeadline(in.deadline)
	}
	n, err := in.conn.Read(in.buf[in.end:])
	if in.end += n; n > 0 {
		in.quiet = 0
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	if err == io.EOF {
		return errEnded
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if in.quiet++; in.quiet >= missedBeats*perBeat {
		return fmt.Errorf("%w: nothing came for %v", errSilent, missedBeats*in.beat)
	}
	return nil
}

// missed returns how many beats nothing has come for, and whether one more has just been missed.
func (in *input) missed() (n int, more bool) {
	return in.quiet / perBeat, in.quiet > 0 && in.quiet%perBeat == 0
}

// makeRoom moves what is not parsed to the beginning, and has room behind it.
func (in *input) makeRoom() {
	left, most := in.end-in.start, in.lim.MaxBytes+readBytes
	switch {
	case left == 0 && len(in.buf) != readBytes || len(in.buf) < minRead:
		fresh := make([]byte, max(readBytes, 2*left))
		copy(fresh, in.buf[in.start:in.end])
		in.buf = fresh
	case left > len(in.buf)/2 && len(in.buf) < most:
		bigger := make([]byte, min(2*len(in.buf), most))
		copy(bigger, in.buf[in.start:in.end])
		in.buf = bigger
	case in.start > 0:
		copy(in.buf, in.buf[in.start:in.end])
	}
	in.start, in.end = 0, left
}
