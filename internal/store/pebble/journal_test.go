package pebble_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// journals returns the names of what is written before it is in tables.
func journals(t *testing.T, disk vfs.FS) (names []string) {
	t.Helper()
	all, err := disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasPrefix(name, "journal-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func readFile(t *testing.T, disk vfs.FS, name string) []byte {
	t.Helper()
	f, err := disk.Open(disk.PathJoin("data", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func writeFile(t *testing.T, disk vfs.FS, name string, contents []byte) {
	t.Helper()
	f, err := disk.Create(disk.PathJoin("data", name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(contents)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A journal of which all is in tables says nothing any more, also if its file comes back: what was done since would be undone.
func TestAJournalThatComesBackIsNotRead(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	s, err := pebble.Open(pebble.Config{Dir: "data", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	mustChain(t, s, time.Now(), "k", 3, time.Hour)
	names := journals(t, disk)
	if len(names) != 1 {
		t.Fatalf("there are the journals %q, want one", names)
	}
	old := readFile(t, disk, names[0])
	if _, err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if names := journals(t, disk); len(names) != 0 {
		t.Errorf("a closed store has the journals %q, want none", names)
	}
	writeFile(t, disk, names[0], old)
	s = mustOpen(t, pebble.Config{Dir: "data", FS: disk})
	info, err := s.Info(t.Context(), "k")
	found, err2 := s.Range(t.Context(), "k", 0, math.MaxInt64, false, 0, 0)
	if err := errors.Join(err, err2); err != nil || info.Exists || len(found) != 0 {
		t.Errorf("the deleted key is %+v with %d messages, %v", info, len(found), err)
	}
}

// What a crash cut off at the end of the last journal is no record; that of another one has an end, or it is damaged.
func TestADamagedJournal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		at    func(size int) int // what is changed; negative: nothing
		after bool               // another journal comes after it
		want  string
	}{
		{"as it is", func(int) int { return -1 }, false, ""},
		{"in the zeros at its end", func(size int) int { return size - 100 }, false, ""},
		{"without an end", func(int) int { return -1 }, true, "damaged"},
		{"in the middle", func(int) int { return 5000 }, true, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			disk := vfs.NewCrashableMem()
			s := mustOpen(t, pebble.Config{Dir: "data", FS: disk})
			h := newHistory(math.MaxInt)
			h.work(t, s, 5)
			clone := disk.CrashClone(vfs.CrashCloneCfg{})
			b := readFile(t, clone, "journal-00000001.log")
			if at := c.at(len(b)); at >= 0 {
				b[at] ^= 1
			}
			writeFile(t, clone, "journal-00000001.log", b)
			if c.after {
				writeFile(t, clone, "journal-00000002.log", nil)
			}
			got, err := pebble.Open(pebble.Config{Dir: "data", FS: clone})
			if err == nil {
				h.check(t, c.name, got)
				err = got.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Open: %v, want %q", err, c.want)
			}
		})
	}
}

// Records are what was done last, wherever they are kept: of more keys than are kept out of memtables, before and after a crash.
func TestRecordsOfManyKeys(t *testing.T) {
	t.Parallel()
	const keys = 5000
	disk := vfs.NewCrashableMem()
	cfg := pebble.Config{Dir: "data", FS: disk, MemTableBytes: 128 << 10}
	s := mustOpen(t, cfg)
	want := map[string]channel.Info{}
	rng := rand.New(rand.NewPCG(1, 2))
	mid := message.MidAt(time.Now())
	for range 4 {
		var entries []channel.Entry
		for _, i := range rng.Perm(keys)[:keys/2] {
			key := fmt.Sprint("key", i)
			mid += message.MidStep
			entries = append(entries, channel.Entry{Message: message.Message{Key: key, Mid: mid, Prev: want[key].Last, Expires: message.Never}})
			info := want[key]
			if info.First == 0 {
				info.First = mid
			}
			info.Last, info.Length, info.Added, info.Exists = mid, info.Length+1, info.Added+1, true
			want[key] = info
		}
		for _, err := range s.Append(t.Context(), entries) {
			if err != nil {
				t.Fatal(err)
			}
		}
		wantRecords(t, "while it is open", s, want)
		wantRecords(t, "after a crash", mustOpen(t, pebble.Config{Dir: "data", FS: disk.CrashClone(vfs.CrashCloneCfg{})}), want)
	}
}

func wantRecords(t *testing.T, when string, s *pebble.Store, want map[string]channel.Info) {
	t.Helper()
	var listed []string
	for cursor := ""; ; {
		page, next, err := s.Keys(t.Context(), cursor, 100)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, page...)
		if cursor = next; cursor == "" {
			break
		}
	}
	if !slices.IsSorted(listed) || len(listed) != len(want) {
		t.Errorf("%s: %d keys are listed, sorted: %v; want %d", when, len(listed), slices.IsSorted(listed), len(want))
	}
	for _, key := range listed {
		info, err := s.Info(t.Context(), key)
		if info.Since = 0; err != nil || info != want[key] {
			t.Fatalf("%s: Info(%q) = %+v, %v, want %+v", when, key, info, err, want[key])
		}
	}
}

// What is delivered is not synced, and may be in a table all the same. Then a power failure takes the whole of a delivery or nothing of it.
func TestATableHasNothingThatTheJournalHasNot(t *testing.T) {
	t.Parallel()
	const messages = 3000
	disk := vfs.NewCrashableMem()
	s := mustOpen(t, pebble.Config{Dir: "data", FS: disk, MemTableBytes: 64 << 10, MaxStoredPerKey: messages})
	mustChain(t, s, time.Now(), "k", messages, time.Hour)
	if err := s.CreateGroup(t.Context(), "k", "g", 0, false); err != nil {
		t.Fatal(err)
	}
	for i := range messages / 10 {
		if _, err := s.ReadGroup(t.Context(), message.GroupRead{Key: "k", Group: "g", Consumer: "c", Count: 10}); err != nil {
			t.Fatal(err)
		}
		if i%20 != 0 && i != messages/10-1 {
			continue
		}
		crashed := mustOpen(t, pebble.Config{Dir: "data", FS: disk.CrashClone(vfs.CrashCloneCfg{})})

		sum, err := crashed.Pending(t.Context(), "k", "g")
		listed, err2 := crashed.PendingRange(t.Context(), "k", "g", message.PendingFilter{To: math.MaxInt64, Count: messages})
		groups, err3 := crashed.GroupsOf(t.Context(), "k")
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		if len(listed) > 0 {
			last = listed[len(listed)-1].Mid
		}
		if sum.Count != len(listed) || groups[0].Last != last {
			t.Fatalf("after %d messages were delivered and a crash %d are pending, of which %d are listed, up to %d; the group is at %d", i*10, sum.Count, len(listed), last, groups[0].Last)
		}
		if i == messages/10-1 && sum.Count == 0 {
			t.Fatalf("all %d messages were delivered, which fills several tables, and no delivery is left of a crash: of those in tables something is", messages)
		}
	}
}
