package client

import (
	"bytes"
	"fmt"
	"strconv"

	"gopush/internal/message"
)

const noGap = -1 // below every mid

// notice takes a "+" reply: the answer to a heartbeat, a gap, the word to come back later, or one of a
// later server, which is ignored.
func (s *subscription) notice(data []byte) error {
	if err := retryNotice(data); err != nil {
		return err
	}
	number, isGap := bytes.CutPrefix(data, []byte("g "))
	if !isGap {
		return nil
	}
	from, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || from < 0 {
		return fmt.Errorf("%w: gap notice %.64q", errProtocol, data)
	}
	if from > s.told {
		s.tellGap(from)
	}
	return nil
}

// tellGap tells that messages between the last one delivered and from are gone.
func (s *subscription) tellGap(from int64) {
	s.told = from
	s.cfg.OnGap(Gap{After: message.FormatID(s.last), From: message.FormatID(from)})
}
