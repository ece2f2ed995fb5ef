//go:build !race

package pebble_test

const defaultLosses = 1000
