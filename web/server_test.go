package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/cagnotte/cagnotte/internal/account"
)

// today is the day of every test.
var today = time.Date(2026, 10, 3, 14, 20, 0, 0, time.UTC)

func config() Config {
	return Config{
		Now:            func() time.Time { return today },
		Logger:         slog.New(slog.DiscardHandler),
		Random:         rand.Reader,
		Cost:           account.Cost{Memory: 64, Passes: 1, Threads: 1},
		OpenSignUp:     true,
		Secret:         deskSecret,
		Version:        "test",
		DefaultCountry: "FR",
	}
}

// ask sends a request from another machine.
func ask(h http.Handler, method, target string, change ...func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	r.Host, r.RemoteAddr = "localhost:8080", "192.0.2.7:4711"
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTable holds what chi serves to the table, and each line to its declaration.
func TestTable(t *testing.T) {
	s := newServer(t)
	declared := map[string]bool{}
	for _, r := range s.table {
		if declared[r.Name()] {
			t.Errorf("%s stands twice", r.Name())
		}
		declared[r.Name()] = true
	}
	served := map[string]bool{}
	err := chi.Walk(s.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served[method+" "+route] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(declared, served); d != "" {
		t.Errorf("the table and the router differ (-declared +served):\n%s", d)
	}
}

func TestUndeclared(t *testing.T) {
	whole := Route{"GET", "/x", Anybody, NoStore, 0, ratePages, func(*visit) (*reply, error) { return text(""), nil }}
	if err := whole.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Route){
		"method":      func(r *Route) { r.Method = "" },
		"pattern":     func(r *Route) { r.Pattern = "" },
		"access":      func(r *Route) { r.Access = 0 },
		"cache":       func(r *Route) { r.Cache = 0 },
		"body":        func(r *Route) { r.Body = -1 },
		"rate":        func(r *Route) { r.Rate = Rate{} },
		"handler":     func(r *Route) { r.answer = nil },
		"cached POST": func(r *Route) { r.Method, r.Cache = "POST", ByChange },
	} {
		r := whole
		spoil(&r)
		if r.check() == nil {
			t.Errorf("a route without %s was accepted", name)
		}
	}
}

// TestHeaders is the snapshot of what every route sends at every status: the same
// protection on pages, API, assets, redirects and errors.
func TestHeaders(t *testing.T) {
	s := newServer(t)
	always := map[string]string{
		"Content-Security-Policy":      policy,
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           permissions,
		"Referrer-Policy":              "same-origin",
		"X-Content-Type-Options":       "nosniff",
	}
	for _, c := range headerCases(t, s) {
		t.Run(c.name, func(t *testing.T) {
			r := ask(s.Handler(), c.method, c.target, c.change...)
			if r.StatusCode != c.status {
				t.Errorf("status %d, want %d: %s", r.StatusCode, c.status, body(t, r))
			}
			for k, want := range always {
				if got := r.Header.Values(k); len(got) != 1 || got[0] != want && k != "Referrer-Policy" {
					t.Errorf("%s: %q, want %q", k, got, want)
				}
			}
			if got := r.Header.Get("Referrer-Policy"); got != "same-origin" && !(c.leaves && got == "no-referrer") {
				t.Errorf("Referrer-Policy: %q", got)
			}
			if r.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
			if got := r.Header.Get("Cache-Control"); got != c.cache {
				t.Errorf("Cache-Control %q, want %q", got, c.cache)
			}
			if got := r.Header.Get("Content-Type"); got != c.kind {
				t.Errorf("Content-Type %q, want %q", got, c.kind)
			}
			for _, k := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin", "Set-Cookie"} {
				if v := r.Header.Get(k); v != "" {
					t.Errorf("%s: %q", k, v)
				}
			}
		})
	}
}

type headerCase struct {
	name, method, target string
	status               int
	cache, kind          string
	leaves               bool // the answer leads to another site
	change               []func(*http.Request)
}

func header(k, v string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(k, v) }
}

// deskSecret opens the operator's part of the API of the tests' servers.
const deskSecret = "who can read the folder"

var deskKey = []func(*http.Request){header("Authorization", "Bearer "+deskSecret)}

func lastRun(t testing.TB, s *Server, portal string) string {
	t.Helper()
	runs, err := s.operator().Runs(context.Background(), portal, 1)
	if err != nil || len(runs) == 0 {
		t.Fatalf("the last run of %s: %v", portal, err)
	}
	return runs[0].ID
}

func local(r *http.Request) { r.RemoteAddr = "127.0.0.1:4711" }

// headerCases has each route of the table once, and each status that the outer
// layers give.
func headerCases(t *testing.T, s *Server) []headerCase {
	const kept = "public, no-cache"
	fnac := shopNamed(t, s, "fnac")
	api := "/api/v1/merchants/" + strconv.Itoa(int(fnac.ID))
	desk := func(name, path string) headerCase {
		return headerCase{name: name, target: "/api/v1/ops/" + path, status: 200, cache: "private, no-store", kind: kindJSON, change: deskKey}
	}
	mine := ledgerOwner(t, s)
	own := func(name, path string) headerCase {
		return headerCase{name: name, target: "/api/v1/ledger/" + path, status: 200, cache: "private, no-store", kind: kindJSON, change: mine}
	}
	cases := []headerCase{
		{name: "home", target: "/fr", status: 200, cache: kept, kind: kindHTML},
		{name: "home with a slash", target: "/en/?country=GB", status: 200, cache: kept, kind: kindHTML},
		{name: "search", target: "/fr/search?q=fnac", status: 200, cache: kept, kind: kindHTML},
		{name: "pasted address", target: "/fr/search?q=https://www.fnac.com/a/1", status: 303, cache: "no-store", kind: kindText},
		{name: "type-ahead", target: "/fr/suggest?q=fn", status: 200, cache: kept, kind: kindJSON},
		{name: "shops", target: "/fr/shops", status: 200, cache: kept, kind: kindHTML},
		{name: "ready", target: "/readyz", status: 200, cache: "no-store", kind: kindText},
		{name: "api search", target: "/api/v1/search?q=fnac", status: 200, cache: kept, kind: kindJSON},
		{name: "api resolve", target: "/api/v1/resolve?url=https://www.fnac.com/a/1", status: 200, cache: kept, kind: kindJSON},
		{name: "shop", target: "/fr/shops/" + fnac.Slug, status: 200, cache: kept, kind: kindHTML},
		{name: "shop with a wrong amount", target: "/fr/shops/" + fnac.Slug + "?amount=x", status: 400, cache: "no-store", kind: kindHTML},
		{name: "portals", target: "/fr/portals", status: 200, cache: kept, kind: kindHTML},
		{name: "portal", target: "/fr/portals/sitot", status: 200, cache: kept, kind: kindHTML},
		{name: "join", target: "/fr/join?w_rates=10", status: 200, cache: "no-store", kind: kindHTML},
		{name: "join with wrong weights", target: "/fr/join?w_rates=11", status: 400, cache: "no-store", kind: kindHTML},
		{name: "compare", target: "/fr/compare?portal=sitot&portal=muet", status: 200, cache: "no-store", kind: kindHTML},
		{name: "api scores", target: "/api/v1/scores", status: 200, cache: "no-store", kind: kindJSON},
		{name: "api compare", target: "/api/v1/compare?portal=sitot&portal=muet", status: 200, cache: "no-store", kind: kindJSON},
		{name: "click-out", target: "/go/sitot/" + strconv.Itoa(int(fnac.ID)), status: 303, cache: "no-store", kind: kindText, leaves: true},
		{name: "no click-out", target: "/go/sitot/999", status: 404, cache: "no-store", kind: kindHTML},
		{name: "api merchant", target: api, status: 200, cache: kept, kind: kindJSON},
		{name: "api ranking", target: api + "/ranking", status: 200, cache: kept, kind: kindJSON},
		{name: "api curve", target: api + "/curve", status: 200, cache: kept, kind: kindJSON},
		{name: "api refusal", target: api + "/ranking?amount=x", status: 400, cache: "no-store", kind: kindProblem},
		{name: "api history", target: api + "/history", status: 200, cache: kept, kind: kindJSON},
		{name: "api portals", target: "/api/v1/portals", status: 200, cache: kept, kind: kindJSON},
		{name: "api portal", target: "/api/v1/portals/sitot", status: 200, cache: kept, kind: kindJSON},
		{name: "api offers", target: "/api/v1/offers?portal=sitot", status: 200, cache: kept, kind: kindJSON},
		{name: "api changes", target: "/api/v1/changes", status: 200, cache: kept, kind: kindJSON},
		{name: "api description", target: "/api/v1/openapi.json", status: 200, cache: kept, kind: kindJSON},
		{name: "api method", method: "PUT", target: api, status: 405, cache: "no-store", kind: kindProblem},
		{name: "front", target: "/", status: 302, cache: "no-store", kind: kindText},
		{name: "how", target: "/fr/how", status: 200, cache: kept, kind: kindHTML},
		{name: "asset", target: s.assets.url("site.css"), status: 200, cache: "public, max-age=31536000, immutable", kind: "text/css; charset=utf-8"},
		{name: "script", target: s.assets.url("ask.js"), status: 200, cache: "public, max-age=31536000, immutable", kind: "text/javascript; charset=utf-8"},
		{name: "old asset", target: "/assets/site.000000000000.css", status: 404, cache: "no-store", kind: kindHTML},
		{name: "favicon", target: "/favicon.ico", status: 303, cache: "no-store", kind: kindText},
		{name: "robots", target: "/robots.txt", status: 200, cache: "no-store", kind: kindText},
		{name: "alive", target: "/healthz", status: 200, cache: "no-store", kind: kindText},
		{name: "metrics from afar", target: "/metrics", status: 404, cache: "no-store", kind: kindHTML},
		{name: "metrics through a proxy", target: "/metrics", status: 404, cache: "no-store", kind: kindHTML, change: []func(*http.Request){local, header("X-Forwarded-For", "192.0.2.1")}},
		{name: "metrics", target: "/metrics", status: 200, cache: "no-store", kind: "text/plain; version=0.0.4; charset=utf-8", change: []func(*http.Request){local}},

		{name: "sign-in", target: "/fr/sign-in", status: 200, cache: "no-store", kind: kindHTML},
		{name: "sign-up", target: "/fr/sign-up", status: 200, cache: "no-store", kind: kindHTML},
		{name: "recovery", target: "/fr/recover", status: 200, cache: "no-store", kind: kindHTML},
		{name: "recovery link", target: "/recover?token=x", status: 303, cache: "no-store", kind: kindText},
		{name: "invitation", target: "/join?token=x", status: 303, cache: "no-store", kind: kindText},
		{name: "operator's link", target: "/operator?token=x", status: 303, cache: "no-store", kind: kindText},
		{name: "account of nobody", target: "/fr/account", status: 303, cache: "no-store", kind: kindText},
		{name: "import of nobody", target: "/fr/money/import", status: 303, cache: "no-store", kind: kindText},
		{name: "dry run of nobody", target: "/fr/money/import/1", status: 303, cache: "no-store", kind: kindText},
		{name: "cash of nobody", target: "/fr/money/cash", status: 303, cache: "no-store", kind: kindText},
		{name: "watch of nobody", target: "/fr/money/watch", status: 303, cache: "no-store", kind: kindText},
		{name: "calendar of nobody", target: "/fr/money/calendar.ics", status: 303, cache: "no-store", kind: kindText},
		{name: "claim of nobody", target: "/fr/money/purchases/1/claim", status: 303, cache: "no-store", kind: kindText},
		{name: "proof of nobody", target: "/fr/money/purchases/1/proof", status: 303, cache: "no-store", kind: kindText},
		{name: "money of nobody", target: "/fr/money", status: 303, cache: "no-store", kind: kindText},
		{name: "export of nobody", target: "/fr/money/export/csv", status: 303, cache: "no-store", kind: kindText},
		{name: "purchases of nobody", target: "/fr/money/purchases", status: 303, cache: "no-store", kind: kindText},
		{name: "purchase of nobody", target: "/fr/money/purchases/1", status: 303, cache: "no-store", kind: kindText},
		{name: "terms of nobody", target: "/fr/money/purchases/1/terms", status: 303, cache: "no-store", kind: kindText},
		{name: "leaving as nobody", target: "/fr/money/purchases/1/leave", status: 303, cache: "no-store", kind: kindText},
		{name: "balances of nobody", target: "/api/v1/ledger/balances", status: 401, cache: "no-store", kind: kindProblem},
		own("balances", "balances"), own("own purchases", "purchases"), own("an own purchase", "purchases/mine"), own("own alerts", "alerts"), own("own cash", "cash"),
		{name: "a calendar's feed", target: "/fr/calendar/" + calendarOf(t, s) + ".ics", status: 200, cache: "private, no-store", kind: "text/calendar; charset=utf-8"},
		{name: "no calendar's feed", target: "/fr/calendar/cagnotte_x.ics", status: 404, cache: "no-store", kind: kindHTML},
		{name: "payouts of nobody", target: "/fr/money/payouts", status: 303, cache: "no-store", kind: kindText},
		{name: "rules of nobody", target: "/fr/money/rules", status: 303, cache: "no-store", kind: kindText},
		{name: "a rule of nobody", target: "/fr/money/rules/quidco", status: 303, cache: "no-store", kind: kindText},
		{name: "a rule's file of nobody", target: "/fr/money/rules/quidco/file", status: 303, cache: "no-store", kind: kindText},
		{name: "adding as nobody", target: "/fr/money/add", status: 303, cache: "no-store", kind: kindText},
		{name: "download of nobody", target: "/fr/account/download", status: 303, cache: "no-store", kind: kindText},

		{name: "desk", target: "/ops", status: 303, cache: "no-store", kind: kindText},
		{name: "desk of nobody", target: "/fr/ops", status: 303, cache: "no-store", kind: kindText},
		{name: "live of nobody", target: "/fr/ops/live", status: 303, cache: "no-store", kind: kindText},
		{name: "desk's portal", target: "/fr/ops/portals/sitot", status: 303, cache: "no-store", kind: kindText},
		{name: "desk's run", target: "/fr/ops/runs/x", status: 303, cache: "no-store", kind: kindText},
		{name: "desk's merchants", target: "/fr/ops/merchants", status: 303, cache: "no-store", kind: kindText},
		{name: "desk's log", target: "/fr/ops/audit", status: 303, cache: "no-store", kind: kindText},
		{name: "api desk of nobody", target: "/api/v1/ops/portals", status: 401, cache: "no-store", kind: kindProblem},
		desk("api desk", "portals"),
		desk("api desk's portal", "portals/sitot"),
		desk("api desk's facts", "portals/sitot/facts"),
		desk("api desk's facts' history", "portals/sitot/facts/history?limit=3"),
		desk("api desk's withheld removals", "portals/sitot/withheld"),
		desk("api desk's unread", "portals/sitot/unread"),
		desk("api desk's runs", "runs"),
		desk("api desk's run", "runs/"+lastRun(t, s, "sitot")),
		desk("api desk's log", "audit"),
		desk("api desk's rates", "references"),
		desk("api desk's doubts", "merchants/review"),
		desk("api desk's corrections", "merchants/corrections"),
		desk("api desk's shop", "merchants/fnac-fr"),

		{name: "not modified", target: "/fr/how", status: 304, cache: kept, change: []func(*http.Request){header("If-None-Match", `W/"x", `+s.stateNow(today).etag)}},
		{name: "HEAD", method: "HEAD", target: "/fr/how", status: 200, cache: kept, kind: kindHTML},
		{name: "no such page", target: "/fr/nothing", status: 404, cache: "no-store", kind: kindHTML},
		{name: "no such language", target: "/xx/how", status: 404, cache: "no-store", kind: kindHTML},
		{name: "no such endpoint", target: "/api/v1/nothing", status: 404, cache: "no-store", kind: kindProblem},
		{name: "method", method: "DELETE", target: "/fr/how", status: 405, cache: "no-store", kind: kindHTML},
		{name: "odd method", method: "BREW", target: "/fr/how", status: 405, cache: "no-store", kind: kindHTML},
		{name: "parameter", target: "/fr/how?x=1", status: 400, cache: "no-store", kind: kindHTML},
		{name: "query", target: "/fr/how?a=%zz", status: 400, cache: "no-store", kind: kindHTML},
		{name: "host", target: "/fr/how", status: 421, cache: "no-store", kind: kindHTML, change: []func(*http.Request){func(r *http.Request) { r.Host = "evil.test" }}},
		{name: "url", target: "/fr/how?x=" + strings.Repeat("a", MaxURL), status: 414, cache: "no-store", kind: kindHTML},
		{name: "cross-site", method: "POST", target: "/fr/how", status: 403, cache: "no-store", kind: kindHTML, change: []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}},
		{name: "body", target: "/fr/how", status: 413, cache: "no-store", kind: kindHTML, change: []func(*http.Request){func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
		}}},
	}
	for i := range cases {
		if cases[i].method == "" {
			cases[i].method = http.MethodGet
		}
	}
	return cases
}

// TestHeaderCasesCoverTable: a new route without a line in the snapshot fails.
func TestHeaderCasesCoverTable(t *testing.T) {
	s := newServer(t)
	seen := map[string]bool{}
	for _, c := range headerCases(t, s) {
		path, _, _ := strings.Cut(c.target, "?")
		rc := chi.NewRouteContext()
		if c.status < 400 && s.router.Match(rc, c.method, path) {
			seen[rc.RoutePattern()] = true
		}
	}
	for _, r := range s.table {
		if r.Method != http.MethodGet {
			continue // TestAccess sends those their forms
		}
		// RoutePattern leaves a last slash out.
		if p := strings.TrimSuffix(r.Pattern, "/"); !seen[r.Pattern] && (p == "" || !seen[p]) {
			t.Errorf("the header snapshot has no line for %s", r.Name())
		}
	}
}

func TestRateLimit(t *testing.T) {
	s := newServer(t)
	refused := 0
	for range ratePages.perMinute + 5 {
		if r := ask(s.Handler(), "GET", "/fr/how"); r.StatusCode == http.StatusTooManyRequests {
			refused++
			if r.Header.Get("Retry-After") == "" || r.Header.Get("X-Content-Type-Options") == "" {
				t.Fatalf("a refusal lacks headers: %v", r.Header)
			}
		}
	}
	// A window may end meanwhile; it starts again then.
	if refused == 0 {
		t.Error("nobody was refused")
	}
	if r := ask(s.Handler(), "GET", "/fr/how", func(r *http.Request) { r.RemoteAddr = "192.0.2.8:1" }); r.StatusCode != 200 {
		t.Errorf("another client got %d", r.StatusCode)
	}
	for range ratePages.perMinute + 5 {
		if r := ask(s.Handler(), "GET", "/fr/how", local); r.StatusCode != 200 {
			t.Fatalf("the machine itself got %d", r.StatusCode)
		}
	}
}

// TestForwarded: what a client claims about its address is believed from a declared
// proxy only.
func TestForwarded(t *testing.T) {
	s := newServer(t)
	for i := range ratePages.perMinute + 5 {
		r := ask(s.Handler(), "GET", "/fr/how", header("X-Forwarded-For", "203.0.113."+string(rune('0'+i%10))))
		if r.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("a client that invents addresses was never refused")
}

// TestTrustedProxy: behind a declared proxy each client is counted by itself, whatever it
// writes into the header before the proxy does; who comes past the proxy counts by the
// connection; and the proxy's own machine, naming nobody, is never limited.
func TestTrustedProxy(t *testing.T) {
	c := testConfig(t)
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")}
	c.Site = "https://cagnotte.example.org"
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	from := func(peer, forwarded string) int {
		return ask(s.Handler(), "GET", "/fr/how", func(r *http.Request) {
			r.RemoteAddr, r.Host = peer, "cagnotte.example.org"
			if forwarded != "" {
				r.Header.Set("X-Forwarded-For", forwarded)
			}
		}).StatusCode
	}
	refused := func(ask func(i int) int) (n int) {
		for i := range 2*ratePages.perMinute + 5 { // a window may end meanwhile
			if ask(i) == http.StatusTooManyRequests {
				n++
			}
		}
		return n
	}
	invented := func(i int) string { return "198.51.100." + strconv.Itoa(i%250) }
	if refused(func(i int) int { return from("127.0.0.1:1", invented(i)+", 203.0.113.9, 10.1.2.3") }) == 0 {
		t.Error("a client that invents addresses before the proxy's was never refused")
	}
	if got := from("127.0.0.1:1", "203.0.113.10, 10.1.2.3"); got != 200 {
		t.Errorf("another client behind the same proxies got %d", got)
	}
	if refused(func(i int) int { return from("192.0.2.77:1", invented(i)) }) == 0 {
		t.Error("a client past the proxy was believed")
	}
	if n := refused(func(int) int { return from("127.0.0.1:1", "") }); n != 0 {
		t.Errorf("the proxy's own machine was refused %d times", n)
	}
}

func TestMetrics(t *testing.T) {
	s := newServer(t)
	ask(s.Handler(), "GET", "/fr/how", local)
	ask(s.Handler(), "GET", "/fr/how", local)
	ask(s.Handler(), "GET", "/wp-login.php", local)
	text := body(t, ask(s.Handler(), "GET", "/metrics", local))
	for _, want := range []string{
		`cagnotte_http_requests_total{route="/{lang:fr|en}/how",status="200"} 2`,
		`cagnotte_http_requests_total{route="none",status="404"} 1`,
		"cagnotte_ready 1", "cagnotte_index_offers 11", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// TestPanic: a handler that panics gives the error page with a request id, the log
// has the stack, and the answer has nothing of it.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	c := testConfig(t)
	c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, cache := range []Cache{NoStore, ByChange} {
		h := s.outer(s.serve(Route{"GET", "/boom", Anybody, cache, 0, ratePages, func(*visit) (*reply, error) { panic("secret /etc/path") }}))
		r := ask(h, "GET", "/boom")
		got := body(t, r)
		if r.StatusCode != 500 || strings.Contains(got, "secret") || strings.Contains(got, ".go") || !strings.Contains(got, r.Header.Get("X-Request-Id")) {
			t.Errorf("status %d: %s", r.StatusCode, got)
		}
	}
	if !strings.Contains(log.String(), "secret") || strings.Count(log.String(), "\n") != 4 {
		t.Errorf("the log is not two lines a panic: %s", log.String())
	}
}

// query escapes a value for an address.
func query(s string) string { return url.QueryEscape(s) }
