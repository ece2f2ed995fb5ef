package config

import (
	"reflect"
)

// Changes compares two configurations and names the settings that differ: those that a running
// node can take over, and those for which it must be restarted. The files that an address, or
// api_keys_file, names may have changed even where no setting did.
func Changes(old, new *Config) (reloadable, fixed []string) {
	for _, s := range settings() {
		before, after := s.of(old), s.of(new)
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
			a.TLSCert, a.TLSKey = "on", "on"
		}
		kept = append(kept, a)
	}
	return kept
}
