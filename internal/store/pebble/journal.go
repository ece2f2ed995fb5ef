package pebble

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// journal is what makes commits durable, in place of pebble's own log: whoever commits writes and syncs it, without the two goroutines and
// the threads that pebble's takes for each. What it has is put into pebble again when the store is opened; that is no harm to what pebble
// has in tables already, as long as everything that came after is put there again, too.
//
//	commit ─> record in journal-N.log, synced ─> memtable
//	journal-N.log is full ─> its end is marked ─> all memtables are to become tables ─> when they have: its file is used again
//
// The last that is put into those memtables is that journals up to N are not needed: once it can be read, none of them is read again, also if
// a crash has their files come back.
//
// A record is its length and its checksum, four bytes each, little-endian, and what one commit puts into pebble: batches, each behind
// its length. The checksum takes in N, so that what
// a file had as another journal is no record of this one.
type journal struct {
	disk  *fence
	dir   string
	limit int64 // a file is full then

	number uint64
	file   vfs.File
	size   int64
	sealed []sealedJournal // oldest first
	buf    []byte          // the last record
}

// sealedJournal is a full one.
type sealedJournal struct {
	number  uint64
	flushed <-chan struct{} // closed when all of it is in tables
}

const (
	recordHeader   = 8
	batchHeader    = 4
	maxSpareRecord = 1 << 20 // a longer buffer is not kept
)

func journalName(number uint64) string { return fmt.Sprintf("journal-%08d.log", number) }

// journals returns the numbers of those in dir, in order.
func (f *fence) journals(dir string) (numbers []uint64, err error) {
	names, err := f.List(dir)
	for _, name := range names {
		var n uint64
		if _, err := fmt.Sscanf(name, "journal-%d.log", &n); err == nil && name == journalName(n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}

// openJournal puts what journals have into db, and begins a new one.
func openJournal(disk *fence, dir string, limit int64, db *pebbledb.DB) (*journal, error) {
	numbers, err := disk.journals(dir)
	if err != nil {
		return nil, err
	}
	needed, err := neededJournals(db)
	if err != nil {
		return nil, err
	}
	j := &journal{disk: disk, dir: dir, limit: limit, number: needed}
	for i, n := range numbers {
		if n < needed {
			continue
		}
		end, err := j.replay(n, db)
		if err == nil && !end && i < len(numbers)-1 {
			err = errCorrupt
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", journalName(n), err)
		}
		j.number = n + 1
	}
	if err := j.retire(db, numbers); err != nil {
		return nil, err
	}
	return j, j.create()
}

// neededJournals returns the number of the first journal of which not all is known to be in tables.
func neededJournals(db *pebbledb.DB) (uint64, error) {
	value, err := get(db, journalKey())
	if value == nil || err != nil {
		return 1, err
	}
	var n int64
	_, err = readVarints(value, &n)
	return uint64(n), err
}

// need has the journals from j.number on read when the store is opened, once all that is in db now is in tables.
func (j *journal) need(db *pebbledb.DB) error {
	return db.Set(journalKey(), binary.AppendVarint(nil, int64(j.number)), pebbledb.NoSync)
}

// retire has all that is in db become tables, and removes the journals with these numbers, which are below j.number.
func (j *journal) retire(db *pebbledb.DB, numbers []uint64) error {
	if len(numbers) == 0 {
		return nil
	}
	if err := errors.Join(j.need(db), db.Flush(), j.disk.cause()); err != nil {
		return err
	}
	for _, n := range numbers {
		if err := j.disk.Remove(j.path(n)); err != nil {
			return err
		}
	}
	return nil
}

func (j *journal) path(number uint64) string { return j.disk.PathJoin(j.dir, journalName(number)) }

// replay puts the records of a journal into db, and tells whether its end is marked.
func (j *journal) replay(number uint64, db *pebbledb.DB) (end bool, err error) {
	file, err := j.disk.Open(j.path(number), vfs.SequentialReadsOption)
	if err != nil {
		return false, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	in, left := bufio.NewReaderSize(file, 1<<20), info.Size()
	for {
		record, ok, err := readRecord(in, left, number)
		if err != nil || !ok || len(record) == 0 {
			return ok, err
		}
		if err := putRecorded(record, db); err != nil {
			return false, err
		}
		left -= recordHeader + int64(len(record))
	}
}

// putRecorded puts the batches of a record into db.
func putRecorded(record []byte, db *pebbledb.DB) error {
	for len(record) > 0 {
		if len(record) < batchHeader {
			return errCorrupt
		}
		size := binary.LittleEndian.Uint32(record)
		if record = record[batchHeader:]; uint64(size) > uint64(len(record)) {
			return errCorrupt
		}
		batch := db.NewBatch()
		err := errCorrupt
		if isBatch(record[:size]) {
			err = batch.SetRepr(record[:size:size])
		}
		if err == nil {
			err = batch.Commit(pebbledb.NoSync)
		}
		if err := errors.Join(err, batch.Close()); err != nil {
			return err
		}
		record = record[size:]
	}
	return nil
}

// isBatch tells whether a batch has as many entries as it says, all whole, and none but those that are written here, which have names:
// pebble takes its word, and panics, or waits for ever, for what is not there.
func isBatch(b []byte) bool {
	const header, longest = 8 + 4, 5 // sequence number and count; of a length
	if len(b) < header {
		return false
	}
	entries := binary.LittleEndian.Uint32(b[8:])
	for b = b[header:]; len(b) > 0 && entries > 0; entries-- {
		parts := 0
		switch pebbledb.InternalKeyKind(b[0]) {
		case pebbledb.InternalKeyKindSet, pebbledb.InternalKeyKindRangeDelete:
			parts = 2
		case pebbledb.InternalKeyKindDelete:
			parts = 1
		default:
			return false
		}
		b = b[1:]
		for part := range parts {
			length, size := binary.Uvarint(b)
			if size <= 0 || size > longest || length > uint64(len(b)-size) || part == 0 && length == 0 {
				return false
			}
			b = b[size+int(length):]
		}
	}
	return len(b) == 0 && entries == 0
}

// readRecord reads a record from the last so many bytes of a journal; the empty one marks its end. ok: there is one.
func readRecord(in io.Reader, left int64, number uint64) (record []byte, ok bool, err error) {
	var header [recordHeader]byte
	if left < recordHeader {
		return nil, false, nil
	}
	if _, err := io.ReadFull(in, header[:]); err != nil {
		return nil, false, err
	}
	size, sum := binary.LittleEndian.Uint32(header[:]), binary.LittleEndian.Uint32(header[4:])
	if int64(size) > left-recordHeader {
		return nil, false, nil
	}
	record = make([]byte, size)
	if _, err := io.ReadFull(in, record); err != nil {
		return nil, false, err
	}
	return record, sum == checksum(number, record), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(number uint64, record []byte) uint32 {
	seed := binary.LittleEndian.AppendUint64(nil, number)
	return ^crc32.Update(crc32.Checksum(seed, castagnoli), castagnoli, record) // zeros are no record
}

// create begins a journal, in the file of one that is not needed any more if there is one.
func (j *journal) create() (err error) {
	free := j.free()
	if len(free) > 0 {
		j.file, err = j.disk.ReuseForWrite(j.path(free[0]), j.path(j.number), vfs.WriteCategoryUnspecified)
		free = free[1:]
	} else {
		j.file, err = j.disk.Create(j.path(j.number), vfs.WriteCategoryUnspecified)
	}
	for _, n := range free {
		err = errors.Join(err, j.disk.Remove(j.path(n)))
	}
	if err != nil {
		return err
	}
	j.size = 0
	j.disk.setJournal(j.file)
	dir, err := j.disk.OpenDir(j.dir)
	if err != nil {
		j.disk.fail(err)
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// free takes out those that are in tables.
func (j *journal) free() (numbers []uint64) {
	for len(j.sealed) > 0 {
		select {
		case <-j.sealed[0].flushed:
			numbers = append(numbers, j.sealed[0].number)
			j.sealed = j.sealed[1:]
		default:
			return numbers
		}
	}
	return numbers
}

// write writes a record of batches, or with none the end. Whether that failed is the fence's to tell.
func (j *journal) write(durable bool, batches ...[]byte) {
	b := append(j.buf[:0], make([]byte, recordHeader)...)
	for _, batch := range batches {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(batch)))
		b = append(b, batch...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-recordHeader))
	binary.LittleEndian.PutUint32(b[4:], checksum(j.number, b[recordHeader:]))
	_, _ = j.file.Write(b)
	if j.size += int64(len(b)); durable && syncsCommits {
		_ = j.file.SyncData()
	}
	if j.buf = b; cap(b) > maxSpareRecord {
		j.buf = nil
	}
}

// turn begins another journal when this one is full. All that was written is in db, or hot.
func (j *journal) turn(db *pebbledb.DB, hot *hotRecords) error {
	if j.size < j.limit {
		return nil
	}
	j.write(true)
	if err := hot.writeBack(db); err != nil {
		return err
	}
	full := sealedJournal{number: j.number}
	j.number++
	if err := j.need(db); err != nil {
		return err
	}
	var err error
	if full.flushed, err = db.AsyncFlush(); err != nil {
		return err
	}
	j.sealed = append(j.sealed, full)
	j.disk.setJournal(nil) // it is synced
	if err := j.file.Close(); err != nil {
		return err
	}
	return j.create()
}

// close ends the last journal. If all went well none is needed then.
func (j *journal) close(db *pebbledb.DB, hot *hotRecords) error {
	j.disk.syncJournal()
	j.disk.setJournal(nil)
	err := j.file.Close()
	if err != nil || j.disk.cause() != nil {
		return err
	}
	if err := hot.writeBack(db); err != nil {
		return err
	}
	var numbers []uint64
	for _, s := range j.sealed {
		numbers = append(numbers, s.number)
	}
	numbers = append(numbers, j.number)
	j.number++
	return j.retire(db, numbers)
}
