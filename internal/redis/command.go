package redis

// command is an entry of the table of commands.
type command struct {
	name       string // lower case; of a subcommand without that of its command
	arity      int    // arguments with the name, or both names; negative: at least so many
	flags      string // as COMMAND INFO shows them, with spaces between
	categories string // those of ACLs, likewise, without their @
	keys       keys
	rights     rights

	do          func(*call)
	subcommands []command // then do is nil
	about       about

	full   string // client|list; made with the table
	number uint16 // from 1 on; likewise
	byName table  // of the subcommands; likewise
}

// about is what COMMAND DOCS tells.
type about struct{ summary, since, group string }

// keys says which arguments of a command are keys. Each was found to be a good key, and open to the client, before the
// command begins.
type keys struct {
	first, last, step int // the name is argument 0; a last below 0 counts from the end; first 0: none are
	// find tells it of commands where it depends on the arguments; first 0: there are none, or a syntax error.
	find func(args [][]byte) (first, last, step int)
}

// rights is what a connection must be, and may be, to use a command.
type rights uint8

const (
	adminOnly  rights = 1 << iota // on admin listeners only
	anybody                       // also who did not authenticate
	subscribed                    // also RESP2 clients that subscribe
	asChannels                    // its keys are spoken of as channels, and COMMAND GETKEYS does not see them
	unchecked                     // keys are neither checked nor need to be open
	unlisted                      // it is there to be refused
)

// has tells whether r has all of what.
func (r rights) has(what rights) bool { return r&what == what }

// oneKey is the keys of most commands that have one.
func oneKey() keys { return keys{first: 1, last: 1, step: 1} }

// subKey is the keys of most subcommands that have one.
func subKey() keys { return keys{first: 2, last: 2, step: 1} }

// table finds commands by their names in lower case.
type table map[string]*command

// maxName is the length of the longest name of a command or subcommand.
const maxName = 32

// newTable returns all commands, and with their subcommands by their numbers.
func newTable() (table, []*command) {
	t, numbered := table{}, []*command(nil)
	for _, commands := range [][]command{
		connectionCommands(), clientCommands(), commandCommands(), adminCommands(), pubsubCommands(), keyCommands(),
		streamCommands(), cursorCommands(), refusedCommands(),
	} {
		numbered = t.add(numbered, commands, "")
	}
	return t, numbered
}

// add puts commands into t, and fills in what is made with it.
func (t table) add(numbered []*command, commands []command, parent string) []*command {
	for i := range commands {
		c := &commands[i]
		t[c.name] = c
		numbered = append(numbered, c)
		c.full, c.number = parent+c.name, uint16(len(numbered))
		if c.subcommands != nil {
			c.byName = make(table, len(c.subcommands))
			numbered = c.byName.add(numbered, c.subcommands, c.name+"|")
		}
	}
	return numbered
}

// find returns the command of a name in any case, or nil.
func (t table) find(name []byte) *command {
	if len(name) > maxName {
		return nil
	}
	var lower [maxName]byte
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		lower[i] = b
	}
	return t[string(lower[:len(name)])]
}

// fits tells whether a command may have n arguments.
func (c *command) fits(n int) bool { return n == c.arity || c.arity < 0 && n >= -c.arity }

// keysOf returns where the keys stand in args: from first on, to before end, each step.
func (c *command) keysOf(args [][]byte) (first, end, step int) {
	k := c.keys
	if k.find != nil {
		k.first, k.last, k.step = k.find(args)
	}
	switch {
	case k.first == 0:
		return 0, 0, 1
	case k.last < 0:
		k.last += len(args)
	}
	return k.first, min(k.last+1, len(args)), k.step
}
