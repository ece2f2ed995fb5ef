//go:build !broken_fence

package redis

// fenced tells that an append is compared with the last one of its key.
const fenced = true
