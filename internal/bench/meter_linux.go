package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// rss returns the resident memory of the process, in bytes. smaps_rollup is exact; the numbers
// of stat and status are gathered per CPU and lag behind.
func (t *Target) rss() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", t.PID))
	if err != nil {
		return 0, fmt.Errorf("memory of the node: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Rss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("memory of the node: no Rss in smaps_rollup of process %d", t.PID)
}

// tick is the unit of CPU times in /proc, the same on every Linux.
const tick = 10 * time.Millisecond

// cpu returns the CPU time that the process has used, user and system, all threads.
func (t *Target) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.PID))
	if err != nil {
		return 0, fmt.Errorf("CPU of the node: %w", err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // from the third on, proc(5)
	if len(fields) < 13 {
		return 0, fmt.Errorf("CPU of the node: stat of process %d is %q", t.PID, text)
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
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

// meter measures what a process uses from newMeter to read.
type meter struct {
	target  *Target
	began   time.Time
	cpu     time.Duration
	mallocs float64 // before
	looking float64 // what asking for it allocates itself
}

// used is what a process has used.
type used struct {
	cpu, wall time.Duration
	mallocs   float64 // objects
}

func newMeter(t *Target) (*meter, error) {
	m := &meter{target: t}
	for range 3 { // the first makes what is made once, the others tell what each costs
		mallocs, err := t.mallocs()
		if err != nil {
			return nil, err
		}
		m.looking, m.mallocs = mallocs-m.mallocs, mallocs
	}
	var err error
	m.cpu, err = t.cpu()
	m.began = time.Now()
	return m, err
}

func (m *meter) read() (used, error) {
	u := used{wall: time.Since(m.began)}
	cpu, err := m.target.cpu()
	if err != nil {
		return u, err
	}
	u.cpu = cpu - m.cpu
	mallocs, err := m.target.mallocs()
	u.mallocs = max(0, mallocs-m.mallocs-m.looking)
	return u, err
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
