package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// variablePrefix begins the names of all variables of gopush.
const variablePrefix = "GOPUSH_"

// loader is what one parse of kong knows of the sources. As a resolver it answers for the
// settings that no flag set: with the variable, else with the line of the file.
type loader struct {
	environ  []string
	attached map[*kong.Flag]setting
	foreign  []string // variables of flags that are not settings

	file     string            // of --config; empty: none
	lines    map[string]string // what the file sets, by setting, in the form of a flag's value
	from     map[string]string // who set it, by setting
	mistakes Mistakes
}

// attach finds the settings among the flags of the model. It runs before anything is parsed.
func (l *loader) attach(k *kong.Kong) error {
	return kong.Visit(k.Model.Node, func(visited kong.Visitable, next kong.Next) error {
		if node, ok := visited.(*kong.Node); ok {
			l.attachNode(node)
		}
		return next(nil)
	})
}

func (l *loader) attachNode(node *kong.Node) {
	byFlag := map[string]setting{}
	if _, ok := node.Target.Addr().Interface().(interface{ takesSettings() }); ok {
		for _, s := range settings() {
			byFlag[s.flag()] = s
		}
	}
	for _, flag := range node.Flags {
		l.foreign = append(l.foreign, flag.Envs...)
		if s, ok := byFlag["--"+flag.Name]; ok {
			l.attached[flag] = s
			flag.Mapper = mapper{flag.Mapper, l, s}
		}
	}
}

// Validate implements kong.Resolver; what there is to say is said by Flags.AfterApply.
func (l *loader) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (l *loader) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s, ok := l.attached[flag]
	if !ok {
		return nil, nil
	}
	if value, ok := l.variable(s.variable()); ok {
		l.from[s.name] = s.variable()
		return value, nil
	}
	if value, ok := l.lines[s.name]; ok {
		l.from[s.name] = l.file
		return value, nil
	}
	return nil, nil
}

// variable looks a name up in the environment.
func (l *loader) variable(name string) (value string, found bool) {
	for _, pair := range l.environ {
		if n, v, _ := strings.Cut(pair, "="); n == name {
			value, found = v, true
		}
	}
	return value, found
}

// checkVariables refuses variables with our prefix that nothing reads.
func (l *loader) checkVariables() {
	known := slices.Clone(l.foreign)
	for _, s := range settings() {
		known = append(known, s.variable())
	}
	for _, pair := range l.environ {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, variablePrefix) && !slices.Contains(known, name) {
			l.mistakes = append(l.mistakes, unknown(name, "the environment", known))
		}
	}
}

// add keeps a mistake, the first of its setting only: what follows from it is noise.
func (l *loader) add(m Mistake) {
	if m.From == "" {
		m.From = l.from[m.Setting]
	}
	if m.Setting == "" || !l.mistakes.about(m.Setting) {
		l.mistakes = append(l.mistakes, m)
	}
}

// mapper decodes a setting as kong would, but keeps a value that does not parse as a mistake and
// goes on, so that all of them are told at once.
type mapper struct {
	kong.Mapper
	loader  *loader
	setting setting
}

// Decode implements kong.Mapper.
func (m mapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token := ctx.Scan.Peek()
	err := m.Mapper.Decode(ctx, target)
	if err == nil || !token.IsValue() {
		return err // no value at all: kong says so
	}
	mistake := Mistake{
		Setting: m.setting.name,
		From:    m.loader.from[m.setting.name],
		Text:    m.setting.wants(err),
	}
	if mistake.From == "" {
		mistake.From = m.setting.flag()
	}
	if !m.setting.secret() {
		mistake.Value = fmt.Sprintf("%q", token.String())
	}
	m.loader.add(mistake)
	return nil
}
