package web

import "net/http"

// errNoUndo is why a drain goes on.
var errNoUndo = &problem{Status: http.StatusConflict, Code: "stopping", Message: "the process is stopping, its drain cannot be taken back"}

// Drain is the going of a node's subscribers. Its methods may be called by anyone at any time.
type Drain interface {
	// Begin begins to drain the node, if that has not begun.
	Begin()
	// Undo has the node take subscribers again, and own keys; false: the process is stopping.
	Undo() bool
	View() DrainView
}

// DrainView is how far a drain is. docs/protocol.md, "Draining", says what each member means.
type DrainView struct {
	Phase       string  `json:"phase"` // serving, waiting, leaving, telling, drained
	Told        int64   `json:"told"`
	Left        int     `json:"left"`
	Rate        int     `json:"rate"`
	Seconds     float64 `json:"seconds"` // since it began
	Connections int     `json:"connections"`
}

func (l *listener) beginDrain(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	l.cfg.Drain.Begin()
	return l.cfg.Drain.View(), nil
}

func (l *listener) viewDrain(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return l.cfg.Drain.View(), nil
}

func (l *listener) undoDrain(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	if !l.cfg.Drain.Undo() {
		return nil, errNoUndo
	}
	return l.cfg.Drain.View(), nil
}
