//go:build !broken_idem

package pebble

// knowsKeys tells that an idempotency key is looked for before it is stored.
const knowsKeys = true
