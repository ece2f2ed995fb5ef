package redis

import (
	"context"
	"unicode/utf8"

	"gopush/internal/message"
)

const (
	textNoAuth    = "NOAUTH Authentication required."
	textWrongPass = "WRONGPASS invalid username-password pair or user is disabled."
	textNoKey     = "NOPERM this user has no permissions to access one of the keys used as arguments"
	textNoChannel = "NOPERM this user has no permissions to access one of the channels used as arguments"
)

// allowed tells whether c.session may have c carried out now. Otherwise it has replied, or c is to be checked first.
func (c *call) allowed() bool {
	rights := c.command.rights
	switch {
	case !rights.has(anybody) && !c.server.authenticated(c.session):
		c.error(textNoAuth)
	case rights.has(adminOnly) && !c.session.is(admin):
		c.errorf("NOPERM this user has no permissions to run the '%s' command", c.command.full)
	case !rights.has(unchecked) && !c.mayUseKeys():
	case !rights.has(subscribed) && c.onlySubscribed():
		c.errorf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", c.command.full)
	default:
		return true
	}
	return false
}

// onlySubscribed tells that replies could not be told from deliveries.
func (c *call) onlySubscribed() bool { return !c.three && c.session.Subscriptions != Subscriptions{} }

// authenticated tells whether s showed what lets it do anything at all.
func (s *Server) authenticated(c *Session) bool {
	return !c.Anonymous() && (!c.is(admin) || c.is(open) || s.keepsAPIKey(c))
}

// keepsAPIKey tells whether c showed an API key that is still one.
func (s *Server) keepsAPIKey(c *Session) bool {
	shown := &c.more.shown
	if s.cfg.APIKeys == nil {
		return true
	}
	generation := s.cfg.APIKeys()
	if generation == shown.generation {
		return true
	}
	if s.cfg.APIKeyHash == nil || !s.cfg.APIKeyHash(shown.name, shown.hash) {
		c.set(apiKey, false)
		*shown = shownKey{}
		return false
	}
	shown.generation = generation
	return true
}

// EndRevoked closes the connections of admins who showed an API key that is none any more, and returns how many there were: a subscription
// asks for nothing again.
func (s *Server) EndRevoked(ctx context.Context) int {
	return s.cfg.Clients.KillClients(ctx, func(client *Client) bool {
		c := client.Session
		return c.is(apiKey) && !c.is(open) && !s.keepsAPIKey(c)
	})
}

// mayUseKeys tells whether the keys of c may be keys and are open to it. Otherwise it has replied, or c is to be checked first.
func (c *call) mayUseKeys() bool {
	var stale []opened
	most := c.limits().MaxKeyBytes
	for i, end, step := c.command.keysOf(c.args); i < end; i += step {
		if !c.goodKey(c.args[i], most) || c.session.is(tokens) && !c.isOpen(c.args[i], &stale) {
			return false
		}
	}
	if len(stale) > 0 {
		c.check(stale)
	}
	return len(stale) == 0
}

// goodKey tells whether key may be one. Otherwise it has replied.
func (c *call) goodKey(key []byte, most int) bool {
	if plain(key, most) {
		return true
	}
	err := message.CheckKey(string(key), most)
	if err != nil {
		c.failed(err)
	}
	return err == nil
}

// plain tells that key is good without an allocation, as it does of most.
func plain(key []byte, most int) bool {
	for _, b := range key {
		if b < ' ' || b >= utf8.RuneSelf-1 {
			return false
		}
	}
	return 0 < len(key) && len(key) <= most
}
