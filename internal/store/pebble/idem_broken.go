//go:build broken_idem

package pebble

// knowsKeys breaks a promise, so that test/proof can show that it is found.
const knowsKeys = false
