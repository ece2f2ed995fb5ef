package demo

import (
	"bytes"
	"encoding/json"
)

// payload is what is pushed for a line. The number tells lines with the same text apart.
type payload struct {
	Line int    `json:"line"` // counted from 0
	Text string `json:"text"`
}

// payloads returns the payload of each line: JSON without needless spaces, which arrives
// byte for byte (docs/protocol.md, "legacy message"). What is not UTF-8 is replaced here
// already, so that it is compared as it is pushed.
func payloads(lines []string) [][]byte {
	all := make([][]byte, len(lines))
	for i, text := range lines {
		all[i] = newPayload(i, text)
	}
	return all
}

func newPayload(line int, text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(payload{line, text}); err != nil {
		panic(err) // a number and a string always are JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// lineOf returns the number of the line that p says it is.
func lineOf(p []byte) (line int, ok bool) {
	v := payload{Line: -1}
	err := json.Unmarshal(p, &v)
	return v.Line, err == nil && v.Line >= 0
}
