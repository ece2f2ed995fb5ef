package web

import (
	"net/http"
	"os"
	"os/user"
	"runtime"
)

// Stats are the counts of a node since it started, by the names of gopush-cluster.
type Stats interface {
	Channels() ChannelStats
	Messages() MessageStats
	Connections() ConnectionStats
	Config() map[string]any // the effective settings, secrets masked
}

// ChannelStats counts channels: the server's objects for keys.
type ChannelStats struct{ Access, Create, Delete, Current int64 }

// MessageStats counts pushes.
type MessageStats struct{ Succeed, Failed int64 }

// ConnectionStats counts connections of clients.
type ConnectionStats struct{ Add, Remove int64 }

// stat answers /stat?type=… as gopush-cluster does: JSON, indented.
func (l *listener) stat(w http.ResponseWriter, r *http.Request) {
	r, cancel := bounded(r)
	defer cancel()
	found, err := l.statOf(r)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	send(w, http.StatusOK, jsonType, encode(found, "    "))
}

func (l *listener) statOf(r *http.Request) (any, error) {
	q := r.URL.Query()
	kind, key := q.Get("type"), q.Get("key")
	switch kind {
	case "memory":
		return memoryStats(), nil
	case "golang":
		return golangStats(), nil
	case "server":
		return l.serverStats(), nil
	}
	switch {
	case kind == "channel" && key != "":
		return l.keyStats(r, key)
	case l.cfg.Stats != nil:
		if found := countStats(l.cfg.Stats, kind); found != nil {
			return found, nil
		}
	}
	return nil, &problem{Status: http.StatusNotFound, Code: "not_found", Message: "type is one of memory, server, golang, config, channel, message, connection"}
}

func countStats(s Stats, kind string) map[string]any {
	switch kind {
	case "config":
		return s.Config()
	case "channel":
		c := s.Channels()
		return map[string]any{"access": c.Access, "create": c.Create, "delete": c.Delete, "current": c.Current}
	case "message":
		m := s.Messages()
		return map[string]any{"succeed": m.Succeed, "failed": m.Failed, "total": m.Succeed + m.Failed}
	case "connection":
		c := s.Connections()
		return map[string]any{"add": c.Add, "remove": c.Remove, "current": c.Add - c.Remove}
	}
	return nil
}

func (l *listener) keyStats(r *http.Request, key string) (any, error) {
	if _, err := l.keyOf(key); err != nil {
		return nil, err
	}
	info, err := l.cfg.Keys.Info(r.Context(), key)
	if err != nil {
		return nil, err
	}
	return map[string]any{"channel": map[string]int{"conn": info.Subscribers}}, nil
}

func memoryStats() map[string]any {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return map[string]any{
		"alloc": m.Alloc, "total_alloc": m.TotalAlloc, "sys": m.Sys,
		"lookups": m.Lookups, "mallocs": m.Mallocs, "frees": m.Frees,

		"heap_alloc": m.HeapAlloc, "heap_sys": m.HeapSys, "heap_idle": m.HeapIdle,
		"heap_inuse": m.HeapInuse, "heap_released": m.HeapReleased, "heap_objects": m.HeapObjects,

		"stack_inuse": m.StackInuse, "stack_sys": m.StackSys,
		"mspan_inuse": m.MSpanInuse, "mspan_sys": m.MSpanSys,
		"mcache_inuse": m.MCacheInuse, "mcache_sys": m.MCacheSys, "buckhash_sys": m.BuckHashSys,

		"next_gc": m.NextGC, "last_gc": m.LastGC, "num_gc": m.NumGC,
		"pause_total_ns": m.PauseTotalNs, "pause_ns": m.PauseNs,
		"enable_gc": m.EnableGC, "debug_gc": m.DebugGC, "by_size": m.BySize,
	}
}

func golangStats() map[string]any {
	return map[string]any{
		"compiler": runtime.Compiler, "arch": runtime.GOARCH, "os": runtime.GOOS,
		"version": runtime.Version(), "max_procs": runtime.GOMAXPROCS(0),
		"cgo_call": runtime.NumCgoCall(), "goroutine_num": runtime.NumGoroutine(),
	}
}

func (l *listener) serverStats() map[string]any {
	s := map[string]any{
		"uptime": l.cfg.Now().Sub(l.cfg.Started).Nanoseconds(),
		"pid":    os.Getpid(), "ppid": os.Getppid(), "pagesize": os.Getpagesize(),
		"hostname": "", "wd": "", "user": "", "group": "",
	}
	if name, err := os.Hostname(); err == nil {
		s["hostname"] = name
	}
	if wd, err := os.Getwd(); err == nil {
		s["wd"] = wd
	}
	if u, err := user.Current(); err == nil {
		s["user"], s["group"] = u.Uid, u.Gid
	}
	return s
}
