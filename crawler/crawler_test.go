package crawler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cagnotte/cagnotte/crawler/fetch"
	"github.com/cagnotte/cagnotte/crawler/gate"
	"github.com/cagnotte/cagnotte/crawler/portal"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/portaltest"
	"github.com/cagnotte/cagnotte/internal/schedule"
	"github.com/cagnotte/cagnotte/internal/store"
)

// rig is a crawler over a real store, a real catalogue and real HTTP on loopback,
// with small limits.
type rig struct {
	testing.TB
	clock     *clock
	store     kept
	catalogue *merchant.Catalogue
	*Crawler
	runs int
}

// small are limits that let hostile portals end soon; its times stay generous for a
// machine that is busy, but where a portal is there to meet them: see hasty.
var small = fetch.Limits{Body: 6 << 20, BodyMost: 8 << 20, Backoff: time.Millisecond, MostBack: 10 * time.Millisecond, Tries: 2}

func hasty(l fetch.Limits) fetch.Limits {
	l.Dial, l.TLS, l.Header, l.Wall, l.RateWindow = time.Second, time.Second, 400*time.Millisecond, 1500*time.Millisecond, 300*time.Millisecond
	return l
}

// alone is a catalogue that one run at a time has.
type alone struct {
	*merchant.Catalogue
	mu sync.Mutex
}

func (a *alone) Open(context.Context) (*merchant.Catalogue, func(), error) {
	a.mu.Lock()
	return a.Catalogue, a.mu.Unlock, nil
}

func newRig(t testing.TB, change func(*Config, *fetch.Config)) *rig {
	t.Helper()
	r := &rig{TB: t, clock: newClock(), catalogue: newCatalogue(t)}
	r.store = openStore(t, t.TempDir(), r.clock.now)
	f := fetch.Config{Now: r.clock.now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal, State: r.store, Pages: r.store, Limits: small}
	c := Config{Stages: r.store, Publisher: r.store, Catalogue: &alone{Catalogue: r.catalogue}, Now: r.clock.now}
	if change != nil {
		change(&c, &f)
	}
	if c.Opener == nil {
		transport, err := fetch.New(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(transport.Close)
		c.Opener = transport
	}
	var err error
	if r.Crawler, err = New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// load reads a definition and makes its portal known to the store.
func (r *rig) load(definition []byte) *portal.Definition {
	r.Helper()
	def, err := portal.Load("test.yaml", definition)
	if err != nil {
		r.Fatal(err)
	}
	if err := r.store.SavePortals(context.Background(), []cashback.Portal{def.Portal()}); err != nil {
		r.Fatal(err)
	}
	return def
}

// crawl runs a portal, six hours after the run before.
func (r *rig) crawl(def *portal.Definition, o Options) Report {
	r.Helper()
	report, err := r.try(def, o)
	if err != nil {
		r.Fatal(err)
	}
	return report
}

func (r *rig) try(def *portal.Definition, o Options) (Report, error) {
	r.clock.forward(6 * time.Hour)
	if r.runs++; o.Run == "" {
		o.Run = fmt.Sprintf("%s-%03d", def.ID(), r.runs)
	}
	return r.Run(context.Background(), def, o)
}

// live are a portal's published offers, by key.
func (r *rig) live(portal string) map[string]cashback.Offer {
	r.Helper()
	e, err := r.store.Evidence(context.Background(), portal, nil)
	if err != nil {
		r.Fatal(err)
	}
	out := make(map[string]cashback.Offer)
	for _, o := range e.Live {
		out[o.Entry.Key] = o
	}
	return out
}

// rates are the headlines of published offers that readers may rely on, by the path
// of their link.
func rates(offers map[string]cashback.Offer) map[string]string {
	out := make(map[string]string)
	for _, o := range offers {
		if m, ok := gate.MeasureOf(o); ok && o.Status == cashback.OK {
			_, path, _ := strings.Cut(strings.TrimPrefix(o.Entry.Link, "http://"), "/")
			out["/"+path] = fmt.Sprintf("%s %d", m.Unit, m.Value)
		}
	}
	return out
}

// values are the headlines of all published offers, doubted ones too.
func values(offers map[string]cashback.Offer) map[string]string {
	for key, o := range offers {
		o.Status = cashback.OK
		offers[key] = o
	}
	return rates(offers)
}

// truth are the rates that a shelf shows.
func truth(s portaltest.Shelf) map[string]string {
	out := make(map[string]string)
	for _, w := range s.All() {
		whole, tenth, _ := strings.Cut(strings.TrimSuffix(w.Rate, " %"), ",")
		out[w.Link] = "percent " + whole + tenth + "000"
	}
	return out
}

// shelf serves a shelf until the test ends.
func serve(t testing.TB, s portaltest.Shelf, wrap func(http.Handler) http.Handler) (*portaltest.Site, []byte) {
	t.Helper()
	var h http.Handler = s
	if wrap != nil {
		h = wrap(s)
	}
	site, err := portaltest.NewSite(s.Name+".localhost", h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	return site, s.Definition(site.Host())
}

func TestRunPublishes(t *testing.T) {
	s := portaltest.Shelf{Name: "plain", Pages: 3, PerPage: 10}
	site, definition := serve(t, s, nil)
	r := newRig(t, nil)
	def := r.load(definition)
	var steps []Progress
	report := r.crawl(def, Options{Progress: func(p Progress) { steps = append(steps, p) }})
	if !report.Complete || report.Finish != FinishDone || report.Verdict != cashback.Publish || report.Pages != 3 || report.Offers != 30 || report.WithRate != 30 || report.Added != 30 || report.Reason != "" {
		t.Fatalf("%+v", report)
	}
	if got, want := rates(r.live("plain")), truth(s); !maps.Equal(got, want) {
		t.Errorf("published %v, want %v", got, want)
	}
	for _, o := range r.live("plain") {
		rc := o.Receipt
		if rc.Portal != "plain" || !strings.HasPrefix(rc.URL, site.URL("/boutiques?page=")) || rc.ReadAt.IsZero() || rc.RawText == "" || len(rc.Hash) != 64 || rc.DefinitionVersion != def.Version() || rc.Run != report.ID || o.Merchant == 0 {
			t.Fatalf("%+v", o)
		}
	}
	if first, last := steps[0], steps[len(steps)-1]; first.Pages != 0 || first.Known != 1 || !last.Done || last.Pages != 3 || last.Offers != 30 {
		t.Errorf("progress %+v", steps)
	}
	if got := strings.Join(site.Paths(), " "); got != "/robots.txt /boutiques?page=1 /boutiques?page=2 /boutiques?page=3" {
		t.Errorf("asked for %s", got)
	}
}

// TestCollyEnvironment: colly's COLLY_* variables beat its own options; ours are set
// after them.
func TestCollyEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"ALLOWED_DOMAINS": "nowhere.test", "CACHE_DIR": filepath.Join(t.TempDir(), "cache"), "DETECT_CHARSET": "yes", "DISABLE_COOKIES": "no", "DISALLOWED_DOMAINS": "plain.localhost", "IGNORE_ROBOTSTXT": "no",
		"FOLLOW_REDIRECTS": "no", "MAX_BODY_SIZE": "10", "MAX_DEPTH": "1", "MAX_REQUESTS": "1", "PARSE_HTTP_ERROR_RESPONSE": "no", "TRACE_HTTP": "yes", "USER_AGENT": "Mozilla/5.0",
	} {
		t.Setenv("COLLY_"+name, value)
	}
	s := portaltest.Shelf{Name: "plain", Pages: 2, PerPage: 10}
	site, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/boutiques" && r.URL.Query().Get("page") == "1" {
				http.Redirect(w, r, "/boutiques", http.StatusFound) // the same page
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	r := newRig(t, nil)
	c := collector(t.Context(), nil)
	if c.MaxBodySize != 0 || c.MaxDepth != 0 || c.MaxRequests != 0 || c.CacheDir != "" || !c.IgnoreRobotsTxt || !c.AllowURLRevisit || !c.ParseHTTPErrorResponse || c.Async || c.DetectCharset || c.TraceHTTP || c.UserAgent != "" || c.AllowedDomains != nil || c.DisallowedDomains != nil {
		t.Errorf("%+v", c)
	}
	if report := r.crawl(r.load(definition), Options{}); !report.Complete || report.Offers != 20 {
		t.Errorf("%+v", report)
	}
	for _, a := range site.Asked() {
		if ua := a.Header.Get("User-Agent"); !strings.HasPrefix(ua, fetch.Product+"/") {
			t.Errorf("user agent %q", ua)
		}
	}
}

// TestMechanism11ItemBackoff: what a run comes to for its schedule.
func TestMechanism11ItemBackoff(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		report Report
		want   schedule.Result
	}{
		{"published", Report{Run: cashback.Run{Offers: 3, Verdict: cashback.Publish, Finish: FinishDone}}, schedule.Result{}},
		{"partial", Report{Run: cashback.Run{Offers: 3, Verdict: cashback.PublishUpserts, Finish: FinishPages}, Reason: "page 2 is missing"}, schedule.Result{}},
		{"down", Report{Run: cashback.Run{Finish: FinishError}, Reason: "the host answered 502", RetryAt: at}, schedule.Result{Err: "the host answered 502", RetryAfter: at}},
		{"held back", Report{Run: cashback.Run{Offers: 3, Verdict: cashback.Hold}, Health: cashback.PortalHealth{RecrawlAt: at}}, schedule.Result{Err: "the run was held back", Again: at}},
		{"the first good one after bad ones", Report{Run: cashback.Run{Offers: 3, Verdict: cashback.Hold, EndedAt: at}, Health: cashback.PortalHealth{State: cashback.Broken, Good: 1}}, schedule.Result{Waits: true, Again: at.Add(15 * time.Minute)}},
		{"new layout", Report{Run: cashback.Run{Verdict: cashback.Hold, Finish: FinishNoItems}, Reason: "x", Layout: true}, schedule.Result{Err: "x", Layout: true}},
		{"stopped", Report{Run: cashback.Run{Offers: 1, Finish: FinishCanceled}, Reason: "x"}, schedule.Result{Cancelled: true}},
	} {
		if got := c.report.Result(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestMechanism15Charset: names arrive as the page means them, whatever it says and
// however often it is decoded on the way.
func TestMechanism15Charset(t *testing.T) {
	s := portaltest.Shelf{Name: "charset", Pages: 1, PerPage: 30} // with Sephora, Décathlon and others
	latin := func(text string) []byte {
		var b []byte
		for _, c := range text {
			b = append(b, byte(c))
		}
		return b
	}
	var header string
	var body []byte
	_, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/boutiques" {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", header)
			_, _ = w.Write(body)
		})
	})
	page := func(name, meta string) string {
		var b strings.Builder
		fmt.Fprintf(&b, `<html><head>%s<title>x</title></head><ul id="list">`, meta)
		for i := range 30 {
			fmt.Fprintf(&b, `<li class="shop"><a href="/b/%d"><b class="name">%s %d</b></a><span class="rate">2,5 %%</span></li>`, i, name, i)
		}
		return b.String()
	}
	for _, c := range []struct {
		name, header string
		body         []byte
	}{
		{"utf-8 by header", "text/html; charset=utf-8", []byte(page("Café Été", ""))},
		{"utf-8 unsaid", "text/html", []byte(page("Café Été", ""))},
		{"latin-1 by header", "text/html; charset=ISO-8859-1", latin(page("Café Été", ""))},
		{"latin-1 by meta", "text/html", latin(page("Café Été", `<meta charset="iso-8859-1">`))},
		{"latin-1 unsaid", "text/html", latin(page("Café Été", ""))},
		{"byte order mark before header", "text/html; charset=iso-8859-1", append([]byte("\xEF\xBB\xBF"), page("Café Été", "")...)},
	} {
		header, body = c.header, c.body
		r := newRig(t, nil)
		report := r.crawl(r.load(definition), Options{})
		live := r.live("charset")
		if len(live) != 30 {
			t.Errorf("%s: %d offers, %+v", c.name, len(live), report)
		}
		for _, o := range live {
			if !strings.HasPrefix(o.Entry.Name, "Café Été ") {
				t.Errorf("%s: %q", c.name, o.Entry.Name)
				break
			}
		}
	}
}

// TestMechanism21Traps: see also hostile 15, 16 and 41.
func TestMechanism21Traps(t *testing.T) {
	t.Run("pages of a run", func(t *testing.T) {
		s := portaltest.Shelf{Name: "long", Pages: 30, PerPage: 5}
		site, definition := serve(t, s, nil)
		r := newRig(t, func(c *Config, _ *fetch.Config) { c.Limits.Pages = 7 })
		report := r.crawl(r.load(definition), Options{})
		if report.Complete || report.Finish != FinishPages || report.Pages != 7 || len(site.Asked()) != 8 || report.Offers != 35 || report.Verdict != cashback.PublishUpserts {
			t.Errorf("%+v", report)
		}
	})
	t.Run("bytes of a run", func(t *testing.T) {
		s := portaltest.Shelf{Name: "heavy", Pages: 30, PerPage: 5, Pad: 20_000}
		_, definition := serve(t, s, nil)
		r := newRig(t, func(c *Config, _ *fetch.Config) { c.Limits.Bytes = 100_000 })
		report := r.crawl(r.load(definition), Options{})
		if report.Complete || report.Finish != FinishBytes || report.Bytes > 130_000 || report.Offers == 0 {
			t.Errorf("%+v", report)
		}
	})
	t.Run("time of a run", func(t *testing.T) {
		s := portaltest.Shelf{Name: "slow", Pages: 30, PerPage: 5}
		var r *rig
		_, definition := serve(t, s, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.clock.forward(10 * time.Minute); h.ServeHTTP(w, q) })
		})
		r = newRig(t, nil)
		report := r.crawl(r.load(definition), Options{})
		if report.Complete || report.Finish != FinishWall || report.Pages < 5 || report.Pages > 13 {
			t.Errorf("%+v", report)
		}
	})
}

// TestListsOfTheSameShops: a portal whose list is asked for in two orders shows no new
// shop in the second, and is read to its end all the same.
func TestListsOfTheSameShops(t *testing.T) {
	s := portaltest.Shelf{Name: "orders", Pages: 5, PerPage: 4}
	site, definition := serve(t, s, nil)
	twice := strings.Replace(string(definition), "page={page}", "page={page}&sort={sort}", 1)
	twice = strings.Replace(twice, "    paging:", "    seeds: {sort: [az, new]}\n    paging:", 1)
	r := newRig(t, nil)
	if report := r.crawl(r.load([]byte(twice)), Options{}); !report.Complete || report.Offers != 20 || report.Pages != 10 || len(site.Asked()) != 11 {
		t.Errorf("%+v", report)
	}
}

// TestMechanism23BackPressure: a run asks for one page at a time and has no
// goroutines of its own.
func TestMechanism23BackPressure(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	s := portaltest.Shelf{Name: "pressed", Pages: 10, PerPage: 20}
	_, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			h.ServeHTTP(w, r)
			mu.Lock()
			now--
			mu.Unlock()
		})
	})
	r := newRig(t, nil)
	def := r.load(definition)
	r.crawl(def, Options{})
	if most != 1 {
		t.Errorf("%d requests at once", most)
	}
	t.Run("one run of a portal at a time", func(t *testing.T) {
		if err := r.enter(def.ID()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.try(def, Options{}); cashback.KindOf(err) != cashback.Conflict {
			t.Errorf("%v", err)
		}
		r.leave(def.ID())
		if _, err := r.try(def, Options{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("addresses that wait", func(t *testing.T) {
		r := newRig(t, func(c *Config, _ *fetch.Config) { c.Limits.Waiting = 1; c.Limits.Items = 50 })
		report := r.crawl(r.load(definition), Options{})
		if report.Complete || report.Offers > 100 || len(report.Notes) == 0 {
			t.Errorf("%+v", report)
		}
	})
}

// TestMechanism24CrashSafety: a run that is killed at any moment is gone on with; at
// most one page is asked for again, and readers never see a half of it.
func TestMechanism24CrashSafety(t *testing.T) {
	if dir := os.Getenv("CAGNOTTE_TEST_DIR"); dir != "" { // the process to kill
		definition, err := os.ReadFile(os.Getenv("CAGNOTTE_TEST_DEFINITION"))
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{TB: t, clock: newClock(), catalogue: newCatalogue(t)}
		r.store = openStore(t, dir, time.Now)
		transport, err := fetch.New(fetch.Config{Now: time.Now, Resolver: portaltest.Resolver{}, Local: portaltest.IsLocal, State: r.store})
		if err != nil {
			t.Fatal(err)
		}
		if r.Crawler, err = New(Config{Opener: transport, Stages: r.store, Publisher: r.store, Catalogue: &alone{Catalogue: r.catalogue}, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		r.crawl(r.load(definition), Options{Run: os.Getenv("CAGNOTTE_TEST_RUN")})
		return
	}
	s := portaltest.Shelf{Name: "killed", Pages: 12, PerPage: 10}
	asked := make(chan string, 100)
	site, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.URL.RequestURI()
			h.ServeHTTP(w, r)
		})
	})
	dir := t.TempDir()
	file := filepath.Join(dir, "definition.yaml")
	if err := os.WriteFile(file, definition, 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	start := func(run string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMechanism24CrashSafety$")
		cmd.Env = append(os.Environ(), "CAGNOTTE_TEST_DIR="+data, "CAGNOTTE_TEST_DEFINITION="+file, "CAGNOTTE_TEST_RUN="+run)
		cmd.Stderr, cmd.Stdout = os.Stderr, nil
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	kills := 0
	for _, after := range []int{1, 3, 5} { // requests seen, robots.txt among them
		cmd := start(fmt.Sprintf("run-%d", kills))
		for range after {
			select {
			case <-asked:
			case <-time.After(30 * time.Second):
				t.Fatal("nothing is asked for")
			}
		}
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()
		kills++
		for len(asked) > 0 {
			<-asked
		}
		st := openStore(t, data, time.Now)
		if e, err := st.Evidence(context.Background(), "killed", nil); err == nil && len(e.Live) != 0 {
			t.Errorf("%d offers of an unfinished run are published", len(e.Live))
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := start("run-last").Wait(); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, p := range site.Paths() {
		times[p]++
	}
	again := 0
	for n := range 12 {
		path := s.Path(n + 1)
		if times[path] == 0 {
			t.Errorf("%s was never read", path)
		}
		again += times[path] - 1
	}
	if again > kills {
		t.Errorf("%d kills, and %d pages were asked for again", kills, again)
	}
	st := openStore(t, data, time.Now)
	e, err := st.Evidence(context.Background(), "killed", nil)
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]cashback.Offer{}
	for _, o := range e.Live {
		live[o.Entry.Key] = o
	}
	if !maps.Equal(rates(live), truth(s)) {
		t.Errorf("%d offers of %d are right", len(rates(live)), len(truth(s)))
	}
}

// turning serves a shelf with pages that tests change.
func turning(t testing.TB, s portaltest.Shelf) (page func(f func(n int, healthy string) string), site *portaltest.Site, definition []byte) {
	var mu sync.Mutex
	change := func(_ int, healthy string) string { return healthy }
	site, definition = serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := &recorder{header: http.Header{}}
			h.ServeHTTP(rec, r)
			maps.Copy(w.Header(), rec.header)
			body := rec.body.String()
			if r.URL.Path == "/boutiques" {
				n := 1
				_, _ = fmt.Sscan(r.URL.Query().Get("page"), &n)
				mu.Lock()
				body = change(n, body)
				mu.Unlock()
			}
			if rec.status != 0 {
				w.WriteHeader(rec.status)
			}
			_, _ = w.Write([]byte(body))
		})
	})
	return func(f func(int, string) string) {
		mu.Lock()
		defer mu.Unlock()
		change = f
	}, site, definition
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(s int)           { r.status = s }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// TestMechanism25LayoutChange: a page that isn't what the definition expects is said
// to be so; the data is kept, the page too.
func TestMechanism25LayoutChange(t *testing.T) {
	s := portaltest.Shelf{Name: "layout", Pages: 2, PerPage: 20}
	page, _, definition := turning(t, s)
	pages := &specimens{}
	r := newRig(t, func(c *Config, _ *fetch.Config) { c.Specimens = pages })
	def := r.load(definition)
	r.crawl(def, Options{})
	before := rates(r.live("layout"))
	page(func(_ int, healthy string) string {
		return strings.NewReplacer(`class="shop"`, `class="card"`, `id="list"`, `id="grid"`).Replace(healthy)
	})
	report := r.crawl(def, Options{})
	if report.Complete || report.Verdict != cashback.Hold || !report.Layout || report.Outcomes[cashback.PageNotUnderstood] == 0 || report.Result().Err == "" {
		t.Errorf("%+v", report)
	}
	if report.Health.State != cashback.Suspect || report.Health.RecrawlAt.IsZero() {
		t.Errorf("%+v", report.Health)
	}
	if !maps.Equal(rates(r.live("layout")), before) {
		t.Error("the last good offers are gone")
	}
	if len(pages.kept) == 0 || !strings.Contains(pages.kept[0], "card") {
		t.Errorf("%d specimens", len(pages.kept))
	}
}

type specimens struct{ kept []string }

func (s *specimens) SaveSpecimen(_ context.Context, _, _, _, _ string, body []byte) error {
	s.kept = append(s.kept, string(body))
	return nil
}

// checkPartial is part of the harness: it must notice a crawler that removes on a
// partial run (see TestPlantedFaults).
func checkPartial(t testing.TB, plant func(*Crawler)) bool {
	s := portaltest.Shelf{Name: "partial", Pages: 4, PerPage: 5}
	var failing atomic.Bool
	_, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if failing.Load() && r.URL.Query().Get("page") == "4" {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	r := newRig(t, nil)
	if plant != nil {
		plant(r.Crawler)
	}
	def := r.load(definition)
	r.crawl(def, Options{})
	before := rates(r.live("partial"))
	// Page 4 isn't to be had: its shops are missing, not gone.
	failing.Store(true)
	for range 4 {
		if report := r.crawl(def, Options{}); plant == nil && (report.Complete || report.Verdict != cashback.PublishUpserts || report.Offers != 15) {
			t.Errorf("%+v", report)
		}
	}
	return maps.Equal(rates(r.live("partial")), before)
}

func TestMechanism26MassRemoval(t *testing.T) {
	if !checkPartial(t, nil) {
		t.Error("a partial run removed offers")
	}
	s := portaltest.Shelf{Name: "removal", Pages: 5, PerPage: 50}
	page, _, definition := turning(t, s)
	r := newRig(t, nil)
	def := r.load(definition)
	for range 3 {
		r.crawl(def, Options{})
	}
	gone := s.Wares(1)[:2]
	page(func(_ int, healthy string) string {
		for _, w := range gone {
			from := strings.Index(healthy, `<li class="shop"><a href="`+w.Link+`"`)
			if from >= 0 {
				to := from + strings.Index(healthy[from:], "</li>") + len("</li>")
				healthy = healthy[:from] + healthy[to:]
			}
		}
		return healthy
	})
	if report := r.crawl(def, Options{}); report.Removed != 0 || !report.Complete {
		t.Errorf("after one run without them: %+v", report)
	}
	if report := r.crawl(def, Options{}); report.Removed != 2 {
		t.Errorf("after two: %+v", report)
	}
	if n := len(r.live("removal")); n != 248 {
		t.Errorf("%d offers are left", n)
	}
	t.Run("nine of ten at once", func(t *testing.T) {
		gone = s.All()[:225]
		for range 4 {
			if report := r.crawl(def, Options{}); report.Removed != 0 || report.Verdict != cashback.Hold {
				t.Errorf("%+v", report)
			}
		}
		if n := len(r.live("removal")); n != 248 {
			t.Errorf("%d offers are left", n)
		}
	})
}

// TestPlantedFaults: the harness notices the fault that it is there for.
func TestPlantedFaults(t *testing.T) {
	if checkPartial(t, func(c *Crawler) {
		c.judge = func(in gate.Input) cashback.Judgement { // as if every run were complete
			in.Staged.Run.Complete = true
			return gate.Judge(in)
		}
	}) {
		t.Error("a crawler that removes on a partial run passes")
	}
}

// TestMechanism27ChangeDetection: the pages' records decide whether something
// changed, not their bytes.
func TestMechanism27ChangeDetection(t *testing.T) {
	s := portaltest.Shelf{Name: "changes", Pages: 2, PerPage: 20}
	page, _, definition := turning(t, s)
	r := newRig(t, nil)
	def := r.load(definition)
	r.crawl(def, Options{})
	n := 0
	page(func(_ int, healthy string) string {
		n++
		return strings.Replace(healthy, "<body>", fmt.Sprintf(`<body><!-- %d --><input type="hidden" value="token-%d">`, n, n), 1)
	})
	if report := r.crawl(def, Options{}); report.Added+report.Changed+report.Removed != 0 || !report.Complete {
		t.Errorf("other bytes, same shops: %+v", report)
	}
	w := s.Wares(1)[0]
	page(func(n int, healthy string) string {
		if n != 1 {
			return healthy
		}
		return strings.Replace(healthy, `<span class="rate">`+w.Rate, `<span class="rate">1,1 %`, 1)
	})
	report := r.crawl(def, Options{})
	if report.Changed != 1 || report.Added+report.Removed != 0 {
		t.Errorf("one rate moved: %+v", report)
	}
	for _, o := range r.live("changes") {
		if o.Receipt.Run != report.ID && o.Receipt.ReadAt.Before(report.StartedAt) {
			t.Errorf("%s was checked in this run, and its receipt says %v", o.Entry.Name, o.Receipt.ReadAt)
			break
		}
	}
}

// TestMechanism29RunReport: the report holds what happened, is stored and logged.
func TestMechanism29RunReport(t *testing.T) {
	s := portaltest.Shelf{Name: "report", Pages: 3, PerPage: 10}
	fail := true
	site, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/robots.txt":
				fmt.Fprint(w, "User-agent: *\nDisallow: /closed\n")
			case r.URL.Query().Get("page") == "2" && fail:
				fail = false
				w.WriteHeader(502)
			default:
				w.Header().Set("ETag", `"1"`)
				if r.Header.Get("If-None-Match") != "" {
					w.WriteHeader(304)
					return
				}
				h.ServeHTTP(w, r)
			}
		})
	})
	var log bytes.Buffer
	r := newRig(t, func(c *Config, _ *fetch.Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	def := r.load(definition)
	first := r.crawl(def, Options{Run: "report-1"})
	if first.Requests != 5 || first.Retries != 1 || first.Outcomes[cashback.FetchUpstream] != 1 || first.Outcomes[cashback.PageOK] != 3 || first.Bytes == 0 || first.NotModified != 0 || !first.Complete || !first.EndedAt.After(first.StartedAt) {
		t.Errorf("%+v", first)
	}
	second := r.crawl(def, Options{Run: "report-2"})
	if second.NotModified != 3 || second.Pages != 3 || second.Offers != 30 || second.Added+second.Changed != 0 {
		t.Errorf("%+v", second)
	}
	if n := len(site.Asked()); n != 8 { // robots.txt is kept
		t.Errorf("%d requests", n)
	}
	stored, err := r.store.As(store.Operator).Runs(context.Background(), "report", 10)
	if err != nil || len(stored) != 2 || stored[0].ID != "report-2" || stored[1].Retries != 1 || stored[0].Verdict != cashback.Publish || len(stored[0].Findings) == 0 {
		t.Errorf("%v %+v", err, stored)
	}
	if !strings.Contains(log.String(), `"run":"report-1"`) || !strings.Contains(log.String(), `"finish":"done"`) {
		t.Errorf("log %s", log.String())
	}
	if forced := r.crawl(def, Options{Force: true}); forced.NotModified != 0 {
		t.Errorf("%+v", forced)
	}
}

// TestMechanism31Cancellation: a run that is told to stop ends soon, publishes
// nothing, and is gone on with.
func TestMechanism31Cancellation(t *testing.T) {
	t.Cleanup(func() {
		goleak.VerifyNone(t, goleak.IgnoreAnyFunction("net/http.(*Server).Serve"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	})
	s := portaltest.Shelf{Name: "stopped", Pages: 6, PerPage: 10}
	ctx, cancel := context.WithCancelCause(context.Background())
	hold := true
	site, definition := serve(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "4" && hold {
				hold = false
				cancel(errors.New("the operator stops the run"))
				<-r.Context().Done()
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	r := newRig(t, nil)
	def := r.load(definition)
	began := time.Now()
	report, err := r.Run(ctx, def, Options{Run: "stopped-1"})
	if err != nil || report.Finish != FinishCanceled || report.Complete || report.Pages != 3 || report.Verdict != "" || time.Since(began) > 2*time.Second || !report.Result().Cancelled {
		t.Fatalf("%+v, %v after %v", report, err, time.Since(began))
	}
	if len(r.live("stopped")) != 0 {
		t.Error("a part of it is published")
	}
	if stored, err := r.store.As(store.Operator).Run(context.Background(), "stopped-1"); err != nil || stored.Finish != FinishCanceled {
		t.Errorf("%v %+v", err, stored)
	}
	before := len(site.Asked())
	r.clock.forward(-6*time.Hour + 10*time.Minute)
	next := r.crawl(def, Options{Run: "stopped-2"})
	if next.ID != "stopped-1" || !next.Complete || next.Pages != 6 || next.Offers != 60 || len(site.Asked())-before != 3 {
		t.Errorf("%+v, asked for %v", next, site.Paths()[before:])
	}
	t.Run("not after hours", func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		stop()
		if report, err := r.Run(ctx, def, Options{Run: "stopped-3"}); err != nil || report.Finish != FinishCanceled {
			t.Fatalf("%+v %v", report, err)
		}
		if next := r.crawl(def, Options{Run: "stopped-4"}); next.ID != "stopped-4" || !next.Complete { // six hours later
			t.Errorf("%+v", next)
		}
	})
}

// TestStoreFails: what can't be stored isn't shown, and the catalogue is as before.
func TestStoreFails(t *testing.T) {
	s := portaltest.Shelf{Name: "failing", Pages: 2, PerPage: 10}
	_, definition := serve(t, s, nil)
	broken := errors.New("disk full")
	for _, where := range []string{"publish", "hold", "evidence", "stage", "open"} {
		t.Run(where, func(t *testing.T) {
			var r *rig
			var f *failing
			r = newRig(t, func(c *Config, _ *fetch.Config) {
				f = &failing{kept: c.Stages.(kept), err: broken}
				c.Stages, c.Publisher = f, f
			})
			def := r.load(definition)
			f.where = where
			if where == "hold" {
				r.judge = func(gate.Input) cashback.Judgement { return cashback.Judgement{Verdict: cashback.Hold} }
			}
			if _, err := r.try(def, Options{}); !errors.Is(err, broken) {
				t.Fatalf("%v", err)
			}
			if n := len(slices.Collect(r.catalogue.Merchants())); n != 0 || len(r.live("failing")) != 0 {
				t.Errorf("%d merchants are left", n)
			}
			f.where = ""
			r.judge = gate.Judge
			if report := r.crawl(def, Options{}); report.Added != 20 {
				t.Errorf("%+v", report)
			}
		})
	}
}

type failing struct {
	kept
	where string
	err   error
}

func (f *failing) OpenStage(ctx context.Context, want Stage) (Stage, bool, error) {
	if f.where == "open" {
		return Stage{}, false, f.err
	}
	return f.kept.OpenStage(ctx, want)
}

func (f *failing) StagePage(ctx context.Context, portal, run string, p StagedPage) error {
	if f.where == "stage" {
		return f.err
	}
	return f.kept.StagePage(ctx, portal, run, p)
}

func (f *failing) Evidence(ctx context.Context, portal string, ids []cashback.MerchantID) (Evidence, error) {
	if f.where == "evidence" && len(ids) > 0 {
		return Evidence{}, f.err
	}
	return f.kept.Evidence(ctx, portal, ids)
}

func (f *failing) Publish(ctx context.Context, p Publication) (cashback.Run, error) {
	if f.where == "publish" {
		return cashback.Run{}, f.err
	}
	return f.kept.Publish(ctx, p)
}

func (f *failing) Hold(ctx context.Context, s cashback.Snapshot, j cashback.Judgement) (cashback.Run, error) {
	if f.where == "hold" {
		return cashback.Run{}, f.err
	}
	return f.kept.Hold(ctx, s, j)
}

// TestAccept: an operator publishes what the gate held back.
func TestAccept(t *testing.T) {
	s := portaltest.Shelf{Name: "accepted", Pages: 2, PerPage: 20}
	page, _, definition := turning(t, s)
	r := newRig(t, nil)
	def := r.load(definition)
	for range 3 {
		r.crawl(def, Options{})
	}
	page(func(_ int, healthy string) string { return strings.ReplaceAll(healthy, ",", "") }) // tenfold
	held := r.crawl(def, Options{})
	if held.Verdict != cashback.Hold {
		t.Fatalf("%+v", held)
	}
	before := rates(r.live("accepted"))
	for _, c := range []struct{ run, by, reason string }{{"another", "op", "seen"}, {held.ID, "", "seen"}, {held.ID, "op", " "}} {
		if _, err := r.Accept(context.Background(), "accepted", c.run, c.by, c.reason); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if !maps.Equal(before, rates(r.live("accepted"))) {
		t.Fatal("something was published")
	}
	run, err := r.Accept(context.Background(), "accepted", held.ID, "op", "the portal says so")
	if err != nil || run.Changed == 0 {
		t.Fatalf("%+v, %v", run, err)
	}
	if maps.Equal(before, rates(r.live("accepted"))) {
		t.Error("nothing was published")
	}
	if _, err := r.Accept(context.Background(), "accepted", held.ID, "op", "again"); cashback.KindOf(err) != cashback.Conflict {
		t.Errorf("twice: %v", err)
	}
}

// What an operator accepts is what the evidence shows: shops that a complete run lacks
// go, and one offer that nobody pays isn't believed on an operator's word about thousands.
func TestAcceptCarriesOutTheEvidence(t *testing.T) {
	s := portaltest.Shelf{Name: "halved", Pages: 2, PerPage: 20}
	page, _, definition := turning(t, s)
	r := newRig(t, nil)
	def := r.load(definition)
	for range 3 {
		r.crawl(def, Options{})
	}
	odd := ""
	page(func(n int, healthy string) string {
		shops := strings.SplitAfter(healthy, "</li>")
		healthy = strings.Join(append(shops[:10:10], shops[len(shops)-1]), "")
		for _, w := range s.Wares(1) {
			from := strings.Index(healthy, `href="`+w.Link+`"`)
			if at := strings.Index(healthy[max(from, 0):], w.Rate); n == 1 && from >= 0 && at >= 0 {
				odd = w.Link
				return healthy[:from+at] + "80 %" + healthy[from+at+len(w.Rate):]
			}
		}
		return healthy
	})
	held := r.crawl(def, Options{})
	if held.Verdict != cashback.Hold || !held.Complete || odd == "" {
		t.Fatalf("%+v", held)
	}
	run, err := r.Accept(context.Background(), "halved", held.ID, "op", "half of it has closed")
	if err != nil || run.Removed != 20 || run.Verdict != cashback.Publish {
		t.Fatalf("%+v, %v", run, err)
	}
	live := r.live("halved")
	unverified := 0
	for _, o := range live {
		if o.Status == cashback.Unverified {
			unverified++
			if !strings.Contains(o.Entry.Link, odd) {
				t.Errorf("%s is unverified", o.Entry.Link)
			}
		}
	}
	if len(live) != 20 || unverified != 1 {
		t.Errorf("%d offers, %d of them unverified", len(live), unverified)
	}
	if next := r.crawl(def, Options{}); next.Verdict != cashback.Publish {
		t.Errorf("the next one like it: %+v", next)
	}
	for _, o := range r.live("halved") {
		if o.Status != cashback.OK {
			t.Errorf("%s, read twice: %s", o.Entry.Link, o.Status)
		}
	}
}
