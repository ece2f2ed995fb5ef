// Package wire has what subscribers see, and what those of gopush-cluster send, over RESP and over
// WebSocket. These are pure functions between bytes and values.
//
//	["sub" "k" "30" …] ── ParseSub ──┐
//	/sub?key=k&…  ── ParseSubQuery ──┴─> Sub
//	Message ── Encoder.Frame, once per Variant ──> bytes, shared by every connection of the Variant
//
// It promises that a frame depends on the message, the variant and, where there is one, the pattern
// alone. It does no I/O and knows neither connections nor channels. The rules are those of
// docs/protocol.md, "Legacy RESP", "Legacy WebSocket" and "Redis".
package wire

// The texts of the protocol. After all but the first the connection is closed.
const (
	TextHeartbeat = "+h\r\n" // subscribed, and the answer to each heartbeat
	TextParam     = "-p\r\n" // a bad parameter or an unknown command
	TextToken     = "-a\r\n" // the token is refused
	TextChannel   = "-c\r\n" // the key is unknown, or has no room for another subscriber
	TextNode      = "-n\r\n" // the key belongs to another node
)

// Variant is one way in which a message looks on the wire. All connections of a variant share
// its frames.
type Variant uint8

// The bits of a Variant; without any it is RESP for a client that gave a VERSION.
const (
	WebSocket Variant = 1 << iota // one text frame each, without RESP around it
	Old                           // msg is always a JSON string
	Prev                          // prev follows gid
	Deflate                       // permessage-deflate was agreed on; without WebSocket it means nothing

	// Redis is a delivery of pub/sub. With it the bits above mean something else.
	Redis

	RESP3 Variant = 1 // with Redis: of the push type
	IDs   Variant = 2 // with Redis and RESP3: with the id as an attribute
	Shard Variant = 4 // with Redis: to who said SSUBSCRIBE

	NumVariants = int(Redis|RESP3|IDs|Shard) + 1 // how many there are, for arrays by Variant
)
