package client

import (
	"errors"
	"fmt"
)

// What a server refuses a subscription with. The first three end Subscribe: trying again
// would be refused again.
var (
	// ErrToken: the token is missing, wrong, expired or revoked. Ask your backend for a new one.
	ErrToken = errors.New("token refused")
	// ErrUnknownKey: no token was ever registered for the key, or it has as many subscribers as the
	// server allows. For a heartbeat and 15 s after a lost connection it is tried again: the server
	// may still count that connection.
	ErrUnknownKey = errors.New("key unknown or not open to more subscribers")
	// ErrRefused: the server does not accept the key or the heartbeat, see Config.
	ErrRefused = errors.New("subscription refused: bad key or heartbeat")
	// ErrOtherNode: the key belongs to another node of the cluster. It is tried again, since the
	// cluster may be moving the key; Config.OnDisconnect sees it.
	ErrOtherNode = errors.New("key belongs to another node")
)

// errProtocol: the server sent what no gopush server sends. Another connection may do better.
var errProtocol = errors.New("not the gopush protocol")

// permanent marks an error that no further connection can mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// refusal is the error for a server's "-x" reply.
func refusal(reply []byte) error {
	switch string(reply) {
	case "a":
		return ErrToken
	case "c":
		return ErrUnknownKey
	case "p":
		return ErrRefused
	case "n":
		return ErrOtherNode
	}
	return fmt.Errorf("%w: error reply %.64q", errProtocol, reply)
}
