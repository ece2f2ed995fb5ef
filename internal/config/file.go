package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// readFile takes the settings of a TOML file. What cannot be read becomes a mistake.
func (l *loader) readFile(file string) {
	l.file, l.lines = file, map[string]string{}
	var values map[string]any
	meta, err := toml.DecodeFile(file, &values)
	if err != nil {
		l.add(Mistake{From: file, Text: describe(err)})
		return
	}
	for _, key := range meta.Keys() { // in the order of the file; part.name = … is a key of part alone
		if value, ok := values[key[0]]; ok {
			l.readTop(key[0], value)
			delete(values, key[0])
		}
	}
}

// readTop takes a line that is in no table, or a table that has the settings of a part.
func (l *loader) readTop(name string, value any) {
	table, ok := value.(map[string]any)
	if !ok || !isPart(name) {
		l.readLine(name, value)
		return
	}
	for _, inner := range slices.Sorted(maps.Keys(table)) {
		l.readLine(name+"."+inner, table[inner])
	}
}

// describe says where in a file the syntax is wrong, or why there is no file.
func describe(err error) string {
	if syntax, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Sprintf("line %d: %s", syntax.Position.Line, syntax.Message)
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}

func (l *loader) readLine(name string, value any) {
	known := names()
	if !slices.Contains(known, name) {
		l.add(unknown(name, l.file, known))
		return
	}
	text, err := flagText(value)
	if err != nil {
		l.add(Mistake{Setting: name, From: l.file, Text: err.Error()})
		return
	}
	l.lines[name] = text
}

// flagText turns a value of TOML into what would be given to the flag.
func flagText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case int64, float64, bool:
		return fmt.Sprint(v), nil
	case []any:
		var list []string
		for _, element := range v {
			text, err := flagText(element)
			if err != nil {
				return "", err
			}
			list = append(list, text)
		}
		return kong.JoinEscaped(list, ','), nil
	}
	return "", errors.New("wants a string, a number, true or false, or a list of strings")
}
