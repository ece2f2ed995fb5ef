package config

import (
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// setting is one field of Config with what its tags say.
type setting struct {
	reflect.StructField
	name string // as in the file: some_name, or part.some_name
}

// settings lists the fields of Config in their order.
func settings() []setting {
	var all []setting
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		name := strings.ReplaceAll(field.Tag.Get("name"), "-", "_")
		if name == "" {
			name = snake(field.Name)
		}
		all = append(all, setting{field, name})
	}
	return all
}

// snake turns MaxKeyBytes into max_key_bytes.
func snake(camel string) string {
	var name strings.Builder
	for i, r := range camel {
		if i > 0 && unicode.IsUpper(r) {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}

// names lists the names of all settings in their order.
func names() []string {
	var all []string
	for _, s := range settings() {
		all = append(all, s.name)
	}
	return all
}

// isPart tells whether settings have names of the form name.some_name.
func isPart(name string) bool {
	return slices.ContainsFunc(names(), func(s string) bool { return strings.HasPrefix(s, name+".") })
}

func (s setting) flag() string { return "--" + strings.ReplaceAll(s.name, "_", "-") }

func (s setting) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.name, ".", "_"))
}

// of returns the setting's value in c.
func (s setting) of(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(s.Index) }

// secret tells whether what was given for the setting must not be repeated.
func (s setting) secret() bool {
	return s.Type == reflect.TypeFor[[]APIKey]() || s.Type == reflect.TypeFor[Secret]()
}

// plain returns a value in the words of the file: a number, a bool, a string, or a list of them.
// Secrets are masked.
func plain(v reflect.Value) any {
	switch value := v.Interface().(type) {
	case slog.Level:
		return strings.ToLower(value.String())
	case Bytes:
		if value%1024 != 0 || value == 0 {
			return int64(value)
		}
		return value.String()
	case encoding.TextMarshaler:
		return fmt.Sprint(value)
	}
	if v.Kind() != reflect.Slice {
		return v.Interface()
	}
	list := make([]any, v.Len())
	for i := range list {
		list[i] = plain(v.Index(i))
	}
	return list
}
