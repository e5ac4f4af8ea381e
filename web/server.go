// Package web serves the pages, the API under /api/v1 and what operators' tools ask
// for: one table of routes, one adapter, one view value that is rendered as HTML or
// as JSON.
//
// Its one invariant: an answer is decided before anything is sent. A handler only
// decodes, asks the store, the index and the ranking, and hands back a value; the
// adapter renders it whole into memory or shows the one error page instead. What may
// be asked, by whom, how often, and what may be cached stands in the table of
// routes, and a route without a line doesn't start.
package web

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/cagnotte/cagnotte/index"
	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/locale"
)

// Config is what a server is made from. Everything that reaches outside is in it.
type Config struct {
	// Store is the stored truth; pages read it as the public does.
	Store *store.Store
	// Index finds shops; the caller runs it.
	Index *index.Index
	Now   func() time.Time
	// AsOf, where set, is the day that every answer is about, for looking at recorded
	// data as of then; zero is the present.
	AsOf time.Time
	// Zone is what times are shown in; nil is UTC.
	Zone   *time.Location
	Logger *slog.Logger
	// Random seeds the request ids, and makes salts, tokens and keys.
	Random io.Reader
	// Rates and VAT are the reference tables; nil are those that ship with the program.
	Rates *rank.Rates
	VAT   *rank.VATTable
	// Version is the program's, shown at the foot of each page.
	Version string
	// DefaultCountry is whose shops are searched unless the address says otherwise.
	DefaultCountry cashback.Country
	// Hosts are the names that the server answers to beside localhost and the host of
	// Site.
	Hosts []string
	// TrustedProxies are the proxies whose X-Forwarded-For is believed. Empty: the
	// connection's own address counts.
	TrustedProxies []netip.Prefix
	// Site is where people reach the server, such as https://cagnotte.example.org: with
	// https, cookies are sent by https alone. Empty is plain http.
	Site string
	// SingleUser serves one person at home, without accounts: whoever asks from this
	// machine is that person, who is the operator too. TrustNetwork takes everybody who
	// reaches the server for them.
	SingleUser, TrustNetwork bool
	// OpenSignUp lets anybody make an account; else an invitation is needed.
	OpenSignUp bool
	// Cost is what hashing a password takes; zero is account.Recommended.
	Cost account.Cost
	// Crawls and Catalogue are what the operator's desk works on beside the store; nil
	// leaves out what needs them.
	Crawls    Crawls
	Catalogue Catalogue
	// Secret opens the operator's part of the API to whoever knows it: who can read the
	// data folder. Empty opens nothing.
	Secret string
	// Metrics is where the server's measures are registered; nil makes a registry.
	Metrics *prometheus.Registry
}

// Server answers requests. It is safe for concurrent use and owns no goroutine.
type Server struct {
	Config
	log      *slog.Logger
	truth    *store.Reader
	people   *store.Accounts
	ledgers  *store.Ledgers
	handed   uploads
	desk     *account.Desk
	markKey  []byte // of the known cookie
	https    bool
	rates    rank.Rates
	vat      rank.VATTable
	rules    []*statement.Rule // the shipped ones
	promises sync.Map          // by plan: when a reading is late
	shelves  atomic.Pointer[shelf]
	locales  *locale.Set
	assets   *assets
	build    string // of version and assets: part of each ETag
	present  atomic.Pointer[state]
	answers  *answers
	curves   curves
	flight   singleflight.Group
	limiters map[string]*httprate.RateLimiter
	measure  *measures
	allowed  hosts
	table    []Route
	router   chi.Router
	handler  http.Handler
	// standings are how portals compare, kept by Follow.
	standings standings
	// description is openapi.json.
	description []byte
	instance    string
	requests    atomic.Uint64
	streams     chan struct{} // a place for each stream under way
	stopping    chan struct{}
	stop        sync.Once
}

// New builds a server and its routes; it fails if a route isn't declared in full.
func New(c Config) (*Server, error) {
	s := &Server{
		Config: c, log: c.Logger, truth: c.Store.As(store.Public), answers: newAnswers(maxAnswers),
		streams: make(chan struct{}, maxStreams), stopping: make(chan struct{}),
	}
	if c.Rates == nil {
		s.rates = rank.ShippedRates()
	} else {
		s.rates = *c.Rates
	}
	if c.VAT == nil {
		s.vat = rank.ShippedVAT()
	} else {
		s.vat = *c.VAT
	}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	var err error
	if s.rules, err = statement.Shipped(); err != nil {
		return nil, err
	}
	if s.locales, err = locale.Load(s.Zone); err != nil {
		return nil, err
	}
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	// Answers differ with the tables that they are worked out from.
	s.build = hex.EncodeToString([]byte(c.Version)) + s.assets.all + s.rates.AsOf.String() + s.vat.AsOf.String()
	seed := make([]byte, 6)
	if _, err := io.ReadFull(c.Random, seed); err != nil {
		return nil, cashback.Errorf(cashback.Internal, "read randomness for request ids: %w", err)
	}
	s.instance = hex.EncodeToString(seed)
	s.allowed = slices.Clone(loopbackHosts)
	for _, h := range c.Hosts {
		s.allowed = append(s.allowed, strings.ToLower(h))
	}
	if err := s.openDesk(); err != nil {
		return nil, err
	}
	if s.measure, err = newMeasures(c.Metrics, s); err != nil {
		return nil, err
	}
	if s.description, err = describe(slices.Concat(s.operations(), s.ledgerOperations(), s.opsOperations())); err != nil {
		return nil, cashback.Errorf(cashback.Internal, "describe the API: %w", err)
	}
	s.table = s.routes()
	s.limiters = map[string]*httprate.RateLimiter{}
	r := chi.NewRouter()
	r.Use(middleware.GetHead)
	for _, route := range s.table {
		if err := route.check(); err != nil {
			return nil, cashback.Errorf(cashback.Internal, "start the web server: %w", err)
		}
		if s.limiters[route.Rate.class] == nil {
			s.limiters[route.Rate.class] = httprate.NewRateLimiter(route.Rate.perMinute, time.Minute,
				httprate.WithResponseHeaders(httprate.ResponseHeaders{RetryAfter: "Retry-After"}))
		}
		r.Method(route.Method, route.Pattern, s.serve(route))
	}
	r.NotFound(s.miss(errNotFound))
	r.MethodNotAllowed(s.miss(fault{http.StatusMethodNotAllowed, "error.method", nil}))
	s.router, s.handler = r, s.outer(r)
	return s, nil
}

// ParseSite reads where people reach a site (Config.Site).
func ParseSite(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, cashback.Errorf(cashback.Invalid, "%.200q is not the address of a site: it has the form https://cagnotte.example.org", s)
	}
	return u, nil
}

// openDesk makes what people sign in at.
func (s *Server) openDesk() error {
	if s.Site != "" {
		u, err := ParseSite(s.Site)
		if err != nil {
			return err
		}
		s.https = u.Scheme == "https"
		s.allowed = append(s.allowed, strings.ToLower(u.Hostname()))
	}
	s.people, s.ledgers = s.Store.Accounts(), s.Store.Ledgers()
	s.markKey = make([]byte, 32)
	if _, err := io.ReadFull(s.Random, s.markKey); err != nil {
		return cashback.Errorf(cashback.Internal, "read randomness for cookies: %w", err)
	}
	cost := s.Cost
	if cost == (account.Cost{}) {
		cost = account.Recommended
	}
	passwords, err := account.NewPasswords(s.Random, cost)
	if err != nil {
		return err
	}
	s.desk = account.NewDesk(s.people, passwords, s.Random, s.Now)
	return nil
}

// Handler is the whole server as a handler.
func (s *Server) Handler() http.Handler { return s.handler }

// HTTP is a server with the limits that this package counts on; the caller listens
// and shuts down.
func (s *Server) HTTP() *http.Server {
	h := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    MaxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	h.RegisterOnShutdown(func() { s.stop.Do(func() { close(s.stopping) }) })
	return h
}

type visitKey struct{}

// visitOf is the visit that outer began.
func visitOf(r *http.Request) *visit {
	v, _ := r.Context().Value(visitKey{}).(*visit)
	return v
}

// outer is what happens before a route is known: the request gets its id, its
// headers and its clock, is refused where no route would take it, and is answered
// where the answer is known.
func (s *Server) outer(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	answer := func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		v := &visit{ctx: r.Context(), req: r, id: s.instance + "-" + strconv.FormatUint(s.requests.Add(1), 36), now: start}
		if !s.AsOf.IsZero() {
			v.now = s.AsOf
		}
		v.now = v.now.In(s.Zone) // a day ends where the readers live
		v.state = s.stateNow(v.now)
		secure(w.Header())
		w.Header()["X-Request-Id"] = []string{v.id}
		switch {
		case !s.allowed.allows(r.Host):
			s.fail(w, v, fault{http.StatusMisdirectedRequest, "error.host", nil})
		case len(r.RequestURI) > MaxURL:
			s.fail(w, v, fault{http.StatusRequestURITooLong, "error.url_long", []any{"Most", MaxURL}})
		case cross.Check(r) != nil:
			s.fail(w, v, fault{http.StatusForbidden, "error.cross_site", nil})
		case s.known(w, v):
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
		}
		s.measure.seen(v, s.Now().Sub(start))
	}
	if len(s.TrustedProxies) == 0 {
		return http.HandlerFunc(answer)
	}
	trusted := make([]string, len(s.TrustedProxies))
	for i, p := range s.TrustedProxies {
		trusted[i] = p.String()
	}
	return middleware.ClientIPFromXFF(trusted...)(http.HandlerFunc(answer))
}

// miss answers what no route takes.
func (s *Server) miss(f fault) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := visitOf(r)
		v.req = r
		s.fail(w, v, f)
	}
}

// limited counts a request of a client, and says whether it is one too many. What
// comes from this machine isn't counted: it is the owner, or a proxy that nobody has
// declared, and then a limit would stop everybody at once.
func (s *Server) limited(w http.ResponseWriter, v *visit) bool {
	client := s.address(v)
	if client.IsLoopback() {
		return false
	}
	key := "unknown"
	if client.IsValid() {
		bits := 32
		if client.Is6() {
			bits = 64 // what one household gets
		}
		if p, err := client.Prefix(bits); err == nil {
			key = p.String()
		}
	}
	return s.limiters[v.route.Rate.class].OnLimit(w, v.req, key)
}

// isAPI reports an address whose errors are problem+json.
func isAPI(path string) bool { return strings.HasPrefix(path, "/api/") }
