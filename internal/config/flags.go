package config

import (
	"slices"

	"github.com/alecthomas/kong"
)

// Flags is what a subcommand embeds to take every setting, from all sources. The parser must
// have been made with Options. When it has parsed, Config is complete and valid.
type Flags struct {
	File   string `name:"config" env:"GOPUSH_CONFIG" placeholder:"FILE" help:"Settings as TOML; see packaging/gopush.example.toml. The environment and flags override it."`
	Config Config `embed:""`
}

// Options makes a kong parser read the settings of commands that embed Flags from flags, from
// the variables in environ ("NAME=value", as os.Environ has them) and from the file of --config.
func Options(environ []string) []kong.Option {
	l := &loader{environ: environ, attached: map[*kong.Flag]setting{}, from: map[string]string{}}
	return []kong.Option{
		kong.ExplicitGroups(groups()),
		kong.Bind(l),
		kong.Resolvers(l),
		kong.PostBuild(l.attach),
	}
}

// groups are the parts of --help and of the printed file, by the tag group.
func groups() []kong.Group {
	return []kong.Group{
		{Key: "listen", Title: "Where it listens, and as whom:"},
		{Key: "access", Title: "Who may do what:"},
		{Key: "store", Title: "Where messages are kept:"},
		{Key: "redis", Title: "The shared store:"},
		{Key: "cluster", Title: "Several nodes as one:"},
		{Key: "limits", Title: "What one peer may cost:"},
		{Key: "process", Title: "How the process behaves:"},
	}
}

// Load reads the configuration from flags and environ alone, as a command that has no flags of
// its own would. Its error is Mistakes, or that of a flag that does not exist.
func Load(args, environ []string) (Config, error) {
	var f Flags
	options := append(Options(environ), kong.NoDefaultHelp())
	parser, err := kong.New(&f, options...)
	if err != nil {
		return Config{}, err
	}
	if _, err := parser.Parse(args); err != nil {
		return Config{}, err
	}
	return f.Config, nil
}

// Default returns the configuration of a node that was told nothing.
func Default() Config {
	var c Config
	parser, err := kong.New(&c, kong.NoDefaultHelp())
	if err == nil {
		_, err = parser.Parse(nil)
	}
	if err != nil {
		panic("config: a default does not parse: " + err.Error())
	}
	return c
}

// BeforeResolve is a hook of kong: the file is read when the flags are known, before the
// resolver is asked for what they do not set.
func (f *Flags) BeforeResolve(ctx *kong.Context, l *loader) error {
	file := f.File // of the environment
	for _, path := range ctx.Path {
		if path.Flag == nil {
			continue
		}
		if path.Flag.Name == "config" {
			file = ctx.Value(path).String()
		}
		if s, ok := l.attached[path.Flag]; ok {
			l.from[s.name] = s.flag()
		}
	}
	if file != "" {
		l.readFile(file)
	}
	return nil
}

// AfterApply is a hook of kong: everything is read, so all mistakes are known.
func (f *Flags) AfterApply(l *loader) error {
	l.checkVariables()
	f.readKeys(l)
	f.Config.ClusterSecret = readSecret(l, "cluster.secret", f.Config.ClusterSecret, f.Config.ClusterSecretFile)
	f.Config.RedisPassword = readSecret(l, "redis.password", f.Config.RedisPassword, f.Config.RedisPasswordFile)
	f.Config.RegistryPassword = readSecret(l, "cluster.registry_password", f.Config.RegistryPassword, f.Config.RegistryPasswordFile)
	for _, mistake := range f.Config.Validate() {
		l.add(mistake)
	}
	if len(l.mistakes) > 0 {
		return l.mistakes
	}
	return nil
}

// readSecret returns what a setting is that may be given in a file in place of itself. The setting of the file
// is named as it is, with _file behind.
func readSecret(l *loader, name string, given Secret, file string) Secret {
	if file == "" {
		return given
	}
	read, err := readSecretFile(file)
	switch {
	case given != "":
		l.add(Mistake{Setting: name, Text: "is given, and so is " + name + "_file: leave one out"})
	case err != nil:
		l.add(Mistake{Setting: name, From: name + "_file", Text: err.Error()})
	}
	return read
}

// readKeys adds the keys of api_keys_file to api_keys.
func (f *Flags) readKeys(l *loader) {
	if f.Config.APIKeysFile == "" {
		return
	}
	keys, err := readAPIKeys(f.Config.APIKeysFile)
	if err != nil {
		l.add(Mistake{Setting: "api_keys", From: "api_keys_file", Text: err.Error()})
	}
	f.Config.APIKeys = slices.Concat(f.Config.APIKeys, keys)
}

// takesSettings marks a command that embeds Flags.
func (f *Flags) takesSettings() {}
