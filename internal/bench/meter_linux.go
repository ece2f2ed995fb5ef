package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// rss returns the resident memory of the process, in bytes. smaps_rollup is exact; the numbers
// of stat and status are gathered per CPU and lag behind.
func (t *Target) rss() (int64, error) {
	kib, err := procField(fmt.Sprintf("/proc/%d/smaps_rollup", t.PID), "Rss:")
	return kib << 10, err
}

// cpu returns the CPU time that the process has used, user and system, all threads that it has
// and had. It is the sum that proc(5) shows in ticks, in nanoseconds.
func (t *Target) cpu() (time.Duration, error) {
	const cpuClockSched = 2 // clock_getcpuclockid(3) makes the id of a clock so
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^t.PID<<3|cpuClockSched), &used); err != nil {
		return 0, fmt.Errorf("CPU of process %d: %w (is it there?)", t.PID, err)
	}
	return time.Duration(used.Nano()), nil
}

// switches returns how often the threads that the process has were switched.
func (t *Target) switches() (sum int64, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", t.PID))
	if err != nil {
		return 0, err
	}
	for _, task := range tasks {
		for _, field := range []string{"voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"} {
			n, err := procField(task, field)
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // threads end
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}

// procField returns the number behind name in a file of /proc.
func procField(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("measure the server: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		}
	}
	return 0, fmt.Errorf("measure the server: no %s in %s", name, file)
}

// mallocs returns how many objects the node has allocated since it started; 0 for what is no
// node and has no ops address.
func (t *Target) mallocs() (objects float64, err error) {
	if t.Ops == "" {
		return 0, nil
	}
	var stat struct{ Mallocs float64 }
	err = getJSON("http://"+t.Ops+"/stat?type=memory", &stat)
	return stat.Mallocs, err
}

// meter measures what a server uses from newMeter to read.
type meter struct {
	began time.Time
	each  []*gauge // of each of its processes
}

// gauge is what one process has used before.
type gauge struct {
	target   Target
	cpu      time.Duration
	switches int64
	mallocs  float64 // before
	looking  float64 // what asking for it allocates itself
}

func newMeter(p *process) (*meter, error) {
	m := &meter{}
	for _, t := range p.all() {
		g, err := newGauge(t)
		if err != nil {
			return nil, err
		}
		m.each = append(m.each, g)
	}
	m.began = time.Now()
	return m, nil
}

// read returns what all processes have used together.
func (m *meter) read() (sum Cost, err error) {
	all, err := m.readEach()
	for _, c := range all {
		sum.add(c)
	}
	return sum, err
}

// readEach returns what each process has used.
func (m *meter) readEach() (all []Cost, err error) {
	seconds := time.Since(m.began).Seconds()
	for _, g := range m.each {
		c, err := g.read()
		if err != nil {
			return nil, err
		}
		c.Seconds = seconds
		all = append(all, c)
	}
	return all, nil
}

func newGauge(t Target) (*gauge, error) {
	m := &gauge{target: t}
	for range 3 { // the first makes what is made once, the others tell what each costs
		mallocs, err := t.mallocs()
		if err != nil {
			return nil, err
		}
		m.looking, m.mallocs = mallocs-m.mallocs, mallocs
	}
	var err error
	if m.switches, err = t.switches(); err != nil {
		return nil, err
	}
	m.cpu, err = t.cpu()
	return m, err
}

func (m *gauge) read() (c Cost, err error) {
	cpu, err := m.target.cpu()
	if err != nil {
		return c, err
	}
	switches, err := m.target.switches()
	if err != nil {
		return c, err
	}
	mallocs, err := m.target.mallocs()
	if err != nil {
		return c, err
	}
	rss, err := m.target.rss()
	c.CPU = float64((cpu - m.cpu).Nanoseconds()) / 1000
	c.Switches = float64(switches - m.switches)
	c.Allocs = max(0, mallocs-m.mallocs-m.looking)
	c.RSS = float64(rss)
	return c, err
}

// getJSON reads the answer to a GET into v.
func getJSON(url string, v any) error {
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
