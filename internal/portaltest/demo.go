package portaltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// FirstDemoPort is the port of the first demo portal of `cagnotte demo`; the
// others follow it. Stable addresses keep stored links alive between runs.
const FirstDemoPort = 18101

// DemoConfig is what the demo portals depend on. All fields are needed but
// FirstPort.
type DemoConfig struct {
	Seed uint64
	// Now is the portals' clock: rates move with it.
	Now func() time.Time
	// FirstPort is the port of the first portal; 0 takes free ports, for tests.
	FirstPort int
}

// Demo is a set of healthy portals in two markets, each of another technique.
type Demo struct {
	cfg     DemoConfig
	started time.Time
	portals []*DemoPortal
	shops   map[cashback.Country][]*shop
	servers []*http.Server
	serving sync.WaitGroup

	mu     sync.Mutex
	faults map[string]Fault
}

// Fault is something wrong with a demo portal, switched on by Demo.Break.
type Fault string

const (
	Healthy Fault = ""
	// NewLayout renames what the portal's definition looks for.
	NewLayout Fault = "new_layout"
	// RatesTenfold shifts every rate by a digit.
	RatesTenfold Fault = "rates_tenfold"
	// HalfMissing leaves out every second shop.
	HalfMissing Fault = "half_missing"
	// Down answers everything but the fault switch with status 503.
	Down Fault = "down"
)

var faults = []Fault{Healthy, NewLayout, RatesTenfold, HalfMissing, Down}

// NewDemo builds the portals and takes their ports; nothing is served before
// Start. It fails when a port is taken.
func NewDemo(cfg DemoConfig) (_ *Demo, err error) {
	d := &Demo{cfg: cfg, started: cfg.Now(), shops: map[cashback.Country][]*shop{}, faults: map[string]Fault{}}
	for _, market := range []cashback.Country{"FR", "GB"} {
		if d.shops[market], err = readShops(market); err != nil {
			return nil, err
		}
	}
	for i, s := range demoSpecs() {
		port := 0
		if cfg.FirstPort > 0 {
			port = cfg.FirstPort + i
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			d.Close()
			return nil, cashback.Errorf(cashback.Unavailable, "the demo portal %s needs port %d: %w", s.name, port, err)
		}
		p := &DemoPortal{demo: d, spec: s, listener: l}
		p.Origin = fmt.Sprintf("http://%s.localhost:%d", s.name, l.Addr().(*net.TCPAddr).Port)
		if p.canary, err = canaryOf(s.name); err != nil {
			return nil, errors.Join(err, l.Close(), d.Close())
		}
		d.portals = append(d.portals, p)
	}
	for _, p := range d.portals {
		p.all = p.listings(d.shops[p.spec.market])
		if err := p.build(); err != nil {
			d.Close()
			return nil, err
		}
	}
	return d, nil
}

// Start serves the portals until Close.
func (d *Demo) Start() {
	for _, p := range d.portals {
		server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
		d.servers = append(d.servers, server)
		d.serving.Go(func() {
			// Serve returns when Close closes the server; there is nothing to do about
			// another error but to let the crawler find the portal unreachable.
			_ = server.Serve(p.listener)
		})
	}
}

// Close stops the portals and waits until none serves.
func (d *Demo) Close() error {
	var errs []error
	for _, s := range d.servers {
		errs = append(errs, s.Close())
	}
	if len(d.servers) == 0 { // built, never started
		for _, p := range d.portals {
			errs = append(errs, p.listener.Close())
		}
	}
	d.serving.Wait()
	return errors.Join(errs...)
}

// Portals are the demo's portals, in the order of their ports.
func (d *Demo) Portals() []*DemoPortal { return slices.Clone(d.portals) }

// Portal finds a portal by its name, nil if there is none.
func (d *Demo) Portal(name string) *DemoPortal {
	for _, p := range d.portals {
		if p.spec.name == name {
			return p
		}
	}
	return nil
}

// Merchants is the number of shops in a market, "FR" or "GB".
func (d *Demo) Merchants(market cashback.Country) int { return len(d.shops[market]) }

// LookupNetIP resolves the portals' names, and nothing else, to loopback: not
// every system resolves names under localhost (RFC 6761 only asks it to).
func (d *Demo) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if name, ok := strings.CutSuffix(strings.TrimSuffix(host, "."), ".localhost"); ok && d.Portal(name) != nil {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	return nil, &net.DNSError{Err: "no such demo portal", Name: host, IsNotFound: true}
}

// Serves says whether an address is a demo portal's: the only loopback that the
// crawler may dial.
func (d *Demo) Serves(addr netip.AddrPort) bool {
	return slices.ContainsFunc(d.portals, func(p *DemoPortal) bool {
		return p.listener.Addr().(*net.TCPAddr).AddrPort() == addr
	})
}

// Break switches a fault of a portal on, or off with Healthy.
func (d *Demo) Break(portal string, f Fault) error {
	if d.Portal(portal) == nil {
		return cashback.Errorf(cashback.NotFound, "there is no demo portal %q", portal)
	}
	if !slices.Contains(faults, f) {
		return cashback.Errorf(cashback.Invalid, "%q is not a fault: use one of %q", f, faults)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults[portal] = f
	return nil
}

func (d *Demo) fault(portal string) Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faults[portal]
}

// DemoPortal is one portal: a site with its own technique, words and rates.
type DemoPortal struct {
	// Origin is the site's address: http://NAME.localhost:PORT.
	Origin string

	demo     *Demo
	spec     demoSpec
	canary   string // the shop that its definition says must be found
	listener net.Listener
	all      []listing
	mux      *http.ServeMux
	pages    templates
}

// Name is the portal's name in its address, and its id in its definition.
func (p *DemoPortal) Name() string { return p.spec.name }

// Market is the country whose shops the portal lists.
func (p *DemoPortal) Market() cashback.Country { return p.spec.market }

// Definition is the portal's definition (DESIGN.md, "A portal definition"), with
// its present address.
func (p *DemoPortal) Definition() ([]byte, error) {
	b, err := demoFiles.ReadFile("demo/definitions/" + p.spec.name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("definition of the demo portal %s: %w", p.spec.name, err)
	}
	host := strings.TrimPrefix(p.Origin, "http://")
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("@ORIGIN@"), []byte(p.Origin)), []byte("@HOST@"), []byte(host)), nil
}

var canaryForm = regexp.MustCompile(`(?m)^canaries: \[\{merchant: ([^,}]+),`)

// canaryOf is the shop that a portal's definition pins: the portal lists it, and
// pays for it, whatever the seed.
func canaryOf(portal string) (string, error) {
	b, err := demoFiles.ReadFile("demo/definitions/" + portal + ".yaml")
	if err != nil {
		return "", fmt.Errorf("definition of the demo portal %s: %w", portal, err)
	}
	m := canaryForm.FindSubmatch(b)
	if m == nil {
		return "", cashback.Errorf(cashback.Internal, "the definition of the demo portal %s pins no shop", portal)
	}
	return string(m[1]), nil
}

// Size is the number of shops that the portal lists now.
func (p *DemoPortal) Size() int { return len(p.listed()) }

// Past is what the portal showed at a shop at an earlier time: the text of its
// list, the previous rate's text ("" without a promotion), and the tiers of its
// own page. The shop is found by the path of its page or the portal's name for
// it; ok is false where the portal doesn't list it.
func (p *DemoPortal) Past(link string, at time.Time) (rate, previous string, q Quote, ok bool) {
	for _, l := range p.all {
		if strings.HasSuffix(link, p.path(l)) {
			q = p.quote(l.shop, at)
			return p.rate(q), p.was(q), q, true
		}
	}
	return "", "", Quote{}, false
}

// listed are the shops that the portal shows now.
func (p *DemoPortal) listed() []listing {
	if p.demo.fault(p.spec.name) != HalfMissing {
		return p.all
	}
	var half []listing
	for _, l := range p.all {
		if l.number%2 == 0 {
			half = append(half, l)
		}
	}
	return half
}

// path is the path of the portal's own page for a shop.
func (p *DemoPortal) path(l listing) string {
	return fmt.Sprintf("/%s/%s-%d", p.spec.shopPath, l.Slug, l.number)
}

// out is the path of the click-out, which robots.txt forbids to crawlers.
func (p *DemoPortal) out(l listing) string {
	return fmt.Sprintf("/%s/%d", p.spec.outPath, l.number)
}

// ServeHTTP answers for the portal: its faults first, then robots.txt, then its
// pages, with an ETag each, as a site behind a good cache does.
func (p *DemoPortal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != strings.TrimPrefix(p.Origin, "http://") {
		http.Error(w, "this is "+p.Origin, http.StatusMisdirectedRequest)
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == "/demo/fault" {
		p.setFault(w, r)
		return
	}
	if p.demo.fault(p.spec.name) == Down {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "back in a moment", http.StatusServiceUnavailable)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "this site only answers GET", http.StatusMethodNotAllowed)
		return
	}
	page := &held{header: http.Header{}, status: http.StatusOK}
	p.mux.ServeHTTP(page, r)
	body := page.body.Bytes()
	if p.demo.fault(p.spec.name) == NewLayout && r.URL.Path != "/robots.txt" && r.URL.Path != "/" {
		body = []byte(strings.NewReplacer(p.spec.relayout...).Replace(string(body)))
	}
	maps.Copy(w.Header(), page.header)
	if page.status == http.StatusOK {
		sum := sha256.Sum256(body)
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(page.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader has gone: nothing to tell it
	}
}

// setFault is the switch on the portal's home page, so that somebody who tries
// the demo can watch what the gate does.
func (p *DemoPortal) setFault(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "only this page may switch faults", http.StatusForbidden)
		return
	}
	if err := p.demo.Break(p.spec.name, Fault(r.PostFormValue("fault"))); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// held keeps a page until its ETag is known.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
