package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// Map returns every setting by its name, as a number, a bool, a string or a list; secrets are
// masked.
func (c Config) Map() map[string]any {
	values := map[string]any{}
	for _, s := range settings() {
		values[s.name] = plain(s.of(&c))
	}
	return values
}

// TOML returns c as a file that sets everything, with a comment for each setting. Secrets are
// masked.
func (c Config) TOML() string { return strings.TrimPrefix(c.print(""), "\n") }

// Example returns a file that shows every setting with its default, each commented out.
func Example() string {
	c := Default()
	return `# gopush.example.toml: every setting, with its default.
#
# A setting some_name is also the variable GOPUSH_SOME_NAME and the flag --some-name; a variable
# overrides this file, a flag overrides both. Settings of a part, as cluster.weight, may also stand
# in a table, [cluster], behind all that are in none; their variables are as GOPUSH_CLUSTER_WEIGHT. Sizes are bytes or have a unit (64KiB, 1MiB, 2GiB),
# so have durations (250ms, 5s, 12h, 7d). "gopush check-config --config FILE" checks a file.
# Settings marked [reload] are taken over on SIGHUP; [reload: certificates] means their files.
` + c.print("# ")
}

// print writes each setting behind its comment, its line behind prefix, a title over each group.
func (c *Config) print(prefix string) string {
	var out strings.Builder
	group := ""
	for _, s := range settings() {
		if group != s.Tag.Get("group") {
			group = s.Tag.Get("group")
			fmt.Fprintf(&out, "\n## %s\n", title(group))
		}
		fmt.Fprintf(&out, "\n%s%s%s\n", wrap(s.comment()), prefix, line(s.name, plain(s.of(c))))
	}
	return out.String()
}

func title(group string) string {
	for _, g := range groups() {
		if g.Key == group {
			return strings.TrimSuffix(g.Title, ":")
		}
	}
	return group
}

// line is `name = value` in TOML.
func line(name string, value any) string {
	var out bytes.Buffer
	encoder := toml.NewEncoder(&out)
	if err := encoder.Encode(map[string]any{"value": value}); err != nil {
		panic("config: " + name + ": " + err.Error()) // plain returns nothing that TOML cannot hold
	}
	return name + strings.TrimPrefix(strings.TrimSpace(out.String()), "value") // a name with a dot would be quoted
}

// comment says what the setting does, its range, and whether SIGHUP applies it.
func (s setting) comment() string {
	text := s.Tag.Get("help")
	switch least, most := s.Tag.Get("min"), s.Tag.Get("max"); {
	case least != "" && most != "":
		text += " " + least + " to " + most + "."
	case least != "":
		text += " " + least + " or more."
	}
	switch s.Tag.Get("reload") {
	case "yes":
		text += " [reload]"
	case "tls":
		text += " [reload: certificates]"
	}
	return text
}

// wrap breaks a text into comment lines of at most 100 bytes where words allow.
func wrap(text string) string {
	var out strings.Builder
	width := 0
	for word := range strings.FieldsSeq(text) {
		if width == 0 || width+1+len(word) > 98 {
			out.WriteString("\n#")
			width = 1
		}
		out.WriteString(" " + word)
		width += 1 + len(word)
	}
	return strings.TrimPrefix(out.String(), "\n") + "\n"
}
