package redistest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// step is some commands that a connection sends at once.
type step struct {
	line     int        // which connection
	commands [][]string // names and arguments; see (*twin).argument for what some stand for
	inline   bool       // as lines, not as arrays
	cuts     []int      // where what is sent is cut into pieces
}

// Script is what is done on two servers, one after the other. Its text is read by ParseScript.
type Script []step

// String shows a step as a line: the connection, ">" or, for inline commands, "'>", the commands with "|" between them.
// Arguments are quoted as Go does where they have to be. Cuts are not shown.
func (s step) String() string {
	commands := make([]string, len(s.commands))
	for i, c := range s.commands {
		commands[i] = showCommand(c)
	}
	sign := ">"
	if s.inline {
		sign = "'>"
	}
	return strconv.Itoa(s.line) + sign + " " + strings.Join(commands, " | ")
}

func (s Script) String() string {
	var b strings.Builder
	b.WriteByte('\n')
	for _, step := range s {
		fmt.Fprintln(&b, step)
	}
	return b.String()
}

// GoString is how rapid shows s.
func (s Script) GoString() string { return s.String() }

func showCommand(args []string) string {
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = a
		if q := strconv.Quote(a); a == "" || a == "|" || strings.Contains(a, " ") || q != `"`+a+`"` {
			shown[i] = q
		}
	}
	return strings.Join(shown, " ")
}

// ParseScript reads lines of steps; "#" begins a comment line. A line without a connection is of connection 0.
func ParseScript(text string) (Script, error) {
	var s Script
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		s = append(s, one)
	}
	return s, nil
}

func parseStep(line string) (step, error) {
	var s step
	if len(line) > 1 && line[0] >= '0' && line[0] <= '9' {
		before, after, found := strings.Cut(line, ">")
		if found && len(before) <= 2 {
			s.line = int(line[0] - '0')
			s.inline = len(before) == 2
			line = after
		}
	}
	args, err := parseArguments(line)
	if err != nil {
		return s, err
	}
	for {
		end := slices.Index(args, "|")
		if end < 0 {
			break
		}
		s.commands = append(s.commands, args[:end])
		args = args[end+1:]
	}
	s.commands = append(s.commands, args)
	for _, c := range s.commands {
		if len(c) == 0 {
			return s, errors.New("a command without a name")
		}
	}
	return s, nil
}

// parseArguments splits at spaces; what begins with a quote is one argument, quoted as Go does.
func parseArguments(line string) (args []string, err error) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return args, nil
		}
		arg := line
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			arg = line[:i]
		}
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, err
			}
			arg, _ = strconv.Unquote(quoted)
			line = line[len(quoted):]
		} else {
			line = line[len(arg):]
		}
		args = append(args, arg)
	}
}
