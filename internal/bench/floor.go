package bench

import (
	"context"
	"encoding/binary"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire"
)

// floor is bench/floor.c, which says what it understands: the least that a broadcast can cost.
// Its subscribers hear the frames that a node sends over TCP, whatever their keys are.
type floor struct {
	program string // "": the one beside gopush
}

const floorName = "floor"

func (*floor) name() string { return floorName }

// keyless tells whether s is the floor: whatever is pushed goes to all.
func keyless(s subject) bool { return s.name() == floorName }

func (f *floor) start(ctx context.Context, _ needs) (*process, error) {
	if f.program != "" {
		return start(ctx, "admin", f.program)
	}
	program, err := findProgram(floorName)
	if err != nil {
		return nil, err
	}
	return start(ctx, "admin", program)
}

func (*floor) dialect(*Target) dialect { return legacyRESP{} }

func (*floor) backend(*Target, int) backend { return &floorBackend{} }

// floorBackend makes the frames that a node makes of the same payloads.
type floorBackend struct {
	encoder wire.Encoder
	mid     int64
}

func (*floorBackend) hello() []byte { return nil }

func (b *floorBackend) pushes(dst []byte, batch []push) (out []byte, answers int) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, p := range batch {
		b.mid = message.NextMid(time.Now(), b.mid)
		dst = b.encoder.AppendFrame(dst, 0, &message.Message{Mid: b.mid, Payload: p.payload})
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, 1
}

// answer takes the byte that says that all was sent to all.
func (*floorBackend) answer(buf []byte) (n int, answered bool, err error) {
	return min(1, len(buf)), len(buf) > 0, nil
}
