package link

import (
	"net"
	"sync"
	"time"

	"gopush/internal/wire/resp"
)

const (
	chunkBytes = 64 << 10  // of what small frames are collected in
	largeBytes = 16 << 10  // payloads from here on are not copied
	writeBytes = 256 << 10 // that one write has at most
)

// chunk is a part of what waits to be written.
type chunk struct {
	bytes []byte
	own   bool // made by the queue, and of chunkBytes: else a payload that is shared
}

// chunks keeps buffers of chunkBytes for all queues.
type chunks struct{ pool sync.Pool }

func (c *chunks) get() []byte {
	if b, ok := c.pool.Get().(*[chunkBytes]byte); ok {
		return b[:0]
	}
	return make([]byte, 0, chunkBytes)
}

func (c *chunks) put(b []byte) { c.pool.Put((*[chunkBytes]byte)(b[:chunkBytes])) }

// queue is what waits to be written on a connection. Its one writer writes what came while it wrote last. Its bound is
// that of who fills it.
type queue struct {
	chunks *chunks       // set when made, never changed, like wake and taking
	wake   chan struct{} // has room for one
	taking func()        // called with mu locked, before what waits is taken: may add to it

	mu     sync.Mutex
	tail   chunk   // being filled
	full   []chunk // before it
	size   int     // bytes that wait or are being written
	asleep bool    // the writer waits for wake
	ending bool    // the writer ends when nothing waits

	dirty bool // it is in sink.dirty; guarded by sink.flushing
}

func (q *queue) init(c *chunks, taking func()) {
	q.chunks, q.taking, q.wake = c, taking, make(chan struct{}, 1)
}

// room returns what to append a frame to, of about n bytes; keep takes it back. mu is locked.
func (q *queue) room(n int) []byte {
	if len(q.tail.bytes)+n > cap(q.tail.bytes) {
		q.turn()
		if n <= chunkBytes {
			q.tail = chunk{q.chunks.get(), true}
		} else {
			q.tail = chunk{make([]byte, 0, n), false}
		}
	}
	return q.tail.bytes
}

// keep has what room returned, with more at its end, written. mu is locked.
func (q *queue) keep(b []byte) {
	q.size += len(b) - len(q.tail.bytes)
	q.tail.own = q.tail.own && cap(b) == chunkBytes // else the frame was longer than foreseen: b is another buffer
	q.tail.bytes = b
}

// turn ends the chunk that is being filled. mu is locked.
func (q *queue) turn() {
	if len(q.tail.bytes) > 0 {
		q.full = append(q.full, q.tail)
		q.tail = chunk{}
	}
}

// addBulk adds data, which never changes, as a bulk string. mu is locked.
func (q *queue) addBulk(data []byte) {
	if len(data) < largeBytes {
		q.keep(resp.AppendBulk(q.room(len(data)+frameBytes), data))
		return
	}
	q.keep(appendBulkHead(q.room(frameBytes), len(data)))
	q.addLarge(data)
	q.keep(append(q.room(len(crlf)), crlf...))
}

// addLarge adds data, which never changes, as it is. mu is locked.
func (q *queue) addLarge(data []byte) {
	q.turn()
	q.full = append(q.full, chunk{data, false})
	q.size += len(data)
}

// add adds a frame that ends with a payload: what is before it, and the payload, which never changes. mu is locked.
func (q *queue) add(head, payload []byte) {
	if len(payload) >= largeBytes {
		q.keep(append(q.room(len(head)), head...))
		q.addLarge(payload)
		q.keep(append(q.room(len(crlf)), crlf...))
		return
	}
	b := append(q.room(len(head)+len(payload)+len(crlf)), head...)
	b = append(b, payload...)
	q.keep(append(b, crlf...))
}

// addWords adds a frame of words after kind. mu is locked.
func (q *queue) addWords(kind byte, words ...string) {
	n := frameBytes
	for _, w := range words {
		n += len(w) + bulkBytes
	}
	b := appendHead(q.room(n), kind, len(words))
	for _, w := range words {
		b = resp.AppendBulk(b, w)
	}
	q.keep(b)
}

// send is addWords for who has not locked, and has it written.
func (q *queue) send(kind byte, words ...string) {
	q.mu.Lock()
	q.addWords(kind, words...)
	q.unlock()
}

// unlock unlocks mu, and has what waits written.
func (q *queue) unlock() {
	wake := q.asleep
	q.asleep = false
	q.mu.Unlock()
	if wake {
		q.wake <- struct{}{}
	}
}

// end has the writer end when it has written what waits.
func (q *queue) end() {
	q.mu.Lock()
	q.ending = true
	q.unlock()
}

// take waits for something to be written and appends it to dst; nothing: the queue has ended. tick is when to look
// whether the peer has to hear a beat, since nothing was written.
func (q *queue) take(dst []chunk, tick <-chan time.Time, beat []byte) []chunk {
	quiet := false
	q.mu.Lock()
	for {
		if q.taking != nil {
			q.taking()
		}
		if q.size > 0 || q.ending {
			break
		}
		q.asleep = true
		q.mu.Unlock()
		ticked := false
		select {
		case <-q.wake:
		case <-tick:
			ticked = true
		}
		q.mu.Lock()
		if ticked && !q.asleep { // somebody was faster, and the channel has or will have what says so
			q.mu.Unlock()
			<-q.wake
			q.mu.Lock()
		}
		q.asleep = false
		if ticked && quiet {
			q.keep(append(q.room(len(beat)), beat...))
		}
		quiet = quiet || ticked
	}
	q.turn()
	dst = append(dst, q.full...)
	clear(q.full)
	q.full = q.full[:0]
	if cap(q.full) > maxSpareChunks {
		q.full = nil
	}
	q.mu.Unlock()
	return dst
}

// maxSpareChunks bounds what a burst leaves behind.
const maxSpareChunks = 256

// wrote takes bytes that were written off the account.
func (q *queue) wrote(bytes int) {
	q.mu.Lock()
	q.size -= bytes
	q.mu.Unlock()
}

// write writes what is added to q to conn until q has ended, or that fails. perBeat times per beat it looks whether the peer hears anything.
func (q *queue) write(conn net.Conn, beat time.Duration, frame []byte) error {
	ticker := time.NewTicker(beat / perBeat)
	defer ticker.Stop()
	var batch []chunk
	var view net.Buffers
	for {
		batch = q.take(batch[:0], ticker.C, frame)
		if len(batch) == 0 {
			return nil
		}
		for rest := batch; len(rest) > 0; {
			n, bytes := portion(rest)
			if err := writeChunks(conn, &view, rest[:n]); err != nil {
				return err
			}
			for _, c := range rest[:n] {
				if c.own {
					q.chunks.put(c.bytes)
				}
			}
			q.wrote(bytes)
			rest = rest[n:]
		}
		clear(batch)
	}
}

// portion returns how many chunks are to be written at once, at least one, and their bytes.
func portion(batch []chunk) (n, bytes int) {
	for n < len(batch) && (n == 0 || bytes+len(batch[n].bytes) <= writeBytes) {
		bytes += len(batch[n].bytes)
		n++
	}
	return n, bytes
}

// writeChunks writes a portion. It has no deadline: a peer that is heard is alive and may be slow, and on one that is not the reader closes the
// connection.
func writeChunks(conn net.Conn, view *net.Buffers, portion []chunk) error {
	if len(portion) == 1 {
		_, err := conn.Write(portion[0].bytes)
		return err
	}
	*view = (*view)[:0]
	for _, c := range portion {
		*view = append(*view, c.bytes)
	}
	left := *view
	_, err := left.WriteTo(conn)
	clear(*view)
	return err
}
