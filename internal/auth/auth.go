// Package auth decides who may do what: API keys for whoever pushes and operates, opaque
// tokens for subscribers.
//
// It promises that no secret it was given leaves it again: not in an error, not in a log, not
// in a store, which sees hashes only. It knows neither HTTP nor what a connection is; whoever
// asks tells it the secret and acts on the answer.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
)

// APIKeys are the named secrets of backends and operators. They never change: a reload makes
// new ones and swaps them whole. The zero value and nil have no keys.
type APIKeys struct {
	keys []apiKey // by name
}

type apiKey struct {
	name string
	hash [sha256.Size]byte
}

// NewAPIKeys returns the keys of secrets, which maps a name to its secret. An empty secret
// admits nobody.
func NewAPIKeys(secrets map[string]string) *APIKeys {
	k := &APIKeys{keys: make([]apiKey, 0, len(secrets))}
	for name, secret := range secrets {
		if secret != "" {
			k.keys = append(k.keys, apiKey{name: name, hash: sha256.Sum256([]byte(secret))})
		}
	}
	slices.SortFunc(k.keys, func(a, b apiKey) int { return strings.Compare(a.name, b.name) })
	return k
}

// Len returns how many keys there are.
func (k *APIKeys) Len() int {
	if k == nil {
		return 0
	}
	return len(k.keys)
}

// Check returns the name of the key whose secret this is. It takes the same time whichever
// key matches, and whether one does.
func (k *APIKeys) Check(secret string) (name string, ok bool) {
	return k.CheckHash(sha256.Sum256([]byte(secret)))
}

// CheckHash is Check for the SHA-256 of a secret, which may be kept.
func (k *APIKeys) CheckHash(hash [sha256.Size]byte) (name string, ok bool) {
	for i := range k.Len() {
		if subtle.ConstantTimeCompare(hash[:], k.keys[i].hash[:]) == 1 {
			name, ok = k.keys[i].name, true
		}
	}
	return name, ok
}
