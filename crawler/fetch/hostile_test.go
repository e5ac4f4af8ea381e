package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// The hostile portals of CRAWLING.md, section 2, that the transport answers for,
// by their numbers; those that concern what pages say are tested in the crawler.

// hostile starts a variant of a hostile portal, turned on.
func hostile(t *testing.T, number int, variant string) *portaltest.HostileSite {
	t.Helper()
	h := portaltest.Hostiles()[number-1]
	if h.Number != number {
		t.Fatalf("hostile portal %d stands in the place of %d", h.Number, number)
	}
	s, err := h.Start(variant)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Turn(true)
	return s
}

// verdicts asks for the trap of each variant and compares what comes; every
// variant must be in want.
func verdicts(t *testing.T, number int, want map[string]cashback.Outcome) {
	t.Helper()
	for _, v := range portaltest.Hostiles()[number-1].Variants {
		t.Run(v.Name, func(t *testing.T) {
			outcome, ok := want[v.Name]
			if !ok {
				t.Fatal("no verdict is expected of this variant")
			}
			s := hostile(t, number, v.Name)
			run := newRig(t, func(c *Config) {
				c.Limits.Tries = 1
				if outcome == cashback.FetchTimeout || v.Name == "silence" {
					hasty(c)
				}
			}).open(Policy{Portal: "hostile", Hosts: []string{"other." + s.Host()}}, s.Site)
			began := time.Now()
			status, body, err := get(t, run, s.Trap())
			if outcome == cashback.PageOK {
				if err != nil || status != http.StatusOK || body == "" {
					t.Fatalf("%d with %d bytes, %v; want a page", status, len(body), err)
				}
			} else {
				wantOutcome(t, err, outcome)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %v: the limits don't hold", took)
			}
		})
	}
}

// all expects one outcome of every variant but those named.
func all(number int, o cashback.Outcome, but map[string]cashback.Outcome) map[string]cashback.Outcome {
	want := make(map[string]cashback.Outcome)
	for _, v := range portaltest.Hostiles()[number-1].Variants {
		want[v.Name] = o
	}
	for name, o := range but {
		want[name] = o
	}
	return want
}

func TestHostile01GzipBomb(t *testing.T) {
	verdicts(t, 1, all(1, cashback.FetchTooLarge, nil))
}

func TestHostile02OtherBombs(t *testing.T) {
	verdicts(t, 2, map[string]cashback.Outcome{
		"brotli": cashback.FetchTooLarge,
		// One layer is decoded, and only what was asked for.
		"nested": cashback.FetchWrongType, "two-layers-named": cashback.FetchWrongType, "deflate": cashback.FetchWrongType, "zstd": cashback.FetchWrongType,
		"content-type": cashback.FetchWrongType,
		// A packed sitemap is unpacked, under the same limits.
		"xml-gz": cashback.FetchTooLarge,
	})
}

func TestHostile03EndlessBody(t *testing.T) {
	verdicts(t, 3, all(3, cashback.FetchTooLarge, nil))
}

func TestHostile04SlowDrip(t *testing.T) {
	t.Run("long before the wall", func(t *testing.T) {
		s := site(t, "drips", plain(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, "x"); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				pauseFor(r, 10*time.Millisecond)
			}
		}))
		run := newRig(t, func(c *Config) {
			c.Limits.Tries, c.Limits.Wall, c.Limits.RateWindow = 1, time.Minute, 100*time.Millisecond
		}).open(Policy{Portal: "p"}, s)
		_, _, err := get(t, run, s.URL("/"))
		if e := wantOutcome(t, err, cashback.FetchTimeout); !strings.Contains(e.Reason, "too slowly") {
			t.Errorf("it ended because %s", e.Reason)
		}
	})
	verdicts(t, 4, all(4, cashback.FetchTimeout, nil))
}

func TestHostile05Headers(t *testing.T) {
	verdicts(t, 5, map[string]cashback.Outcome{"drip": cashback.FetchTimeout, "large": cashback.FetchTooLarge, "many": cashback.FetchTooLarge})
}

func TestHostile06Silence(t *testing.T) {
	verdicts(t, 6, all(6, cashback.FetchTimeout, nil))
	t.Run("in the TLS handshake", func(t *testing.T) {
		listener := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		r := newRig(t, func(c *Config) { c.Limits.TLS, c.Limits.Tries = 100*time.Millisecond, 1 })
		run := r.open(Policy{Portal: "hostile", Hosts: []string{"stall.localhost"}})
		_, _, err := get(t, run, "https://stall.localhost:"+port(listener)+"/")
		wantUnread(t, err)
	})
	t.Run("of a resolver", func(t *testing.T) {
		r := newRig(t, func(c *Config) {
			c.Resolver = resolverFunc(func(ctx context.Context) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() })
			c.Limits.Dial, c.Limits.Tries = 100*time.Millisecond, 1
		})
		run := r.open(Policy{Portal: "hostile", Hosts: []string{"nowhere.localhost"}})
		_, _, err := get(t, run, "http://nowhere.localhost/")
		wantUnread(t, err)
	})
}

// wantUnread: robots.txt couldn't be read, for the reason that holds for all of the
// host.
func wantUnread(t *testing.T, err error) {
	t.Helper()
	if e := wantOutcome(t, err, cashback.FetchRobotsDenied); !strings.Contains(e.Reason, "took too long") || e.RetryAt.IsZero() {
		t.Errorf("reason %q, again at %v", e.Reason, e.RetryAt)
	}
}

func TestHostile07BrokenOff(t *testing.T) {
	verdicts(t, 7, all(7, cashback.FetchTruncated, nil))
}

func TestHostile08Redirects(t *testing.T) {
	verdicts(t, 8, all(8, cashback.FetchRefused, nil))
	s := hostile(t, 8, "new-query")
	run := newRig(t, nil).open(Policy{Portal: "hostile"}, s.Site)
	_, _, err := get(t, run, s.Trap())
	wantOutcome(t, err, cashback.FetchRefused)
	// robots.txt, the page and five hops.
	if n := len(s.Asked()); n != 7 {
		t.Errorf("%d requests, want 7: %v", n, s.Paths())
	}
}

func TestHostile09ToPrivateAddresses(t *testing.T) {
	verdicts(t, 9, all(9, cashback.FetchRefused, nil))
	t.Run("by a name that the definition lists", func(t *testing.T) {
		// The host is one of the run's, and its name leads inside: the guard looks at
		// the address.
		s := hostile(t, 10, "listed-host")
		run := newRig(t, nil).open(Policy{Portal: "hostile", Hosts: []string{portaltest.Inside}}, s.Site)
		_, _, err := get(t, run, s.Trap())
		e := wantOutcome(t, err, cashback.FetchRefused)
		if !strings.Contains(e.Error(), "public") {
			t.Errorf("refused for another reason: %v", e)
		}
	})
}

// TestHostile10Rebinding: the name leads to an allowed address when it is looked
// up first, elsewhere later. Loopback stands in for the Internet: 127.0.0.2 is the
// only address that this transport may reach.
func TestHostile10Rebinding(t *testing.T) {
	var reached atomic.Int64
	inside := listen(t, func(c net.Conn) { reached.Add(1); c.Close() })
	outside, err := net.Listen("tcp", "127.0.0.2:"+port(inside))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // so that each request is dialled
		page(w, "outside")
	})}
	go func() { _ = server.Serve(outside) }()
	t.Cleanup(func() { _ = server.Close() })

	good, bad := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	for name, answers := range map[string][][]netip.Addr{
		"later":        {{good}, {good}, {bad}},
		"mixed":        {{good}, {good}, {good, bad}},
		"mixed, first": {{good}, {good}, {bad, good}},
		"mapped":       {{good}, {good}, {netip.MustParseAddr("::ffff:127.0.0.1")}},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			r := newRig(t, func(c *Config) {
				c.Resolver = resolverFunc(func(context.Context) ([]netip.Addr, error) {
					i := int(n.Add(1)) - 1
					return answers[min(i, len(answers)-1)], nil
				})
				c.LocalAddr = func(to netip.AddrPort) bool { return to.Addr().Unmap() == good }
			})
			run := r.open(Policy{Portal: "hostile", Hosts: []string{"rebind.localhost:" + port(inside)}})
			url := "http://rebind.localhost:" + port(inside) + "/"
			if _, body, err := get(t, run, url); err != nil || body != "outside" {
				t.Fatalf("%q, %v", body, err)
			}
			_, _, err := get(t, run, url)
			wantOutcome(t, err, cashback.FetchRefused)
		})
	}
	if reached.Load() != 0 {
		t.Errorf("the address inside was connected to %d times", reached.Load())
	}
}

func TestHostile11Spellings(t *testing.T) {
	verdicts(t, 11, all(11, cashback.FetchRefused, nil))
	// Even a definition that lists the spelling as its host gets no connection, with
	// a listener behind it and the system's resolver, which reads them all.
	var reached atomic.Int64
	l := listen(t, func(c net.Conn) { reached.Add(1); c.Close() })
	r := newRig(t, func(c *Config) {
		c.Resolver, c.Local, c.Contact = net.DefaultResolver, nil, "https://crawl.example/"
	})
	for _, host := range []string{
		"127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "0", "0.0.0.0",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fec0::1]", "[fe80::1%25lo]", "[fc00::1]",
	} {
		for _, scheme := range []string{"http://", "https://"} {
			policy := Policy{Portal: "hostile", Hosts: []string{strings.ToLower(host), "http://" + strings.ToLower(host), "http://" + strings.TrimSuffix(strings.ToLower(host), ".") + ":" + port(l)}}
			run, err := r.Open(policy)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []string{"/", ":" + port(l) + "/"} {
				_, _, err := get(t, run, scheme+host+at)
				if e, ok := AsError(err); !ok || e.Outcome != cashback.FetchRefused {
					t.Errorf("%s%s%s: %v, want a refusal", scheme, host, at, err)
				}
			}
		}
	}
	if reached.Load() != 0 {
		t.Errorf("%d connections reached the listener", reached.Load())
	}
}

func TestHostile12Schemes(t *testing.T) {
	verdicts(t, 12, all(12, cashback.FetchRefused, nil))
}

func TestHostile13ToForbiddenHost(t *testing.T) {
	verdicts(t, 13, all(13, cashback.FetchRobotsDenied, nil))
	checkForbiddenHop(t, nil)
}

// checkForbiddenHop is part of the harness: it must notice a transport that
// forgets robots.txt on a redirect (see TestPlantedFaults).
func checkForbiddenHop(t testing.TB, plant func(Session) Session) bool {
	h := portaltest.Hostiles()[12]
	s, err := h.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Turn(true)
	r, err := New(Config{Now: time.Now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	run, err := r.Open(Policy{Portal: "hostile", Hosts: []string{s.Host(), "other." + s.Host()}})
	if err != nil {
		t.Fatal(err)
	}
	if plant != nil {
		run = plant(run)
	}
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, s.Trap(), nil)
	if resp, err := (&http.Client{Transport: run}).Do(req); err == nil {
		resp.Body.Close()
	}
	for _, a := range s.Asked() {
		if a.Host == "other."+s.Host() && a.Path != "/robots.txt" {
			return false // the forbidden page was asked for
		}
	}
	return true
}

func TestHostile14TLS(t *testing.T) {
	verdicts(t, 14, all(14, cashback.FetchRefused, nil))
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, "http://secure.localhost/", http.StatusFound)
			return
		}
		page(w, "secret")
	}))
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	t.Cleanup(secure.Close)
	u, _ := url.Parse(secure.URL)
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	ask := func(t *testing.T, host, path string, roots *x509.CertPool) error {
		r := newRig(t, func(c *Config) { c.Roots = roots; c.Limits.Tries = 1 })
		run := r.open(Policy{Portal: "hostile", Hosts: []string{host}})
		_, _, err := get(t, run, "https://"+host+":"+u.Port()+path)
		return err
	}
	t.Run("self-signed", func(t *testing.T) {
		wantOutcome(t, ask(t, "secure.localhost", "/", nil), cashback.FetchRefused)
	})
	t.Run("for another name", func(t *testing.T) { // httptest's certificate names example.com
		wantOutcome(t, ask(t, "secure.localhost", "/", pool), cashback.FetchRefused)
	})
	t.Run("old protocol", func(t *testing.T) {
		old := httptest.NewUnstartedServer(http.NotFoundHandler())
		old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
		old.Config.ErrorLog = quiet
		old.StartTLS()
		t.Cleanup(old.Close)
		u, _ := url.Parse(old.URL)
		r := newRig(t, func(c *Config) { c.Roots = pool; c.Limits.Tries = 1 })
		run := r.open(Policy{Portal: "hostile", Hosts: []string{"secure.localhost"}})
		_, _, err := get(t, run, "https://secure.localhost:"+u.Port()+"/")
		wantOutcome(t, err, cashback.FetchRefused)
	})
	t.Run("downgrade", func(t *testing.T) {
		from, _ := http.NewRequest(http.MethodGet, "https://secure.localhost/down", nil)
		to, _ := http.NewRequest(http.MethodGet, "http://secure.localhost/", nil)
		to.Response = &http.Response{StatusCode: http.StatusFound, Request: from}
		run := newRig(t, nil).open(Policy{Portal: "hostile", Hosts: []string{"secure.localhost"}})
		_, err := run.RoundTrip(to.WithContext(t.Context()))
		wantOutcome(t, err, cashback.FetchRefused)
	})
}

func TestHostile33Robots(t *testing.T) {
	verdicts(t, 33, map[string]cashback.Outcome{
		"500": cashback.FetchRobotsDenied, "503": cashback.FetchThrottled, "429": cashback.FetchThrottled, "silence": cashback.FetchRobotsDenied, "loop": cashback.FetchRefused,
		"html": cashback.PageOK, "large": cashback.PageOK, // nothing within its first 500 KiB forbids
		"deny": cashback.FetchRobotsDenied, "flips": cashback.PageOK,
	})
	t.Run("nothing is sent but robots.txt", func(t *testing.T) {
		for _, variant := range []string{"500", "503", "429", "silence", "loop", "deny"} {
			s := hostile(t, 33, variant)
			run := newRig(t, hasty).open(Policy{Portal: "hostile"}, s.Site)
			for range 3 {
				_, _, _ = get(t, run, s.Trap()) // refused each time, see above
			}
			for _, p := range s.Paths() {
				if p != "/robots.txt" {
					t.Errorf("%s: %s was asked for", variant, p)
				}
			}
			if n := len(s.Asked()); n > 6 {
				t.Errorf("%s: robots.txt was asked for %d times", variant, n)
			}
		}
	})
	t.Run("a no in the middle of a run", func(t *testing.T) {
		s := hostile(t, 33, "flips")
		r := newRig(t, nil)
		run := r.open(Policy{Portal: "hostile"}, s.Site)
		if _, _, err := get(t, run, s.URL("/boutiques?page=1")); err != nil {
			t.Fatal(err)
		}
		_ = r.clock.wait(t.Context(), 61*time.Second) // what it had stated is over
		before := len(s.Asked())
		_, _, err := get(t, run, s.URL("/boutiques?page=2"))
		wantOutcome(t, err, cashback.FetchRobotsDenied)
		if asked := s.Paths()[before:]; len(asked) != 1 || asked[0] != "/robots.txt" {
			t.Errorf("asked for %v", asked)
		}
	})
}

func TestHostile34Throttled(t *testing.T) {
	verdicts(t, 34, all(34, cashback.FetchThrottled, nil))
	for value, want := range map[string]time.Duration{
		"3600": time.Hour, "1000000000000": 24 * time.Hour, "-5": 0, "Thu, 01 Jan 1970 00:00:00 GMT": 0, "1.5": 0, "soon": 0, "storm": 0,
	} {
		t.Run("waits "+value, func(t *testing.T) {
			s := hostile(t, 34, value)
			r := newRig(t, func(c *Config) { c.Limits.Tries = 1 })
			run := r.open(Policy{Portal: "hostile"}, s.Site)
			_, _, err := get(t, run, s.Trap())
			e := wantOutcome(t, err, cashback.FetchThrottled)
			state, err := r.Host(s.Name)
			if err != nil {
				t.Fatal(err)
			}
			if want == 0 {
				if !e.RetryAt.IsZero() || !state.NotBefore.IsZero() {
					t.Errorf("nonsense made us wait until %v, %v", e.RetryAt, state.NotBefore)
				}
				return
			}
			if got := state.NotBefore.Sub(r.clock.now()); got != want {
				t.Errorf("the host rests for %v, want %v", got, want)
			}
			before := len(s.Asked())
			_, _, err = get(t, run, s.URL("/boutiques?page=1"))
			wantOutcome(t, err, cashback.FetchThrottled)
			if len(s.Asked()) != before {
				t.Error("it was asked all the same")
			}
		})
	}
	t.Run("a storm opens the breaker", func(t *testing.T) {
		s := hostile(t, 34, "storm")
		r := newRig(t, nil)
		run := r.open(Policy{Portal: "hostile"}, s.Site)
		for range 20 {
			_, _, _ = get(t, run, s.Trap())
		}
		if n := len(s.Asked()); n > 1+r.limits.BreakerFailures {
			t.Errorf("%d requests in a storm of 429", n)
		}
	})
}

func TestHostile35Validators(t *testing.T) {
	t.Run("a tag that is always new", func(t *testing.T) {
		s := hostile(t, 35, "new-tag-same-page")
		run := newRig(t, func(c *Config) { c.Pages = &shelf{} }).open(Policy{Portal: "hostile"}, s.Site)
		_, first, _ := get(t, run, s.Trap())
		_, second, err := get(t, run, s.Trap())
		if err != nil || first != second || run.Counts().NotModified != 0 {
			t.Errorf("%v, %d not modified", err, run.Counts().NotModified)
		}
	})
	t.Run("a tag that never changes", func(t *testing.T) {
		// The host answers 200: the bytes decide, not the tag.
		s := hostile(t, 35, "same-tag-new-page")
		s.Turn(false)
		run := newRig(t, func(c *Config) { c.Pages = &shelf{} }).open(Policy{Portal: "hostile"}, s.Site)
		_, first, _ := get(t, run, s.Trap())
		s.Turn(true)
		_, second, err := get(t, run, s.Trap())
		if err != nil || first == second {
			t.Errorf("the new page wasn't seen: %v", err)
		}
	})
	t.Run("304 to a question without a condition", func(t *testing.T) {
		s := hostile(t, 35, "304-unasked")
		run := newRig(t, func(c *Config) { c.Pages = &shelf{} }).open(Policy{Portal: "hostile"}, s.Site)
		_, _, err := get(t, run, s.Trap())
		wantOutcome(t, err, cashback.FetchUpstream)
	})
	t.Run("304 with a body", func(t *testing.T) {
		s := hostile(t, 35, "304-with-body")
		r := newRig(t, func(c *Config) { c.Pages = &shelf{} })
		run := r.open(Policy{Portal: "hostile"}, s.Site)
		u, _ := url.Parse(s.Trap())
		stored := Stored{URL: Canonical(u), ETag: `"x"`, Body: []byte("stored"), ContentType: "text/html"}
		if err := r.pages.SavePage("hostile", Canonical(u), stored); err != nil {
			t.Fatal(err)
		}
		if _, body, err := get(t, run, s.Trap()); err != nil || body != "stored" {
			t.Errorf("%q, %v; want the stored body", body, err)
		}
	})
}

func TestHostile36Cookies(t *testing.T) {
	header := func(s *portaltest.HostileSite) http.Header {
		asked := s.Asked()
		return asked[len(asked)-1].Header
	}
	t.Run("flood", func(t *testing.T) {
		s := hostile(t, 36, "flood")
		run := newRig(t, nil).open(Policy{Portal: "hostile"}, s.Site)
		for range 3 {
			if _, _, err := get(t, run, s.Trap()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len((&http.Request{Header: header(s)}).Cookies()); n != maxCookies {
			t.Errorf("%d cookies went back, want %d", n, maxCookies)
		}
		if notes := run.Counts().Notes; len(notes) != 1 || !strings.Contains(notes[0], "cookies") {
			t.Errorf("notes %q", notes)
		}
	})
	t.Run("large", func(t *testing.T) {
		s := hostile(t, 36, "large")
		run := newRig(t, nil).open(Policy{Portal: "hostile"}, s.Site)
		_, _, err := get(t, run, s.Trap())
		wantOutcome(t, err, cashback.FetchTooLarge)
	})
	t.Run("for other hosts", func(t *testing.T) {
		s, other := hostile(t, 36, "other-hosts"), hostile(t, 40, "")
		run := newRig(t, nil).open(Policy{Portal: "hostile"}, s.Site, other.Site)
		for _, url := range []string{s.Trap(), s.Trap(), other.Trap()} {
			if _, _, err := get(t, run, url); err != nil {
				t.Fatal(err)
			}
		}
		for _, site := range []*portaltest.HostileSite{s, other} {
			if got := header(site).Get("Cookie"); got != "" {
				t.Errorf("%s got %q", site.Name, got)
			}
		}
	})
	t.Run("of the run alone", func(t *testing.T) {
		s := site(t, "session", func(w http.ResponseWriter, r *http.Request) {
			if c, err := r.Cookie("sid"); err == nil {
				page(w, "session "+c.Value)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1"})
			page(w, "none")
		})
		r := newRig(t, nil)
		for range 2 { // the second run starts without the first one's session
			run := r.open(Policy{Portal: "p"}, s)
			_, first, _ := get(t, run, s.URL("/"))
			_, second, _ := get(t, run, s.URL("/"))
			if first != "none" && first != "session 1" || second != "session 1" {
				t.Errorf("%q, then %q", first, second)
			}
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/"), nil)
		req.Header.Set("Cookie", "account=secret")
		req.Header.Set("Authorization", "Bearer secret")
		resp, err := r.open(Policy{Portal: "p"}, s).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if h := s.Asked()[len(s.Asked())-1].Header; strings.Contains(fmt.Sprint(h), "secret") {
			t.Errorf("credentials were sent: %v", h)
		}
	})
}

func TestHostile37Protocol(t *testing.T) {
	verdicts(t, 37, map[string]cashback.Outcome{
		"informational-flood": cashback.FetchUpstream, "http2-frames": cashback.FetchTooLarge /* no header ends */, "nonsense": cashback.FetchUnreachable,
		"http10": cashback.PageOK, "trailers": cashback.PageOK,
	})
	t.Run("HTTP/2 isn't spoken", func(t *testing.T) {
		var offered []string
		var mu sync.Mutex
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.EnableHTTP2 = true
		s.Config.ErrorLog = quiet
		s.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			offered = h.SupportedProtos
			return nil, nil
		}}
		s.StartTLS()
		t.Cleanup(s.Close)
		u, _ := url.Parse(s.URL)
		r := newRig(t, func(c *Config) { c.Limits.Tries = 1 })
		run := r.open(Policy{Portal: "hostile", Hosts: []string{"two.localhost"}})
		_, _, err := get(t, run, "https://two.localhost:"+u.Port()+"/")
		wantOutcome(t, err, cashback.FetchRefused) // its certificate
		mu.Lock()
		defer mu.Unlock()
		if len(offered) != 1 || offered[0] != "http/1.1" {
			t.Errorf("offered %q", offered)
		}
	})
}

func TestHostile41LongURLs(t *testing.T) {
	s := hostile(t, 41, "long-url")
	run := newRig(t, nil).open(Policy{Portal: "hostile"}, s.Site)
	_, _, err := get(t, run, s.Trap())
	wantOutcome(t, err, cashback.FetchRefused)
	_, _, err = get(t, run, s.URL("/"+strings.Repeat("x", MaxURL)))
	wantOutcome(t, err, cashback.FetchRefused)
}

// TestHostile42Tarpit: a host that is slow within the limits ends at the run's
// own bounds, and holds no one else up.
func TestHostile42Tarpit(t *testing.T) {
	s := hostile(t, 42, "slow")
	r := newRig(t, func(c *Config) { c.Now, c.Wait = time.Now, nil })
	run := r.open(Policy{Portal: "hostile", Until: time.Now().Add(700 * time.Millisecond)}, s.Site)
	var err error
	for n := 0; err == nil && n < 10; n++ {
		_, _, err = get(t, run, s.URL(fmt.Sprintf("/boutiques?page=%d", n%3+1)))
	}
	if e := wantOutcome(t, err, cashback.FetchPostponed); e.Budget != "wall_time" {
		t.Errorf("budget %q", e.Budget)
	}
	if n := len(s.Asked()); n > 5 {
		t.Errorf("%d requests", n)
	}
}

type resolverFunc func(context.Context) ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	return f(ctx)
}

// listen accepts connections on loopback until the test ends.
func listen(t *testing.T, serve func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			conns.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		conns.Wait()
	})
	return l
}

func port(l net.Listener) string {
	_, p, _ := net.SplitHostPort(l.Addr().String())
	return p
}

// shelf keeps pages in memory.
type shelf struct {
	mu    sync.Mutex
	pages map[string]Stored
	fail  error
}

func (s *shelf) LoadPage(portal, key string) (Stored, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pages[portal+"\n"+key]
	return p, ok, s.fail
}

func (s *shelf) SavePage(portal, key string, p Stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages == nil {
		s.pages = make(map[string]Stored)
	}
	s.pages[portal+"\n"+key] = p
	return s.fail
}
