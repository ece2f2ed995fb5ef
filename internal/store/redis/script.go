package redis

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// The scripts, each with what it needs before it. A writer is refused before it begins where Redis takes no writes or has no room;
// one that gives room only where it takes no writes; a reader is not. Deliveries may be lost: then they come again.
var (
	appendScript     = newWriter("record", "owner", "remove", "append")
	ownScript        = newWriter("record", "owner", "own", "info")
	infoScript       = newReader("record", "info")
	deleteScript     = newRemover("record", "remove", "delete")
	trimScript       = newRemover("record", "remove", "trim")
	putTokenScript   = newWriter("token", "puttoken")
	renewTokenScript = newWriter("token", "renewtoken")
	setLimitScript   = newLimit("setlimit")
	setLimitInScript = newLimit("epoch", "setlimitin")
	beginEpochScript = newWriter("epoch", "beginepoch")
	setFormatScript  = newWriter("setformat")

	createGroupScript    = newWriter("record", "group", "creategroup")
	setGroupScript       = newRemover("record", "group", "setgroup")
	destroyGroupScript   = newRemover("record", "group", "destroygroup")
	createConsumerScript = newWriter("record", "group", "createconsumer")
	deleteConsumerScript = newRemover("record", "group", "deleteconsumer")
	readGroupScript      = newDelivery("record", "group", "readgroup")
	readPendingScript    = newDelivery("record", "group", "readpending")
	pendingScript        = newReader("record", "group", "pending")
	pendingRangeScript   = newReader("record", "group", "pendingrange")
	claimScript          = newDelivery("record", "group", "claiming", "claim")
	autoClaimScript      = newDelivery("record", "group", "claiming", "autoclaim")
	groupsOfScript       = newReader("record", "group", "groupsof")
	consumersScript      = newReader("record", "group", "consumers")
)

// script is what Redis runs for a method. It knows scripts that it has seen by their digest.
type script struct {
	text, digest string
	reads        bool // it changes nothing
	kept         bool // what it has changed is as safe as a message that was acknowledged
}

func newWriter(files ...string) script { return newScript("", false, files).keep() }

func newRemover(files ...string) script { return newScript("allow-oom", false, files).keep() }

func newDelivery(files ...string) script { return newScript("", false, files) }

// newLimit makes a writer that waits for no replica: what nodes push would stand still while the replica of the one server that has the limits is away.
// A limit that a failover takes is written again within seconds, by whoever lives.
func newLimit(files ...string) script { return newScript("", false, files) }

func newReader(files ...string) script { return newScript("no-writes", true, files) }

func newScript(flags string, reads bool, files []string) script {
	text := fmt.Sprintf("#!lua flags=%s\nlocal reads, fenced = %v, %v -- nothing may be written; who appends is compared with the owner and with the last one\n", flags, reads, fenced)
	for _, name := range files {
		file, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // it is in this directory
		}
		text += string(file)
	}
	digest := sha1.Sum([]byte(text))
	return script{text: text, digest: hex.EncodeToString(digest[:]), reads: reads}
}

func (sc script) keep() script {
	sc.kept = true
	return sc
}
