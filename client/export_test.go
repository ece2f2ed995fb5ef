package client

// FullJitter lets tests pass in the randomness.
var FullJitter = fullJitter
