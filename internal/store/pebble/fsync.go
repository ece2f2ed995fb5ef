//go:build !broken_fsync

package pebble

// syncsCommits tells that a commit is synced before it is acknowledged.
const syncsCommits = true
