package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is where and with what a run was made.
type machine struct {
	Date     string   `json:"date"`
	System   string   `json:"system"`
	CPU      string   `json:"cpu"`
	Memory   string   `json:"memory"`
	Limit    string   `json:"limit"`
	Load     string   `json:"load"` // average of the minute before the run
	Versions []string `json:"versions"`
}

// String says it in a sentence each.
func (m machine) String() string {
	return fmt.Sprintf("%s. %s, %s, %s, %s descriptors a process, load average %s before the run. %s.",
		m.Date, m.System, m.CPU, m.Memory, m.Limit, m.Load, strings.Join(m.Versions, ", "))
}

// describe looks at the machine and asks the servers for their versions.
func describe(root string) machine {
	return machine{
		Date:     time.Now().UTC().Format(time.DateOnly),
		System:   field("/etc/os-release", "PRETTY_NAME=") + ", Linux " + version(`[0-9.]+`, "uname -r"),
		CPU:      fmt.Sprintf("%d × %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name")),
		Memory:   memory(),
		Limit:    descriptors(),
		Load:     firstWord("/proc/loadavg"),
		Versions: versions(root),
	}
}

// versions asks every server, and names those that are not there.
func versions(root string) (all []string) {
	for _, v := range []struct{ name, pattern, command string }{
		{"gopush", ` ([0-9a-f]{12}\+?) go`, filepath.Join(root, "bin", "gopush") + " version"},
		{"Go", `go([0-9.]+)`, "go version"},
		{"C compiler", `.*`, "cc -dumpfullversion"},
		{"redis-server", `v=([0-9.]+)`, "redis-server --version"},
		{"nats-server", `v[0-9.]+`, filepath.Join(root, "bin", "nats-server") + " --version"},
		{"mosquitto", `version ([0-9.]+)`, "mosquitto -h"},
		{"nginx", `nginx/([0-9.]+)`, "nginx -v"},
		{"nchan", `[0-9]\S*`, "dpkg-query -f ${Version} -W libnginx-mod-nchan"},
	} {
		all = append(all, v.name+" "+version(v.pattern, v.command))
	}
	return all
}

// version finds pattern, or its first group, in what a command says, whatever its exit status is.
func version(pattern, command string) string {
	args := strings.Fields(command)
	out, _ := exec.Command(args[0], args[1:]...).CombinedOutput()
	found := regexp.MustCompile(pattern).FindSubmatch(out)
	if found == nil {
		return "(not installed)"
	}
	return string(found[len(found)-1])
}

func memory() string {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.0f GiB", float64(info.Totalram)*float64(info.Unit)/(1<<30))
}

func descriptors() string {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return "unknown"
	}
	return fmt.Sprint(limit.Max)
}

// field returns what follows a prefix in the first line of a file that has it.
func field(file, prefix string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			return strings.Trim(value, " \t:\"")
		}
	}
	return "unknown"
}

func firstWord(file string) string {
	text, _ := os.ReadFile(file)
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return word
}
