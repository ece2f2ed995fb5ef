package redis

import (
	"context"
	"errors"
	"math"

	"gopush/internal/message"
)

const textNeedsKey = "ERR The XGROUP subcommand requires the key to exist. " +
	"Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."

// cursors returns what keeps cursors, if they may be called names. Otherwise it has replied.
func (c *call) cursors(names ...[]byte) (Groups, bool) {
	if c.server.cfg.Groups == nil {
		c.error("ERR no cursors: the store of this node keeps none")
		return nil, false
	}
	most := c.limits().MaxKeyBytes
	for _, name := range names {
		if plain(name, most) {
			continue
		}
		if err := message.CheckKey(string(name), most); err != nil {
			c.errorf("ERR a group or consumer cannot be called so, the rules are those of keys: %v", err)
			return nil, false
		}
	}
	return c.server.cfg.Groups, true
}

// cursor is a group of a key, or of none.
type cursor struct {
	keys       Keys
	groups     Groups
	key, group string
}

// cursor returns the group that the arguments from key on name; names are the other ones in it.
func (c *call) cursor(key int, names ...[]byte) (cursor, bool) {
	groups, ok := c.cursors(append(names, c.args[key+1])...)
	if !ok {
		return cursor{}, false
	}
	return cursor{keys: c.server.cfg.Keys, groups: groups, key: string(c.args[key]), group: string(c.args[key+1])}, true
}

// missing tells whether err says that the group is not there, or its key.
func missing(err error) bool {
	return errors.Is(err, message.ErrNoGroup) || errors.Is(err, message.ErrNoKey)
}

// look returns nil if the group is there.
func (g *cursor) look(ctx context.Context) error {
	_, err := g.groups.PendingRange(ctx, g.key, g.group, message.PendingFilter{From: math.MaxInt64, To: math.MaxInt64, Count: 1})
	return err
}

// failed says what a command met that needs a group of a key.
func (g *cursor) failed(r *reply, err error) {
	if missing(err) {
		r.errorf("NOGROUP No such key '%s' or consumer group '%s'", g.key, g.group)
		return
	}
	r.failed(err)
}

// failedOf is failed for the commands of a stream that look for its key first: noKey is what they say without it.
func (g *cursor) failedOf(r *reply, err error, noKey string) {
	switch {
	case errors.Is(err, message.ErrNoKey):
		r.error(noKey)
	case errors.Is(err, message.ErrNoGroup):
		r.errorf("NOGROUP No such consumer group '%s' for key name '%s'", g.group, g.key)
	default:
		r.failed(err)
	}
}

// placing is what XGROUP CREATE and XGROUP SETID have beside a key and a group.
type placing struct {
	last    int64 // mid
	create  bool  // MKSTREAM
	problem string
}

// parsePlacing reads the id and options of XGROUP CREATE or, with set, of XGROUP SETID. early is "" or an error that comes before any other;
// p.problem is one that comes after those about the key and the group.
func (c *call) parsePlacing(set bool) (p placing, early string) {
	most, usage := 8, "ERR unknown subcommand or wrong number of arguments for '"+show(c.args[1], maxShown)+"'. Try XGROUP HELP."
	if set {
		most = 7
	}
	if len(c.args) > most {
		p.problem = usage
	}
	for rest := c.args[5:]; len(rest) > 0; {
		switch {
		case !set && is(rest[0], "mkstream"):
			p.create, rest = true, rest[1:]
		case is(rest[0], "entriesread") && len(rest) > 1:
			read, ok := parseInt(rest[1])
			switch {
			case !ok:
				return p, textNoNumber
			case read < -1:
				return p, "ERR value for ENTRIESREAD must be positive or -1"
			}
			rest = rest[2:]
		default:
			return p, usage
		}
	}
	if p.problem == "" {
		p.place(c.args[4], set)
	}
	return p, ""
}

// place takes the id. With set it may be - or +, too.
func (p *placing) place(arg []byte, set bool) {
	switch text := string(arg); {
	case text == "$":
		p.last = message.LastMid
	case set && text == "-":
		p.last = 0
	case set && text == "+":
		p.last = lastID().position()
	default:
		id, ok := parseOneID(arg)
		if !ok {
			p.problem = textBadID
		}
		p.last = id.position()
	}
}

// xgroupCreate is XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read].
func xgroupCreate(c *call) {
	p, early := c.parsePlacing(false)
	if early != "" {
		c.error(early)
		return
	}
	g, ok := c.cursor(2)
	if !ok {
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		if p.problem != "" {
			g.refuse(ctx, r, p)
			return
		}
		switch err := g.groups.CreateGroup(ctx, g.key, g.group, p.last, p.create); {
		case err == nil:
			r.ok()
		case errors.Is(err, message.ErrGroupExists):
			r.error("BUSYGROUP Consumer Group name already exists")
		case errors.Is(err, message.ErrNoKey):
			r.error(textNeedsKey)
		default:
			r.failed(err)
		}
	})
}

// refuse replies p's problem, but first that there is no key where there must be one.
func (g *cursor) refuse(ctx context.Context, r *reply, p placing) {
	info, err := g.keys.Info(ctx, g.key)
	switch {
	case err != nil:
		r.failed(err)
	case !info.Exists && !p.create:
		r.error(textNeedsKey)
	default:
		r.error(p.problem)
	}
}

// xgroupSetID is XGROUP SETID key group id|$ [ENTRIESREAD entries-read].
func xgroupSetID(c *call) {
	p, early := c.parsePlacing(true)
	if early != "" {
		c.error(early)
		return
	}
	g, ok := c.cursor(2)
	if !ok {
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		var err error
		if p.problem == "" {
			err = g.groups.SetGroup(ctx, g.key, g.group, p.last)
		} else {
			err = g.look(ctx)
		}
		switch {
		case err != nil:
			g.failedOf(r, err, textNeedsKey)
		case p.problem != "":
			r.error(p.problem)
		default:
			r.ok()
		}
	})
}

// xgroupDestroy is XGROUP DESTROY key group.
func xgroupDestroy(c *call) {
	g, ok := c.cursor(2)
	if !ok {
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		there, err := g.groups.DestroyGroup(ctx, g.key, g.group)
		if errors.Is(err, message.ErrNoKey) {
			r.error(textNeedsKey)
			return
		}
		r.whether(there, err)
	})
}

// whether is 1 or 0, unless finding out failed.
func (r *reply) whether(v bool, err error) {
	n := 0
	if v {
		n = 1
	}
	r.count(n, err)
}

// xgroupCreateConsumer is XGROUP CREATECONSUMER key group consumer.
func xgroupCreateConsumer(c *call) {
	c.onConsumer(func(ctx context.Context, g cursor, consumer string, r *reply) error {
		created, err := g.groups.CreateConsumer(ctx, g.key, g.group, consumer)
		if err == nil {
			r.whether(created, nil)
		}
		return err
	})
}

// xgroupDelConsumer is XGROUP DELCONSUMER key group consumer.
func xgroupDelConsumer(c *call) {
	c.onConsumer(func(ctx context.Context, g cursor, consumer string, r *reply) error {
		pending, err := g.groups.DeleteConsumer(ctx, g.key, g.group, consumer)
		if err == nil {
			r.count(pending, nil)
		}
		return err
	})
}

// onConsumer has do done with the consumer that XGROUP names, and replies what it fails with.
func (c *call) onConsumer(do func(ctx context.Context, g cursor, consumer string, r *reply) error) {
	g, ok := c.cursor(2, c.args[4])
	if !ok {
		return
	}
	consumer := string(c.args[4])
	c.work(func(ctx context.Context, r *reply) {
		if err := do(ctx, g, consumer, r); err != nil {
			g.failedOf(r, err, textNeedsKey)
		}
	})
}
