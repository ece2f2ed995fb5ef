package redis

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// idempotent is what IDMP and IDMPAUTO of XADD say. Redis 8.6 has them.
type idempotent struct {
	producer []byte // nil: neither was given
	id       []byte // nil: made of the fields
}

// What an idempotency key begins with here: no other dialect has control characters in one.
const (
	namedKey = 0
	autoKey  = 1
)

// option takes IDMP or IDMPAUTO, if args begin with it. It returns how many arguments it took, and "" or the error.
func (i *idempotent) option(args [][]byte) (took int, problem string) {
	named := is(args[0], "idmp") && len(args) > 2
	if !named && (!is(args[0], "idmpauto") || len(args) < 2) {
		return 0, ""
	}
	switch {
	case i.producer != nil:
		return 0, "ERR IDMP/IDMPAUTO specified multiple times"
	case len(args[1]) == 0 && named:
		return 0, "ERR IDMP requires a non-empty producer ID"
	case len(args[1]) == 0:
		return 0, "ERR IDMPAUTO requires a non-empty producer ID"
	}
	i.producer = args[1]
	if !named {
		return 2, ""
	}
	if i.id = args[2]; len(i.id) == 0 {
		return 0, "ERR IDMP requires a non-empty idempotent ID"
	}
	return 3, ""
}

// goesWith tells whether id may be given as well: "" or the error.
func (i *idempotent) goesWith(id []byte) (problem string) {
	if i.producer != nil && string(id) != "*" {
		return "ERR IDMP/IDMPAUTO can be used only with auto-generated IDs"
	}
	return ""
}

// key returns the idempotency key of a push of fields, nil if neither was given. It is a hash, so that producers and ids may be of any
// length, as in Redis.
func (i *idempotent) key(fields [][]byte) []byte {
	switch {
	case i.producer == nil:
		return nil
	case i.id != nil:
		sum := hashAll(i.producer, i.id)
		return append([]byte{namedKey}, sum[:]...)
	}
	sum := hashAll(i.producer, hashFields(fields))
	return append([]byte{autoKey}, sum[:]...)
}

// hashFields returns the same for the same fields and values, in whatever order the fields are.
func hashFields(fields [][]byte) []byte {
	var hashes [][]byte
	for at := 0; at+1 < len(fields); at += 2 {
		sum := hashAll(fields[at], fields[at+1])
		hashes = append(hashes, sum[:])
	}
	slices.SortFunc(hashes, bytes.Compare)
	return slices.Concat(hashes...)
}

// hashAll returns the hash of some parts: no other parts have it.
func hashAll(parts ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
