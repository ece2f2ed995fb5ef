package demo_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/demo"
)

// pushed are five lines, two of which have the same text.
var pushed = [][]byte{
	[]byte(`{"line":0,"text":"a"}`),
	[]byte(`{"line":1,"text":"same"}`),
	[]byte(`{"line":2,"text":"same"}`),
	[]byte(`{"line":3,"text":""}`),
	[]byte(`{"line":4,"text":"<é>"}`),
}

func TestTallyFindsWhatWentWrong(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		came []int // numbers of lines, in the order that they came
		want demo.Counts
	}{
		{"all in order", []int{0, 1, 2, 3, 4}, demo.Counts{Delivered: 5}},
		{"nothing", nil, demo.Counts{Lost: 5}},
		{"the first lost", []int{1, 2, 3, 4}, demo.Counts{Delivered: 4, Lost: 1}},
		{"one lost", []int{0, 1, 3, 4}, demo.Counts{Delivered: 4, Lost: 1}},
		{"the last lost", []int{0, 1, 2, 3}, demo.Counts{Delivered: 4, Lost: 1}},
		{"one doubled at once", []int{0, 1, 1, 2, 3, 4}, demo.Counts{Delivered: 5, Doubled: 1}},
		{"one doubled later", []int{0, 1, 2, 3, 4, 0}, demo.Counts{Delivered: 5, Doubled: 1}},
		{"one tripled", []int{0, 1, 2, 2, 2, 3, 4}, demo.Counts{Delivered: 5, Doubled: 2}},
		{"two swapped", []int{0, 2, 1, 3, 4}, demo.Counts{Delivered: 5, OutOfOrder: 1}},
		{"two swapped at the end", []int{0, 1, 2, 4, 3}, demo.Counts{Delivered: 5, OutOfOrder: 1}},
		{"one late", []int{1, 2, 3, 4, 0}, demo.Counts{Delivered: 5, OutOfOrder: 1}},
		{"one early", []int{4, 0, 1, 2, 3}, demo.Counts{Delivered: 5, OutOfOrder: 4}},
		{"two again after a resume too far back", []int{0, 1, 2, 1, 2, 3, 4}, demo.Counts{Delivered: 5, Doubled: 2}},
		{"one lost, one doubled", []int{0, 0, 2, 3, 4}, demo.Counts{Delivered: 4, Lost: 1, Doubled: 1}},
		{"a late one doubled", []int{0, 2, 1, 1, 3, 4}, demo.Counts{Delivered: 5, OutOfOrder: 1, Doubled: 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			tally := demo.NewTally(pushed)
			for _, line := range row.came {
				if got, _ := tally.Take(pushed[line]); got != line {
					t.Errorf("Take(%s) is line %d, want %d", pushed[line], got, line)
				}
			}
			if diff := cmp.Diff(row.want, tally.Counts()); diff != "" {
				t.Errorf("lines %v came (-want +got):\n%s", row.came, diff)
			}
		})
	}
}

func TestTallyFindsAlteredMessages(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		``, `a`, `1`, `{}`, `null`,
		`{"line":1,"text":"other"}`, `{"line":1,"text":"sam"}`, `{"line":0,"text":"same"}`,
		`{"line":1,"text": "same"}`, `{"line":5,"text":"same"}`, `{"line":-1,"text":"same"}`,
		`{"line":1.5,"text":"same"}`, `{"line":1,"text":"same"}` + "\n",
	} {
		t.Run(payload, func(t *testing.T) {
			t.Parallel()
			tally := demo.NewTally(pushed)
			tally.Take(pushed[0])
			if line, isNew := tally.Take([]byte(payload)); isNew {
				t.Errorf("Take(%q) is line %d, want none", payload, line)
			}
			want := demo.Counts{Delivered: 1, Lost: 4, Altered: 1}
			if diff := cmp.Diff(want, tally.Counts()); diff != "" {
				t.Errorf("%q came (-want +got):\n%s", payload, diff)
			}
		})
	}
}

// TestTallyAgreesWithItsDefinition compares it with the words of Counts, taken literally.
func TestTallyAgreesWithItsDefinition(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		came := make([]int, random.IntN(12))
		for i := range came {
			came[i] = random.IntN(len(pushed))
		}
		tally := demo.NewTally(pushed)
		for _, line := range came {
			tally.Take(pushed[line])
		}
		if diff := cmp.Diff(countsOf(came), tally.Counts()); diff != "" {
			t.Fatalf("lines %v came (-want +got):\n%s", came, diff)
		}
	}
}

func countsOf(came []int) (c demo.Counts) {
	times, latest := map[int]int{}, -1
	for _, line := range came {
		if times[line]++; times[line] > 1 {
			c.Doubled++
		} else if line < latest {
			c.OutOfOrder++
		}
		latest = max(latest, line)
	}
	c.Delivered = len(times)
	c.Lost = len(pushed) - len(times)
	return c
}

func TestReportFailsOnEveryKindOfWrong(t *testing.T) {
	t.Parallel()
	good := demo.Report{Counts: demo.Counts{Delivered: 5}, Gaps: 1, Reconnects: 2}
	if err := good.Err(); err != nil {
		t.Errorf("Err() = %v with nothing wrong, want nil", err)
	}
	for i, counts := range []demo.Counts{{Lost: 1}, {Doubled: 1}, {OutOfOrder: 1}, {Altered: 1}} {
		r := demo.Report{Counts: counts}
		numbers := [4]int{}
		numbers[i] = 1
		want := fmt.Sprintf("broken promises: %d lost, %d doubled, %d out of order, %d altered", numbers[0], numbers[1], numbers[2], numbers[3])
		if err := r.Err(); err == nil || err.Error() != want {
			t.Errorf("Err() = %v with %+v, want %q", err, counts, want)
		}
	}
}
