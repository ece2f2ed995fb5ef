// Package test has the end-to-end tests: the built binary over real sockets, with real clients.
package test
