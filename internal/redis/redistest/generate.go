package redistest

import (
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// Draw draws scripts of commands such as Streams.
func Draw(commands []string) *rapid.Generator[Script] {
	one := drawCommand(commands)
	return rapid.Custom(func(t *rapid.T) Script {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step { return drawStep(t, one) }), 1, 40).Draw(t, "steps")
	})
}

func drawStep(t *rapid.T, one *rapid.Generator[[]string]) step {
	s := step{line: rapid.IntRange(0, lines-1).Draw(t, "line")}
	most := rapid.SampledFrom([]int{1, 1, 1, 1, 8}).Draw(t, "most")
	s.commands = rapid.SliceOfN(one, 1, most).Draw(t, "commands")
	s.inline = rapid.IntRange(0, 9).Draw(t, "inline") == 9
	if rapid.IntRange(0, 9).Draw(t, "cut") == 9 {
		s.cuts = rapid.SliceOfN(rapid.IntRange(0, 300), 1, 5).Draw(t, "cuts")
	}
	return s
}

// drawCommand draws one of the commands, each a line of words. <kind> stands for one of kinds; [WORDS] may be left
// out; A/B is one of both; A,B belong together; WORD... comes several times.
func drawCommand(commands []string) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		var args []string
		for _, word := range words(rapid.SampledFrom(commands).Draw(t, "command")) {
			args = append(args, drawWord(t, word)...)
		}
		if rapid.IntRange(0, 19).Draw(t, "mistake") == 19 {
			args = makeMistake(t, args)
		}
		return args
	})
}

// words splits at spaces that are in no brackets.
func words(line string) (all []string) {
	depth, from := 0, 0
	for i, c := range line + " " {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ' ' && depth == 0:
			if i > from {
				all = append(all, line[from:i])
			}
			from = i + 1
		}
	}
	return all
}

func drawWord(t *rapid.T, word string) []string {
	if inner, ok := strings.CutPrefix(word, "["); ok {
		if !rapid.Bool().Draw(t, "option") {
			return nil
		}
		var args []string
		for _, w := range words(strings.TrimSuffix(inner, "]")) {
			args = append(args, drawWord(t, w)...)
		}
		return args
	}
	if one, ok := strings.CutSuffix(word, "..."); ok {
		var args []string
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			args = append(args, drawWord(t, one)...)
		}
		return args
	}
	if strings.Contains(word, ",") { // what belongs together
		var args []string
		for _, w := range strings.Split(word, ",") {
			args = append(args, drawWord(t, w)...)
		}
		return args
	}
	if word == "<streams>" {
		return drawStreams(t)
	}
	if kind := kinds[word]; kind != nil {
		return []string{rapid.SampledFrom(kind).Draw(t, word)}
	}
	return []string{rapid.SampledFrom(strings.Split(word, "/")).Draw(t, word)}
}

// drawStreams draws the end of an XREAD: different keys, and an id for each.
func drawStreams(t *rapid.T) []string {
	n := rapid.IntRange(1, 3).Draw(t, "streams")
	args := append([]string{"STREAMS"}, rapid.Permutation([]string{"/k1", "/k2", "/k3"}).Draw(t, "keys")[:n]...)
	for range n {
		args = append(args, rapid.SampledFrom(kinds["<after>"]).Draw(t, "after"))
	}
	return args
}

// makeMistake leaves out, adds or changes an argument, or writes the command in another case. No key is made that is not one of
// the run's, and channels and shard channels are not mixed.
func makeMistake(t *rapid.T, args []string) []string {
	if args[0] == "PUBSUB" || args[0] == "SCAN" || args[0] == "HELLO" {
		return args
	}
	args = slices.Clone(args)
	first := 1
	if args[0] == "XADD" || args[0] == "XGROUP" {
		first += slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "/") })
	}
	at := rapid.IntRange(first, max(first, len(args)-1)).Draw(t, "at")
	odd := rapid.SampledFrom(kinds["<odd>"]).Draw(t, "odd")
	if (odd == "" || strings.ContainsAny(odd, "\r\n")) && slices.ContainsFunc(args, func(a string) bool { return slices.Contains(kinds["<group>"], a) }) {
		odd = "x" // a group may be called so here, not there
	}
	for _, i := range []int{at, len(args) - 1} {
		if i < len(args) && strings.HasPrefix(args[i], "/") {
			odd = args[i] + "0" // another one of the same kind
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		if at < len(args) {
			args = slices.Delete(args, at, at+1)
		}
	case 1:
		args = slices.Insert(args, min(at, len(args)), odd)
	case 2:
		if at < len(args) {
			args[at] = odd
		}
	case 3:
		args[0] = strings.ToLower(args[0])
	case 4:
		args = append(args, odd)
	}
	return args
}

// kinds are the words that stand for one of several.
var kinds = map[string][]string{
	"<key>":      {"/k1", "/k1", "/k1", "/k2", "/k3"},
	"<group>":    {"g1", "g1", "g2", "no"},
	"<consumer>": {"c1", "c1", "c2", "c3"},
	"<new>":      {"*", "*", "*", "*", "1-1", "1-2", "1-3", "2-1", "2-2", "3", "3-*", "4-*", "5-5", "0-0", "0-*", "@1-4", "@1-8", "@2-*", "@3", "@3-4", "@4-*", "#0", "#1"},
	"<id>":       append([]string{"1-1", "1-2", "1-3", "2-1", "3-0", "4-0", "5-5", "@1-4", "@1-8", "0-0", "7"}, manyIDs("#", 8)...),
	"<from>":     append([]string{"-", "-", "-", "0", "1", "(1", "1-1", "(1-1", "(1-2", "2", "(2-1", "3", "@1", "@2", "(@1-4", "@5", "+", "(-", "(0-0", "0-1"}, append(manyIDs("#", 8), manyIDs("(#", 8)...)...),
	"<to>":       append([]string{"+", "+", "+", "1", "(1", "1-1", "(1-2", "2", "(2-1", "3", "(3-0", "@1", "@2", "(@1-8", "@5", "-", "(+", "(18446744073709551615-18446744073709551615"}, append(manyIDs("#", 8), manyIDs("(#", 8)...)...),
	"<after>":    append([]string{"0", "0", "0-0", "$", ">", "1", "1-1", "2-1", "@1", "@2", "5-5"}, manyIDs("#", 8)...),
	"<since>":    append([]string{"0", "0", "$", "$", "1-1", "2", "@1", "-"}, manyIDs("#", 4)...),
	"<number>":   {"0", "1", "1", "2", "3", "5", "10", "-1", "100"},
	"<count>":    {"1", "1", "2", "3", "10", "0", "-1"},
	"<ms>":       {"0", "0", "0", "3600000", "100000000"},
	"<idle>":     {"0", "1000000", "5000000"},
	"<name>":     {"a", "b", "msg", "msg", "", "1"},
	"<value>":    {"x", "y", "", "1", "two words", "\"q\"", "\r\n", "\x00\xff", "ž你", "v"},
	"<channel>":  {"/c1", "/c1", "/c2", "/c3"},
	"<shard>":    {"/s1", "/s2"},
	"<pattern>":  {"/c*", "/c?", "/c[12]", "/c[^1]", "/c1", "/*c1", "/c\\1", "/c[1-2"},
	"<text>":     {"hello", "", "two words", "\r\n", "\x00\xff", "ž你"},
	"<odd>":      {"", "x", "-1", "1.5", "99999999999999999999", "COUNT", "STREAMS", "0", "1-1-1", "é", "\r\n+OK", "("},
}

func manyIDs(open string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, open+strconv.Itoa(i))
	}
	return ids
}

// What scripts are drawn from: see drawCommand.
var (
	Streams = []string{
		"XADD <key> * <name>,<value>...",
		"XADD <key> * msg,<value>",
		"XADD <key> <new> <name>,<value>...",
		"XADD <key> [NOMKSTREAM] [MAXLEN/MINID ~/= <number>] <new> <name>,<value>...",
		"XADD <key> [NOMKSTREAM] [MAXLEN <number>] <new> <name>,<value>...",
		"XADD <key> MINID [~/=] <id> <new> <name>,<value>...",
		"XRANGE <key> <from> <to> [COUNT <count>]",
		"XREVRANGE <key> <to> <from> [COUNT <count>]",
		"XREVRANGE <key> + -",
		"XLEN <key>",
		"XDEL <key> <id>...",
		"XTRIM <key> MAXLEN [=/~] <number>",
		"XTRIM <key> MINID [=/~] <id>",
		"XREAD [COUNT <count>] <streams>",
		"XREAD [COUNT <count>] STREAMS /k1 /k1 <after> <after>",
		"XREAD [COUNT <count>] BLOCK 1 <streams>",
		"XREAD [COUNT <count>] BLOCK 0 <streams>",
		"DEL <key>...",
		"EXISTS <key>...",
		"TYPE <key>",
		"XINFO STREAM <key>",
		"DBSIZE",
		"TTL <key>",
	}
	Groups = []string{
		"XADD <key> * <name>,<value>...",
		"XADD <key> * msg,<value>",
		"XADD <key> <new> <name>,<value>...",
		"XADD <key> [MAXLEN <number>] * <name>,<value>...",
		"XDEL <key> <id>...",
		"XTRIM <key> MAXLEN <number>",
		"XLEN <key>",
		"XRANGE <key> - +",
		"DEL <key>",
		"XGROUP CREATE <key> <group> <since> [MKSTREAM]",
		"XGROUP CREATE <key> <group> 0 MKSTREAM",
		"XGROUP CREATE <key> <group> $ MKSTREAM",
		"XGROUP SETID <key> <group> <since>",
		"XGROUP DESTROY <key> <group>",
		"XGROUP CREATECONSUMER <key> <group> <consumer>",
		"XGROUP DELCONSUMER <key> <group> <consumer>",
		"XREADGROUP GROUP <group> <consumer> [COUNT <count>] [NOACK] STREAMS <key> >",
		"XREADGROUP GROUP <group> <consumer> [COUNT <count>] STREAMS <key> >",
		"XREADGROUP GROUP <group> <consumer> [COUNT <count>] BLOCK 1 [NOACK] STREAMS <key> >",
		"XREADGROUP GROUP <group> <consumer> [COUNT <count>] BLOCK 0 STREAMS <key> >",
		"XREADGROUP GROUP <group> <consumer> [COUNT <count>] BLOCK 0 [NOACK] STREAMS /k1 /k2 > >",
		"XREADGROUP GROUP <group> <consumer> [COUNT <count>] STREAMS <key> <after>",
		"XREADGROUP GROUP <group> <consumer> [COUNT <count>] STREAMS <key> <key> <after> <after>",
		"XACK <key> <group> <id>...",
		"XACK <key> <group> #0 #1 #2",
		"XPENDING <key> <group>",
		"XPENDING <key> <group> [IDLE <ms>] <from> <to> <count> [<consumer>]",
		"XPENDING <key> <group> - + 10",
		"XCLAIM <key> <group> <consumer> <ms> <id>... [IDLE <idle>] [RETRYCOUNT <number>] [FORCE] [JUSTID] [LASTID <id>]",
		"XCLAIM <key> <group> <consumer> 0 #0 #1 #2 [TIME 1000] [FORCE] [JUSTID]",
		"XAUTOCLAIM <key> <group> <consumer> <ms> <since> [COUNT <count>] [JUSTID]",
		"XAUTOCLAIM <key> <group> <consumer> 0 0 [COUNT <count>] [JUSTID]",
		"XINFO GROUPS <key>",
		"XINFO CONSUMERS <key> <group>",
		"XINFO STREAM <key>",
		"XINFO STREAM <key> FULL [COUNT <count>]",
	}
	PubSub = []string{
		"SUBSCRIBE <channel>...",
		"UNSUBSCRIBE [<channel>...]",
		"PSUBSCRIBE <pattern>...",
		"PUNSUBSCRIBE [<pattern>...]",
		"SSUBSCRIBE <shard>...",
		"SUNSUBSCRIBE [<shard>...]",
		"PUBLISH <channel> <text>",
		"PUBLISH <channel> <text>",
		"PUBLISH <channel> <text>",
		"SPUBLISH <shard> <text>",
		"PUBSUB CHANNELS /c*",
		"PUBSUB CHANNELS <channel>",
		"PUBSUB SHARDCHANNELS /s*",
		"PUBSUB NUMSUB [<channel>...]",
		"PUBSUB SHARDNUMSUB [<shard>...]",
		"PUBSUB NUMPAT",
		"PUBSUB NUMPAT x",
		"PUBSUB CHANNELS x y",
		"HELLO 3",
		"HELLO 2",
		"RESET",
		"PING [<text>]",
		"XLEN <key>",
	}
	Connections = []string{
		"PING [<text>]",
		"ECHO <text>",
		"HELLO [2/3]",
		"HELLO 3 SETNAME n/m",
		"HELLO 4/1/x",
		"HELLO 3 FOO/AUTH/SETNAME",
		"CLIENT SETNAME n/m/",
		"CLIENT SETNAME <text>",
		"CLIENT GETNAME",
		"CLIENT ID",
		"CLIENT REPLY ON",
		"CLIENT REPLY SKIP",
		"CLIENT REPLY OFF",
		"CLIENT NO-EVICT on/off/x",
		"SELECT 0/1/x",
		"RESET",
		"TIME",
		"QUIT",
		"TYPE <key>",
		"EXISTS <key>...",
		"FOO <text> <text>",
		"XFOO <text>",
		"SUBSCRIBE <channel>",
		"CLIENT FOO",
		"XGROUP FOO <key>",
		"XINFO FOO <key>",
		"PUBSUB FOO",
		"COMMAND FOO",
		"CONFIG FOO",
		"SCAN x",
		"SCAN 0 COUNT/MATCH/x",
		"SCAN 0 COUNT 0/x/-1",
		"SCAN 0 MATCH /* COUNT",
		"MEMORY FOO",
		"DBSIZE <text>",
	}
)

// Part is something that a server is compared in.
type Part struct {
	Name     string
	Commands []string
}

// Parts are all of it, and the commands of all together.
var Parts = []Part{
	{"streams", Streams},
	{"groups", Groups},
	{"pubsub", PubSub},
	{"connections", Connections},
	{"everything", slices.Concat(Streams, Groups, PubSub, Connections)},
}
