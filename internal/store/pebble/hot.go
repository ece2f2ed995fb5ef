package pebble

import (
	"slices"
	"strings"
	"sync"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// maxHot is how many records are kept out of memtables at most.
const maxHot = 2048

// hotRecords are records that the journal has, and pebble has not, or has as they were: each append changes one, and what is put into a
// memtable is sorted in there for about as much as the message itself. They are put there when the journal ends. Who reads a record
// looks here first.
type hotRecords struct {
	mu sync.RWMutex
	of map[string]record // by key; written by who commits
}

// get returns the record of key, if it is here.
func (h *hotRecords) get(key string) (record, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r, found := h.of[key]
	return r, found
}

// take tells whether the record of key is to be here from now on, beside so many others that are new. For who commits.
func (h *hotRecords) take(key string, others int) bool {
	_, found := h.of[key]
	return found || len(h.of)+others < maxHot
}

// put has what a commit changed, and forgot before.
func (h *hotRecords) put(changed []*record, forgotten map[string]bool) {
	if len(changed) == 0 && len(forgotten) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[string]record{}
	}
	for key := range forgotten {
		delete(h.of, key)
	}
	for _, r := range changed {
		of := *r
		of.oldest = nil
		h.of[r.key] = of
	}
}

// writeBack puts all into db, where the journal need not have them again, and forgets them. For who commits.
func (h *hotRecords) writeBack(db *pebbledb.DB) error {
	batch := db.NewBatch()
	defer func() { batch.Close() }()
	for _, r := range h.of {
		if err := setRecord(batch, &r); err != nil {
			return err
		}
	}
	if err := db.Apply(batch, pebbledb.NoSync); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.of)
	return nil
}

// after returns those of keys after cursor, by key.
func (h *hotRecords) after(cursor string) (all []record) {
	h.mu.RLock()
	for key, r := range h.of {
		if key > cursor {
			all = append(all, r)
		}
	}
	h.mu.RUnlock()
	slices.SortFunc(all, func(a, b record) int { return strings.Compare(a.key, b.key) })
	return all
}

// recordIterator goes along all records, hot ones and others, by key.
type recordIterator struct {
	*pebbledb.Iterator
	hot    []record // to come
	inDB   bool     // the iterator is at a record
	record          // the current one
	err    error
}

// recordsAfter returns an iterator along the records of keys after cursor. It begins before the first.
func (in *instance) recordsAfter(cursor string) (*recordIterator, error) {
	hot := in.hot.after(cursor) // before the others: what leaves here is there
	iter, err := in.after(recordPrefix, cursor)
	if err != nil {
		return nil, err
	}
	return &recordIterator{Iterator: iter, hot: hot, inDB: iter.First()}, nil
}

// next goes to the next record and tells whether there is one.
func (it *recordIterator) next() bool {
	key := ""
	if it.inDB {
		key, _ = keyOf(it.Key())
	}
	if len(it.hot) > 0 && (!it.inDB || it.hot[0].key <= key) {
		if it.inDB && it.hot[0].key == key {
			it.inDB = it.Iterator.Next()
		}
		it.record, it.hot = it.hot[0], it.hot[1:]
		return true
	}
	if !it.inDB {
		return false
	}
	it.record = record{key: key}
	it.err = it.record.decode(it.Value())
	it.inDB = it.Iterator.Next()
	return it.err == nil
}

// problem returns why there are no more, nil at the end.
func (it *recordIterator) problem() error {
	if it.err != nil {
		return it.err
	}
	return it.Error()
}
