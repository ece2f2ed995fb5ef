//go:build broken_fsync

package pebble

// syncsCommits is false in a binary that breaks a promise, so that who checks promises has something to find.
const syncsCommits = false
