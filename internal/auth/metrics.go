package auth

import "github.com/prometheus/client_golang/prometheus"

// RegisterMetrics has reg show what happens to t.
func (t *Tokens) RegisterMetrics(reg prometheus.Registerer) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "gopush_token_renew_errors_total", Help: "Uses of a good token that could not renew it.",
	}, func() float64 { return float64(t.RenewErrors()) }))
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "gopush_token_cached_checks_total", Help: "Checks of a good token that did not ask the shared store, which was asked less than 5 s before.",
	}, func() float64 { return float64(t.CachedChecks()) }))
}
