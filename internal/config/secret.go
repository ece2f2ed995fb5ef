package config

import (
	"fmt"
	"os"
	"strings"
)

// Secret is a text that is never printed: it prints as ***, or as nothing when it is empty.
type Secret string

// String returns the secret masked.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString masks the secret for %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// MarshalText implements encoding.TextMarshaler; the secret is masked.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// readSecretFile reads a secret: the file without the end of its line. An error does not repeat it.
func readSecretFile(file string) (Secret, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("%s must hold one line, the secret", file)
	}
	return Secret(secret), nil
}
