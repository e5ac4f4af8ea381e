package web

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// measures are what /metrics shows of the server itself.
type measures struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	lines    sync.Map // route to *line
}

func newMeasures(r *prometheus.Registry, s *Server) (*measures, error) {
	var err error
	if r == nil {
		r = prometheus.NewRegistry()
		err = errors.Join(r.Register(collectors.NewGoCollector()), r.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})))
	}
	gauge := func(name, help string, value func() float64) {
		err = errors.Join(err, r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)))
	}
	gauge("cagnotte_last_change", "The number of the newest change.", func() float64 { return float64(s.truth.LastChange()) })
	gauge("cagnotte_index_applied", "The number of the last change that the index contains.", func() float64 { return float64(s.Index.Applied()) })
	gauge("cagnotte_index_offers", "Offers in the index.", func() float64 { return float64(s.Index.Ready().Offers) })
	gauge("cagnotte_ready", "1 while the store takes writes and the index has caught up.", func() float64 {
		if s.Store.Err() == nil && s.Index.Ready().Ready {
			return 1
		}
		return 0
	})
	m := &measures{
		registry: r,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cagnotte_http_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cagnotte_http_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3},
		}, []string{"route"}),
	}
	return m, errors.Join(err, r.Register(m.requests), r.Register(m.seconds))
}

// line is a route's measures, looked up once.
type line struct {
	seconds prometheus.Observer
	byCode  sync.Map // status to prometheus.Counter
}

// seen counts an answered request. A request without a route has the name "none",
// so that nobody can make series by inventing addresses.
func (m *measures) seen(v *visit, took time.Duration) {
	name := "none"
	if v.route != nil {
		name = v.route.Pattern
	}
	found, ok := m.lines.Load(name)
	if !ok {
		found, _ = m.lines.LoadOrStore(name, &line{seconds: m.seconds.WithLabelValues(name)})
	}
	l := found.(*line)
	count, ok := l.byCode.Load(v.status)
	if !ok {
		count, _ = l.byCode.LoadOrStore(v.status, m.requests.WithLabelValues(name, strconv.Itoa(v.status)))
	}
	count.(prometheus.Counter).Inc()
	l.seconds.Observe(took.Seconds())
}

func (s *Server) metricsPage(*visit) (*reply, error) {
	families, err := s.measure.registry.Gather()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	e := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			return nil, err
		}
	}
	return &reply{kind: string(format), body: b.Bytes()}, nil
}

// healthz says that the process answers.
func (s *Server) healthz(*visit) (*reply, error) { return text("ok\n"), nil }

// readyz says that the store takes writes and that the index has caught up; why it
// isn't so goes to the log, and in one word to whoever asks.
func (s *Server) readyz(v *visit) (*reply, error) {
	if err := s.Store.Err(); err != nil {
		return nil, cashback.Errorf(cashback.Unavailable, "the store has failed: %w", err)
	}
	if st := s.Index.Ready(); !st.Ready {
		return nil, cashback.Errorf(cashback.Unavailable, "the index isn't ready: %d of %d changes, %s", st.Applied, st.Last, st.Why)
	}
	return text("ready\n"), nil
}

// robots keeps crawlers out of what has no end: searches, click-outs, the API.
func (s *Server) robots(*visit) (*reply, error) {
	return text("User-agent: *\nDisallow: /go/\nDisallow: /api/\nDisallow: /*/search\nDisallow: /*/suggest\n"), nil
}
