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

// drawCommand draws one of the commands, each a line of words. A word in capitals that kinds has stands for what is drawn
// of its kind; [WORDS] may be left out; A/B is one of both; WORD... comes several times.
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
	if word == "STREAMS" {
		return drawStreams(t)
	}
	if kind := kinds[word]; kind != nil {
		return []string{rapid.SampledFrom(kind).Draw(t, word)}
	}
	return []string{rapid.SampledFrom(strings.Split(word, "/")).Draw(t, word)}
}

// drawStreams draws the end of an XREAD: keys, and an id for each.
func drawStreams(t *rapid.T) []string {
	n := rapid.IntRange(1, 3).Draw(t, "streams")
	args := []string{"STREAMS"}
	for range n {
		args = append(args, rapid.SampledFrom(kinds["KEY"]).Draw(t, "key"))
	}
	for range n {
		args = append(args, rapid.SampledFrom(kinds["AFTER"]).Draw(t, "after"))
	}
	return args
}

// makeMistake leaves out, adds or changes an argument, or writes the command in another case. No key is made that is not one of
// the run's.
func makeMistake(t *rapid.T, args []string) []string {
	args = slices.Clone(args)
	first := 1
	if args[0] == "XADD" || args[0] == "XGROUP" {
		first += slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "/") })
	}
	at := rapid.IntRange(first, max(first, len(args)-1)).Draw(t, "at")
	odd := rapid.SampledFrom(kinds["ODD"]).Draw(t, "odd")
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
	"KEY":      {"/k1", "/k1", "/k1", "/k2", "/k3"},
	"GROUP":    {"g1", "g1", "g2", "no"},
	"CONSUMER": {"c1", "c1", "c2", "c3"},
	"NEW":      {"*", "*", "*", "*", "1-1", "1-2", "1-3", "2-1", "2-2", "3", "3-*", "4-*", "5-5", "0-0", "0-*", "@1-4", "@1-8", "@2-*", "@3", "@3-4", "@4-*", "#0", "#1"},
	"ID":       append([]string{"1-1", "1-2", "1-3", "2-1", "3-0", "4-0", "5-5", "@1-4", "@1-8", "0-0", "7"}, manyIDs("#", 8)...),
	"FROM":     append([]string{"-", "-", "-", "0", "1", "(1", "1-1", "(1-1", "(1-2", "2", "(2-1", "3", "@1", "@2", "(@1-4", "@5", "+", "(-", "(0-0", "0-1"}, append(manyIDs("#", 8), manyIDs("(#", 8)...)...),
	"TO":       append([]string{"+", "+", "+", "1", "(1", "1-1", "(1-2", "2", "(2-1", "3", "(3-0", "@1", "@2", "(@1-8", "@5", "-", "(+", "(18446744073709551615-18446744073709551615"}, append(manyIDs("#", 8), manyIDs("(#", 8)...)...),
	"AFTER":    append([]string{"0", "0", "0-0", "$", ">", "1", "1-1", "2-1", "@1", "@2", "5-5"}, manyIDs("#", 8)...),
	"SINCE":    append([]string{"0", "0", "$", "$", "1-1", "2", "@1", "-"}, manyIDs("#", 4)...),
	"NUMBER":   {"0", "1", "1", "2", "3", "5", "10", "-1", "100"},
	"COUNT":    {"1", "1", "2", "3", "10", "0", "-1"},
	"MS":       {"0", "0", "0", "3600000", "100000000"},
	"IDLE":     {"0", "1000000", "5000000"},
	"NAME":     {"a", "b", "msg", "msg", "", "1"},
	"VALUE":    {"x", "y", "", "1", "two words", "\"q\"", "\r\n", "\x00\xff", "ž你", "v"},
	"CHANNEL":  {"/c1", "/c1", "/c2", "/c3"},
	"SHARD":    {"/s1", "/s2"},
	"PATTERN":  {"/c*", "/c?", "/c[12]", "/c[^1]", "/c1", "/*c1", "/c\\1", "/c[1-2"},
	"TEXT":     {"hello", "", "two words", "\r\n", "\x00\xff", "ž你"},
	"ODD":      {"", "x", "-1", "1.5", "99999999999999999999", "COUNT", "STREAMS", "0", "1-1-1", "é", "\r\n+OK", "(", " 1"},
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
		"XADD KEY * NAME,VALUE...",
		"XADD KEY * msg,VALUE",
		"XADD KEY NEW NAME,VALUE...",
		"XADD KEY [NOMKSTREAM] [MAXLEN/MINID ~/= NUMBER] NEW NAME,VALUE...",
		"XADD KEY [NOMKSTREAM] [MAXLEN NUMBER] NEW NAME,VALUE...",
		"XADD KEY MINID [~/=] ID NEW NAME,VALUE...",
		"XRANGE KEY FROM TO [COUNT COUNT]",
		"XREVRANGE KEY TO FROM [COUNT COUNT]",
		"XREVRANGE KEY + -",
		"XLEN KEY",
		"XDEL KEY ID...",
		"XTRIM KEY MAXLEN [=/~] NUMBER",
		"XTRIM KEY MINID [=/~] ID",
		"XREAD [COUNT COUNT] STREAMS",
		"XREAD [COUNT COUNT] BLOCK 1 STREAMS",
		"XREAD [COUNT COUNT] BLOCK 0 STREAMS",
		"DEL KEY...",
		"EXISTS KEY...",
		"TYPE KEY",
		"XINFO STREAM KEY",
		"DBSIZE",
		"TTL KEY",
	}
	Groups = []string{
		"XADD KEY * NAME,VALUE...",
		"XADD KEY * msg,VALUE",
		"XADD KEY NEW NAME,VALUE...",
		"XADD KEY [MAXLEN NUMBER] * NAME,VALUE...",
		"XDEL KEY ID...",
		"XTRIM KEY MAXLEN NUMBER",
		"XLEN KEY",
		"XRANGE KEY - +",
		"DEL KEY",
		"XGROUP CREATE KEY GROUP SINCE [MKSTREAM]",
		"XGROUP CREATE KEY GROUP 0 MKSTREAM",
		"XGROUP CREATE KEY GROUP $ MKSTREAM",
		"XGROUP SETID KEY GROUP SINCE",
		"XGROUP DESTROY KEY GROUP",
		"XGROUP CREATECONSUMER KEY GROUP CONSUMER",
		"XGROUP DELCONSUMER KEY GROUP CONSUMER",
		"XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] [NOACK] STREAMS KEY >",
		"XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] STREAMS KEY >",
		"XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] BLOCK 1 [NOACK] STREAMS KEY >",
		"XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] BLOCK 0 STREAMS KEY >",
		"XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] BLOCK 0 [NOACK] STREAMS KEY KEY > >",
		"XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] STREAMS KEY AFTER",
		"XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] STREAMS KEY KEY AFTER AFTER",
		"XACK KEY GROUP ID...",
		"XACK KEY GROUP #0 #1 #2",
		"XPENDING KEY GROUP",
		"XPENDING KEY GROUP [IDLE MS] FROM TO COUNT [CONSUMER]",
		"XPENDING KEY GROUP - + 10",
		"XCLAIM KEY GROUP CONSUMER MS ID... [IDLE IDLE] [RETRYCOUNT NUMBER] [FORCE] [JUSTID] [LASTID ID]",
		"XCLAIM KEY GROUP CONSUMER 0 #0 #1 #2 [TIME 1000] [FORCE] [JUSTID]",
		"XAUTOCLAIM KEY GROUP CONSUMER MS SINCE [COUNT COUNT] [JUSTID]",
		"XAUTOCLAIM KEY GROUP CONSUMER 0 0 [COUNT COUNT] [JUSTID]",
		"XINFO GROUPS KEY",
		"XINFO CONSUMERS KEY GROUP",
		"XINFO STREAM KEY",
		"XINFO STREAM KEY FULL [COUNT COUNT]",
	}
	PubSub = []string{
		"SUBSCRIBE CHANNEL...",
		"UNSUBSCRIBE [CHANNEL...]",
		"PSUBSCRIBE PATTERN...",
		"PUNSUBSCRIBE [PATTERN...]",
		"SSUBSCRIBE SHARD...",
		"SUNSUBSCRIBE [SHARD...]",
		"PUBLISH CHANNEL TEXT",
		"PUBLISH CHANNEL TEXT",
		"PUBLISH CHANNEL TEXT",
		"SPUBLISH SHARD TEXT",
		"PUBSUB CHANNELS /c*",
		"PUBSUB CHANNELS CHANNEL",
		"PUBSUB SHARDCHANNELS /s*",
		"PUBSUB NUMSUB [CHANNEL...]",
		"PUBSUB SHARDNUMSUB [SHARD...]",
		"PUBSUB NUMPAT",
		"HELLO 3",
		"HELLO 2",
		"RESET",
		"PING [TEXT]",
		"XLEN KEY",
	}
	Connections = []string{
		"PING [TEXT]",
		"ECHO TEXT",
		"HELLO [2/3]",
		"HELLO 3 SETNAME n/m",
		"HELLO 4/1/x",
		"CLIENT SETNAME n/m/",
		"CLIENT SETNAME TEXT",
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
		"TYPE KEY",
		"EXISTS KEY...",
		"FOO TEXT TEXT",
		"XFOO TEXT",
		"SUBSCRIBE CHANNEL",
		"CLIENT FOO",
		"XGROUP FOO KEY",
		"XINFO FOO KEY",
		"PUBSUB FOO",
		"COMMAND FOO",
		"CONFIG FOO",
		"SCAN x",
		"MEMORY FOO",
		"DBSIZE TEXT",
	}
)
