package client

import "time"

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// fullJitter returns the pause before reconnecting for the attempt-th time in a row, counted
// from 0: evenly spread below a bound that doubles each time, so that devices that lost one
// server together do not come back together. random(n) is even in [0, n).
func fullJitter(attempt int, random func(time.Duration) time.Duration) time.Duration {
	bound := maxBackoff
	if doublings := min(attempt, 16); firstBackoff<<doublings < maxBackoff {
		bound = firstBackoff << doublings
	}
	return random(bound)
}
