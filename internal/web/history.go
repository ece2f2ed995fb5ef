package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"gopush/internal/message"
)

// history is the stored messages of a key after a mid, as the data of a legacy answer.
//
// A key may have a thousand messages of a megabyte each, and old clients want the length
// before the first byte. So a history that does not fit a page is read twice, page by page:
// once for its size, once to be written. No more than a page is held, and of all histories no more than maxPages: who does not
// read within pageTimeout makes room for others. What expires in between
// is made up for by spaces, which mean nothing in JSON.
type history struct {
	keys Keys
	held chan struct{} // of the listener: has one for each page that is held
	key  string
	old  bool // messages are strings holding the old form, beside an empty list

	from, to int64  // first and last mid
	length   int64  // bytes of the messages, with the commas between them
	only     []byte // the messages, if they fit one page and are small
}

const (
	maxPages    = 64               // past it histories wait for their next page
	smallPage   = 64 << 10         // bytes that a history may hold while it waits
	pageTimeout = 20 * time.Second // for a caller to take a page
)

// readHistory returns the history of key after mid, nil if there is none.
func readHistory(ctx context.Context, l *listener, key string, mid int64, old bool) (*history, error) {
	if mid == math.MaxInt64 {
		return nil, nil
	}
	h := &history{keys: l.cfg.Keys, held: l.pages, key: key, old: old, from: mid + 1, to: math.MaxInt64}
	pages, last := 0, int64(0)
	err := h.pages(ctx, func(page []byte, mid int64) error {
		h.length += int64(len(page))
		if pages++; pages == 1 && len(page) <= smallPage {
			h.only = page
		} else {
			h.only = nil
		}
		last = mid
		return nil
	})
	if pages == 0 || err != nil {
		return nil, err
	}
	h.to = last
	return h, nil
}

// pages reads the history and hands each page, encoded, to do, with the mid of its last message.
func (h *history) pages(ctx context.Context, do func(page []byte, last int64) error) error {
	for from := h.from; ; {
		last, err := h.page(ctx, from, do)
		if err != nil || last == 0 || last >= h.to {
			return err
		}
		from = last + 1
	}
}

// page does that for the page that begins at from, when there is room for it, and returns its last mid; 0: nothing is there.
func (h *history) page(ctx context.Context, from int64, do func(page []byte, last int64) error) (last int64, err error) {
	select {
	case h.held <- struct{}{}:
		defer func() { <-h.held }()
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", errGone, ctx.Err())
	}
	found, err := h.keys.Range(ctx, h.key, from, h.to, false, 0, pageBytes)
	if len(found) == 0 || err != nil {
		return 0, err
	}
	last = found[len(found)-1].Mid
	return last, do(h.encode(found, from == h.from), last)
}

// encode returns messages separated by commas, and with one before them unless they are the first.
func (h *history) encode(messages []message.Message, first bool) []byte {
	var b []byte
	for i := range messages {
		if !first || i > 0 {
			b = append(b, ',')
		}
		if h.old {
			b = append(b, encode(string(messages[i].AppendJSON(nil, true, false)), "")...)
		} else {
			b = messages[i].AppendJSON(b, false, false)
		}
	}
	return forScript(b)
}

// forScript makes JSON fit to stand in a script: JavaScript before 2019 took these two, which
// stand in strings only, for ends of lines.
func forScript(json []byte) []byte {
	json = bytes.ReplaceAll(json, []byte("\u2028"), []byte(`\u2028`))
	return bytes.ReplaceAll(json, []byte("\u2029"), []byte(`\u2029`))
}

func (h *history) size() int64 {
	head, tail := h.frame()
	return int64(len(head)) + h.length + int64(len(tail))
}

func (h *history) frame() (head, tail string) {
	if h.old {
		return `{"msgs":[`, `],"pmsgs":[]}`
	}
	return `{"msgs":[`, `]}`
}

func (h *history) writeTo(ctx context.Context, w io.Writer) error {
	head, tail := h.frame()
	io.WriteString(w, head)
	if err := h.writeMessages(ctx, w); err != nil {
		return err
	}
	return toCaller(w, []byte(tail))
}

// toCaller writes a part of an answer. That it cannot is the caller's doing.
func toCaller(w io.Writer, part []byte) error {
	if _, err := w.Write(part); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// spaces is a piece of what makes up for messages that are gone.
const spaces = "                                                                "

func (h *history) writeMessages(ctx context.Context, w io.Writer) error {
	if h.only != nil {
		return toCaller(w, h.only)
	}
	left := h.length
	err := h.pages(ctx, func(page []byte, _ int64) error {
		left -= int64(len(page))
		if rw, ok := w.(http.ResponseWriter); ok {
			http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(pageTimeout)) // net/http sets it anew for the next request
		}
		return toCaller(w, page)
	})
	for ; left > 0 && err == nil; left -= int64(len(spaces)) {
		err = toCaller(w, []byte(spaces[:min(left, int64(len(spaces)))]))
	}
	return err
}
