package pebble_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// record is a record of the first journal, as internal/store/pebble/journal.go describes it, whatever is in it.
func record(contents []byte) []byte {
	const first = 1
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := ^crc32.Update(crc32.Checksum(binary.LittleEndian.AppendUint64(nil, first), table), table, contents)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(contents)))
	return append(binary.LittleEndian.AppendUint32(b, sum), contents...)
}

// FuzzJournal: whatever a journal has, in a record that is whole or as bytes of it, the store opens and answers, or says that it is damaged.
func FuzzJournal(f *testing.F) {
	disk := vfs.NewCrashableMem()
	s, err := pebble.Open(pebble.Config{Dir: "data", FS: disk})
	if err != nil {
		f.Fatal(err)
	}
	for mid := int64(4); mid < 40; mid += 4 {
		m := message.Message{Key: "k", Mid: mid, Prev: mid - 4, Expires: time.Now().Add(time.Hour), Payload: []byte("payload")}
		e := channel.Entry{Message: m, IdemKey: []byte{byte(mid)}}
		if err := s.Append(f.Context(), []channel.Entry{e})[0]; err != nil {
			f.Fatal(err)
		}
	}
	file, err := disk.Open("data/journal-00000001.log")
	if err != nil {
		f.Fatal(err)
	}
	written := make([]byte, 4<<10)
	if _, err := io.ReadFull(file, written); err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(file.Close(), s.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(written, false)
	size := binary.LittleEndian.Uint32(written)
	f.Add(written[8:8+size], true)
	f.Add([]byte{}, true)
	f.Add([]byte{14, 0, 0, 0, 0, 0, 0xb3, 0xb3, 0xb3, 0xb3, 0xb3, 0xb3, 0xb3, 0, 0, 0, 0, 0}, true) // more entries than there are
	f.Add([]byte{14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		if whole {
			b = record(b)
		}
		disk := vfs.NewMem()
		if err := disk.MkdirAll("data", 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, disk, "journal-00000001.log", b)
		s, err := pebble.Open(pebble.Config{Dir: "data", FS: disk})
		if err != nil {
			return
		}
		_, _ = s.Info(t.Context(), "k")
		_, _ = s.Range(t.Context(), "k", 0, math.MaxInt64, false, 10, 1<<20)
		_, _, _ = s.Keys(t.Context(), "", 10)
		_ = s.Close() // it may have failed: nothing panics
	})
}
