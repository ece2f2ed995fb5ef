package config

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// APIKey is what a backend or an operator shows on an admin or ops listener. Its text is
// NAME:SECRET; it prints as NAME:***.
type APIKey struct {
	Name   string // stands in logs and metrics
	Secret string // never printed
}

var errAPIKey = errors.New("an API key is NAME:SECRET, the name without blanks, the secret of 8 bytes or more")

// minSecret is the least length of a secret; shorter ones are guessed.
const minSecret = 8

// String returns the key with its secret masked.
func (k APIKey) String() string { return k.Name + ":***" }

// GoString masks the secret for %#v.
func (k APIKey) GoString() string { return k.String() }

// MarshalText implements encoding.TextMarshaler; the secret is masked.
func (k APIKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Its error does not repeat the text.
func (k *APIKey) UnmarshalText(text []byte) error {
	name, secret, found := strings.Cut(strings.TrimSpace(string(text)), ":")
	if !found || name == "" || strings.ContainsAny(name, " \t") || len(secret) < minSecret {
		return errAPIKey
	}
	*k = APIKey{Name: name, Secret: secret}
	return nil
}

// readAPIKeys reads a file with one API key a line; empty lines and lines that begin with # are
// left out. An error names the line, never what it holds.
func readAPIKeys(file string) ([]APIKey, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	var keys []APIKey
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var key APIKey
		if err := key.UnmarshalText([]byte(line)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		keys = append(keys, key)
	}
	return keys, lines.Err()
}
