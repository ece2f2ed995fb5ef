//go:build race

package pebble_test

const defaultLosses = 60 // with the race detector each takes ten times as long
