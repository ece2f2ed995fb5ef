package redis

import "bytes"

// Pushes tells whether a command of this name, in any case, pushes: it may be begun while others of its connection are under way.
func Pushes(name []byte) bool {
	switch len(name) {
	case len("xadd"):
		return bytes.EqualFold(name, []byte("xadd"))
	case len("publish"):
		return bytes.EqualFold(name, []byte("publish"))
	case len("spublish"):
		return bytes.EqualFold(name, []byte("spublish"))
	}
	return false
}
