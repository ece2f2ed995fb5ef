//go:build broken_fence

package redis

// fenced breaks a promise, so that test/proof can show that it is found.
const fenced = false
