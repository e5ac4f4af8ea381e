package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Product is the token that robots.txt files name us by.
const Product = "CagnotteBot"

// Limits are the bounds of every fetch. Zero fields take their default; tests use
// small ones.
type Limits struct {
	Dial   time.Duration // 10 s: connect, name lookup included
	TLS    time.Duration // 10 s: handshake
	Header time.Duration // 10 s: from the request sent to the last header
	Wall   time.Duration // 30 s: the whole answer, counted from when the slot was won
	// MinRate is the least throughput in bytes a second over each RateWindow
	// (1 KiB/s over 10 s): below it an answer is a drip that only holds the slot.
	MinRate    int64
	RateWindow time.Duration

	HeaderBytes int64 // 64 KiB of headers
	Body        int64 // 8 MiB of decoded page by default …
	BodyMost    int64 // … and 16 MiB where a definition says so
	// A page may not grow more than Ratio times (100) when decoded, once it has
	// more than RatioAfter bytes (256 KiB).
	Ratio      int64
	RatioAfter int64

	Redirects int // 5 hops

	Tries    int           // 3: the first and two more
	Backoff  time.Duration // 1 s, doubled each time, full jitter …
	MostBack time.Duration // … up to 60 s
	// RetryShare is the part of a run's requests that may be retries, in percent
	// (10); the first RetryFree (3) are allowed whatever the share.
	RetryShare int
	RetryFree  int

	Delay      time.Duration // 2 s between two requests to one registrable domain
	MaxDelay   time.Duration // 60 s: the most that throttling makes of it
	PerHost    int           // 1 request in flight to a registrable domain
	Global     int           // 16 requests in flight in all
	MaxWait    time.Duration // 2 min: a Retry-After above it ends the run's asking
	RetryAfter time.Duration // 24 h: the most that a host can ask for

	RobotsTTL   time.Duration // 24 h
	RobotsStale time.Duration // 24 h more while it can't be read again
	RobotsBack  time.Duration // 5 min, doubled with each failure up to 24 h

	BreakerFailures int           // 5 failed attempts in a row
	BreakerCool     time.Duration // 15 min, doubled with each trip up to RetryAfter
}

func (l Limits) withDefaults() Limits {
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	num := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	big := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Dial, 10*time.Second)
	def(&l.TLS, 10*time.Second)
	def(&l.Header, 10*time.Second)
	def(&l.Wall, 30*time.Second)
	big(&l.MinRate, 1<<10)
	def(&l.RateWindow, 10*time.Second)
	big(&l.HeaderBytes, 64<<10)
	big(&l.Body, 8<<20)
	big(&l.BodyMost, 16<<20)
	big(&l.Ratio, 100)
	big(&l.RatioAfter, 256<<10)
	num(&l.Redirects, 5)
	num(&l.Tries, 3)
	def(&l.Backoff, time.Second)
	def(&l.MostBack, time.Minute)
	num(&l.RetryShare, 10)
	num(&l.RetryFree, 3)
	def(&l.Delay, 2*time.Second)
	def(&l.MaxDelay, time.Minute)
	num(&l.PerHost, 1)
	num(&l.Global, 16)
	def(&l.MaxWait, 2*time.Minute)
	def(&l.RetryAfter, 24*time.Hour)
	def(&l.RobotsTTL, 24*time.Hour)
	def(&l.RobotsStale, 24*time.Hour)
	def(&l.RobotsBack, 5*time.Minute)
	num(&l.BreakerFailures, 5)
	def(&l.BreakerCool, 15*time.Minute)
	return l
}

// Config is what a transport is made of. Only Now must be set.
type Config struct {
	// Contact is the URL or mail address that portals find in the user agent. No
	// host but a local one is asked for anything without it.
	Contact string
	Now     func() time.Time
	// Wait blocks for d or until ctx ends, whichever is first; nil takes a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Random gives numbers in [0, 1) for jitter; nil takes the runtime's.
	Random func() float64
	Logger *slog.Logger
	// Resolver looks names up; nil takes the system's.
	Resolver Resolver
	// Local says which host names are portals on this machine, as the demo's and the
	// tests' are: for them plain http, any port and no delay but
	// their definitions' are allowed, and only loopback addresses are dialled. Nil, as in production, means none.
	Local func(host string) bool
	// LocalAddr narrows the loopback addresses that local names may lead to; nil
	// allows all of loopback.
	LocalAddr func(netip.AddrPort) bool
	State     State // nil forgets at exit
	Pages     Pages // nil asks for every page anew
	// Roots are the certificates to trust; nil takes the system's. There is no
	// switch that skips verification.
	Roots  *x509.CertPool
	Limits Limits
}

// Transport is the process's one way out. Its hosts' slots, paces, breakers and
// robots.txt files are shared by all runs.
type Transport struct {
	contact string
	now     func() time.Time
	wait    func(context.Context, time.Duration) error
	random  func() float64
	log     *slog.Logger
	local   func(string) bool
	state   State
	pages   Pages
	limits  Limits
	agent   string
	// free says which hosts no distance is owed to: the local ones.
	free   func(host string) bool
	wire   http.RoundTripper
	idle   func() // closes idle connections
	global chan struct{}

	mu     sync.Mutex // guards the fields below
	hosts  map[string]*host
	robots map[string]*robotsEntry
}

// New checks the configuration and makes a transport. It dials nothing.
func New(c Config) (*Transport, error) {
	if c.Now == nil {
		return nil, cashback.Errorf(cashback.Internal, "a transport needs a clock")
	}
	if err := CheckContact(c.Contact); c.Contact != "" && err != nil {
		return nil, err
	}
	t := &Transport{
		contact: c.Contact, now: c.Now, wait: c.Wait, random: c.Random, log: c.Logger, local: c.Local,
		state: c.State, pages: c.Pages, limits: c.Limits.withDefaults(),
		hosts: make(map[string]*host), robots: make(map[string]*robotsEntry),
	}
	if t.wait == nil {
		t.wait = sleep
	}
	if t.random == nil {
		t.random = rand.Float64
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.local == nil {
		t.local = func(string) bool { return false }
	}
	if t.state == nil {
		t.state = memory{}
	}
	resolver := c.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	t.agent = Product + "/1.0"
	if t.contact != "" {
		t.agent += " (+" + t.contact + ")"
	}
	t.global = make(chan struct{}, t.limits.Global)
	d := &dialer{resolver: resolver, local: t.local, localAddr: c.LocalAddr, limits: &t.limits, tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots, NextProtos: []string{"http/1.1"}}}
	// HTTP/1.1 only: one request in flight gains nothing from HTTP/2, and its frames
	// are a second parser for hostile bytes (rapid reset, floods, HPACK).
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	t.free = t.local
	wire := &http.Transport{
		Proxy:                  nil, // an environment's proxy would dial for us, past the guard
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		Protocols:              &protocols,
		DisableCompression:     true, // decoded by us, under the cap
		MaxResponseHeaderBytes: t.limits.HeaderBytes,
		ResponseHeaderTimeout:  t.limits.Header,
		MaxIdleConns:           4 * t.limits.Global,
		MaxIdleConnsPerHost:    t.limits.PerHost,
		IdleConnTimeout:        90 * time.Second,
		// Large enough that a page longer than its stated length shows: see wire.
		ReadBufferSize: 64 << 10,
	}
	t.wire, t.idle = wire, wire.CloseIdleConnections
	return t, nil
}

// Close closes idle connections.
func (t *Transport) Close() { t.idle() }

// CheckContact accepts what a portal's operator can use: an https or http URL, or
// a mail address.
func CheckContact(contact string) error {
	if len(contact) <= 200 && !strings.ContainsAny(contact, " \t\r\n()<>\"") {
		if u, err := url.Parse(contact); err == nil && (u.Scheme == "https" || u.Scheme == "http") && strings.Contains(u.Hostname(), ".") {
			return nil
		}
		name, domain, ok := strings.Cut(strings.TrimPrefix(contact, "mailto:"), "@")
		if ok && name != "" && strings.Contains(domain, ".") {
			return nil
		}
	}
	return cashback.Errorf(cashback.Invalid, "%q isn't a contact: give a URL (https://…) or a mail address at which a portal's operator can reach you", short(contact))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// canceled is a request that its run gave up: no fault of the host's.
func canceled(ctx context.Context) *Error {
	return &Error{Outcome: cashback.FetchPostponed, Budget: "canceled", Reason: "the run was stopped", Err: context.Cause(ctx)}
}
