package redis

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// The scripts, each with what it needs before it.
var (
	appendScript     = newScript("record", "remove", "append")
	infoScript       = newReader("record", "info")
	deleteScript     = newScript("record", "remove", "delete")
	trimScript       = newScript("record", "remove", "trim")
	putTokenScript   = newScript("token", "puttoken")
	renewTokenScript = newScript("token", "renewtoken")
	setLimitScript   = newScript("setlimit")
	setFormatScript  = newScript("setformat")

	createGroupScript    = newScript("record", "group", "creategroup")
	setGroupScript       = newScript("record", "group", "setgroup")
	destroyGroupScript   = newScript("record", "group", "destroygroup")
	createConsumerScript = newScript("record", "group", "createconsumer")
	deleteConsumerScript = newScript("record", "group", "deleteconsumer")
	readGroupScript      = newScript("record", "group", "readgroup")
	readPendingScript    = newScript("record", "group", "readpending")
	pendingScript        = newReader("record", "group", "pending")
	pendingRangeScript   = newReader("record", "group", "pendingrange")
	claimScript          = newScript("record", "group", "claiming", "claim")
	autoClaimScript      = newScript("record", "group", "claiming", "autoclaim")
	groupsOfScript       = newReader("record", "group", "groupsof")
	consumersScript      = newReader("record", "group", "consumers")
)

// script is what Redis runs for a method. It knows scripts that it has seen by their digest.
type script struct {
	text, digest string
	reads        bool // it changes nothing, but for what is forgotten or expired anyway
}

func newReader(files ...string) script {
	sc := newScript(files...)
	sc.reads = true
	return sc
}

func newScript(files ...string) script {
	var b strings.Builder
	for _, name := range files {
		text, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // it is in this directory
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	digest := sha1.Sum([]byte(b.String()))
	return script{text: b.String(), digest: hex.EncodeToString(digest[:])}
}
