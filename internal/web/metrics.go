package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what the handlers of all listeners of a node do.
type Metrics struct {
	requests *prometheus.CounterVec   // by route and code
	seconds  *prometheus.HistogramVec // by route
	refused  *prometheus.CounterVec   // by reason: the code of the problem
}

// NewMetrics returns metrics registered with reg; nil: nowhere.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	return &Metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_http_requests_total", Help: "HTTP requests answered, by route and status.",
		}, []string{"route", "code"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gopush_http_request_seconds", Help: "Time to answer HTTP requests, by route.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // 100 µs to 6.5 s
		}, []string{"route"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gopush_http_refused_total", Help: "HTTP requests refused or failed, by reason.",
		}, []string{"reason"}),
	}
}

// measure returns h, counted and timed as route.
func (m *Metrics) measure(route string, h http.Handler) http.Handler {
	as := prometheus.Labels{"route": route}
	h = promhttp.InstrumentHandlerCounter(m.requests.MustCurryWith(as), h)
	return promhttp.InstrumentHandlerDuration(m.seconds.MustCurryWith(as), h)
}

// direct counts the requests of one route that net/http does not see. What most of them need is looked
// up once.
type direct struct {
	codes   *prometheus.CounterVec
	ok      prometheus.Counter // of codes
	seconds prometheus.Observer
}

func (m *Metrics) direct(route string) direct {
	codes := m.requests.MustCurryWith(prometheus.Labels{"route": route})
	return direct{codes, codes.WithLabelValues("200"), m.seconds.WithLabelValues(route)}
}

// answered counts an answer.
func (d *direct) answered(status int, took time.Duration) {
	if status == http.StatusOK {
		d.ok.Inc()
	} else {
		d.codes.WithLabelValues(strconv.Itoa(status)).Inc()
	}
	d.seconds.Observe(took.Seconds())
}
