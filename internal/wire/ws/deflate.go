package ws

import (
	"compress/flate"
	"errors"
	"io"
	"slices"
)

// permessage-deflate, RFC 7692, without context takeover on either side: each message stands
// for itself, so one compressed frame serves every connection, and none has a window of its
// own.

// flushMark is what a sync flush ends with and no message is sent with, section 7.2.1.
const flushMark = "\x00\x00\xff\xff"

// streamEnd follows a message on its way into flate: what its sender left out, and an empty
// final block that ends the stream.
const streamEnd = flushMark + "\x01\x00\x00\xff\xff"

// level is flate's fastest with matches: on JSON of 0.4 to 4 KiB it takes half the time of
// level 6 for output that is at most 5 % longer.
const level = flate.BestSpeed

// Deflater compresses messages for AppendFrame and AppendMasked. One event loop has one; what
// it needs (most of a MiB) is made on first use and kept. The zero value is ready.
type Deflater struct {
	writer *flate.Writer
	out    sink
}

// Append appends payload compressed as one message.
func (d *Deflater) Append(dst, payload []byte) []byte {
	if d.writer == nil {
		d.writer, _ = flate.NewWriter(&d.out, level) // errors are for bad levels
	} else {
		d.writer.Reset(&d.out)
	}
	d.out.data = dst
	d.writer.Write(payload) // a sink takes everything
	d.writer.Flush()
	dst = d.out.data
	d.out.data = nil
	return dst[:len(dst)-len(flushMark)]
}

// sink appends what is written to it.
type sink struct{ data []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.data = append(s.data, p...)
	return len(p), nil
}

// inflater is the other way. What it needs (some 40 KiB, and the last message) is made on
// first use and kept.
type inflater struct {
	reader io.Reader // a flate.Resetter too; nil until first used
	in     source
	out    []byte
}

// inflate returns the message that data holds, valid until the next call. No more than limit
// bytes and one are ever inflated.
func (f *inflater) inflate(data []byte, limit int) ([]byte, error) {
	f.reset(data)
	err := f.readAll(limit)
	f.in.data, data = nil, f.in.data
	switch {
	case len(f.out) > limit:
		return nil, tooBig(limit)
	case err != nil:
		return nil, &CloseError{CloseInvalidData, "message is not deflated data"}
	case len(data) > 1 || len(data) == 1 && data[0] != 0:
		// After a final block stands at most the empty one of section 7.2.3.4.
		return nil, &CloseError{CloseInvalidData, "data after the final block of deflated data"}
	}
	return f.out, nil
}

func (f *inflater) reset(data []byte) {
	f.in = source{data: data, end: streamEnd}
	f.out = f.out[:0]
	if f.reader == nil {
		f.reader = flate.NewReader(&f.in)
		return
	}
	f.reader.(flate.Resetter).Reset(&f.in, nil) // fails for no source
}

// readAll reads until the stream ends or out is longer than limit.
func (f *inflater) readAll(limit int) error {
	for len(f.out) <= limit {
		f.out = slices.Grow(f.out, min(limit+1-len(f.out), minRead))
		room := f.out[len(f.out):min(cap(f.out), limit+1)]
		n, err := f.reader.Read(room)
		f.out = f.out[:len(f.out)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// minRead is the room that a read gets at least, in bytes.
const minRead = 512

// source gives flate a message and then its end, byte by byte so that nothing after a final
// block is taken.
type source struct {
	data []byte
	end  string
}

func (s *source) ReadByte() (byte, error) {
	var c [1]byte
	_, err := s.Read(c[:])
	return c[0], err
}

func (s *source) Read(p []byte) (n int, err error) {
	if len(s.data) > 0 {
		n = copy(p, s.data)
		s.data = s.data[n:]
		return n, nil
	}
	n = copy(p, s.end)
	s.end = s.end[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
