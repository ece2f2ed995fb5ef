package bench

import "github.com/HdrHistogram/hdrhistogram-go"

// outcome is what subscribers have counted. The histograms hold nanoseconds.
type outcome struct {
	tally      Tally
	reads      int                     // system calls that brought something
	bytes      int                     // that they brought
	latency    *hdrhistogram.Histogram // of messages to connections that were there: until read
	resumed    *hdrhistogram.Histogram // of messages from before: since the connection was due to come back
	subscribed *hdrhistogram.Histogram // of subscriptions: since the connection was due
}

func newOutcome() outcome {
	return outcome{latency: newHistogram(), resumed: newHistogram(), subscribed: newHistogram()}
}

// tare makes all zero but the tally.
func (o *outcome) tare() {
	o.reads, o.bytes = 0, 0
	o.latency.Reset()
	o.resumed.Reset()
	o.subscribed.Reset()
}

// snapshot is an outcome on its way through a pipe.
type snapshot struct {
	Tally                        Tally
	Reads, Bytes                 int
	Latency, Resumed, Subscribed *hdrhistogram.Snapshot
}

func (o *outcome) snapshot() *snapshot {
	return &snapshot{
		Tally: o.tally, Reads: o.reads, Bytes: o.bytes,
		Latency: o.latency.Export(), Resumed: o.resumed.Export(), Subscribed: o.subscribed.Export(),
	}
}

// add adds what another swarm has counted.
func (o *outcome) add(s *snapshot) {
	o.tally.add(s.Tally)
	o.reads += s.Reads
	o.bytes += s.Bytes
	o.latency.Merge(hdrhistogram.Import(s.Latency))
	o.resumed.Merge(hdrhistogram.Import(s.Resumed))
	o.subscribed.Merge(hdrhistogram.Import(s.Subscribed))
}
