package node

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machineMemory returns how much memory there is for the process, in bytes: the machine's, or less if a control group
// that it is in has less.
func machineMemory() int64 {
	there := int64(math.MaxInt64)
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		there = int64(info.Totalram) * int64(info.Unit)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	return min(there, groupMemory("/sys/fs/cgroup", string(groups)))
}

// groupMemory returns the least limit of the control groups that text, of the form of /proc/self/cgroup, names, and of those around
// them, under root: of version 2, or of version 1.
func groupMemory(root, text string) int64 {
	least := int64(math.MaxInt64)
	for line := range strings.SplitSeq(text, "\n") {
		_, rest, _ := strings.Cut(line, ":")
		controllers, group, found := strings.Cut(rest, ":")
		switch {
		case !found:
		case controllers == "":
			least = min(least, leastLimit(root, group, "memory.max"))
		case strings.Contains(","+controllers+",", ",memory,"):
			least = min(least, leastLimit(path.Join(root, "memory"), group, "memory.limit_in_bytes"))
		}
	}
	return least
}

// leastLimit returns the least number in the files of name in group and the groups around it. Within a container the path of the group
// may be that outside of it: then the root's counts.
func leastLimit(root, group, name string) int64 {
	least := int64(math.MaxInt64)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		text, _ := os.ReadFile(path.Join(root, group, name))
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			least = min(least, n)
		}
		if group == "/" {
			return least
		}
	}
}
