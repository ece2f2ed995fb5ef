//go:build !broken_seam

package comet

// joinsSeam tells that what both the store and the loop have is sent once.
const joinsSeam = true
