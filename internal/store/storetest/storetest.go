// Package storetest is what a store promises, as a test that every store runs against the
// real thing:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T, cfg storetest.Config) storetest.Store { … })
//	}
//
// Stores that outlive their process run RunReopen too.
package storetest

import (
	"maps"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
)

// Store is what is tested.
type Store interface {
	channel.Store
	channel.Groups
	channel.Tokens
	channel.Limits
	SetMaxStoredPerKey(n int)             // as Config has it, from the next append on
	SetMaxDevicesPerKey(n int)            // groups of a key and consumers of a group; 0: no limit
	SetIdempotencyWindow(d time.Duration) // channel.IdempotencyWindow before; of what is stored from now on
}

// Config is what a test asks of the store that it opens.
type Config struct {
	MaxStoredPerKey int              // 0: no limit
	Now             func() time.Time // the clock of the store
	Dir             string           // of this test; a store that is closed and opened there again has all that it had
}

// Open opens an empty store, or the one that is in cfg.Dir. The tests close it.
type Open func(t *testing.T, cfg Config) Store

// Run tests that the stores that open returns keep the contract of channel.Store,
// channel.Groups, channel.Tokens and channel.Limits, and of channel.Epochs where they have it.
func Run(t *testing.T, open Open) {
	tests := groupTests()
	maps.Copy(tests, duplicateTests())
	maps.Copy(tests, epochTests())
	maps.Copy(tests, map[string]func(*testing.T, Open){
		"append/chains":                     appendChains,
		"append/order":                      appendOrder,
		"append/many keys":                  appendManyKeys,
		"append/one bad key of many":        appendOneBadKey,
		"append/one key many times":         appendOneKeyManyTimes,
		"append/big":                        appendBig,
		"append/too late":                   appendTooLate,
		"append/concurrently":               appendConcurrently,
		"append/racing for one key":         appendRace,
		"range/bounds":                      rangeBounds,
		"range/limits":                      rangeLimits,
		"range/expired":                     rangeExpired,
		"range/caller owns what it gets":    rangeOwned,
		"range/similar keys":                rangeSimilarKeys,
		"info/record":                       infoRecord,
		"info/since":                        infoSince,
		"info/forgotten after 30 days":      infoForgotten,
		"info/mids of long ago":             infoOfLongAgo,
		"delete/some":                       deleteSome,
		"delete/all":                        deleteAll,
		"trim":                              trim,
		"trim/with an append":               trimWithAppend,
		"trim/with appends at once":         trimWithAppends,
		"exists":                            exists,
		"cap/newest stay":                   capNewest,
		"cap/expired go before living":      capExpiredFirst,
		"cap/more at once than the cap":     capAtOnce,
		"cap/expiry in any order":           capMixed,
		"cap/changed":                       capChanged,
		"keys/pages":                        keysPages,
		"tokens/put, renew, delete":         tokens,
		"tokens/renewed":                    tokensRenewed,
		"tokens/renewed while deleted":      tokensRenewedWhileDeleted,
		"tokens/of similar keys":            tokensSimilarKeys,
		"limits":                            limits,
		"close":                             closed,
		"model/random operations, no limit": func(t *testing.T, open Open) { againstModel(t, open, 0) },
		"model/random operations, cap of 5": func(t *testing.T, open Open) { againstModel(t, open, 5) },
	})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

// t0 is when every test begins.
var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is a clock that stands still until it is stepped.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
