package web

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/web/view"
)

// apiVersion is the version of the API's contract: raised with every change that a
// program could notice.
const apiVersion = "1.4.0"

// operation is a route of the API with what openapi.json says of it. The types of
// its query and of its view are both what is decoded and encoded, and what huma
// describes: they can't differ.
type operation struct {
	route    Route
	describe func(huma.API)
}

// op makes an operation. decide gets the decoded query and gives the view value; it
// writes nothing. Huma describes the API and doesn't serve it: the adapter of the
// pages does, so that limits, caching, errors and headers are the same everywhere.
func op[Q, V any](s *Server, path, id, summary string, decide func(*visit, Q) (V, error)) operation {
	path = "/api/v1/" + path
	query := decoderOf[Q]()
	return operation{
		route: Route{http.MethodGet, path, Anybody, ByChange, maxBody, rateAPI, func(v *visit) (*reply, error) {
			q, err := query.decode(v)
			if err != nil {
				return nil, err
			}
			value, err := decide(v, q)
			if err != nil {
				return nil, err
			}
			return jsonOf(value)
		}},
		describe: func(api huma.API) {
			huma.Register[Q, struct {
				ETag string `header:"ETag" doc:"The number of the last change, with the day: If-None-Match answers 304 while nothing has changed."`
				Body V
			}](api, huma.Operation{
				Method: http.MethodGet, Path: path, OperationID: id, Summary: summary,
				Parameters: parametersOf[Q](api.OpenAPI().Components.Schemas),
				Responses:  map[string]*huma.Response{"304": {Description: "Nothing has changed."}, "default": refusedBy(api)},
			}, nil)
		},
	}
}

// parametersOf describes what decode takes for Q: the same list of fields, those of
// embedded structs among them, which huma alone would leave out.
func parametersOf[Q any](r huma.Registry) []*huma.Param {
	var out []*huma.Param
	for _, f := range declaredBy(reflect.TypeFor[Q](), "query") {
		p := &huma.Param{Name: f.name, In: "query", Required: f.required}
		if f.path != "" {
			p.Name, p.In, p.Required = f.path, "path", true
		}
		p.Schema = huma.SchemaFromField(r, reflect.StructField{Name: p.Name, Type: f.kind, Tag: f.tag}, "")
		p.Description = p.Schema.Description
		if f.kind.Kind() == reflect.Slice {
			each := true // portal=a&portal=b
			p.Explode = &each
		}
		out = append(out, p)
	}
	return out
}

// refusedBy is what every address answers to what it can't accept.
func refusedBy(api huma.API) *huma.Response {
	return &huma.Response{
		Description: "The request is refused, with one sentence that says why.",
		Content:     map[string]*huma.MediaType{kindProblem: {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")}},
	}
}

// operations is the API for everybody, in the order of DESIGN.md's table.
func (s *Server) operations() []operation {
	return append([]operation{
		op(s, "search", "search", "Shops by name, and by what their portals offer", s.apiSearch),
		op(s, "resolve", "resolve", "The shop of a product's address", s.apiResolve),
		op(s, "merchants/{id}", "merchant", "A shop with its offers", s.apiMerchant),
		op(s, "merchants/{id}/ranking", "ranking", "What each portal leaves the shopper for a purchase", s.apiRanking),
		op(s, "merchants/{id}/curve", "curve", "What each portal leaves, as a function of the amount, and where the best one changes", s.apiCurve),
		op(s, "merchants/{id}/history", "history", "The rates of a shop as they were published", s.apiHistory),
		op(s, "portals", "portals", "The portals", s.apiPortals),
		op(s, "portals/{id}", "portal", "A portal with its facts", s.apiPortal),
		op(s, "offers", "offers", "Offers by what they and their portals are", s.apiOffers),
		op(s, "changes", "changes", "What has changed after a number", s.apiChanges),
	}, s.joinOperations()...)
}

// scribe is huma's view of a router: it only takes notes.
type scribe struct{}

func (scribe) Handle(*huma.Operation, func(huma.Context))   {}
func (scribe) ServeHTTP(http.ResponseWriter, *http.Request) {}
func (exactNumber) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Format: "decimal", Examples: []any{"6.5"}}
}
func (absentNumber) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Format: "decimal", Nullable: true}
}
func (calendarDay) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Format: "date"}
}

// The forms in which types with a writing of their own stand in JSON.
type (
	exactNumber  struct{}
	absentNumber struct{}
	calendarDay  struct{}
)

// describe writes openapi.json.
func describe(operations []operation) ([]byte, error) {
	config := huma.DefaultConfig("Cagnotte", apiVersion)
	config.CreateHooks = nil // no $schema links in answers
	config.Info.Description = "Which cashback portal really pays most for a shop and a basket. Every number carries its receipt. " +
		"Lists are {items, next}; amounts are integer minor units; rates are exact decimals as strings."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	registry := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		if t == reflect.TypeFor[cashback.Offer]() || t == reflect.TypeFor[*cashback.Offer]() {
			return "StoredOffer" // as changes hold it; Offer is what views show
		}
		name := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.PkgPath() == reflect.TypeFor[rank.Answer]().PkgPath() {
			return "Rank" + name // the ranking's own forms, beside the views' of the same name
		}
		if t.PkgPath() == reflect.TypeFor[earnings.Book]().PkgPath() {
			return "Ledger" + name
		}
		if t.PkgPath() == reflect.TypeFor[merchant.Event]().PkgPath() {
			return "Merchant" + name
		}
		return name
	})
	config.Components.Schemas = registry
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{operatorKey: operatorSecurity(), ledgerKey: ledgerSecurity()}
	registry.RegisterTypeAlias(reflect.TypeFor[cashback.Decimal](), reflect.TypeFor[exactNumber]())
	registry.RegisterTypeAlias(reflect.TypeFor[cashback.NullDecimal](), reflect.TypeFor[absentNumber]())
	registry.RegisterTypeAlias(reflect.TypeFor[cashback.Date](), reflect.TypeFor[calendarDay]())
	api := huma.NewAPI(config, scribe{})
	for _, o := range operations {
		o.describe(api)
	}
	// Huma registers its own form of errors with every operation; ours stands there.
	delete(registry.Map(), "ErrorModel")
	delete(registry.Map(), "ErrorDetail")
	raw, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", " "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func (s *Server) openapi(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return &reply{kind: kindJSON, body: s.description}, nil
}

type merchantQuery struct {
	ID string `path:"id" doc:"The shop's id, a number." example:"123"`
}

// merchantID reads a shop's id.
func merchantID(id string) (cashback.MerchantID, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, badInput{"id", "error.value_number", nil}
	}
	return cashback.MerchantID(n), nil
}

// merchantAnswer is a shop with its offers.
type merchantAnswer struct {
	view.Merchant
	Aliases []string     `json:"aliases" nullable:"false" doc:"Other names that portals list it under."`
	Offers  []view.Offer `json:"offers" nullable:"false" doc:"What each portal lists; a portal may list a shop more than once."`
}

func (s *Server) apiMerchant(v *visit, q merchantQuery) (*merchantAnswer, error) {
	id, err := merchantID(q.ID)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	m, listings, err := s.shopOf(v.ctx, id)
	if err != nil {
		return nil, nobody(err, "error.no_merchant", q.ID)
	}
	out := &merchantAnswer{Merchant: merchantView(m, len(listings)), Aliases: append([]string{}, m.Aliases...), Offers: []view.Offer{}}
	for _, l := range listings {
		for _, o := range l {
			if p := sh.byID[o.Receipt.Portal]; p != nil {
				out.Offers = append(out.Offers, offerView(o, p, v.now, v.state.day))
			}
		}
	}
	return out, nil
}

type rankingQuery struct {
	ID string `path:"id" doc:"The shop's id, a number." example:"123"`
	purchaseQuery
	shopperQuery
	With []string `query:"with,explode" enum:"reasons,question,giving" doc:"What is worked out beside the ranking."`
}

func (s *Server) apiRanking(v *visit, q rankingQuery) (*view.Ranking, error) {
	id, err := merchantID(q.ID)
	if err != nil {
		return nil, err
	}
	w := wanted{slices.Contains(q.With, "reasons"), slices.Contains(q.With, "question"), slices.Contains(q.With, "giving")}
	r, err := s.ranking(v.ctx, v, id, q.purchaseQuery, q.shopperQuery, w)
	return r, nobody(err, "error.no_merchant", q.ID)
}

// maxPoints bounds one answer of a history.
const maxPoints = 1000

type historyQuery struct {
	ID    string `path:"id" doc:"The shop's id, a number." example:"123"`
	Since string `query:"since" doc:"The first day, YYYY-MM-DD; default a year ago. The rate in force then is included." example:"2026-01-01"`
	After string `query:"after" doc:"The cursor of the answer before."`
}

func (s *Server) apiHistory(v *visit, q historyQuery) (view.List[cashback.RatePoint], error) {
	var out view.List[cashback.RatePoint]
	id, err := merchantID(q.ID)
	if err != nil {
		return out, err
	}
	since := v.now.AddDate(-1, 0, 0)
	if q.Since != "" {
		day, err := cashback.ParseDate(q.Since)
		if err != nil {
			return out, badInput{"since", "error.date", []any{"Value", clip(q.Since)}}
		}
		since = day.Time()
	}
	from, err := placeOf(q.After)
	if err != nil {
		return out, err
	}
	points, err := s.truth.History(v.ctx, id, since)
	if err != nil {
		return out, nobody(err, "error.no_merchant", q.ID)
	}
	from = min(from, len(points))
	to := min(from+maxPoints, len(points))
	out.Items = append([]cashback.RatePoint{}, points[from:to]...)
	if to < len(points) {
		out.Next = cursor(to)
	}
	return out, nil
}

type portalsQuery struct {
	Country string `query:"country" doc:"Only portals that serve this country." example:"FR"`
}

func (s *Server) apiPortals(v *visit, q portalsQuery) (view.List[view.Portal], error) {
	out := view.List[view.Portal]{Items: []view.Portal{}}
	var country cashback.Country
	if q.Country != "" {
		c, err := countryOf("country", q.Country)
		if err != nil {
			return out, err
		}
		country = c
	}
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return out, err
	}
	for _, p := range sh.all {
		if country == "" || serves(p, country) {
			out.Items = append(out.Items, portalView(p, v.now))
		}
	}
	return out, nil
}

type portalIDQuery struct {
	ID string `path:"id" doc:"The portal's id." example:"exemple-fr"`
}

func (s *Server) apiPortal(v *visit, q portalIDQuery) (*view.Portal, error) {
	sh, err := s.shelf(v.ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	p := sh.byID[q.ID]
	if p == nil {
		return nil, fault{http.StatusNotFound, "error.no_portal_id", []any{"Value", clip(q.ID)}}
	}
	out := portalView(p, v.now)
	return &out, nil
}

// defaultChanges is how many changes an answer has without a limit.
const defaultChanges = 100

type changesQuery struct {
	After uint64 `query:"after" doc:"The number of the last change that is known; 0 for the beginning." example:"0"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The most items."`
}

func (s *Server) apiChanges(v *visit, q changesQuery) (view.List[cashback.Change], error) {
	var out view.List[cashback.Change]
	if last := s.truth.LastChange(); q.After > last {
		// A follower that is ahead of the truth would wait for ever: it followed a folder
		// that has been put back since.
		return out, badInput{"after", "error.after_ahead", []any{"Last", last}}
	}
	changes, next, err := s.truth.Changes(v.ctx, q.After, cmp.Or(q.Limit, defaultChanges))
	if err != nil {
		return out, err
	}
	out.Items = append([]cashback.Change{}, changes...)
	// The feed has no end: next is where to go on, now or later.
	out.Next = strconv.FormatUint(next, 10)
	return out, nil
}

// cursor is an opaque place in a list.
func cursor(at int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("1:" + strconv.Itoa(at)))
}

func placeOf(c string) (int, error) {
	if c == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(c)
	n, isOurs := strings.CutPrefix(string(raw), "1:")
	at, bad := strconv.Atoi(n)
	if err != nil || !isOurs || bad != nil || at < 0 {
		return 0, badInput{"after", "error.cursor", nil}
	}
	return at, nil
}
