package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"gopush/internal/message"
)

// What a store has on disk. A key has no control characters, so a zero byte ends it.
//
//	c KEY 0 LEN GROUP NAME  a consumer of a group; LEN, a varint, is the length of GROUP, NAME is the rest
//	f                       the format: version and when the store was made
//	g KEY 0 GROUP           a group; GROUP, which is any bytes, is the rest
//	i GEN                   a generation of idempotency keys; GEN is 4 bytes, big-endian
//	i GEN KEY 0 NAME        an idempotency key of a key: the mid that was stored with it; NAME is 16 bytes
//	j                       the number of the first journal that is needed
//	k KEY 0                 a key's record
//	l NODE                  a node's mid limit
//	m KEY 0 MID             a message; MID is 8 bytes, big-endian
//	p KEY 0 LEN GROUP MID   a message that is pending in a group
//	t KEY 0 HASH            a token; HASH is 32 bytes
//
// Values are varints, one after the other; a message's payload is the rest, and so is the consumer that something is
// pending with.
const (
	formatVersion = 4
	oldestFormat  = 1 // up to 3 without idempotency keys, which it would leave there for ever; up to 2 pebble's own log, which is taken over; 1: without groups, and with records that say nothing of them; upgraded when it is opened

	consumerPrefix = 'c'
	formatPrefix   = 'f'
	groupPrefix    = 'g'
	idemPrefix     = 'i'
	journalPrefix  = 'j'
	recordPrefix   = 'k'
	limitPrefix    = 'l'
	messagePrefix  = 'm'
	pendingPrefix  = 'p'
	tokenPrefix    = 't'
)

var errCorrupt = errors.New("a record cannot be read: the data is damaged")

// never is the expiry, in ms, of what has none.
const never = math.MaxInt64

func formatKey() []byte           { return []byte{formatPrefix} }
func journalKey() []byte          { return []byte{journalPrefix} }
func limitKey(node string) []byte { return append([]byte{limitPrefix}, node...) }
func recordKey(key string) []byte { return appendKeyed(nil, recordPrefix, key) }

// appendKeyed appends prefix, key and the zero byte: keyedLen bytes.
func appendKeyed(b []byte, prefix byte, key string) []byte {
	if b == nil {
		b = make([]byte, 0, keyedLen(key)+midLen)
	}
	b = append(b, prefix)
	b = append(b, key...)
	return append(b, 0)
}

func keyedLen(key string) int { return 1 + len(key) + 1 }

const midLen = 8

func appendMessageKey(b []byte, key string, mid int64) []byte {
	return binary.BigEndian.AppendUint64(appendKeyed(b, messagePrefix, key), uint64(max(mid, 0)))
}

func messageKey(key string, mid int64) []byte { return appendMessageKey(nil, key, mid) }

func tokenKey(key string, hash [32]byte) []byte {
	return append(appendKeyed(nil, tokenPrefix, key), hash[:]...)
}

// after returns the first of all keys that do not begin with prefix and come after those that do.
func after(prefix []byte) []byte {
	end := bytes.TrimRight(prefix, "\xff") // something is left: what a prefix begins with is a letter
	end = bytes.Clone(end)
	end[len(end)-1]++
	return end
}

// keyOf returns the key in what appendKeyed made, and what follows it.
func keyOf(b []byte) (key string, rest []byte) {
	name, rest, _ := bytes.Cut(b[1:], []byte{0})
	return string(name), rest
}

func midOf(messageKey []byte) int64 {
	return int64(binary.BigEndian.Uint64(messageKey[len(messageKey)-8:]))
}

// record is what is kept of a key beside its messages.
type record struct {
	key      string
	first    int64 // mid of the oldest message that is there; 0: none is
	last     int64 // mid of the newest message ever stored
	count    int64 // messages that are there, expired or not
	added    int64 // messages ever stored
	since    int64 // see channel.Info
	earliest int64 // in ms: no message that is there expires before; never if none is there
	exists   int64 // 1 if it does, see channel.Info
	groups   int64 // groups that are there
	used     int64 // in ms: when one of them was last used, or up to usedStep before, or when a message came whose mid is that old already

	// Not on disk:
	oldest  []slot // the oldest messages that are there, as far as they were looked up
	changed bool   // it is to be written
}

// slot is a message without its contents.
type slot struct{ mid, expires int64 }

// maxRecord is the most that a record takes.
const maxRecord = 9 * binary.MaxVarintLen64

func (r *record) encode(b []byte) []byte {
	for _, v := range [...]int64{r.first, r.last, r.count, r.added, r.since, r.earliest, r.exists, r.groups, r.used} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

// decode reads what encode wrote, in any format; the key is not in it.
func (r *record) decode(b []byte) error {
	b, err := readVarints(b, &r.first, &r.last, &r.count, &r.added, &r.since, &r.earliest)
	if err == nil && len(b) == 0 {
		r.exists, r.groups, r.used = 1, 0, 0 // format 1
		return nil
	}
	if err == nil {
		_, err = readVarints(b, &r.exists, &r.groups, &r.used)
	}
	return err
}

// readVarints reads a varint into each of to, and returns what follows.
func readVarints(b []byte, to ...*int64) ([]byte, error) {
	for _, v := range to {
		n := 0
		if *v, n = binary.Varint(b); n <= 0 {
			return nil, errCorrupt
		}
		b = b[n:]
	}
	return b, nil
}

// maxMessageHeader is the most that a message takes beside its payload.
const maxMessageHeader = 4 * binary.MaxVarintLen64

// appendHeader appends what stands before m's payload.
func appendHeader(b []byte, m *message.Message) []byte {
	b = binary.AppendVarint(b, m.Expires.UnixMilli())
	b = binary.AppendVarint(b, m.Prev)
	b = binary.AppendVarint(b, int64(m.GID))
	return binary.AppendVarint(b, int64(m.Form))
}

// decodeMessage reads a header and a payload, which is b's.
func decodeMessage(mid int64, b []byte) (message.Message, error) {
	var expires, prev, gid, form int64
	payload, err := readVarints(b, &expires, &prev, &gid, &form)
	return message.Message{
		Mid: mid, Prev: prev, GID: int(gid), Form: message.Form(form),
		Expires: time.UnixMilli(expires), Payload: payload,
	}, err
}

// decodeExpires reads when a message expires, in ms.
func decodeExpires(b []byte) (expires int64, err error) {
	_, err = readVarints(b, &expires)
	return expires, err
}
