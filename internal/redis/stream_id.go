package redis

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

const (
	textBadID    = "ERR Invalid stream ID specified as stream command argument"
	textBadStart = "ERR invalid start ID for the interval"
	textBadEnd   = "ERR invalid end ID for the interval"
	textNoNumber = "ERR value is not an integer or out of range"
)

// seqs is how many sequences a millisecond has.
const seqs = 10000

// maxIDBytes is the length of the longest id that Redis reads, leading zeros included.
const maxIDBytes = 127

// streamID is an id as Redis has them: any two numbers. Those of messages are mids: ms*10000+seq, seq below 10000.
type streamID struct{ ms, seq uint64 }

// lastID is the highest one.
func lastID() streamID { return streamID{math.MaxUint64, math.MaxUint64} }

// parseID reads MS-SEQ, or MS, whose sequence is missing. anySeq says that it is MS-*.
func parseID(arg []byte, missing uint64) (id streamID, anySeq, ok bool) {
	if len(arg) > maxIDBytes {
		return id, false, false
	}
	head, tail, found := bytes.Cut(arg, []byte{'-'})
	if id.ms, ok = parseUint(head); !ok {
		return id, false, false
	}
	switch {
	case !found:
		id.seq = missing
	case string(tail) == "*":
		return id, true, true
	default:
		id.seq, ok = parseUint(tail)
	}
	return id, false, ok
}

// parseOneID reads an id where nothing else than one may stand.
func parseOneID(arg []byte) (streamID, bool) {
	id, anySeq, ok := parseID(arg, 0)
	return id, ok && !anySeq
}

// parseEnd reads one end of a range: an id, which a ( in front of leaves out, - or +. problem is "" or the error.
func parseEnd(arg []byte, missing uint64) (id streamID, without bool, problem string) {
	if len(arg) > 1 && arg[0] == '(' {
		arg, without = arg[1:], true
	}
	switch {
	case without:
	case string(arg) == "-":
		return id, false, ""
	case string(arg) == "+":
		return lastID(), false, ""
	}
	id, anySeq, ok := parseID(arg, missing)
	if !ok || anySeq {
		return id, false, textBadID
	}
	return id, without, ""
}

// parseFrom reads what a range begins with, as the first mid in it.
func parseFrom(arg []byte) (mid int64, problem string) {
	id, without, problem := parseEnd(arg, 0)
	switch {
	case problem != "":
		return 0, problem
	case without && id == lastID():
		return 0, textBadStart
	case without:
		return id.after(), ""
	}
	return id.ceil(), ""
}

// parseTo reads what a range ends with, as the last mid in it.
func parseTo(arg []byte) (mid int64, problem string) {
	id, without, problem := parseEnd(arg, math.MaxUint64)
	switch {
	case problem != "":
		return 0, problem
	case without && id == streamID{}:
		return 0, textBadEnd
	case without:
		return id.ceil() - 1, ""
	}
	return id.floor(), ""
}

// floor returns the highest mid that is not above id.
func (id streamID) floor() int64 {
	if id.ms > math.MaxInt64/seqs {
		return math.MaxInt64
	}
	return int64(min(id.ms*seqs+min(id.seq, seqs-1), math.MaxInt64))
}

// position returns the mid that a group is at which has got all up to id. There is always one above it.
func (id streamID) position() int64 { return min(id.floor(), math.MaxInt64-1) }

// ceil returns the lowest mid that is not below id; beyond the last mid, that.
func (id streamID) ceil() int64 {
	if id.seq >= seqs {
		return id.after()
	}
	return id.floor()
}

// after returns the lowest mid above id; beyond the last mid, that.
func (id streamID) after() int64 {
	mid := id.floor()
	if mid < math.MaxInt64 {
		mid++
	}
	return mid
}

// mid returns the mid that id is, if it is one.
func (id streamID) mid() (int64, bool) {
	mid := id.floor()
	return mid, id == streamID{uint64(mid) / seqs, uint64(mid) % seqs}
}

// parseUint reads a number as Redis reads those of ids: a plus and leading zeros are no harm.
func parseUint(arg []byte) (uint64, bool) {
	if len(arg) > 1 && arg[0] == '+' {
		arg = arg[1:]
	}
	if len(arg) == 0 {
		return 0, false
	}
	var v uint64
	for _, b := range arg {
		digit := uint64(b - '0')
		if b < '0' || b > '9' || v > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		v = v*10 + digit
	}
	return v, true
}

// parseInt reads a number as Redis reads those of options: no plus, no leading zeros.
func parseInt(arg []byte) (int64, bool) {
	digits := bytes.TrimPrefix(arg, []byte{'-'})
	if len(digits) == 0 || len(arg) > 20 || digits[0] < '0' || digits[0] == '0' && len(arg) > 1 {
		return 0, false
	}
	v, err := strconv.ParseInt(string(arg), 10, 64)
	return v, err == nil
}

// parseCount reads a COUNT: below zero is zero.
func parseCount(arg []byte) (count int, ok bool) {
	v, ok := parseInt(arg)
	return int(min(max(v, 0), math.MaxInt)), ok
}

// milliseconds returns v of them; what is beyond the longest duration is that, below zero is zero.
func milliseconds(v int64) time.Duration {
	return time.Duration(min(max(v, 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}
