package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

type versionCmd struct{}

// Run prints the version in one line.
func (versionCmd) Run(app *kong.Kong) error {
	_, err := fmt.Fprintln(app.Stdout, version())
	return err
}

// version names the release, the commit it was built from where the build knows it, and the Go
// it was built with.
func version() string {
	name, commit := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		name = info.Main.Version
		commit = revision(info.Settings)
	}
	return fmt.Sprintf("gopush %s%s %s %s/%s", name, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// revision is the commit as " 1a2b3c4d5e6f", with "+" behind it when files had changed.
func revision(settings []debug.BuildSetting) (commit string) {
	changed := ""
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			commit = " " + s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				changed = "+"
			}
		}
	}
	return commit + changed
}
