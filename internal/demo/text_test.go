package demo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/demo"
)

func TestReadText(t *testing.T) {
	t.Parallel()
	ten := strings.Repeat("line\n\n", 5)
	for _, row := range []struct {
		name, content string
		most          int
		lines         int
		err           string
	}{
		{"as it is, empty lines too", ten, 100, 10, ""},
		{"no more than wanted", ten + ten, 15, 15, ""},
		{"a last line without an end", ten + "end", 100, 11, ""},
		{"bytes that are no text", ten + "\xff\x00\n", 100, 11, ""},
		{"too few lines", "a\nb\n", 100, 0, "has only 2 lines; give a text of at least 10"},
		{"a line too long", ten + strings.Repeat("x", 1<<17), 100, 0, "line 11 is longer than 65536 bytes; give another text"},
		{"a line too long behind what is wanted", ten + strings.Repeat("x", 1<<17), 10, 10, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "text")
			if err := os.WriteFile(file, []byte(row.content), 0o600); err != nil {
				t.Fatal(err)
			}
			text, err := demo.ReadText(file, row.most)
			switch {
			case row.err == "" && err != nil:
				t.Fatalf("ReadText = %v", err)
			case row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)):
				t.Fatalf("ReadText = %v, want an error with %q", err, row.err)
			case row.err == "" && (len(text.Lines) != row.lines || text.Name != file):
				t.Errorf("ReadText has %d lines of %s, want %d of %s", len(text.Lines), text.Name, row.lines, file)
			}
		})
	}
}

func TestReadTextKeepsLinesAsTheyAre(t *testing.T) {
	t.Parallel()
	want := []string{"", "  a ", "\tb", "{}", "é", "\xff", "", "x", "y", "z"}
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(strings.Join(want, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := demo.ReadText(file, 100)
	if diff := cmp.Diff(want, text.Lines); err != nil || diff != "" {
		t.Errorf("ReadText = %v (-want +got):\n%s", err, diff)
	}
}

func TestReadTextOfNoFile(t *testing.T) {
	t.Parallel()
	if _, err := demo.ReadText(filepath.Join(t.TempDir(), "none"), 100); !os.IsNotExist(err) {
		t.Errorf("ReadText of no file = %v, want that it does not exist", err)
	}
}

// TestSystemText: where tests run there are the sources of Go, if nothing else.
func TestSystemText(t *testing.T) {
	t.Parallel()
	text, err := demo.SystemText(t.Context(), 2500)
	if err != nil || len(text.Lines) < 2000 || len(text.Lines) > 2500 || text.Name == "" {
		t.Errorf("SystemText = %d lines of %q, %v; want 2000 to 2500", len(text.Lines), text.Name, err)
	}
}
