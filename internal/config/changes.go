package config

import (
	"reflect"
	"slices"
)

// Changes compares two configurations and names the settings that differ: those that a running
// node can take over, and those for which it must be restarted. The files that an address names
// may have changed even where no setting did.
func Changes(old, next Config) (reloadable, fixed []string) {
	for _, s := range settings() {
		before, after := s.of(&old), s.of(&next)
		switch {
		case reflect.DeepEqual(before.Interface(), after.Interface()):
		case s.reloadable(before, after):
			reloadable = append(reloadable, s.name)
		default:
			fixed = append(fixed, s.name)
		}
	}
	return reloadable, fixed
}

// Reloaded returns what a node that runs with old runs with after it was given next: old, with
// the reloadable changes.
func Reloaded(old, next Config) Config {
	names, _ := Changes(old, next)
	for _, s := range settings() {
		if slices.Contains(names, s.name) {
			s.of(&old).Set(s.of(&next))
		}
	}
	return old
}

// reloadable tells whether the tag reload allows the change.
func (s setting) reloadable(before, after reflect.Value) bool {
	switch s.Tag.Get("reload") {
	case "yes":
		return true
	case "tls":
		return reflect.DeepEqual(withoutFiles(before), withoutFiles(after))
	}
	return false
}

// withoutFiles returns addresses with nothing of TLS but whether it is on.
func withoutFiles(addresses reflect.Value) (kept []Address) {
	for _, a := range addresses.Interface().([]Address) {
		if a.TLS() {
			a.TLSCert, a.TLSKey, a.ClientCA = "on", "on", ""
		}
		kept = append(kept, a)
	}
	return kept
}
