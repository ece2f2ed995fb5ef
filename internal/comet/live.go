//go:build !broken_live

package comet

// goesLive tells that who has read all that it missed is given what is pushed.
const goesLive = true
