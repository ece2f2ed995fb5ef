package link

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"gopush/internal/message"
)

func parseTag(word string) (uint64, error) { return strconv.ParseUint(word, 10, 64) }

// ask answers a question, and tells whether it was one. Questions are answered at the same time, in any order.
func (a *accepted) ask(name string, words []string) bool {
	answer := a.question(name, words)
	if answer == nil {
		return false
	}
	select {
	case a.slots <- struct{}{}:
	default:
		a.queue.send(push, "failed", words[0], errorWord(fails(message.ErrUnavailable, "%d questions wait for an answer", maxAsks)))
		return true
	}
	a.asks.Go(func() {
		a.answer(words[0], answer)
		<-a.slots
	})
	return true
}

// question returns what answers it; nil: it is none.
func (a *accepted) question(name string, words []string) func(context.Context) ([]string, error) {
	keys := a.links.cfg.Keys
	switch {
	case name == "KICK" && len(words) >= 2:
		tags, ok := parseTags(words[2:])
		if !ok {
			return nil
		}
		return func(ctx context.Context) ([]string, error) {
			n, err := keys.Kick(ctx, words[1], tags...)
			return []string{strconv.Itoa(n)}, err
		}
	case name == "SUBSCRIBERS" && len(words) >= 1:
		return func(context.Context) (counts []string, err error) {
			for _, key := range words[1:] {
				counts = append(counts, strconv.Itoa(keys.OwnSubscribers(key)))
			}
			return counts, nil
		}
	case name == "SUBSCRIBED" && len(words) == 3:
		limit, err := strconv.Atoi(words[2])
		if err != nil {
			return nil
		}
		return func(context.Context) ([]string, error) { return keys.OwnSubscribed(words[1], limit), nil }
	case name == "STATS" && len(words) == 1:
		return func(context.Context) ([]string, error) {
			text, err := json.Marshal(keys.Stats())
			return []string{string(text)}, err
		}
	}
	return nil
}

// answer sends what f returns, in as many frames as it takes.
func (a *accepted) answer(id string, f func(context.Context) ([]string, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*a.links.cfg.StoreTimeout)
	defer cancel()
	values, err := f(ctx)
	if err != nil {
		a.queue.send(push, "failed", id, errorWord(err))
		return
	}
	more := "1"
	for len(values) > maxBatch {
		a.queue.send(push, slices.Concat([]string{"answer", id, more}, values[:maxBatch])...)
		values = values[maxBatch:]
	}
	a.queue.send(push, slices.Concat([]string{"answer", id, "0"}, values)...)
}
