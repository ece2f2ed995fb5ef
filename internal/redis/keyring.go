package redis

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"gopush/internal/message"
)

// keyring is the keys that a session opened with tokens, by name.
type keyring []opened

// opened is a key that a session may read.
type opened struct {
	key, token string
	tag        uint64
	proof      proof
	failed     error // why it could not be checked again; told to the next command, once
}

// proof says when a token was found good.
type proof struct {
	at          time.Time
	revocations uint64 // at that time
}

const (
	// maxOpened is how many keys a session may open.
	maxOpened = 1024
	// proofLasts is how long a token that was found good stays so, if none is revoked.
	proofLasts = 60 * time.Second
)

var errTooManyOpened = errors.New("too many keys opened on this connection: use another one")

// find returns where key is, or would be.
func (k keyring) find(key string) (at int, found bool) {
	return slices.BinarySearchFunc(k, key, func(o opened, key string) int { return cmp.Compare(o.key, key) })
}

// findBytes is find without a string.
func (k keyring) findBytes(key []byte) (at int, found bool) {
	return slices.BinarySearchFunc(k, key, func(o opened, key []byte) int {
		switch {
		case o.key < string(key):
			return -1
		case o.key > string(key):
			return 1
		}
		return 0
	})
}

// put adds o, or puts it where its key already is.
func (k *keyring) put(o opened) {
	at, found := k.find(o.key)
	if found {
		(*k)[at] = o
		return
	}
	*k = slices.Insert(*k, at, o)
}

// remove closes key.
func (k *keyring) remove(key string) {
	if at, found := k.find(key); found {
		*k = slices.Delete(*k, at, at+1)
	}
}

// isOpen tells whether key is open to c.session. Otherwise it has replied, or has put it among those to be checked.
func (c *call) isOpen(key []byte, stale *[]opened) bool {
	ring := c.session.keyring()
	at, found := ring.findBytes(key)
	if !found {
		c.error(c.refusal())
		return false
	}
	o := &ring[at]
	if err := o.failed; err != nil {
		o.failed = nil
		c.failed(err)
		return false
	}
	if c.server.outdated(o.proof) {
		*stale = append(*stale, *o)
	}
	return true
}

// refusal is what is said of a key that is not open.
func (c *call) refusal() string {
	if c.command.rights.has(asChannels) {
		return textNoChannel
	}
	return textNoKey
}

// outdated tells that a token has to be looked at again.
func (s *Server) outdated(p proof) bool {
	return s.cfg.Now().Sub(p.at) >= proofLasts || s.cfg.Revocations() != p.revocations
}

// check has the tokens of stale looked at again.
func (c *call) check(stale []opened) {
	server := c.server
	c.step.Kind = Check
	c.step.Work = func(ctx context.Context, dst []byte) ([]byte, func(*Session)) {
		for i := range stale {
			server.authorize(ctx, &stale[i])
		}
		return dst, func(s *Session) { s.checked(stale) }
	}
}

// authorize has o's token looked at. What came of it is in o.
func (s *Server) authorize(ctx context.Context, o *opened) {
	o.proof = proof{at: s.cfg.Now(), revocations: s.cfg.Revocations()}
	o.tag, o.failed = s.cfg.Authorize(ctx, o.key, o.token)
}

// checked takes what came of check.
func (s *Session) checked(looked []opened) {
	ring := &s.also().opened
	for _, o := range looked {
		switch {
		case o.failed == nil:
			ring.put(o)
		case refused(o.failed):
			ring.remove(o.key)
		default:
			o.proof = proof{}
			ring.put(o)
		}
	}
}

// refused tells an error that says that a token is no good from one that says that it could not be checked.
func refused(err error) bool {
	return errors.Is(err, message.ErrToken) || errors.Is(err, message.ErrUnknownKey)
}

// Tag returns the tag of the token by which c may read key; 0: it showed none.
func (s *Session) Tag(key string) uint64 {
	ring := s.keyring()
	if at, found := ring.find(key); found {
		return ring[at].tag
	}
	return 0
}

// OpensKeys tells whether s has to open a key with a token before it may read it.
func (s *Session) OpensKeys() bool { return s.is(tokens) }

// Opened tells whether s may read key, as far as is known: keys are closed again when a token is found to be no good any more.
func (s *Session) Opened(key string) bool {
	_, found := s.keyring().find(key)
	return found || !s.is(tokens)
}

func (s *Session) keyring() keyring {
	if s.more == nil {
		return nil
	}
	return s.more.opened
}
