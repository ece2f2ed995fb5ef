// Package ws is the grammar of WebSocket (RFC 6455) with permessage-deflate (RFC 7692),
// without its meaning: handshakes, frames and messages between bytes and values.
//
//	request ── Accept ──> 101 or an error          bytes ── Parser.Next ──> messages
//	messages ── AppendFrame, AppendMasked, AppendClose ──> bytes
//
// It promises that a peer's mistake is found as soon as the header that makes it is there,
// that no length that a peer announces allocates anything, that a message never grows past
// its limit, compressed or not, and that plain frames are read and written without
// allocating. It does no I/O, starts nothing, and knows no connection: what stands between
// two fragments of a message is an Assembly that its caller keeps.
//
// It is ours because event loops read all their connections through one buffer:
// implementations that read from an io.Reader, gobwas/ws among them, would need the bytes
// copied per connection and know neither the limit of a message while it is inflated nor
// lengths that are written longer than needed.
package ws

// Op is the opcode of a frame, RFC 6455 section 11.8.
type Op byte

// The opcodes that there are.
const (
	Continuation Op = 0x0
	Text         Op = 0x1
	Binary       Op = 0x2
	Close        Op = 0x8
	Ping         Op = 0x9
	Pong         Op = 0xA
)

// control tells whether op is that of a control frame.
func (op Op) control() bool { return op&0x8 != 0 }

// reserved tells whether RFC 6455 gives op no meaning.
func (op Op) reserved() bool { return op > Pong || op > Binary && op < Close }

// The bits and fields of a frame's first two bytes, RFC 6455 section 5.2.
const (
	finBit     = 0x80
	rsv1Bit    = 0x40 // "compressed" on the first frame of a message, RFC 7692 section 6
	rsv23Bits  = 0x30
	opBits     = 0x0f
	maskBit    = 0x80
	lengthBits = 0x7f
	length16   = 126 // the length follows in 2 bytes
	length64   = 127 // the length follows in 8 bytes
	maskBytes  = 4
	maxControl = 125 // bytes in a control frame
)
