package fetch

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// clock is a clock that only waiting moves: a test sees every wait, and none
// takes time.
type clock struct {
	mu    sync.Mutex
	at    time.Time
	waits []time.Duration
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	c.waits = append(c.waits, d)
	return nil
}

// hasty makes the limits of time small: only for portals that are there to meet
// them, because the tests' machine may be busy.
func hasty(c *Config) {
	l := &c.Limits
	l.Header, l.Wall, l.RateWindow, l.Dial, l.TLS = 400*time.Millisecond, 2*time.Second, 200*time.Millisecond, time.Second, time.Second
}

// rig is a transport on a clock of its own, with small limits.
type rig struct {
	*testing.T
	clock  *clock
	config Config
	*Transport
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	c := newClock()
	r := &rig{T: t, clock: c, config: Config{
		Now: c.now, Wait: c.wait, Random: func() float64 { return .5 },
		Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal,
		Limits: Limits{Body: 2 << 20, BodyMost: 4 << 20},
	}}
	if change != nil {
		change(&r.config)
	}
	tr, err := New(r.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	r.Transport = tr
	return r
}

func site(t *testing.T, name string, h http.HandlerFunc) *portaltest.Site {
	t.Helper()
	s, err := portaltest.NewSite(name+".localhost", h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// open begins a run over the sites' hosts.
func (r *rig) open(p Policy, sites ...*portaltest.Site) Session {
	r.Helper()
	for _, s := range sites {
		p.Hosts = append(p.Hosts, s.Host())
	}
	s, err := r.Open(p)
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// get asks as the crawler does: through an http.Client that follows redirects.
func get(t *testing.T, s Session, url string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: s}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), nil
}

func wantOutcome(t *testing.T, err error, want cashback.Outcome) *Error {
	t.Helper()
	e, ok := AsError(err)
	if !ok {
		t.Fatalf("got %v, want outcome %s", err, want)
	}
	if e.Outcome != want {
		t.Fatalf("got outcome %s (%v), want %s", e.Outcome, e, want)
	}
	return e
}

func page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, body)
}

// quiet takes what servers say about connections that tests break.
var quiet = log.New(io.Discard, "", 0)

func TestGet(t *testing.T) {
	s := site(t, "plain", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		page(w, "hello")
	})
	r := newRig(t, nil)
	run := r.open(Policy{Portal: "plain"}, s)
	status, body, err := get(t, run, s.URL("/"))
	if err != nil || status != 200 || body != "hello" {
		t.Fatalf("%d %q %v", status, body, err)
	}
	if got := strings.Join(s.Paths(), " "); got != "/robots.txt /" {
		t.Errorf("asked for %s", got)
	}
	if c := run.Counts(); c.Requests != 2 {
		t.Errorf("%+v", c)
	}
}

// A redirect is a request like any other: its host must be the run's.
func TestRedirectLeavesTheHosts(t *testing.T) {
	elsewhere := site(t, "elsewhere", func(w http.ResponseWriter, r *http.Request) { page(w, "not for us") })
	s := site(t, "mover", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, elsewhere.URL("/"), http.StatusFound)
	})
	run := newRig(t, nil).open(Policy{Portal: "mover"}, s)
	_, _, err := get(t, run, s.URL("/"))
	wantOutcome(t, err, cashback.FetchRefused)
	if asked := elsewhere.Paths(); len(asked) != 0 {
		t.Errorf("the other host was asked for %v", asked)
	}
}
