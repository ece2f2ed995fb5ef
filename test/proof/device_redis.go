package proof

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gopush/internal/message"
)

// listenSubscribe is SUBSCRIBE in RESP3 with ids: all that is pushed while the connection lasts.
func listenSubscribe(ctx context.Context, d *device, n *Node) error {
	c, err := d.r.cfg.Topology.connect(ctx, n.Public, d.draw)
	if err != nil {
		return err
	}
	defer c.Close()
	c.beat = command("PING")
	if _, err := c.ask("HELLO", "3"); err != nil {
		return err
	}
	if _, err := c.ask("CLIENT", "CAPA", "attributes"); err != nil {
		return err
	}
	if err := c.say(command("SUBSCRIBE", d.key.name)); err != nil {
		return err
	}
	for {
		v, err := c.reply()
		if err != nil {
			return err
		}
		switch {
		case v.kind == '+': // PONG
		case v.kind != '>' || len(v.list) < 3:
			return fmt.Errorf("was told %+v", v)
		case v.list[0].text == "subscribe":
			d.subscribed(n)
		case v.list[0].text == "message":
			mid, err := message.ParseID(v.id)
			if err != nil {
				return err
			}
			if v.list[1].text != d.key.name {
				d.r.ledger.find(Wrong, "%v, connection %d: mid %d came as of key %q", d, d.visit, mid, v.list[1].text)
			}
			d.take(v.list[2].text, true, mid, -1)
		}
	}
}

// listenXRead is XREAD BLOCK: stored messages after the last one.
func listenXRead(ctx context.Context, d *device, n *Node) error {
	c, err := d.r.cfg.Topology.connect(ctx, n.Public, d.draw)
	if err != nil {
		return err
	}
	defer c.Close()
	d.subscribed(n)
	for {
		v, err := c.ask("XREAD", "COUNT", "50", "BLOCK", "2000", "STREAMS", d.key.name, message.FormatID(d.after()))
		if err != nil {
			return err
		}
		messages, err := entries(v)
		if err != nil {
			return err
		}
		for _, m := range messages {
			d.take(m.text, true, m.mid, -1)
		}
	}
}

// entry is a message of a stream.
type entry struct {
	mid  int64
	text string
	gone bool // it is pending, and not stored any more
}

// entries are those of a reply to an XREAD or XREADGROUP of one stream.
func entries(v value) (all []entry, err error) {
	if v.null {
		return nil, nil
	}
	if v.kind != '*' || len(v.list) != 1 || len(v.list[0].list) != 2 {
		return nil, fmt.Errorf("was told %+v", v)
	}
	for _, m := range v.list[0].list[1].list {
		if len(m.list) != 2 {
			return nil, fmt.Errorf("was told %+v", m)
		}
		e := entry{gone: m.list[1].null}
		if e.mid, err = message.ParseID(m.list[0].text); err != nil {
			return nil, err
		}
		if fields := m.list[1].list; !e.gone && (len(fields) != 2 || fields[0].text != "msg") {
			return nil, fmt.Errorf("message %s has fields %+v", m.list[0].text, fields)
		} else if !e.gone {
			e.text = fields[1].text
		}
		all = append(all, e)
	}
	return all, nil
}

// listenGroup has a consumer group of its own, which is its cursor: what is pending comes first, then what is new, and all is acknowledged,
// now and then late or never on this connection.
func listenGroup(ctx context.Context, d *device, n *Node) error {
	c, err := d.r.cfg.Topology.connect(ctx, n.Public, d.draw)
	if err != nil {
		return err
	}
	defer c.Close()
	group := fmt.Sprint("device ", d.number)
	_, err = c.ask("XGROUP", "CREATE", d.key.name, group, "0", "MKSTREAM")
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return err
	}
	d.subscribed(n)
	for from := "0"; ; {
		v, err := c.ask("XREADGROUP", "GROUP", group, "phone", "COUNT", "20", "BLOCK", "2000", "STREAMS", d.key.name, from)
		if err != nil {
			return err
		}
		if from, err = d.takeEntries(c, group, from, v); err != nil {
			return err
		}
	}
}

var errForgot = errors.New("the device went before it had acknowledged")

// ordered finds what an XREADGROUP brought out of its order.
func (d *device) ordered(from string, messages []entry) {
	for i, m := range messages[1:] {
		if before := messages[i].mid; m.mid <= before {
			d.r.ledger.find(Disordered, "%v, connection %d: XREADGROUP from %q brought mid %d behind %d", d, d.visit, from, m.mid, before)
		}
	}
}

// takeEntries takes and acknowledges what an XREADGROUP brought, and returns where to go on.
func (d *device) takeEntries(c *line, group, from string, v value) (next string, err error) {
	messages, err := entries(v)
	if err != nil {
		return "", err
	}
	if len(messages) == 0 {
		return ">", nil
	}
	mids := make([]int64, 0, len(messages))
	ack := []string{"XACK", d.key.name, group}
	d.ordered(from, messages)
	for _, m := range messages {
		if !m.gone {
			d.take(m.text, true, m.mid, -1)
		}
		mids, ack = append(mids, m.mid), append(ack, message.FormatID(m.mid))
	}
	if d.draw.IntN(20) == 0 && !d.r.settling() {
		return "", errForgot
	}
	if _, err := c.ask(ack...); err != nil {
		return "", err
	}
	d.acknowledged(mids)
	if from != ">" {
		from = "0" // what is acknowledged is pending no more
	}
	return from, nil
}
