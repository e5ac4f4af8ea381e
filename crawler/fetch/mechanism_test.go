package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"code.dny.dev/ssrf"
	"github.com/andybalholm/brotli"
	"go.uber.org/goleak"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/portaltest"
)

// The mechanisms of CRAWLING.md, section 1, that the transport holds, by their
// numbers; the others are tested in the crawler and in internal/schedule.

// owing makes local hosts owe what hosts of the Internet owe.
func owing(r *rig) *rig {
	r.free = func(string) bool { return false }
	return r
}

// plain answers robots.txt with 404 and all else with f.
func plain(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		f(w, r)
	}
}

func hello(w http.ResponseWriter, _ *http.Request) { page(w, "hello") }

func TestMechanism01Identity(t *testing.T) {
	s := site(t, "identity", plain(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 || len(r.TransferEncoding) != 0 || r.Header.Get("Content-Length") != "" {
			t.Errorf("the request has a body: %d %v", r.ContentLength, r.TransferEncoding)
		}
		page(w, "hello")
	}))
	r := newRig(t, func(c *Config) { c.Contact = "https://crawl.example/about" })
	run := r.open(Policy{Portal: "p", Language: "fr-FR,fr;q=0.9"}, s)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/"), nil)
	for _, h := range []string{"User-Agent", "From", "Forwarded", "X-Forwarded-For", "Accept-Encoding"} {
		req.Header.Set(h, "Mozilla/5.0 somebody else")
	}
	resp, err := run.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, a := range s.Asked() { // robots.txt too
		h := a.Header
		if h.Get("User-Agent") != "CagnotteBot/1.0 (+https://crawl.example/about)" || strings.Contains(fmt.Sprint(h), "Mozilla") || h.Get("Accept-Language") != "fr-FR,fr;q=0.9" || h.Get("Accept-Encoding") != "gzip, br" {
			t.Errorf("%s was asked for with %v", a.Path, h)
		}
	}
	t.Run("nobody to reach, no request", func(t *testing.T) {
		r := newRig(t, nil)
		for _, host := range []string{"www.example.com", "http://www.example.com", "localhost"} {
			if _, err := r.Open(Policy{Portal: "p", Hosts: []string{host}}); cashback.KindOf(err) != cashback.Invalid || !strings.Contains(err.Error(), "contact") {
				t.Errorf("%s: %v", host, err)
			}
		}
		if _, err := r.Open(Policy{Portal: "p"}); cashback.KindOf(err) != cashback.Invalid {
			t.Errorf("a run without hosts: %v", err)
		}
	})
	t.Run("contacts", func(t *testing.T) {
		for contact, ok := range map[string]bool{
			"https://crawl.example/": true, "mailto:me@crawl.example": true, "me@crawl.example": true,
			"": false, "me": false, "ftp://crawl.example/": false, "https://localhost/": false, "me@crawl.example\r\nX: y": false, "https://a.example/ (x)": false,
		} {
			if err := CheckContact(contact); (err == nil) != ok {
				t.Errorf("%q: %v", contact, err)
			}
		}
	})
}

func TestMechanism02Robots(t *testing.T) {
	var asked atomic.Int64
	var mode atomic.Value
	mode.Store("ok")
	s := site(t, "robots", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/robots.txt" && r.URL.Path != "/moved.txt" {
			page(w, "hello")
			return
		}
		asked.Add(1)
		switch mode.Load() {
		case "ok":
			fmt.Fprint(w, "User-agent: *\nDisallow: /closed\n\nUser-agent: cagnottebot\nDisallow: /ours\n\nUser-agent: CagnotteBot\nDisallow: /also\n")
		case "moved":
			if r.URL.Path == "/robots.txt" {
				http.Redirect(w, r, "/moved.txt", http.StatusMovedPermanently)
				return
			}
			fmt.Fprint(w, "User-agent: *\nDisallow: /closed\n")
		case "down":
			w.WriteHeader(http.StatusBadGateway)
		default:
			code, _ := strconv.Atoi(mode.Load().(string))
			w.WriteHeader(code)
		}
	})
	may := func(t *testing.T, run Session, path string) (bool, *Error) {
		t.Helper()
		_, _, err := get(t, run, s.URL(path))
		e, _ := AsError(err)
		if err != nil && e.Outcome != cashback.FetchRobotsDenied {
			t.Fatal(err)
		}
		return err == nil, e
	}
	t.Run("verdicts", func(t *testing.T) {
		for m, want := range map[string][3]bool{ // /closed, /ours, /also
			"ok": {true, false, false}, "moved": {false, true, true}, "404": {true, true, true}, "403": {true, true, true}, "401": {true, true, true}, "410": {true, true, true}, "down": {false, false, false},
		} {
			mode.Store(m)
			run := newRig(t, nil).open(Policy{Portal: "p"}, s)
			for i, path := range []string{"/closed", "/ours", "/also"} {
				if got, _ := may(t, run, path); got != want[i] {
					t.Errorf("robots.txt %s: %s allowed = %v", m, path, got)
				}
			}
		}
	})
	t.Run("kept for a day", func(t *testing.T) {
		mode.Store("ok")
		r := newRig(t, nil)
		run := r.open(Policy{Portal: "p"}, s)
		asked.Store(0)
		for range 3 {
			may(t, run, "/x")
			_ = r.clock.wait(t.Context(), 11*time.Hour)
		}
		if asked.Load() != 1 {
			t.Errorf("asked %d times within a day", asked.Load())
		}
		mode.Store("404") // after a day it is another
		if ok, _ := may(t, run, "/ours"); !ok || asked.Load() != 2 {
			t.Errorf("after a day: allowed %v, asked %d times", ok, asked.Load())
		}
	})
	t.Run("an old one serves while it can't be read again", func(t *testing.T) {
		mode.Store("ok")
		r := newRig(t, func(c *Config) { c.Limits.Tries = 1; c.Limits.BreakerFailures = 100 })
		run := r.open(Policy{Portal: "p"}, s)
		may(t, run, "/x")
		mode.Store("down")
		_ = r.clock.wait(t.Context(), 25*time.Hour)
		if ok, _ := may(t, run, "/x"); !ok {
			t.Error("a failure on the second day denies at once")
		}
		if ok, _ := may(t, run, "/ours"); ok {
			t.Error("the old rules are forgotten")
		}
		_ = r.clock.wait(t.Context(), 25*time.Hour)
		if ok, e := may(t, run, "/x"); ok || !e.Host || e.RetryAt.IsZero() {
			t.Errorf("after two days without one: allowed %v, %+v", ok, e)
		}
	})
	t.Run("asked again later, with backoff", func(t *testing.T) {
		mode.Store("down")
		r := newRig(t, func(c *Config) { c.Limits.Tries = 1; c.Limits.BreakerFailures = 100 })
		run := r.open(Policy{Portal: "p"}, s)
		asked.Store(0)
		want := int64(0)
		for _, gap := range []time.Duration{5, 10, 20, 40} {
			want++
			for range 3 { // the first asks, the others are told
				may(t, run, "/x")
			}
			if asked.Load() != want {
				t.Fatalf("asked %d times, want %d", asked.Load(), want)
			}
			_ = r.clock.wait(t.Context(), gap*time.Minute)
		}
		mode.Store("ok")
		if ok, _ := may(t, run, "/x"); !ok {
			t.Error("it is well again")
		}
	})
	t.Run("of many only one asks", func(t *testing.T) {
		mode.Store("ok")
		r := newRig(t, nil)
		run := r.open(Policy{Portal: "p"}, s)
		asked.Store(0)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { _, _, _ = get(t, run, s.URL("/x")) })
		}
		all.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
	t.Run("Crawl-delay is a floor", func(t *testing.T) {
		s := site(t, "delay", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/robots.txt" {
				fmt.Fprint(w, "User-agent: *\nCrawl-delay: 10\n")
				return
			}
			page(w, "hello")
		})
		r := owing(newRig(t, func(c *Config) { c.Random = func() float64 { return 0 } })) // the shortest jitter
		run := r.open(Policy{Portal: "p"}, s)
		for range 3 {
			if _, _, err := get(t, run, s.URL("/")); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(r.clock.waits); got != "[10s 10s 10s]" { // robots.txt counts, too
			t.Errorf("waits %s", got)
		}
	})
}

func TestMechanism03HostAllowList(t *testing.T) {
	t.Run("robots.txt that leads away", func(t *testing.T) {
		var asked atomic.Int64
		other := site(t, "elsewhere", func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(http.StatusNotFound)
		})
		s := site(t, "leads-away", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL("/robots.txt"), http.StatusFound)
		})
		_, _, err := get(t, newRig(t, nil).open(Policy{Portal: "p"}, s), s.URL("/"))
		if e := wantOutcome(t, err, cashback.FetchRefused); asked.Load() != 0 || !strings.Contains(e.Reason, "robots.txt leads away") {
			t.Errorf("%d requests to a host that isn't the portal's; %s", asked.Load(), e.Reason)
		}
	})
	s := site(t, "exact", plain(hello))
	sub := "sub." + s.Host()
	run := newRig(t, nil).open(Policy{Portal: "p"}, s)
	for _, url := range []string{"http://" + sub + "/", "http://localhost/", "http://" + s.Name + ":1/", "https://www.example.com/"} {
		_, _, err := get(t, run, url)
		wantOutcome(t, err, cashback.FetchRefused)
	}
	if len(s.Asked()) != 0 {
		t.Errorf("asked for %v", s.Paths())
	}
	t.Run("in production", func(t *testing.T) {
		hosts := []string{"www.exemple.test", "http://old.exemple.test", "odd.exemple.test:8443"}
		for raw, ok := range map[string]bool{
			"https://www.exemple.test/": true, "https://WWW.Exemple.test:443/a?b": true, "http://old.exemple.test/": true, "https://www.exemple.test./": true,
			"http://www.exemple.test/": false, "https://www.exemple.test:8080/": false, "https://exemple.test/": false, "https://a.www.exemple.test/": false,
			"https://www.exemple.test@evil.test/": false, "https://user@www.exemple.test/": false, "https://odd.exemple.test:8443/": false,
			"https://www.exemple.test:80/": false, "ftp://www.exemple.test/": false, "https://www.exemple.test/a\\b": false, "https:www.exemple.test": false, "//www.exemple.test/": false, "": false,
		} {
			u, err := http.NewRequest(http.MethodGet, raw, nil)
			if err != nil {
				if ok {
					t.Error(err)
				}
				continue
			}
			if e := checkURL(u.URL, hosts, func(string) bool { return false }); (e == nil) != ok {
				t.Errorf("%q: %v", raw, e)
			}
		}
	})
}

// TestMechanism04SSRF: no connection is opened to an address of any special
// purpose, however it is written. 127.0.0.0/8 really leads to the listener; the
// other blocks prove by the error that nothing was sent.
func TestMechanism04SSRF(t *testing.T) {
	var reached atomic.Int64
	l, err := net.Listen("tcp", "0.0.0.0:0") // all of 127.0.0.0/8 and 0.0.0.0 arrive here
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	if c, err := net.Dial("tcp", "127.0.0.9:"+port(l)); err != nil {
		t.Fatalf("the listener doesn't listen: %v", err)
	} else {
		c.Close()
	}

	// IANA's registries of special-purpose addresses, with multicast, as they stand
	// there; what lies in 2000::/3 and is global is no special case.
	blocks := []string{
		"0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32",
		"192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32", "224.0.0.0/4",
		"::1/128", "::/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28",
		"2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "::127.0.0.0/104",
	}
	for _, list := range [][]netip.Prefix{ssrf.IPv4DeniedPrefixes, ssrf.IPv6DeniedPrefixes} { // generated from the same registries
		for _, p := range list {
			blocks = append(blocks, p.String())
		}
	}
	var answer []netip.Addr
	limits := Limits{Dial: time.Second}.withDefaults()
	d := &dialer{resolver: resolverFunc(func(context.Context) ([]netip.Addr, error) { return answer, nil }), local: func(string) bool { return false }, limits: &limits}
	refused := func(t *testing.T, a netip.Addr) {
		t.Helper()
		answer = []netip.Addr{a}
		conn, err := d.dial(t.Context(), "tcp", "www.exemple.test:"+port(l))
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, errNotPublic) {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, block := range blocks {
		p := netip.MustParsePrefix(block)
		first, last := p.Masked().Addr(), lastAddr(p)
		if first == netip.MustParseAddr("::ffff:0:0") { // of an IPv4 address only those of special blocks
			continue
		}
		for _, a := range []netip.Addr{first, last, midAddr(p)} {
			refused(t, a)
			if a.Is4() { // the same address in each of its IPv6 clothes
				b := a.As4()
				refused(t, netip.AddrFrom16(a.As16()))
				for _, clothes := range []string{"64:ff9b::%02x%02x:%02x%02x", "64:ff9b:1::%02x%02x:%02x%02x", "2002:%02x%02x:%02x%02x::", "2001:0:%02x%02x:%02x%02x::", "::%02x%02x:%02x%02x"} {
					refused(t, netip.MustParseAddr(fmt.Sprintf(clothes, b[0], b[1], b[2], b[3])))
				}
			}
		}
	}
	refused(t, netip.MustParseAddr("2606:4700::1111%eth0"))
	refused(t, netip.Addr{})
	for _, a := range []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1", "2003::1", "2606:4700::1111", "3ffe:ffff::1"} {
		if !public(netip.MustParseAddr(a)) {
			t.Errorf("%s is public", a)
		}
	}
	t.Run("one of many is enough", func(t *testing.T) {
		answer = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("1.1.1.1")}
		if _, err := d.dial(t.Context(), "tcp", "www.exemple.test:443"); !errors.Is(err, errNotPublic) {
			t.Error(err)
		}
	})
	t.Run("no proxy of the environment's", func(t *testing.T) {
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
			t.Setenv(name, "http://127.0.0.1:"+port(l))
		}
		s := site(t, "proxied", plain(hello))
		if _, _, err := get(t, newRig(t, nil).open(Policy{Portal: "p"}, s), s.URL("/")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a local name leads to loopback only", func(t *testing.T) {
		for _, a := range []string{"10.0.0.1", "169.254.169.254", "1.1.1.1", "fe80::1", "::"} {
			r := newRig(t, func(c *Config) {
				c.Resolver = resolverFunc(func(context.Context) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr(a)}, nil })
			})
			_, _, err := get(t, r.open(Policy{Portal: "p", Hosts: []string{"x.localhost"}}), "http://x.localhost/")
			wantOutcome(t, err, cashback.FetchRefused)
		}
	})
	if n := reached.Load(); n != 1 { // our own, above
		t.Errorf("%d connections reached the listener", n-1)
	}
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := range b {
		for bit := range 8 {
			if i*8+bit >= p.Bits() {
				b[i] |= 0x80 >> bit
			}
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func midAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	if p.Bits() < len(b)*8 {
		b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestMechanism05PerHostConcurrency(t *testing.T) {
	var inFlight, most, everywhere, mostEverywhere atomic.Int64
	h := plain(func(w http.ResponseWriter, r *http.Request) {
		raise(&most, inFlight.Add(1))
		raise(&mostEverywhere, everywhere.Add(1))
		pauseFor(r, 10*time.Millisecond)
		inFlight.Add(-1)
		everywhere.Add(-1)
		page(w, "hello")
	})
	s := site(t, "one", h)
	r := newRig(t, func(c *Config) { c.Limits.Global = 2 })
	run := r.open(Policy{Portal: "p", Hosts: []string{"a." + s.Host(), "b." + s.Host()}}, s)
	var all sync.WaitGroup
	for i := range 12 {
		host := []string{"", "a.", "b."}[i%3] + s.Host()
		all.Go(func() {
			if _, _, err := get(t, run, "http://"+host+"/"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d requests at once to one registrable domain", most.Load())
	}
	t.Run("others aren't held up, up to the global cap", func(t *testing.T) {
		mostEverywhere.Store(0)
		sites := []*portaltest.Site{s}
		for i := range 4 {
			sites = append(sites, site(t, fmt.Sprintf("other-%d", i), plain(func(w http.ResponseWriter, r *http.Request) {
				raise(&mostEverywhere, everywhere.Add(1))
				pauseFor(r, 30*time.Millisecond)
				everywhere.Add(-1)
				page(w, "hello")
			})))
		}
		run := r.open(Policy{Portal: "p"}, sites...)
		for _, s := range sites {
			all.Go(func() { _, _, _ = get(t, run, s.URL("/")) })
		}
		all.Wait()
		if mostEverywhere.Load() != 2 {
			t.Errorf("%d requests at once in all, want the cap of 2", mostEverywhere.Load())
		}
	})
	t.Run("whoever waits can give up", func(t *testing.T) {
		h, err := r.host(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		h.slot <- struct{}{} // somebody holds it
		defer func() { <-h.slot }()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL("/"), nil)
		_, err = run.RoundTrip(req)
		wantOutcome(t, err, cashback.FetchPostponed)
	})
	for host, want := range map[string]string{"www.exemple.co.uk": "exemple.co.uk", "a.b.exemple.fr": "exemple.fr", "exemple.test": "exemple.test", "x.github.io": "x.github.io", "localhost": "localhost", "127.0.0.1": "127.0.0.1"} {
		if got := registrable(host); got != want {
			t.Errorf("%s belongs to %s, want %s", host, got, want)
		}
	}
}

func raise(most *atomic.Int64, n int64) {
	for {
		old := most.Load()
		if n <= old || most.CompareAndSwap(old, n) {
			return
		}
	}
}

func pauseFor(r *http.Request, d time.Duration) { _ = sleep(r.Context(), d) }

func TestMechanism06DelayAndJitter(t *testing.T) {
	s := site(t, "delayed", plain(hello))
	for random, want := range map[float64]time.Duration{0: time.Second, .5: 2 * time.Second, .999999: 3 * time.Second} {
		r := owing(newRig(t, func(c *Config) { c.Random = func() float64 { return random } }))
		run := r.open(Policy{Portal: "p"}, s)
		for range 3 {
			if _, _, err := get(t, run, s.URL("/")); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.clock.waits) != 3 {
			t.Fatalf("waits %v", r.clock.waits)
		}
		for _, w := range r.clock.waits {
			if d := w - want; d < -time.Millisecond || d > time.Millisecond {
				t.Errorf("with jitter %v it waited %v, want %v", random, w, want)
			}
		}
	}
	t.Run("a definition can only slow it", func(t *testing.T) {
		for delay, want := range map[time.Duration]time.Duration{time.Millisecond: 2 * time.Second, 5 * time.Second: 5 * time.Second} {
			r := owing(newRig(t, nil))
			run := r.open(Policy{Portal: "p", Delay: delay}, s)
			_, _, _ = get(t, run, s.URL("/"))
			if w := r.clock.waits; len(w) != 1 || w[0] != want {
				t.Errorf("delay %v: waits %v", delay, w)
			}
		}
	})
	t.Run("jitter never undercuts what the portal states, over a restart too", func(t *testing.T) {
		kept := &lastState{}
		r := owing(newRig(t, func(c *Config) { c.State, c.Random = kept, func() float64 { return 0 } }))
		run := r.open(Policy{Portal: "p", Delay: 5 * time.Second}, s)
		_, _, _ = get(t, run, s.URL("/"))
		if left := kept.Next.Sub(r.clock.now()); left != 5*time.Second {
			t.Errorf("a process that starts now may ask after %v", left)
		}
	})
	t.Run("what the host asks for while a request queues", func(t *testing.T) {
		asked := make(chan struct{}, 100)
		r := newRig(t, func(c *Config) {
			now := c.Now
			c.Limits.Global = 1
			c.Now = func() time.Time {
				select {
				case asked <- struct{}{}:
				default:
				}
				return now()
			}
		})
		h, err := r.host(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		for len(asked) > 0 {
			<-asked
		}
		r.global <- struct{}{} // another host's request is under way
		done := make(chan *Error)
		go func() {
			release, e := r.take(t.Context(), h, 0, true, time.Time{})
			if e == nil {
				release()
			}
			done <- e
		}()
		<-asked // it looks whether it is its turn, with the lock held …
		h.mu.Lock()
		h.state.NotBefore = r.clock.now().Add(7 * time.Second) // … which then changes
		h.mu.Unlock()
		<-r.global
		if e := <-done; e != nil || fmt.Sprint(r.clock.waits) != "[7s]" {
			t.Errorf("%v, waits %v", e, r.clock.waits)
		}
	})
	t.Run("counted from the start of a request", func(t *testing.T) {
		var r *rig
		s := site(t, "slow", plain(func(w http.ResponseWriter, _ *http.Request) {
			_ = r.clock.wait(context.Background(), 500*time.Millisecond) // the answer takes this long
			page(w, "hello")
		}))
		r = owing(newRig(t, nil))
		run := r.open(Policy{Portal: "p"}, s)
		_, _, _ = get(t, run, s.URL("/"))
		_, _, _ = get(t, run, s.URL("/"))
		if got := fmt.Sprint(r.clock.waits); got != "[2s 500ms 1.5s 500ms]" {
			t.Errorf("waits and answers: %s", got)
		}
	})
	t.Run("the demo's hosts owe what their definitions say", func(t *testing.T) {
		for delay, want := range map[time.Duration]string{0: "[]", time.Second: "[1s 1s 1s]"} {
			r := newRig(t, nil)
			run := r.open(Policy{Portal: "p", Delay: delay}, s)
			for range 3 {
				_, _, _ = get(t, run, s.URL("/"))
			}
			if got := fmt.Sprint(r.clock.waits); got != want {
				t.Errorf("delay %v: waits %s", delay, got)
			}
		}
	})
}

func TestMechanism07AdaptiveThrottle(t *testing.T) {
	l := Limits{}.withDefaults()
	h := &host{}
	for range 20 { // a host that takes 10 s to answer is asked every 10 s or so …
		h.adapt(10*time.Second, true, &l)
	}
	if h.state.Delay != 10*time.Second {
		t.Errorf("a slow host has a delay of %v", h.state.Delay)
	}
	h.adapt(100*time.Millisecond, false, &l) // … a quick error page doesn't speed it up …
	if h.state.Delay != 10*time.Second {
		t.Errorf("an error made it %v", h.state.Delay)
	}
	before := h.state.Delay
	h.adapt(100*time.Millisecond, true, &l) // … and good answers do so by halves.
	if h.state.Delay >= before || h.state.Delay < before/2 {
		t.Errorf("a good answer took it from %v to %v", before, h.state.Delay)
	}
	for range 100 {
		h.adapt(time.Hour, true, &l)
	}
	if h.state.Delay != l.MaxDelay {
		t.Errorf("the delay has grown to %v", h.state.Delay)
	}
	for range 100 {
		h.adapt(0, true, &l)
	}
	if h.state.Delay != l.Delay {
		t.Errorf("the delay has shrunk to %v", h.state.Delay)
	}
	t.Run("429 and 503 halve the rate", func(t *testing.T) {
		var status atomic.Int64
		s := site(t, "throttling", plain(func(w http.ResponseWriter, _ *http.Request) {
			if code := int(status.Load()); code != 0 {
				w.WriteHeader(code)
				return
			}
			page(w, "hello")
		}))
		r := owing(newRig(t, func(c *Config) { c.Limits.Tries = 1 }))
		run := r.open(Policy{Portal: "p"}, s)
		want := 2 * time.Second
		for _, code := range []int64{429, 503} {
			status.Store(code)
			_, _, _ = get(t, run, s.URL("/"))
			want *= 2
			if got, _ := r.Host(s.Name); got.Delay != want {
				t.Errorf("after %d the delay is %v, want %v", code, got.Delay, want)
			}
		}
		status.Store(0)
		before := want
		for range 3 {
			_, _, _ = get(t, run, s.URL("/"))
			got, _ := r.Host(s.Name)
			if got.Delay > before || got.Delay < before/2 {
				t.Errorf("it recovers from %v to %v", before, got.Delay)
			}
			before = got.Delay
		}
		// It is what the next request really waits for.
		if !slices.Contains(r.clock.waits, want) {
			t.Errorf("waits %v, none of %v", r.clock.waits, want)
		}
	})
}

func TestMechanism08Retries(t *testing.T) {
	var script []int // statuses to answer with; 0 is a page
	var mu sync.Mutex
	s := site(t, "retry", plain(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		code := 0
		if len(script) > 0 {
			code, script = script[0], script[1:]
		}
		switch code {
		case 0:
			page(w, "hello")
		case -1: // reset
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(code)
		}
	}))
	for _, c := range []struct {
		script  []int
		want    cashback.Outcome
		request int
	}{
		{[]int{500}, cashback.PageOK, 2}, {[]int{502, 504}, cashback.PageOK, 3}, {[]int{522, 524}, cashback.PageOK, 3}, {[]int{408}, cashback.PageOK, 2}, {[]int{425}, cashback.PageOK, 2}, {[]int{429}, cashback.PageOK, 2}, {[]int{-1}, cashback.PageOK, 2},
		{[]int{500, 500, 500}, cashback.FetchUpstream, 3}, {[]int{501}, cashback.FetchUpstream, 1}, {[]int{505}, cashback.FetchUpstream, 1},
		{[]int{400}, cashback.PageOK, 1}, {[]int{401}, cashback.PageOK, 1}, {[]int{403}, cashback.PageOK, 1}, {[]int{404}, cashback.PageOK, 1}, {[]int{410}, cashback.PageOK, 1}, // what the host says
	} {
		r := newRig(t, nil)
		run := r.open(Policy{Portal: "p"}, s)
		mu.Lock()
		script = c.script
		mu.Unlock()
		_, _, err := get(t, run, s.URL("/"))
		if c.want == cashback.PageOK && err != nil {
			t.Errorf("%v: %v", c.script, err)
		} else if c.want != cashback.PageOK {
			wantOutcome(t, err, c.want)
		}
		if n := run.Counts().Requests - 1; n != c.request { // less robots.txt
			t.Errorf("%v: %d requests, want %d", c.script, n, c.request)
		}
		if waits := len(r.clock.waits); waits != c.request-1 {
			t.Errorf("%v: %d backoffs", c.script, waits)
		}
	}
	t.Run("full jitter, doubled, capped", func(t *testing.T) {
		r := newRig(t, func(c *Config) {
			c.Random = func() float64 { return .999999 }
			c.Limits.Tries, c.Limits.RetryFree, c.Limits.BreakerFailures = 10, 10, 100
		})
		mu.Lock()
		script = []int{500, 500, 500, 500, 500, 500, 500, 500}
		mu.Unlock()
		if _, _, err := get(t, r.open(Policy{Portal: "p"}, s), s.URL("/")); err != nil {
			t.Fatal(err)
		}
		for i, w := range r.clock.waits {
			if want := min(time.Second<<i, time.Minute); w > want || w < want*99/100 {
				t.Errorf("backoff %d is %v, want up to %v", i+1, w, want)
			}
		}
	})
	t.Run("a run's budget of retries", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Limits.BreakerFailures = 1000 })
		run := r.open(Policy{Portal: "p"}, s)
		for range 10 {
			mu.Lock()
			script = []int{500, 500, 500}
			mu.Unlock()
			_, _, _ = get(t, run, s.URL("/"))
		}
		// Three free, then a tenth; what left says so, not only what was counted.
		if c := run.Counts(); c.Retries > 4 || c.Requests != 1+10+c.Retries {
			t.Errorf("%d retries of %d requests", c.Retries, c.Requests)
		}
	})
	t.Run("a run's budget of requests ends its retries too", func(t *testing.T) {
		mu.Lock()
		script = []int{500, 500, 500}
		mu.Unlock()
		run := newRig(t, nil).open(Policy{Portal: "p", Requests: 2}, s)
		_, _, err := get(t, run, s.URL("/"))
		if wantOutcome(t, err, cashback.FetchUpstream); run.Counts().Requests != 2 {
			t.Errorf("%d requests left of 2 that the run may send", run.Counts().Requests)
		}
	})
	t.Run("nothing but GET and HEAD", func(t *testing.T) {
		for _, m := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			req, _ := http.NewRequestWithContext(t.Context(), m, s.URL("/"), nil)
			_, err := newRig(t, nil).open(Policy{Portal: "p"}, s).RoundTrip(req)
			wantOutcome(t, err, cashback.FetchRefused)
		}
	})
}

func TestMechanism09RetryAfter(t *testing.T) {
	t.Run("what a host asked for stays", func(t *testing.T) {
		r := newRig(t, nil)
		h, err := r.host("www.exemple.test")
		if err != nil {
			t.Fatal(err)
		}
		for _, wait := range []time.Duration{time.Minute, 5 * time.Second, 0} { // a shorter one doesn't take it back …
			if err := r.fail(h, "429", wait, true, false); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Reset("www.exemple.test"); err != nil { // … nor does the operator
			t.Fatal(err)
		}
		if got, err := r.Host("www.exemple.test"); err != nil || got.NotBefore.Sub(r.clock.now()) != time.Minute {
			t.Errorf("it may be asked from %v on, now it is %v (%v)", got.NotBefore, r.clock.now(), err)
		}
	})
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "0": 0, " 7 ": 7 * time.Second, "99999999999": 24 * time.Hour, "86401": 24 * time.Hour,
		"Tue, 24 Nov 2026 12:10:00 GMT": 10 * time.Minute, "Tuesday, 24-Nov-26 12:10:00 GMT": 10 * time.Minute, "Tue Nov 24 12:10:00 2026": 10 * time.Minute, "Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
		"Tue, 24 Nov 2026 11:59:00 GMT": 0, "": 0, "-1": 0, "1e3": 0, "soon": 0, "NaN": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now, 24*time.Hour); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	for _, code := range []int{429, 503} {
		s := site(t, "later", plain(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1800")
			w.WriteHeader(code)
		}))
		r := newRig(t, nil)
		run := r.open(Policy{Portal: "p"}, s)
		_, _, err := get(t, run, s.URL("/"))
		e := wantOutcome(t, err, cashback.FetchThrottled)
		want := r.clock.now().Add(30 * time.Minute)
		if c := run.Counts(); !e.RetryAt.Equal(want) || !c.RetryAt.Equal(want) || c.Requests != 2 {
			t.Errorf("%d: again at %v; counts %+v", code, e.RetryAt, c)
		}
		// Another run, another page of the host: not before.
		_, _, err = get(t, r.open(Policy{Portal: "q"}, s), s.URL("/other"))
		if e := wantOutcome(t, err, cashback.FetchThrottled); !e.Host || !e.RetryAt.Equal(want) {
			t.Errorf("%+v", e)
		}
		_ = r.clock.wait(t.Context(), 30*time.Minute)
		before := len(s.Asked())
		_, _, _ = get(t, run, s.URL("/"))
		if len(s.Asked()) == before {
			t.Error("it is never asked again")
		}
	}
	t.Run("a short one is waited for", func(t *testing.T) {
		first := true
		s := site(t, "moment", plain(func(w http.ResponseWriter, _ *http.Request) {
			if first {
				first = false
				w.Header().Set("Retry-After", "20")
				w.WriteHeader(503)
				return
			}
			page(w, "hello")
		}))
		r := newRig(t, func(c *Config) { c.Random = func() float64 { return 0 } })
		if _, body, err := get(t, r.open(Policy{Portal: "p"}, s), s.URL("/")); err != nil || body != "hello" {
			t.Errorf("%q, %v", body, err)
		}
		if got := fmt.Sprint(r.clock.waits); got != "[0s 20s]" {
			t.Errorf("waits %s", got)
		}
	})
}

func TestMechanism10CircuitBreaker(t *testing.T) {
	var down atomic.Bool
	s := site(t, "breaker", plain(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(500)
			return
		}
		page(w, "hello")
	}))
	state := &kept{}
	r := newRig(t, func(c *Config) { c.Limits.Tries = 1; c.State = state })
	run := r.open(Policy{Portal: "p"}, s)
	ask := func() (*Error, int) {
		before := len(s.Asked())
		_, _, err := get(t, run, s.URL("/"))
		e, _ := AsError(err)
		return e, len(s.Asked()) - before
	}
	ask()
	down.Store(true)
	for range 5 {
		if e, n := ask(); e.Outcome != cashback.FetchUpstream || n != 1 {
			t.Fatalf("%v after %d requests", e, n)
		}
	}
	e, n := ask()
	if e.Outcome != cashback.FetchPostponed || !e.Host || n != 0 || e.RetryAt.Sub(r.clock.now()) != 15*time.Minute {
		t.Fatalf("open: %+v, %d requests", e, n)
	}
	t.Run("it survives the process", func(t *testing.T) {
		other := newRig(t, func(c *Config) { c.State = state })
		_, _, err := get(t, other.open(Policy{Portal: "p"}, s), s.URL("/"))
		wantOutcome(t, err, cashback.FetchPostponed)
	})
	_ = r.clock.wait(t.Context(), 15*time.Minute)
	if e, n := ask(); e.Outcome != cashback.FetchUpstream || n != 1 { // one probe
		t.Fatalf("half-open: %v, %d requests", e, n)
	}
	if e, n := ask(); n != 0 || e.RetryAt.Sub(r.clock.now()) != 30*time.Minute {
		t.Fatalf("open again for %v", e.RetryAt.Sub(r.clock.now()))
	}
	t.Run("shown and reset", func(t *testing.T) {
		if h, _ := r.Host(s.Name); h.OpenUntil.IsZero() || h.Trips != 2 || h.Why == "" {
			t.Errorf("%+v", h)
		}
		if err := r.Reset(s.Name); err != nil {
			t.Fatal(err)
		}
		if e, n := ask(); e.Outcome != cashback.FetchUpstream || n != 1 {
			t.Errorf("%v, %d requests", e, n)
		}
	})
	down.Store(false)
	if e, _ := ask(); e != nil {
		t.Fatal(e)
	}
	if h, _ := r.Host(s.Name); h.Failures != 0 || h.Trips != 0 || !h.OpenUntil.IsZero() {
		t.Errorf("a success leaves %+v", h)
	}
}

// kept is a State in memory.
type kept struct {
	mu    sync.Mutex
	hosts map[string]HostState
	fail  error
}

func (k *kept) LoadHost(domain string) (HostState, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hosts[domain], k.fail
}

func (k *kept) SaveHost(domain string, s HostState) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	if k.hosts == nil {
		k.hosts = make(map[string]HostState)
	}
	k.hosts[domain] = s
	return nil
}

// TestMechanism12Timeouts: each phase has its own; see also hostile 04 to 06. The
// wait for the slot is none of them.
func TestMechanism12Timeouts(t *testing.T) {
	s := site(t, "wall", plain(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // quick enough for the least throughput, and endless
			if _, err := w.Write(bytes.Repeat([]byte("x"), 4<<10)); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			pauseFor(r, 20*time.Millisecond)
		}
	}))
	r := newRig(t, func(c *Config) { c.Limits.Wall, c.Limits.Tries = 300*time.Millisecond, 1 })
	began := time.Now()
	_, _, err := get(t, r.open(Policy{Portal: "p"}, s), s.URL("/"))
	if e := wantOutcome(t, err, cashback.FetchTimeout); !strings.Contains(e.Reason, "whole answer") || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %v", e, time.Since(began))
	}
	if l := (Limits{}).withDefaults(); l.Dial != 10*time.Second || l.TLS != 10*time.Second || l.Header != 10*time.Second || l.Wall != 30*time.Second || l.MinRate != 1024 || l.RateWindow != 10*time.Second {
		t.Errorf("the defaults are %+v", l)
	}
}

func TestMechanism13SizeLimits(t *testing.T) {
	if !checkCap(t, nil) {
		t.Error("more than the cap came through")
	}
	t.Run("a page that says it is too large isn't read", func(t *testing.T) {
		s := site(t, "says-so", plain(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Length", "9000000")
			_, _ = w.Write(make([]byte, 4<<10))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // what is said to follow never comes
		}))
		_, _, err := get(t, newRig(t, nil).open(Policy{Portal: "p"}, s), s.URL("/"))
		wantOutcome(t, err, cashback.FetchTooLarge)
	})
	t.Run("one layer, also of a file that is packed", func(t *testing.T) {
		pack := func(b []byte) []byte {
			var out bytes.Buffer
			z := gzip.NewWriter(&out)
			_, _ = z.Write(b)
			_ = z.Close()
			return out.Bytes()
		}
		file := pack([]byte("<urlset/>"))
		s := site(t, "packed", plain(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/gzip")
			body := file
			if r.URL.Path == "/twice.xml.gz" {
				w.Header().Set("Content-Encoding", "gzip")
				body = pack(file)
			}
			_, _ = w.Write(body)
		}))
		run := newRig(t, nil).open(Policy{Portal: "p"}, s)
		if _, body, err := get(t, run, s.URL("/once.xml.gz")); err != nil || body != "<urlset/>" {
			t.Errorf("%q, %v", body, err)
		}
		_, _, err := get(t, run, s.URL("/twice.xml.gz"))
		wantOutcome(t, err, cashback.FetchWrongType)
	})
	var size atomic.Int64
	s := site(t, "large", plain(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(bytes.Repeat([]byte("x"), int(size.Load())))
	}))
	for _, c := range []struct {
		max  int64
		size int64
		want cashback.Outcome
	}{
		{0, 2 << 20, cashback.PageOK}, {0, 2<<20 + 1, cashback.FetchTooLarge}, {3 << 20, 3 << 20, cashback.PageOK}, {3 << 20, 3<<20 + 1, cashback.FetchTooLarge},
		{9 << 20, 4 << 20, cashback.PageOK}, {9 << 20, 4<<20 + 1, cashback.FetchTooLarge}, // a definition can't ask for more than the transport allows
	} {
		size.Store(c.size)
		_, body, err := get(t, newRig(t, nil).open(Policy{Portal: "p", MaxBody: c.max}, s), s.URL("/"))
		if c.want == cashback.PageOK {
			if err != nil || int64(len(body)) != c.size {
				t.Errorf("%d of %d bytes: %v", len(body), c.size, err)
			}
			continue
		}
		wantOutcome(t, err, c.want)
	}
	t.Run("a run's own bounds", func(t *testing.T) {
		size.Store(10_000)
		for _, p := range []Policy{{Portal: "p", Requests: 3}, {Portal: "p", Bytes: 15_000}} {
			run := newRig(t, nil).open(p, s)
			var err error
			n := 0
			for ; err == nil && n < 10; n++ {
				_, _, err = get(t, run, s.URL("/"))
			}
			e := wantOutcome(t, err, cashback.FetchPostponed)
			if n != 3 || e.Budget == "" {
				t.Errorf("%+v: stopped at request %d for %q", p, n, e.Budget)
			}
		}
	})
	if l := (Limits{}).withDefaults(); l.Body != 8<<20 || l.BodyMost != 16<<20 || l.HeaderBytes != 64<<10 || MaxURL != 2083 {
		t.Errorf("the defaults are %+v", l)
	}
}

// checkCap is part of the harness: it must notice a transport that cuts instead of
// refusing at the cap (see TestPlantedFaults).
func checkCap(t testing.TB, plant func(*Transport)) bool {
	h := portaltest.Hostiles()[2]
	s, err := h.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Turn(true)
	tr, err := New(Config{Now: time.Now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal, Limits: Limits{Body: 256 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if plant != nil {
		plant(tr)
	}
	run, err := tr.Open(Policy{Portal: "p", Hosts: []string{s.Host()}})
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, s.Trap(), nil)
	resp, err := run.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	e, ok := AsError(err)
	return ok && e.Outcome == cashback.FetchTooLarge
}

func TestMechanism14ContentType(t *testing.T) {
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	for _, c := range []struct {
		header, body string
		ok           bool
		note         bool
	}{
		{"text/html", "<p>x", true, false}, {"application/xhtml+xml", "<p>x", true, false}, {"application/json; charset=utf-8", "{}", true, false}, {"application/vnd.x+json", "{}", true, false}, {"", "<html>", true, false}, {"text/plain", "x", true, false}, {"TEXT/HTML;;;", "<p>", true, false}, {"application/xml", "<a/>", true, false}, {"text/csv; charset=utf-8; header=present", "id;name", true, false}, {"text/csv", png, false, false},
		{"image/png", png, false, false}, {"text/html", png, false, false}, {"", png, false, false}, {"application/octet-stream", "x", false, false}, {"application/pdf", "%PDF-1.4", false, false}, {"image/svg+xml", "<svg/>", false, false}, {"text/html", "\x1f\x8b\x08\x00\x00", false, false}, {"video/mp4", "x", false, false}, {"font/woff2", "x", false, false}, {"nonsense", "x", false, false},
		{"application/json", "<!doctype html><p>down", true, true},
	} {
		reason, note := checkType(c.header, []byte(c.body))
		if (reason == "") != c.ok || (note != "") != c.note {
			t.Errorf("%q with %q: %q, note %q", c.header, c.body, reason, note)
		}
	}
	s := site(t, "type", plain(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "<!doctype html><p>down")
	}))
	run := newRig(t, nil).open(Policy{Portal: "p"}, s)
	if _, _, err := get(t, run, s.URL("/?secret=1")); err != nil {
		t.Fatal(err)
	}
	if notes := run.Counts().Notes; len(notes) != 1 || !strings.Contains(notes[0], "HTML") || strings.Contains(notes[0], "secret") {
		t.Errorf("notes %q", notes)
	}
}

func TestMechanism16Compression(t *testing.T) {
	for _, v := range []string{"gzip", "x-gzip", "br", "identity", ""} {
		s := site(t, "packed", plain(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			if v != "" {
				w.Header().Set("Content-Encoding", v)
			}
			_, _ = w.Write(pack(v, "<p>hello"))
		}))
		run := newRig(t, nil).open(Policy{Portal: "p"}, s)
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/"), nil)
		resp, err := run.RoundTrip(req)
		if err != nil {
			t.Fatalf("%q: %v", v, err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "<p>hello" || resp.Header.Get("Content-Encoding") != "" || !resp.Uncompressed || resp.ContentLength != int64(len(b)) {
			t.Errorf("%q: %q, %v", v, b, resp.Header)
		}
	}
	t.Run("a packed sitemap", func(t *testing.T) {
		for _, header := range []string{"application/gzip", "application/x-gzip", "text/xml", ""} {
			s := site(t, "file", plain(func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Type"] = []string{header}
				_, _ = w.Write(pack("gzip", "<urlset/>"))
			}))
			run := newRig(t, nil).open(Policy{Portal: "p"}, s)
			if _, body, err := get(t, run, s.URL("/sitemap-1.xml.gz")); err != nil || body != "<urlset/>" {
				t.Errorf("%q: %q, %v", header, body, err)
			}
			if _, body, err := get(t, run, s.URL("/sitemap-1.xml")); err == nil {
				t.Errorf("%q: a page in a file's clothes is %q", header, body)
			}
		}
	})
	t.Run("gzip of nothing", func(t *testing.T) {
		s := site(t, "nothing", plain(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
		}))
		if _, body, err := get(t, newRig(t, nil).open(Policy{Portal: "p"}, s), s.URL("/")); err != nil || body != "" {
			t.Errorf("%q, %v", body, err)
		}
	})
}

// TestStoredFragments: what scripts are given at an address is not the page at it.
func TestStoredFragments(t *testing.T) {
	s := site(t, "fragment", plain(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		page(w, "page"+r.Header.Get("X-Requested-With"))
	}))
	r := newRig(t, func(c *Config) { c.Pages = &shelf{} })
	for range 2 {
		for _, with := range []string{"", "XMLHttpRequest"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/"), nil)
			if with != "" {
				req.Header.Set("X-Requested-With", with)
			}
			resp, err := r.open(Policy{Portal: "p", Version: "1"}, s).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			if resp.Body.Close(); string(b) != "page"+with {
				t.Errorf("asked with %q: %q", with, b)
			}
		}
	}
}

func TestMechanism17ConditionalRequests(t *testing.T) {
	const etag, modified = `W/"a,b \"c"`, "Tue, 24 Nov 2026 10:00:00 GMT"
	var status atomic.Int64
	s := site(t, "conditional", plain(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == etag && r.Header.Get("If-Modified-Since") == modified {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", etag)
		w.Header().Set("Last-Modified", modified)
		if code := int(status.Load()); code != 0 {
			w.WriteHeader(code)
		}
		page(w, "hello")
	}))
	pages := &shelf{}
	r := newRig(t, func(c *Config) { c.Pages = pages })
	ask := func(p Policy) (from string, at time.Time) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/"), nil)
		resp, err := r.open(p, s).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "hello" || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%d %q %v", resp.StatusCode, b, resp.Header)
		}
		at, err = time.Parse(time.RFC3339, resp.Header.Get(HeaderReadAt))
		if err != nil {
			t.Error(err)
		}
		return resp.Header.Get(HeaderFrom), at
	}
	if from, _ := ask(Policy{Portal: "p", Version: "1"}); from != "network" {
		t.Errorf("from %q", from)
	}
	_ = r.clock.wait(t.Context(), time.Hour)
	if from, at := ask(Policy{Portal: "p", Version: "1"}); from != "not-modified" || !at.Equal(r.clock.now()) { // seen just now
		t.Errorf("from %q, read at %v", from, at)
	}
	for name, p := range map[string]Policy{"another version": {Portal: "p", Version: "2"}, "another portal": {Portal: "q", Version: "1"}, "forced": {Portal: "p", Version: "1", Force: true}} {
		if from, _ := ask(p); from != "network" {
			t.Errorf("%s: from %q", name, from)
		}
	}
	t.Run("a page that opens a session is asked for anew", func(t *testing.T) {
		opens := site(t, "opens", plain(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			if r.URL.Path == "/session" {
				w.Header().Set("Set-Cookie", "sid=7")
			}
			w.Header().Set("Cagnotte-Note", "from the portal")
			page(w, "hello")
		}))
		kept := &shelf{}
		run := newRig(t, func(c *Config) { c.Pages = kept }).open(Policy{Portal: "p"}, opens)
		for i, path := range []string{"/session", "/page"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, opens.URL(path), nil)
			resp, err := run.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if len(kept.pages) != i {
				t.Errorf("after %s %d pages are kept", path, len(kept.pages))
			}
			if resp.Header.Get("Cagnotte-Note") != "" {
				t.Error("a portal speaks in our name")
			}
		}
	})
	t.Run("what a 304 confirmed was read when it came", func(t *testing.T) {
		lasts := site(t, "lasts", plain(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			if r.Header.Get("If-None-Match") != "" {
				w.Header().Set("Cache-Control", "max-age=600")
				w.WriteHeader(http.StatusNotModified)
				return
			}
			page(w, "hello")
		}))
		r := newRig(t, func(c *Config) { c.Pages = &shelf{} })
		var confirmed time.Time
		for _, want := range []string{"network", "not-modified", "fresh"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, lasts.URL("/"), nil)
			resp, err := r.open(Policy{Portal: "p"}, lasts).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			at, err := time.Parse(time.RFC3339, resp.Header.Get(HeaderReadAt))
			if from := resp.Header.Get(HeaderFrom); err != nil || from != want || from == "fresh" && !at.Equal(confirmed) {
				t.Errorf("%s, read at %v (%v), confirmed at %v; want %s", from, at, err, confirmed, want)
			}
			confirmed = at
			_ = r.clock.wait(t.Context(), time.Minute)
		}
	})
	t.Run("only whole pages are kept", func(t *testing.T) {
		for _, code := range []int64{404, 410} {
			pages.pages = nil
			status.Store(code)
			_, _, _ = get(t, r.open(Policy{Portal: "p"}, s), s.URL("/"))
			if len(pages.pages) != 0 {
				t.Errorf("%d was kept", code)
			}
		}
		status.Store(0)
	})
	t.Run("a store that fails costs a request, no more", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Pages = &shelf{fail: errors.New("disk")} })
		run := r.open(Policy{Portal: "p"}, s)
		if _, body, err := get(t, run, s.URL("/")); err != nil || body != "hello" {
			t.Errorf("%q, %v", body, err)
		}
		if len(run.Counts().Notes) == 0 {
			t.Error("nobody is told")
		}
	})
}

func TestMechanism18HTTPCacheAndReplay(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		cache, expires, vary string
		fresh                time.Duration
		keep                 bool
	}{
		{"", "", "", 0, true}, {"max-age=60", "", "", time.Minute, true}, {"public, max-age=\"60\"", "", "", time.Minute, true}, {"max-age=999999999999", "", "", 24 * time.Hour, true}, {"max-age=99999999999999999999999", "", "", 0, true}, {"max-age=-1", "", "", 0, true},
		{"no-store", "", "", 0, false}, {"no-cache, max-age=60", "", "", 0, true}, {"max-age=60, no-cache", "", "", 0, true}, {"max-age=60", "", "*", 0, false},
		{"", "Tue, 24 Nov 2026 13:00:00 GMT", "", time.Hour, true}, {"", "Fri, 31 Dec 9999 23:59:59 GMT", "", 24 * time.Hour, true}, {"", "0", "", 0, true}, {"max-age=60", "Tue, 24 Nov 2026 13:00:00 GMT", "", time.Minute, true},
	} {
		until, keep := freshUntil(http.Header{"Cache-Control": {c.cache}, "Expires": {c.expires}, "Vary": {c.vary}}, now)
		got := time.Duration(0)
		if !until.IsZero() {
			got = until.Sub(now)
		}
		if got != c.fresh || keep != c.keep {
			t.Errorf("%+v: fresh for %v, keep %v", c, got, keep)
		}
	}
	s := site(t, "fresh", plain(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		page(w, "hello")
	}))
	r := newRig(t, func(c *Config) { c.Pages = &shelf{} })
	run := r.open(Policy{Portal: "p"}, s)
	ask := func() (from, at string) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("/"), nil)
		resp, err := run.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Header.Get(HeaderFrom), resp.Header.Get(HeaderReadAt)
	}
	_, first := ask()
	_ = r.clock.wait(t.Context(), 59*time.Second)
	if from, at := ask(); from != "fresh" || at != first || len(s.Asked()) != 2 { // not checked now, and not said to be
		t.Errorf("from %q, read at %s, first %s; asked for %v", from, at, first, s.Paths())
	}
	_ = r.clock.wait(t.Context(), 2*time.Second)
	if from, _ := ask(); from != "network" {
		t.Errorf("from %q", from)
	}
	t.Run("replay", func(t *testing.T) {
		dir := t.TempDir()
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("a.html", "recorded")
		write("index.json", `[{"url":"https://www.exemple.test/a?x=1&utm_source=y#f","file":"a.html","content_type":"text/html","status":200,"headers":{"Content-Encoding":"gzip","X-Total":"7"},"recorded_at":"2026-07-09"},
			{"url":"https://www.exemple.test/gone","file":"a.html","content_type":"text/html","status":410,"recorded_at":"2026-07-09T10:00:00+02:00"}]`)
		replay, err := OpenReplay(dir)
		if err != nil {
			t.Fatal(err)
		}
		run, _ := replay.Open(Policy{})
		for url, want := range map[string]int{"https://www.exemple.test/a?x=1": 200, "https://WWW.exemple.test:443/a?x=1#other": 200, "https://www.exemple.test/gone": 410, "https://www.exemple.test/b": 404} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			resp, err := run.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != want || want == 200 && (resp.Header.Get(HeaderReadAt) != "2026-07-09T00:00:00Z" || resp.Header.Get("X-Total") != "7" || resp.Header.Get("Content-Encoding") != "") {
				t.Errorf("%s: %d %v", url, resp.StatusCode, resp.Header)
			}
		}
		if !replay.Has("https://www.exemple.test/a?x=1") || replay.Has("https://www.exemple.test/") || len(replay.URLs("www.exemple.test")) != 2 || len(replay.URLs()) != 2 || len(replay.URLs("exemple.test")) != 0 {
			t.Error("Has or URLs is wrong")
		}
		for _, index := range []string{"", "{", `[{"url":"u","file":"../../etc/passwd","recorded_at":"2026-07-09"}]`, `[{"url":"u","file":"/etc/passwd","recorded_at":"2026-07-09"}]`, `[{"url":"u","file":"a.html","recorded_at":"yesterday"}]`} {
			write("index.json", index)
			if _, err := OpenReplay(dir); cashback.KindOf(err) != cashback.Invalid {
				t.Errorf("%q: %v", index, err)
			}
		}
	})
}

func TestMechanism19Redirects(t *testing.T) {
	s := site(t, "redirects", plain(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		if n == 0 {
			page(w, "arrived")
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/?n=%d", n-1), http.StatusMovedPermanently)
	}))
	run := newRig(t, nil).open(Policy{Portal: "p"}, s)
	if _, body, err := get(t, run, s.URL("/?n=5")); err != nil || body != "arrived" {
		t.Errorf("five hops: %q, %v", body, err)
	}
	_, _, err := get(t, run, s.URL("/?n=6"))
	wantOutcome(t, err, cashback.FetchRefused)
	if moved := run.Counts().Moved; len(moved) == 0 || strings.Contains(moved[0], "?") {
		t.Errorf("permanent moves %q", moved)
	}
	// Every hop is a request of its own, with its own verdict and its own slot: see
	// hostile 08, 09 and 13, and TestRedirectLeavesTheHosts.
}

func TestMechanism20URLIdentity(t *testing.T) {
	for _, same := range [][]string{
		{"https://a.test/", "https://A.test", "HTTPS://a.test:443/", "https://a.test./", "https://a.test/#x", "https://a.test/?utm_source=x&gclid=1", "https://a.test/?"},
		{"https://a.test/x?a=1&b=2", "https://a.test/x?b=2&a=1", "https://a.test/x?b=2&&a=1&fbclid=9"},
		{"https://a.test/%C3%A9", "https://a.test/%c3%a9"},
		{"https://a.test/?q=a+b", "https://a.test/?q=a%20b"},
		{"http://a.test/", "http://a.test:80"},
		{"https://a.test/?p=2&p=1"},
		{"https://a.test/?p=1&p=2"},
		{"https://a.test/x"}, {"https://a.test/x/"}, {"https://a.test/X"}, {"https://a.test:8443/x"}, {"https://b.test/x"}, {"https://a.test/?a"},
	} {
		want := CanonicalString(same[0])
		for _, other := range same {
			if got := CanonicalString(other); got != want {
				t.Errorf("%s is %s, want %s", other, got, want)
			}
			if again := CanonicalString(want); again != want {
				t.Errorf("%s isn't stable: %s", want, again)
			}
		}
	}
	distinct := map[string]bool{}
	for _, u := range []string{"https://a.test/?p=2&p=1", "https://a.test/?p=1&p=2", "https://a.test/x", "https://a.test/x/", "https://a.test/X", "https://a.test:8443/x", "http://a.test/x", "https://a.test/?a", "https://a.test/?a="} {
		if c := CanonicalString(u); distinct[c] {
			t.Errorf("%s has the identity of another", u)
		} else {
			distinct[c] = true
		}
	}
}

func TestMechanism28BlockDetection(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  int
		header  http.Header
		body    string
		blocked bool
	}{
		{"Cloudflare's header", 403, http.Header{"Cf-Mitigated": {"challenge"}}, "", true},
		{"Cloudflare's page", 503, nil, `<script src="/cdn-cgi/challenge-platform/h/b/orchestrate"></script>`, true},
		{"AWS", 202, http.Header{"X-Amzn-Waf-Action": {"challenge"}}, "", true},
		{"DataDome", 403, http.Header{"X-Datadome": {"protected"}}, "", true},
		{"Imperva", 403, nil, `<script src="/_Incapsula_Resource?x"></script>`, true},
		{"PerimeterX", 403, nil, `<div id="px-captcha"></div>`, true},
		{"as 200", 200, nil, "<title>Just a moment...</title>", true},
		{"as 200, Imperva", 200, nil, "<html><head><title>Pardon Our Interruption</title>", true},
		{"a page that loads a captcha for its form", 200, nil, `<title>Boutiques</title><script src="https://www.google.com/recaptcha/api.js"></script><div class="g-recaptcha">`, false},
		{"a plain 403", 403, nil, "<h1>Forbidden</h1>", false},
		{"a shop's page", 200, nil, "<title>Captchas & Co: 3 % cashback</title>", true}, // the price of a sure sign: an operator looks
		{"a moment in a shop's name", 200, nil, "<title>Just a Moment Gifts</title>", false},
	} {
		s := site(t, "wall", plain(func(w http.ResponseWriter, r *http.Request) {
			for k, v := range c.header {
				w.Header()[k] = v
			}
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		r := newRig(t, nil)
		run := r.open(Policy{Portal: "p"}, s)
		_, _, err := get(t, run, s.URL("/"))
		e, _ := AsError(err)
		if got := e != nil && e.Outcome == cashback.PageBlocked; got != c.blocked {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !c.blocked {
			continue
		}
		// Nothing is tried again, and the breaker is open.
		before := len(s.Asked())
		_, _, err = get(t, run, s.URL("/"))
		if e := wantOutcome(t, err, cashback.FetchPostponed); before != 2 || len(s.Asked()) != before || !e.Host {
			t.Errorf("%s: %d requests, then %d more", c.name, before, len(s.Asked())-before)
		}
	}
}

// TestMechanism30TLS: see also hostile 14.
func TestMechanism30TLS(t *testing.T) {
	r, err := New(Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.wire.(*http.Transport).Proxy; p != nil {
		t.Error("a proxy is set")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(plain(hello)))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	_, p, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	rig := newRig(t, func(c *Config) { c.Limits.Tries = 1 })
	_, _, err = get(t, rig.open(Policy{Portal: "p", Hosts: []string{"x.localhost"}}), "https://x.localhost:"+p+"/")
	wantOutcome(t, err, cashback.FetchRefused)
}

// TestMechanism31Cancellation: idle waits end at once, what is in flight soon.
func TestMechanism31Cancellation(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	s := site(t, "cancel", plain(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	r, err := New(Config{Now: time.Now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal, Limits: Limits{Delay: time.Hour, MaxWait: 3 * time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	open := func() Session {
		run, err := r.Open(Policy{Portal: "p", Hosts: []string{s.Host()}})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	for _, what := range []string{"in flight", "waiting for the next-allowed time"} {
		r.free = func(string) bool { return what == "in flight" }
		run := open()
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL("/"), nil)
			_, err := run.RoundTrip(req)
			result <- err
		}()
		if what == "in flight" {
			for len(s.Asked()) < 2 { // robots.txt and the page
				pauseFor(httptest.NewRequest("GET", "/", nil), time.Millisecond)
			}
		}
		stop := errors.New("the operator stops the run")
		began := time.Now()
		cancel(stop)
		err := <-result
		e := wantOutcome(t, err, cashback.FetchPostponed)
		if e.Budget != "canceled" || !errors.Is(err, stop) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %v", what, err, time.Since(began))
		}
		if h, _ := r.Host(s.Name); h.Failures != 0 {
			t.Errorf("%s: the host is blamed: %+v", what, h)
		}
	}
}

// diskState keeps one host's state in a file, synced, as the store does.
// lastState is what was stored last.
type lastState struct{ HostState }

func (l *lastState) LoadHost(string) (HostState, error)   { return l.HostState, nil }
func (l *lastState) SaveHost(_ string, s HostState) error { l.HostState = s; return nil }

type diskState struct{ file string }

func (d diskState) LoadHost(string) (HostState, error) {
	var s HostState
	b, err := os.ReadFile(d.file)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

func (d diskState) SaveHost(_ string, s HostState) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(d.file), "host")
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), d.file)
}

// checkStoredFirst is part of the harness: whenever the host sees a request, the
// time before which the next must not come stands on the disk already. It must
// notice a transport that sends first (see TestPlantedFaults).
func checkStoredFirst(t testing.TB, plant func(*Transport, State)) bool {
	state := diskState{filepath.Join(t.TempDir(), "host.json")}
	stored := true
	s, err := portaltest.NewSite("stored.localhost", plain(func(w http.ResponseWriter, r *http.Request) {
		if h, err := state.LoadHost(""); err != nil || !h.Next.After(time.Now()) {
			stored = false
		}
		page(w, "hello")
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tr, err := New(Config{Now: time.Now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal, State: state, Limits: Limits{Delay: 100 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	tr.free = func(string) bool { return false }
	if plant != nil {
		plant(tr, state)
	}
	run, err := tr.Open(Policy{Portal: "p", Hosts: []string{s.Host()}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL("/"), nil)
		resp, err := run.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	return stored
}

// TestMechanism24CrashSafety: a process that is killed at any moment leaves no
// way for the next one to come too early.
func TestMechanism24CrashSafety(t *testing.T) {
	if file := os.Getenv("CAGNOTTE_TEST_STATE"); file != "" { // the process to kill
		tr, err := New(Config{Now: time.Now, Random: func() float64 { return .5 }, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal, State: diskState{file}, Limits: Limits{Delay: 600 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		tr.free = func(string) bool { return false }
		run, err := tr.Open(Policy{Portal: "p", Hosts: []string{os.Getenv("CAGNOTTE_TEST_HOST")}})
		if err != nil {
			t.Fatal(err)
		}
		for {
			_, _, _ = get(t, run, "http://"+os.Getenv("CAGNOTTE_TEST_HOST")+"/")
		}
	}
	if !checkStoredFirst(t, nil) {
		t.Error("a request was sent before the next-allowed time was stored")
	}
	seen := make(chan struct{}, 100)
	s := site(t, "killed", func(w http.ResponseWriter, r *http.Request) {
		seen <- struct{}{}
		page(w, "hello")
	})
	state := filepath.Join(t.TempDir(), "host.json")
	var allowed time.Time
	for i := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMechanism24CrashSafety$")
		cmd.Env = append(os.Environ(), "CAGNOTTE_TEST_STATE="+state, "CAGNOTTE_TEST_HOST="+s.Host())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range i%2 + 1 { // killed while the answer is on its way
			select {
			case <-seen:
			case <-time.After(20 * time.Second):
				t.Error("the process asks for nothing")
			}
		}
		_ = cmd.Process.Kill() // SIGKILL: nothing is cleaned up
		_ = cmd.Wait()
		asked := s.Asked()
		if first := asked[len(asked)-i%2-1]; first.At.Before(allowed) {
			t.Errorf("process %d came at %v, %v too early", i, first.At, allowed.Sub(first.At))
		}
		h, err := diskState{state}.LoadHost("")
		if err != nil {
			t.Fatal(err)
		}
		if allowed = h.Next; allowed.Sub(asked[len(asked)-1].At) < 400*time.Millisecond {
			t.Errorf("process %d left the host open from %v on, having asked at %v", i, allowed, asked[len(asked)-1].At)
		}
	}
	t.Run("what can't be stored isn't sent", func(t *testing.T) {
		s := site(t, "full", plain(hello))
		r := owing(newRig(t, func(c *Config) { c.State = &kept{fail: errors.New("disk full")} }))
		_, _, err := get(t, r.open(Policy{Portal: "p"}, s), s.URL("/"))
		wantOutcome(t, err, cashback.FetchRefused)
		if len(s.Asked()) != 0 {
			t.Errorf("asked for %v", s.Paths())
		}
	})
	t.Run("a wrong clock doesn't stop a host for years", func(t *testing.T) {
		s := site(t, "years", plain(hello))
		state := &kept{hosts: map[string]HostState{s.Name: {Next: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), NotBefore: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}}}
		r := newRig(t, func(c *Config) { c.State = state; c.Limits.MaxWait = 48 * time.Hour })
		if _, _, err := get(t, r.open(Policy{Portal: "p"}, s), s.URL("/")); err != nil {
			t.Error(err)
		}
	})
}

// TestPlantedFaults: the harness notices the faults that it is there for.
func TestPlantedFaults(t *testing.T) {
	if checkForbiddenHop(t, func(s Session) Session { return forgetful{s.(*session)} }) {
		t.Error("a transport that forgets robots.txt on a redirect passes")
	}
	if checkCap(t, func(tr *Transport) { tr.wire = cutting{tr.wire, tr.limits.Body} }) {
		t.Error("a transport that cuts at the cap passes")
	}
	if checkStoredFirst(t, func(tr *Transport, disk State) {
		late := &lateState{State: disk}
		tr.state = late
		tr.wire = sendingFirst{tr.wire, late}
	}) {
		t.Error("a transport that sends before the time is stored passes")
	}
}

// forgetful skips the robots verdict of a redirect's target.
type forgetful struct{ *session }

func (f forgetful) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response == nil {
		return f.session.RoundTrip(req)
	}
	resp, e := f.validated(req, 0)
	if e != nil {
		return nil, e
	}
	return resp, nil
}

// cutting ends bodies at the cap as if they were whole.
type cutting struct {
	http.RoundTripper
	most int64
}

func (c cutting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, c.most), resp.Body}
	}
	return resp, err
}

// lateState stores what it is given after the request has been answered.
type lateState struct {
	State
	mu    sync.Mutex
	later []func() error
}

func (l *lateState) SaveHost(domain string, s HostState) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.later = append(l.later, func() error { return l.State.SaveHost(domain, s) })
	return nil
}

type sendingFirst struct {
	http.RoundTripper
	state *lateState
}

func (s sendingFirst) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(req)
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	for _, save := range s.state.later {
		err = errors.Join(err, save())
	}
	s.state.later = nil
	return resp, err
}

func pack(encoding, text string) []byte {
	var b bytes.Buffer
	switch encoding {
	case "gzip", "x-gzip":
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
	case "br":
		w := brotli.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
	default:
		b.WriteString(text)
	}
	return b.Bytes()
}
