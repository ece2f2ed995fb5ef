//go:build broken_gap

package comet

// tellsGaps breaks a promise, so that test/proof can show that it is found.
const tellsGaps = false
