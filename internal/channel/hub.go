package channel

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/message"
)

// numBuckets is a power of two: enough that publishers seldom meet at a lock.
const numBuckets = 256

// ErrSubscribers is what Subscribe answers past MaxSubscribersPerKey.
var ErrSubscribers = errors.New("max_subscribers_per_key reached")

// Config has what a hub needs; the limits' names are those of the settings.
type Config struct {
	Store   Store // required; not closed by the hub
	Instant bool  // Store never waits, as one in memory: who pushes also stores, instead of waking others for it
	Node    string

	// Owns tells whether this node gives a key's messages their order. nil: it does for all keys. What it says may
	// change: then Reown is called. It is called with locks held, often.
	Owns func(key string) bool

	MaxKeyBytes          int           // 0: message.MaxKeyBytes
	MaxMessageBytes      int           // 0: 1 MiB
	MaxSubscribersPerKey int           // 0: unlimited
	MaxPatterns          int           // different ones that are subscribed to; 0: 128
	StoreTimeout         time.Duration // 0: 2 s

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: none
}

func (cfg *Config) setDefaults() {
	setDefault(&cfg.MaxKeyBytes, message.MaxKeyBytes)
	setDefault(&cfg.MaxMessageBytes, 1<<20)
	setDefault(&cfg.MaxPatterns, 128)
	setDefault(&cfg.StoreTimeout, 2*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// Hub has all channels of a node.
type Hub struct {
	Stats Stats

	cfg       Config         // set at Open, never changed
	clock     *clock         //
	seed      maphash.Seed   //
	buckets   []bucket       //
	maxKey    atomic.Int64   // max_key_bytes, may be reloaded
	maxBytes  atomic.Int64   // max_message_bytes, may be reloaded
	maxSubs   atomic.Int64   // max_subscribers_per_key, may be reloaded
	patterns  patterns       //
	sinks     []Sink         // set by Attach, before Run
	loading   readyQueue     // channels of which the store has to be asked something first
	appending readyQueue     // channels with pushes to store
	appenders sync.WaitGroup // the appender, and those that have not come back from the store
	givenUp   atomic.Int32   // appends that were given up and have not come back: what they were to store may be stored yet
	recent    recent         // keys that were appended to lately
	strays    strays         // keys that were appended to though another node owns them
	turns     sync.Pool      // of *turnHere: what who stores needs for it, with Config.Instant
}

// Open makes a hub over cfg.Store. Run must be running for stored pushes to end.
func Open(ctx context.Context, cfg Config) (*Hub, error) {
	cfg.setDefaults()
	k, err := newClock(ctx, cfg)
	if err != nil {
		return nil, err
	}
	h := &Hub{cfg: cfg, clock: k, seed: maphash.MakeSeed(), buckets: make([]bucket, numBuckets)}
	h.SetLimits(cfg.MaxKeyBytes, cfg.MaxMessageBytes, cfg.MaxSubscribersPerKey)
	for i := range h.buckets {
		h.buckets[i].channels = make(map[uint64]*Channel)
		h.buckets[i].last = k.floor.Load()
		if k.epoch != nil {
			h.buckets[i].fresh = unowned
		}
	}
	if k.epoch != nil {
		k.epoch.disown = h.disown
	}
	h.patterns.most = cfg.MaxPatterns
	h.loading.init()
	h.appending.init()
	h.strays.init()
	return h, nil
}

// SetLimits changes the limits of keys, messages and subscribers (0: unlimited) while the hub runs.
func (h *Hub) SetLimits(maxKeyBytes, maxMessageBytes, maxSubscribersPerKey int) {
	h.maxKey.Store(int64(maxKeyBytes))
	h.maxBytes.Store(int64(maxMessageBytes))
	h.maxSubs.Store(int64(maxSubscribersPerKey))
}

// Attach makes s known and returns its number. All sinks, at most MaxSinks, are attached before
// Run and before anybody subscribes or publishes.
func (h *Hub) Attach(s Sink) SinkID {
	if len(h.sinks) == MaxSinks {
		panic("channel: too many sinks")
	}
	h.sinks = append(h.sinks, s)
	return SinkID(len(h.sinks) - 1)
}

// Run stores what is pushed and renews the mid limit until ctx ends. Stored pushes that are
// under way then are still answered.
func (h *Hub) Run(ctx context.Context) {
	var loaders, wg sync.WaitGroup
	for range numLoaders() {
		loaders.Go(h.runLoader)
	}
	h.appenders.Go(func() { h.runAppender(new(batch)) })
	wg.Go(func() { h.clock.run(ctx) })
	<-ctx.Done()
	h.loading.close()
	loaders.Wait()
	h.appending.close()
	h.appenders.Wait()
	wg.Wait()
}

// Subscribe makes a connection of sink a subscriber of key. All messages above barrier will be
// posted; all others of the key are in the store by now, or were live only. If it is the
// sink's first subscriber of key, the sink will know them as spare, which ref then is.
// It never waits for the store.
func (h *Hub) Subscribe(sink SinkID, key string, spare uint32) (c *Channel, ref uint32, barrier int64, err error) {
	hash := h.hash(key)
	b := h.bucketOf(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	c = b.open(hash, key)
	if most := h.maxSubs.Load(); most > 0 && int64(c.own()) >= most {
		return nil, 0, 0, ErrSubscribers
	}
	h.heard(b, c)
	h.Stats.Subscribed.Add(1)
	if c.own() == 0 {
		h.Stats.Created.Add(1)
	}
	return c, c.join(sink, spare), c.released, nil
}

// Unsubscribe takes back one Subscribe of sink. What was posted before may still be in the
// sink's queue.
func (h *Hub) Unsubscribe(sink SinkID, c *Channel) {
	hash := h.hash(c.key)
	b := h.bucketOf(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	c.leave(sink)
	h.Stats.Unsubscribed.Add(1)
	if c.own() == 0 {
		h.Stats.Deleted.Add(1)
	}
	b.forget(hash, c)
}

// Kick closes the connections subscribed to key, all or only those opened with a token of tags,
// and returns how many there were.
func (h *Hub) Kick(ctx context.Context, key string, tags ...uint64) (int, error) {
	hash := h.hash(key)
	b := h.bucketOf(hash)
	closed := make(chan int, MaxSinks)
	var touched SinkSet
	b.mu.Lock()
	if c := b.find(hash, key); c != nil {
		c.each(func(s slot) {
			h.sinks[s.sink].Kick(c, s.ref, tags, closed)
			touched.add(s.sink)
		})
	}
	b.mu.Unlock()
	h.Flush(touched)
	sum := 0
	for range touched.len() {
		select {
		case n := <-closed:
			sum += n
		case <-ctx.Done():
			return sum, ctx.Err()
		}
	}
	return sum, nil
}
