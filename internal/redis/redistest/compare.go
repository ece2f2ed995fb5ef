package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// compare compares the replies to what l has sent, as far as they have come.
func (w *twin) compare(l *line) error {
	got, want := l.replies[ours], l.replies[theirs]
	if len(got) == len(want) {
		context := contexts(l.sent, want)
		sortEnds(context, got)
		sortEnds(context, want)
		for i := range want {
			if err := w.compareOne(context[i], got[i], want[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s:\ngopush       %v\nredis-server %v", showCommands(l.sent), got, want)
}

// compareOne compares the replies to one command, and learns from them.
func (w *twin) compareOne(args []string, got, want reply) error {
	w.learn(args, got, want)
	if w.same(normal(args, undo(args, got, want)), normal(args, want)) {
		return nil
	}
	return fmt.Errorf("%s:\ngopush       %v\nredis-server %v", showCommand(args), got, want)
}

// contexts returns for each reply the command that it belongs to. A SUBSCRIBE and the like has one for each channel.
func contexts(sent [][]string, replies []reply) [][]string {
	of, at := make([][]string, len(replies)), 0
	if len(replies) <= len(sent) { // else nothing is silent: a subscriber is refused that
		sent = heard(sent)
	}
	sent = append(slices.Clone(sent), []string{"PING"}, []string{"PING"})
	for i := 0; i < len(replies); {
		if !confirms(replies[i]) {
			of[i] = sent[min(at, len(sent)-1)]
			i, at = i+1, at+1
			continue
		}
		same := 1 // confirmations of one kind in a row: of one command, or of several
		for i+same < len(replies) && confirms(replies[i+same]) && replies[i+same].elems[0].text == replies[i].elems[0].text {
			same++
		}
		for _, n := range shares(sent[at:], replies[i].elems[0].text, same) {
			for range n {
				of[i] = sent[at]
				i++
			}
			at++
		}
	}
	return of
}

// shares divides n confirmations among the commands of a name that sent begins with: one for each channel, and what is left for
// those without channels.
func shares(sent [][]string, name string, n int) (each []int) {
	bare := -1
	for i, args := range sent {
		if !strings.EqualFold(args[0], name) || n == 0 {
			break
		}
		take := max(len(args)-1, 1)
		if len(args) == 1 && bare < 0 {
			bare = i
		}
		take = min(take, n)
		each = append(each, take)
		n -= take
	}
	switch {
	case bare >= 0:
		each[bare] += n
	case len(each) == 0:
		each = []int{n}
	default:
		each[len(each)-1] += n
	}
	return each
}

// heard returns the commands that are replied to.
func heard(sent [][]string) (all [][]string) {
	skip, off := false, false
	for _, args := range sent {
		is := func(how string) bool {
			return len(args) == 3 && strings.EqualFold(args[0], "client") && strings.EqualFold(args[1], "reply") && strings.EqualFold(args[2], how)
		}
		skip = skip && !is("on")
		off = off && !is("on") && !strings.EqualFold(args[0], "reset") || is("off")
		if skips := is("skip"); !off && !skip && !skips {
			all = append(all, args)
		} else {
			skip = skips && !off
		}
	}
	return all
}

// confirms tells whether r says that a subscription began or ended.
func confirms(r reply) bool {
	return (r.kind == '*' || r.kind == '>') && len(r.elems) == 3 && strings.HasSuffix(r.elems[0].text, "subscribe")
}

func subscribes(args []string) bool { return strings.HasSuffix(strings.ToLower(args[0]), "subscribe") }

// sortEnds brings the confirmations of one command that ends all subscriptions into an order: Redis has none.
func sortEnds(of [][]string, replies []reply) {
	for i := 0; i < len(replies); i++ {
		end := i
		for end < len(replies) && confirms(replies[end]) && len(of[end]) == 1 && &of[end][0] == &of[i][0] {
			end++
		}
		if end-i < 2 {
			continue
		}
		var names []reply
		for _, r := range replies[i:end] {
			names = append(names, r.elems[1])
		}
		slices.SortFunc(names, func(a, b reply) int { return strings.Compare(a.text, b.text) })
		for j := range names {
			r := &replies[i+j]
			r.elems = []reply{r.elems[0], names[j], r.elems[2]}
		}
		i = end - 1
	}
}

// sortDeliveries orders deliveries by what they are for: those of a channel, and for a pattern of a channel, stay in order. Redis
// has patterns in a hash table; gopush has an order within a key only.
func sortDeliveries(all []reply) {
	slices.SortStableFunc(all, func(a, b reply) int {
		return slices.CompareFunc(a.elems[:len(a.elems)-1], b.elems[:len(b.elems)-1], func(a, b reply) int { return strings.Compare(a.text, b.text) })
	})
}

// learn remembers the ids that the servers chose.
func (w *twin) learn(args []string, got, want reply) {
	if !strings.EqualFold(args[0], "xadd") || !isID(got) || !isID(want) {
		return
	}
	pair := [2]string{got.text, want.text}
	chosen := slices.ContainsFunc(args, func(a string) bool { return strings.HasSuffix(a, "*") })
	if chosen && !w.paired[pair] {
		w.paired[pair] = true
		key := w.keyOf(args, 0)
		w.ids[key] = append(w.ids[key], pair)
	}
}

func isID(r reply) bool {
	ms, seq, found := strings.Cut(r.text, "-")
	_, err1 := strconv.ParseUint(ms, 10, 64)
	_, err2 := strconv.ParseUint(seq, 10, 64)
	return r.kind == '$' && found && err1 == nil && err2 == nil
}

// same tells whether replies are equal: of the same types, and their texts equal or ids that the servers chose for the same.
func (w *twin) same(got, want reply) bool {
	return got.kind == want.kind && got.null == want.null &&
		(got.text == want.text || w.paired[[2]string{got.text, want.text}]) &&
		slices.EqualFunc(got.elems, want.elems, w.same)
}
