package auth

import "github.com/prometheus/client_golang/prometheus"

// RegisterMetrics has reg show what happens to t.
func (t *Tokens) RegisterMetrics(reg prometheus.Registerer) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "gopush_token_renew_errors_total", Help: "Uses of a good token that could not renew it.",
	}, func() float64 { return float64(t.RenewErrors()) }))
}
