//go:build broken_live

package comet

// goesLive breaks a promise, so that test/proof can show that it is found.
const goesLive = false
