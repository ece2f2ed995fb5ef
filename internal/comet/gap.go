//go:build !broken_gap

package comet

// tellsGaps tells that who resumes is told what is gone.
const tellsGaps = true
