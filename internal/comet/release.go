package comet

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// A tls.Conn keeps the buffers that its handshake was read into, and the one of the largest record that ever came, for
// life: 4 KiB of the 9 that an idle connection would cost, and 33 for any client that once sends a large record. There is no call
// to let them go, so they are let go by their names: of a buffer that is empty, and only between calls, an empty one is as
// good. Where crypto/tls has no such fields any more nothing is let go, and a test says so.

// tlsBuffers tells where a tls.Conn has them.
type tlsBuffers struct {
	offsets []uintptr
}

func findTLSBuffers() (b tlsBuffers) {
	for _, name := range []string{"rawInput", "hand"} {
		if f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name); ok && f.Type == reflect.TypeFor[bytes.Buffer]() {
			b.offsets = append(b.offsets, f.Offset)
		}
	}
	return b
}

// release lets those of conn go that are empty. Nobody uses conn meanwhile.
func (b tlsBuffers) release(conn *tls.Conn) {
	for _, offset := range b.offsets {
		if buffer := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(conn), offset)); buffer.Len() == 0 {
			*buffer = bytes.Buffer{}
		}
	}
}
