//go:build broken_seam

package comet

// joinsSeam breaks a promise, so that test/proof can show that it is found.
const joinsSeam = false
