package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Access says who may ask for a route.
type Access uint8

const (
	accessUndeclared Access = iota
	// Anybody needs no sign-in.
	Anybody
	// Shopper is whoever is signed in; what they reach is their own.
	Shopper
	// Operator is signed in and has that role. To others the address doesn't exist.
	Operator
	// Machine is a request from this machine itself that no proxy has passed on: for
	// tools that watch the process.
	Machine
)

// Cache says what browsers and proxies may keep of a route's answers, and whether
// the server keeps them encoded.
type Cache uint8

const (
	cacheUndeclared Cache = iota
	// NoStore is for answers that hold for one moment or one asker.
	NoStore
	// ByChange is for what follows from the stored truth alone: it may be kept, but is
	// asked for again each time, with the change number as its ETag. So a take-down
	// works at once in every cache.
	ByChange
	// Immutable is for assets whose address holds their hash.
	Immutable
)

// header is the Cache-Control of a policy, as net/http keeps it.
func (c Cache) header() []string {
	switch c {
	case ByChange:
		return keepAndAsk
	case Immutable:
		return keepForEver
	}
	return keepNothing
}

var (
	keepNothing = []string{"no-store"}
	keepPrivate = []string{"private, no-store"}
	keepAndAsk  = []string{"public, no-cache"}
	keepForEver = []string{"public, max-age=31536000, immutable"}
)

// Rate is how many requests one client may send in a minute. Routes of one class
// share a count.
type Rate struct {
	class     string
	perMinute int
}

// The classes. A person clicks twice a second at most and types ten letters; a
// consumer of the API that needs more than 20 a second runs its own server.
var (
	ratePages = Rate{"pages", 240}
	rateType  = Rate{"type-ahead", 600}
	rateAPI   = Rate{"api", 1200}
	rateFiles = Rate{"files", 1200}
	// A form is filled in by hand; account.Desk slows down who tries passwords.
	rateForms = Rate{"forms", 60}
)

const (
	// maxBody is what a route without a form accepts as a body: nothing.
	maxBody = 0
	// maxForm is more than any form of short fields sends.
	maxForm = 16 << 10
	// maxUpload is a portal's table or a person's archive (RELIABILITY.md WA17), with
	// what a form adds around it.
	maxUpload = 10<<20 + 64<<10
)

// Route is one line of the table: everything that must be decided about a route
// before it can be served. A line that lacks a decision stops the start.
type Route struct {
	Method  string
	Pattern string // chi's
	Access  Access
	Cache   Cache
	Body    int64 // bytes; 0 refuses a body
	Rate    Rate
	answer  endpoint
}

// Name is how logs, metrics and tests call the route.
func (r Route) Name() string { return r.Method + " " + r.Pattern }

func (r Route) check() error {
	switch {
	case r.Method == "" || r.Pattern == "" || r.answer == nil:
		return fmt.Errorf("route %q lacks a method, a pattern or a handler", r.Name())
	case r.Access == accessUndeclared:
		return fmt.Errorf("route %q doesn't say who may ask for it", r.Name())
	case r.Cache == cacheUndeclared:
		return fmt.Errorf("route %q doesn't say what may be cached", r.Name())
	case r.Rate.perMinute <= 0:
		return fmt.Errorf("route %q doesn't say how often it may be asked for", r.Name())
	case r.Body < 0:
		return fmt.Errorf("route %q accepts a body of %d bytes", r.Name(), r.Body)
	case r.Cache == ByChange && r.Method != http.MethodGet:
		return fmt.Errorf("route %q changes something and can't be cached", r.Name())
	}
	return nil
}

// knows says whether the route looks who is asking: pages do, since they show it, and
// what isn't for anybody does. Assets, the public API and what watches the process
// answer everybody alike, and never look at a cookie.
func (r Route) knows() bool {
	return r.Access == Shopper || r.Access == Operator || r.Pattern == "/" || strings.HasPrefix(r.Pattern, "/{lang:")
}

// shopPattern is the shop page, whose answer follows the shopper's own terms.
const shopPattern = "/{lang:fr|en}/shops/{slug}"

// tailored says whether the answer may depend on the cookie with the shopper's side.
func (r Route) tailored() bool { return r.Pattern == shopPattern }

// The limits of a request, with their reasons in their comments.
const (
	// MaxURL is longer than any product link that a person pastes, and half of what
	// proxies pass on.
	MaxURL = 4096
	// MaxHeader is all headers with the request line; browsers send under 4 KiB.
	MaxHeader = 16 << 10
	// A slow client is cut; our pages are small.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
)

// routes is the table. Pages have their language in the address; a shop's slug
// holds its country, the other pages take ?country=.
func (s *Server) routes() []Route {
	get := http.MethodGet
	table := []Route{
		{get, "/", Anybody, NoStore, maxBody, ratePages, s.front},
		{get, "/{lang:fr|en}", Anybody, ByChange, maxBody, ratePages, s.homePage},
		{get, "/{lang:fr|en}/", Anybody, ByChange, maxBody, ratePages, s.homePage},
		{get, "/{lang:fr|en}/search", Anybody, ByChange, maxBody, ratePages, s.searchPage},
		{get, "/{lang:fr|en}/suggest", Anybody, ByChange, maxBody, rateType, s.suggest},
		{get, "/{lang:fr|en}/shops", Anybody, ByChange, maxBody, ratePages, s.shopsPage},
		{get, shopPattern, Anybody, ByChange, maxBody, ratePages, s.shopPage},
		{http.MethodPost, "/{lang:fr|en}/shopper", Anybody, NoStore, maxForm, rateForms, s.keepShopper},
		{get, "/{lang:fr|en}/portals", Anybody, ByChange, maxBody, ratePages, s.portalsPage},
		{get, "/{lang:fr|en}/portals/{id}", Anybody, ByChange, maxBody, ratePages, s.portalPage},
		{get, "/go/{portal}/{merchant}", Anybody, NoStore, maxBody, ratePages, s.goOut},
		{get, "/{lang:fr|en}/how", Anybody, ByChange, maxBody, ratePages, s.howPage},
		{get, "/assets/{name}", Anybody, Immutable, maxBody, rateFiles, s.asset},
		{get, "/favicon.ico", Anybody, NoStore, maxBody, rateFiles, s.favicon},
		{get, "/robots.txt", Anybody, NoStore, maxBody, rateFiles, s.robots},
		{get, "/healthz", Anybody, NoStore, maxBody, rateFiles, s.healthz},
		{get, "/readyz", Anybody, NoStore, maxBody, rateFiles, s.readyz},
		{get, "/metrics", Machine, NoStore, maxBody, rateFiles, s.metricsPage},
		{get, "/api/v1/openapi.json", Anybody, ByChange, maxBody, rateAPI, s.openapi},
	}
	table = append(table, s.accountRoutes()...)
	table = append(table, s.joinRoutes()...)
	table = append(table, s.moneyRoutes()...)
	table = append(table, s.importRoutes()...)
	table = append(table, s.followRoutes()...)
	table = append(table, s.payoutRoutes()...)
	table = append(table, s.ruleRoutes()...)
	table = append(table, s.deskRoutes()...)
	for _, o := range slices.Concat(s.operations(), s.ledgerOperations(), s.opsOperations()) {
		table = append(table, o.route)
	}
	return table
}
