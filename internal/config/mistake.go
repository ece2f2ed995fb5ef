package config

import (
	"fmt"
	"strings"
)

// Mistake is one thing wrong with the configuration.
type Mistake struct {
	Setting string // its name; empty when the mistake is not of one setting
	Value   string // what it is set to; empty when that is not the point, or secret
	From    string // where that comes from: a flag, a variable, a file; empty: not known
	Text    string // what is wrong, what is allowed, what to do
}

// String returns the mistake as a line: `setting = value (from): text`.
func (m Mistake) String() string {
	var line strings.Builder
	line.WriteString(m.Setting)
	if m.Value != "" {
		line.WriteString(" = " + m.Value)
	}
	switch {
	case m.From != "" && m.Setting != "":
		line.WriteString(" (" + m.From + ")")
	case m.From != "":
		line.WriteString(m.From)
	}
	return line.String() + ": " + m.Text
}

// Mistakes is all that is wrong with a configuration, as an error of a line each.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = "  " + mistake.String()
	}
	noun := "mistakes"
	if len(m) == 1 {
		noun = "mistake"
	}
	return fmt.Sprintf("%d %s in the configuration:\n%s", len(m), noun, strings.Join(lines, "\n"))
}

// about tells whether there is a mistake of the setting already.
func (m Mistakes) about(setting string) bool {
	for _, mistake := range m {
		if mistake.Setting == setting && setting != "" {
			return true
		}
	}
	return false
}

// unknown is the mistake of a name that is no setting's, with the nearest that is one.
func unknown(name, from string, known []string) Mistake {
	text := "no such setting"
	if near := nearest(name, known); near != "" {
		text += "; did you mean " + near + "?"
	}
	return Mistake{Setting: name, From: from, Text: text}
}

// nearest returns the name that takes the fewest edits to reach, "" when all take too many.
func nearest(name string, known []string) string {
	best, fewest := "", 1+len(name)/6
	for _, candidate := range known {
		if n := edits(name, candidate); n <= fewest {
			best, fewest = candidate, n-1
		}
	}
	return best
}

// edits counts the bytes to insert, delete or replace to turn a into b (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
