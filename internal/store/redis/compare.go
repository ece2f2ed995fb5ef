//go:build !broken_fence

package redis

// fenced tells that an append is compared with the last one of its key, and who appends with who owns it.
const fenced = true
