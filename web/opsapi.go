package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// The operators' addresses of the API: every word of the desk, for programs. They need
// an API key with the scope to operate, or the key that a server leaves in its data
// folder; a browser's cookie doesn't count, so that no other site's form can say a word.

// operatorKey is how openapi.json calls the key.
const operatorKey = "operator"

func operatorSecurity() *huma.SecurityScheme {
	return &huma.SecurityScheme{
		Type: "http", Scheme: "bearer",
		Description: "An operator's API key with the scope to operate, made on their account's page; or, on the server's own machine, what stands in operator.key in its data folder.",
	}
}

// opsGet makes an operator's address that tells, opsPost one that does. The types of the
// path, the query and the body are both what is decoded and what is described.
func opsGet[Q, V any](s *Server, path, id, summary string, decide func(*visit, Q) (V, error)) operation {
	return keyed[Q](s, opsDoor, http.MethodGet, path, id, summary, decode[Q], decide)
}

func opsPost[I, V any](s *Server, path, id, summary string, decide func(*visit, I) (V, error)) operation {
	return keyed[I](s, opsDoor, http.MethodPost, path, id, summary, decodeCall[I], decide)
}

// door is what the operations of a part of the API that isn't for everybody share.
type door struct {
	path, tag, key string
	access         Access
	body           int64 // of what is posted
}

var opsDoor = door{"ops/", "operator", operatorKey, Operator, maxForm}

// keyed makes an operation behind a door.
func keyed[I, V any](s *Server, d door, method, path, id, summary string, read func(*visit) (I, error), decide func(*visit, I) (V, error)) operation {
	o := op(s, d.path+path, id, summary, decide)
	r := &o.route
	r.Method, r.Access, r.Cache = method, d.access, NoStore
	if method == http.MethodPost {
		r.Body = d.body
	}
	r.answer = func(v *visit) (*reply, error) {
		in, err := read(v)
		if err != nil {
			return nil, err
		}
		value, err := decide(v, in)
		if err != nil {
			return nil, err
		}
		return jsonOf(value)
	}
	o.describe = func(api huma.API) {
		var parameters []*huma.Param
		if method == http.MethodGet {
			parameters = parametersOf[I](api.OpenAPI().Components.Schemas)
		}
		huma.Register[I, struct{ Body V }](api, huma.Operation{
			Method: method, Path: r.Pattern, OperationID: id, Summary: summary, Tags: []string{d.tag},
			Parameters: parameters,
			Security:   []map[string][]string{{d.key: {}}},
			Responses:  map[string]*huma.Response{"default": refusedBy(api)},
		}, nil)
	}
	return o
}

// decodeCall reads a struct whose fields are parts of the path, and its field Body,
// which is a pointer where nothing need be sent.
func decodeCall[I any](v *visit) (in I, err error) {
	call := reflect.ValueOf(&in).Elem()
	if err := fill(call, declaredBy(call.Type(), "query"), url.Values{}, v.param); err != nil {
		return in, err
	}
	b := call.FieldByName("Body")
	if b.Kind() == reflect.Pointer {
		b.Set(reflect.New(b.Type().Elem()))
		b = b.Elem()
	}
	return in, decodeJSON(v, b.Addr().Interface())
}

// word is an operator's word about a portal that needs no more than its name.
type word struct {
	ID   string `path:"id" doc:"The portal's id." example:"exemple-fr"`
	Body *Because
}

// Because is why something is done.
type Because struct {
	Reason string `json:"reason,omitempty" doc:"Why, for the log."`
}

type everyWord struct{ Body *Because }

type planWord struct {
	ID   string `path:"id" doc:"The portal's id." example:"exemple-fr"`
	Body planBody
}

type planBody struct {
	Every   string `json:"every,omitempty" doc:"The interval, such as 6h or 90m: at least 10m." example:"6h"`
	Cron    string `json:"cron,omitempty" doc:"A cron expression of five fields, in place of an interval." example:"30 4 * * *"`
	Window  string `json:"window,omitempty" doc:"Only within this part of the day." example:"06:00-23:00"`
	Zone    string `json:"zone,omitempty" doc:"The time zone of cron and window; UTC unless given." example:"Europe/Paris"`
	Default bool   `json:"default,omitempty" doc:"Go back to the schedule of the portal's definition."`
	Because
}

type publicationWord struct {
	ID   string `path:"id" doc:"The portal's id." example:"exemple-fr"`
	Body publicationBody
}

type publicationBody struct {
	Mode string `json:"mode,omitempty" enum:"public,relation,private,off," doc:"What may be shown: everything; that it lists a shop, without rates; nothing, while it is still read; nothing, and it isn't read. Empty goes back to the definition's."`
	Because
}

type withheldWord struct {
	ID   string `path:"id" doc:"The portal's id." example:"exemple-fr"`
	Body withheldBody
}

type withheldBody struct {
	Run    string `json:"run,omitempty" doc:"The run that is answered, as withheld tells it: where another has withheld removals since, nothing is done. The last one unless given." example:"20261124T090000.000-exemple-fr"`
	Reason string `json:"reason" doc:"Why, for the log: whoever looks later must know."`
}

type factWord struct {
	ID   string `path:"id" doc:"The portal's id." example:"exemple-fr"`
	Body factBody
}

type factBody struct {
	Fact     string `json:"fact" doc:"The fact's name, as facts lists them." example:"validation_days"`
	Value    string `json:"value,omitempty" doc:"Its value as one line of text; empty goes back to the definition's." example:"45"`
	Source   string `json:"source,omitempty" doc:"The address where it was read."`
	AsOf     string `json:"as_of,omitempty" doc:"When it was read, YYYY-MM-DD; today unless given."`
	Observed int    `json:"observed,omitempty" minimum:"0" doc:"How many outcomes it was observed from, where it wasn't read."`
	Because
}

type factsQuery struct {
	ID    string `path:"id" doc:"The portal's id." example:"exemple-fr"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"The most changes."`
}

type settleWord struct {
	ID   string `path:"id" doc:"The run's id." example:"20261124T090000.000-exemple-fr"`
	Body settleBody
}

type settleBody struct {
	Reason string `json:"reason" doc:"Why, for the log: whoever looks later must know."`
}

// told carries out a word about a portal and tells how it stands then.
func (s *Server) told(v *visit, id, verb string, w wish) (view.DeskPortal, error) {
	if err := s.tell(v.ctx, v.by(), id, verb, w); err != nil {
		return view.DeskPortal{}, err
	}
	return s.onePortal(v.ctx, id, v.now)
}

// opsOperations are the operators' addresses, in the order of docs/operating.md.
func (s *Server) opsOperations() []operation {
	tell := func(verb, id, summary string) operation {
		return opsPost(s, "portals/{id}/"+verb, id, summary, func(v *visit, in word) (view.DeskPortal, error) {
			return s.told(v, in.ID, verb, wish{Reason: in.Body.Reason})
		})
	}
	tellAll := func(verb, id, summary string) operation {
		return opsPost(s, "portals/"+verb, id, summary, func(v *visit, in everyWord) (out view.List[view.DeskPortal], err error) {
			if err = s.tellAll(v.ctx, v.by(), verb, wish{Reason: in.Body.Reason}); err == nil {
				out.Items, err = s.deskPortals(v.ctx, v.now)
			}
			return out, err
		})
	}
	answer := func(verb, id, summary string) operation {
		return opsPost(s, "portals/{id}/"+verb, id, summary, func(v *visit, in withheldWord) (view.DeskPortal, error) {
			return s.told(v, in.ID, verb, wish{Reason: in.Body.Reason, Run: in.Body.Run})
		})
	}
	settle := func(verb, id, summary string) operation {
		return opsPost(s, "runs/{id}/"+verb, id, summary, func(v *visit, in settleWord) (cashback.Run, error) {
			return s.settleRun(v.ctx, v.by(), in.ID, verb, in.Body.Reason)
		})
	}
	return append([]operation{
		opsGet(s, "portals", "ops-portals", "Every portal as its operator sees it: schedule, health, what runs; those that need somebody first", func(v *visit, _ struct{}) (out view.List[view.DeskPortal], err error) {
			out.Items, err = s.deskPortals(v.ctx, v.now)
			return out, err
		}),
		opsGet(s, "portals/{id}", "ops-portal", "A portal as its operator sees it", func(v *visit, q portalIDQuery) (view.DeskPortal, error) {
			return s.onePortal(v.ctx, q.ID, v.now)
		}),
		opsPost(s, "portals/{id}/schedule", "ops-schedule", "Crawl a portal at other times than its definition says", func(v *visit, in planWord) (view.DeskPortal, error) {
			b := in.Body
			return s.told(v, in.ID, verbPlan, wish{Reason: b.Reason, Every: b.Every, Cron: b.Cron, Window: b.Window, Zone: b.Zone, Default: b.Default})
		}),
		tell(verbRun, "ops-run", "Crawl a portal now"),
		tell(verbCancel, "ops-cancel", "Stop a portal's run, or take back that one was asked for"),
		tell(verbPause, "ops-pause", "Start no run of a portal until it is resumed"),
		tell(verbResume, "ops-resume", "Let the schedule of a portal count again"),
		tellAll(verbPause, "ops-pause-all", "Start no run of any portal until they are resumed"),
		tellAll(verbResume, "ops-resume-all", "Let the schedules of all portals count again"),
		opsPost(s, "portals/{id}/publication", "ops-publication", "What may be shown of a portal, at once", func(v *visit, in publicationWord) (view.DeskPortal, error) {
			return s.told(v, in.ID, verbPublication, wish{Reason: in.Body.Reason, Mode: in.Body.Mode})
		}),
		opsGet(s, "portals/{id}/facts", "ops-facts", "Every fact of a portal, known or not, with where and when it was read", s.deskFacts),
		opsPost(s, "portals/{id}/facts", "ops-fact", "State a fact of a portal in the place of its definition", func(v *visit, in factWord) (view.List[view.DeskFact], error) {
			b := in.Body
			if b.Observed < 0 {
				return view.List[view.DeskFact]{}, badInput{"observed", "error.value_number", nil}
			}
			err := s.tell(v.ctx, v.by(), in.ID, verbFacts, wish{Reason: b.Reason, Fact: b.Fact, Value: b.Value, Source: b.Source, AsOf: b.AsOf, Observed: b.Observed})
			if err != nil {
				return view.List[view.DeskFact]{}, err
			}
			return s.deskFacts(v, portalIDQuery{in.ID})
		}),
		opsGet(s, "portals/{id}/facts/history", "ops-facts-history", "How the facts of a portal changed, and who changed them; newest first", s.factsHistory),
		opsGet(s, "portals/{id}/withheld", "ops-withheld", "The offers of a portal that stay though runs no longer find them, for too many would have gone at once", func(v *visit, q portalIDQuery) (view.Withheld, error) {
			return s.withheld(v.ctx, q.ID)
		}),
		answer(verbGone, "ops-gone", "Take those offers away: the portal really lists them no more"),
		answer(verbKeep, "ops-keep", "Keep those offers: runs have to lack them anew before they are asked about again"),
		opsGet(s, "portals/{id}/unread", "ops-unread", "The reward texts of a portal that weren't understood", func(v *visit, q portalIDQuery) (out view.List[view.Unread], err error) {
			out.Items, err = s.unread(v.ctx, q.ID)
			return out, err
		}),
		opsGet(s, "runs", "ops-runs", "The runs that are held back, or the newest of a portal", s.deskRuns),
		opsGet(s, "runs/{id}", "ops-report", "A run's report, with what it would change where it is held back", func(v *visit, q runQuery) (*view.DeskReport, error) {
			return s.deskReport(v.ctx, q.ID, v.now)
		}),
		settle(verbAccept, "ops-accept", "Publish a run that is held back; the gate's memory starts anew with it"),
		settle(verbReject, "ops-reject", "Drop a run that is held back; what was shown stays"),
		opsGet(s, "audit", "ops-audit", "Who did what, newest first", func(v *visit, q auditQuery) (out view.List[store.AuditEntry], err error) {
			most := cmp.Or(q.Limit, defaultChanges)
			items, err := s.Store.Audit(v.ctx, q.Below, most)
			out.Items = append([]store.AuditEntry{}, items...)
			if n := len(items); n == most {
				out.Next = strconv.FormatUint(items[n-1].Number, 10)
			}
			return out, err
		}),
	}, slices.Concat(s.tableOperations(), s.merchantOperations())...)
}

// deskFacts lists every fact of a portal: silence is shown as what it is.
func (s *Server) deskFacts(v *visit, q portalIDQuery) (view.List[view.DeskFact], error) {
	out := view.List[view.DeskFact]{Items: []view.DeskFact{}}
	p, err := s.operator().Portal(v.ctx, q.ID)
	if err != nil {
		return out, err
	}
	for _, name := range cashback.FactNames() {
		f := view.DeskFact{Fact: name}
		if value, origin, known := p.Facts.Fact(name); known {
			f.Value, f.Source, f.AsOf, f.Learnt, f.From = value, origin.Source, origin.AsOf, origin.Learnt, "definition"
			if origin.Learnt > 0 {
				f.From = "learnt"
			}
			if _, _, own := p.Edits.Fact(name); own {
				f.From = "operator"
			}
		}
		out.Items = append(out.Items, f)
	}
	return out, nil
}

// factsHistory lists what changed each time.
func (s *Server) factsHistory(v *visit, q factsQuery) (view.List[view.FactsChange], error) {
	out := view.List[view.FactsChange]{Items: []view.FactsChange{}}
	changes, err := s.operator().FactsHistory(v.ctx, q.ID, cmp.Or(q.Limit, 50))
	if err != nil {
		return out, err
	}
	for _, c := range changes {
		line := view.FactsChange{At: c.At, By: c.By, Reason: c.Note, Facts: []view.FactChange{}}
		for _, name := range cashback.FactNames() {
			was, from, _ := c.Before.Fact(name)
			is, now, _ := c.After.Fact(name)
			if was != is || from != now {
				line.Facts = append(line.Facts, view.FactChange{Fact: name, Before: was, After: is, Source: now.Source, AsOf: now.AsOf})
			}
		}
		if c.Before.Notes != c.After.Notes {
			line.Facts = append(line.Facts, view.FactChange{Fact: "notes", Before: c.Before.Notes, After: c.After.Notes})
		}
		slices.SortFunc(line.Facts, func(a, b view.FactChange) int { return strings.Compare(a.Fact, b.Fact) })
		out.Items = append(out.Items, line)
	}
	return out, nil
}

// tablesDoor takes files as large as tables of rates may be.
var tablesDoor = door{opsDoor.path, opsDoor.tag, opsDoor.key, opsDoor.access, 2 * rank.MaxReferenceBytes}

type tableWord struct{ Body tableBody }

type tableBody struct {
	File string `json:"file" doc:"The file's text."`
}

// references tells which tables are stored.
func (s *Server) references(v *visit) (out view.References, err error) {
	ref, err := s.Store.References(v.ctx)
	if err != nil {
		return out, err
	}
	out.Rates = view.ReferenceRates{AsOf: ref.Rates.AsOf, Source: ref.Rates.Source, Set: ref.RatesSet, PerEuro: ref.Rates.PerEuro}
	out.VAT = view.ReferenceVAT{AsOf: ref.VAT.AsOf, Set: ref.VATSet, Countries: []view.CountryVAT{}}
	for _, c := range ref.VAT.Countries() {
		if r, ok := ref.VAT.On(c, cashback.DateOf(v.now)); ok {
			out.VAT.Countries = append(out.VAT.Countries, view.CountryVAT{Country: c, Rate: r.Rate, Since: r.Since})
		}
	}
	return out, nil
}

// tableOperations are the operators' addresses about the tables of rates.
func (s *Server) tableOperations() []operation {
	set := func(path, id, summary string, save func(*visit, []byte) error) operation {
		return keyed[tableWord](s, tablesDoor, http.MethodPost, path, id, summary, decodeCall[tableWord], func(v *visit, in tableWord) (out view.References, err error) {
			if err := save(v, []byte(in.Body.File)); err != nil {
				return out, err
			}
			return s.references(v)
		})
	}
	return []operation{
		opsGet(s, "references", "ops-references", "The exchange and VAT rates that a server uses from its next start, and of when", func(v *visit, _ struct{}) (view.References, error) {
			return s.references(v)
		}),
		set("references/rates", "ops-set-rates", "Use the European Central Bank's daily file of exchange rates, from the next start", func(v *visit, file []byte) error {
			_, err := s.Store.SaveRates(v.ctx, file, v.by())
			return err
		}),
		set("references/vat", "ops-set-vat", "Use a table of VAT rates, from the next start", func(v *visit, file []byte) error {
			_, err := s.Store.SaveVAT(v.ctx, file, v.by())
			return err
		}),
	}
}

// The corrections of merchants.

// ShopBody names what a correction is about.
type ShopBody struct {
	Merchant string `json:"merchant" doc:"The shop, by its number or the last part of its page's address." example:"123"`
	Because
	By string `json:"by,omitempty" doc:"Who says so, for the record. It counts with the key of the data folder alone: an operator's own key says who they are."`
}

type pairWord struct{ Body pairBody }

type pairBody struct {
	ShopBody
	Other string `json:"other" doc:"The other shop."`
}

type splitWord struct{ Body splitBody }

type splitBody struct {
	ShopBody
	Entries []string `json:"entries" nullable:"false" doc:"The entries to take out, as PORTAL:KEY."`
}

type renameWord struct{ Body renameBody }

type renameBody struct {
	ShopBody
	Name string `json:"name" doc:"The shop's name."`
}

type undoWord struct{ Body undoBody }

type undoBody struct {
	Correction uint64 `json:"correction" doc:"The number of the correction."`
	Because
	By string `json:"by,omitempty" doc:"Who says so, for the record, as in the other corrections."`
}

type reviewQuery struct {
	Limit int `query:"limit" minimum:"1" maximum:"100000" default:"50" doc:"The most entries."`
}

type shopQueryOps struct {
	ID string `path:"id" doc:"The shop, by its number or the last part of its page's address." example:"123"`
}

// merchantOperations are the operators' addresses about merchants.
func (s *Server) merchantOperations() []operation {
	pair := func(kind merchant.EventKind, id, summary string) operation {
		return opsPost(s, "merchants/"+string(kind), id, summary, func(v *visit, in pairWord) (*view.Correction, error) {
			b := in.Body
			return s.corrected(v, merchant.Event{Kind: kind, By: b.By, Note: b.Reason}, b.Merchant, b.Other)
		})
	}
	return []operation{
		opsGet(s, "merchants/review", "ops-review", "Entries whose shop is in doubt, the most doubtful first", s.deskReviews),
		opsGet(s, "merchants/corrections", "ops-corrections", "The corrections of merchants, oldest first", func(v *visit, _ struct{}) (out view.List[merchant.Event], err error) {
			if s.Catalogue == nil {
				return out, errNotFound
			}
			events, err := s.Catalogue.Corrections(v.ctx)
			out.Items = append([]merchant.Event{}, events...)
			return out, err
		}),
		opsGet(s, "merchants/{id}", "ops-merchant", "A shop with its entries, and why each belongs to it", s.deskMerchant),
		pair(merchant.Merge, "ops-merge", "Say that two shops are one"),
		pair(merchant.Apart, "ops-apart", "Say that two shops are two, for good"),
		opsPost(s, "merchants/split", "ops-split", "Take entries out of a shop: they are a shop of their own", func(v *visit, in splitWord) (*view.Correction, error) {
			ev := merchant.Event{Kind: merchant.Split, By: in.Body.By, Note: in.Body.Reason}
			for _, e := range in.Body.Entries {
				ref, err := refOf(e)
				if err != nil {
					return nil, err
				}
				ev.Entries = append(ev.Entries, ref)
			}
			return s.corrected(v, ev, in.Body.Merchant, "")
		}),
		opsPost(s, "merchants/rename", "ops-rename", "Give a shop a name that no crawl changes", func(v *visit, in renameWord) (*view.Correction, error) {
			return s.corrected(v, merchant.Event{Kind: merchant.Rename, By: in.Body.By, Note: in.Body.Reason, Name: in.Body.Name}, in.Body.Merchant, "")
		}),
		opsPost(s, "merchants/undo", "ops-undo", "Take a correction back", func(v *visit, in undoWord) (*view.Correction, error) {
			return s.corrected(v, merchant.Event{Kind: merchant.Undo, By: in.Body.By, Note: in.Body.Reason, Undoes: in.Body.Correction}, "", "")
		}),
	}
}

// refOf reads PORTAL:KEY.
func refOf(s string) (merchant.Ref, error) {
	portal, key, ok := strings.Cut(s, ":")
	if !ok || portal == "" || key == "" {
		return merchant.Ref{}, cashback.Errorf(cashback.Invalid, "%q is no entry: it has the form PORTAL:KEY", clip(s))
	}
	return merchant.Ref{Portal: portal, Key: key}, nil
}

// corrected carries out a correction of one merchant, or of two, and tells what it moved.
func (s *Server) corrected(v *visit, ev merchant.Event, one, other string) (*view.Correction, error) {
	if s.Catalogue == nil {
		return nil, errNotFound
	}
	if v.user.Email != "" || ev.By == "" {
		ev.By = v.by()
	}
	var err error
	if ev.Kind != merchant.Undo {
		if ev.Merchant, err = s.merchantNamed(v.ctx, one); err != nil {
			return nil, err
		}
	}
	if ev.Kind == merchant.Merge || ev.Kind == merchant.Apart {
		if ev.Other, err = s.merchantNamed(v.ctx, other); err != nil {
			return nil, err
		}
	}
	ev, plan, err := s.correct(v.ctx, ev)
	if err != nil {
		return nil, err
	}
	out := &view.Correction{Event: ev, Shops: []view.ShopName{}, Redirects: []view.Redirect{}, Moved: len(plan.Moved)}
	for _, m := range slices.Concat(plan.New, plan.Changed) {
		out.Shops = append(out.Shops, shopName(m))
	}
	for from, to := range plan.Redirects {
		out.Redirects = append(out.Redirects, view.Redirect{From: from, To: to})
	}
	slices.SortFunc(out.Redirects, func(a, b view.Redirect) int { return cmp.Compare(a.From, b.From) })
	return out, nil
}

// correct carries out a correction; the log of the desk and the merchants' own history
// both say it.
func (s *Server) correct(ctx context.Context, ev merchant.Event) (merchant.Event, merchant.Plan, error) {
	ev, plan, err := s.Catalogue.Correct(ctx, ev)
	if err != nil {
		return ev, plan, err
	}
	return ev, plan, s.Store.Note(ctx, store.AuditEntry{By: ev.By, What: string(ev.Kind), Merchant: ev.Merchant, Reason: ev.Note, After: strconv.FormatUint(ev.Number, 10)})
}

func shopName(m cashback.Merchant) view.ShopName {
	return view.ShopName{ID: m.ID, Name: m.Name, Slug: m.Slug, Country: m.Country}
}

// deskReviews lists what is doubtful.
func (s *Server) deskReviews(v *visit, q reviewQuery) (*view.Reviews, error) {
	if s.Catalogue == nil {
		return nil, errNotFound
	}
	all, err := s.Catalogue.Reviews(v.ctx)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b merchant.Review) int { return cmp.Compare(a.Confidence, b.Confidence) })
	out := &view.Reviews{Total: len(all)}
	out.Items = []view.DeskReview{}
	for _, r := range all[:min(len(all), cmp.Or(q.Limit, 50))] {
		line := view.DeskReview{Review: r}
		if r.Merchant != 0 {
			m, err := s.operator().Merchant(v.ctx, r.Merchant)
			if err != nil {
				return nil, err
			}
			shop := shopName(m)
			line.Shop = &shop
		}
		out.Items = append(out.Items, line)
	}
	return out, nil
}

// deskMerchant is a merchant with its entries.
func (s *Server) deskMerchant(v *visit, q shopQueryOps) (*view.DeskMerchant, error) {
	if s.Catalogue == nil {
		return nil, errNotFound
	}
	id, err := s.merchantNamed(v.ctx, q.ID)
	if err != nil {
		return nil, err
	}
	m, err := s.operator().Merchant(v.ctx, id)
	if err != nil {
		return nil, err
	}
	members, reasons, err := s.Catalogue.Members(v.ctx, m.ID)
	if err != nil {
		return nil, err
	}
	out := &view.DeskMerchant{ShopName: shopName(m), Entries: []view.DeskEntry{}}
	for i, ref := range members {
		out.Entries = append(out.Entries, view.DeskEntry{Portal: ref.Portal, Key: ref.Key, Reasons: append([]string{}, reasons[i]...)})
	}
	return out, nil
}

func noMerchant(name string) error {
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		return cashback.Errorf(cashback.NotFound, "there is no merchant %s", name)
	}
	return cashback.Errorf(cashback.NotFound, "there is no merchant %q: name it by its number or by the last part of its page's address", clip(name))
}

// merchantNamed finds a merchant by its number or the last part of its page's address.
func (s *Server) merchantNamed(ctx context.Context, name string) (cashback.MerchantID, error) {
	name = strings.TrimSpace(name)
	id, err := cashback.MerchantID(0), error(nil)
	if n, bad := strconv.ParseUint(name, 10, 32); bad == nil {
		id = cashback.MerchantID(n)
		_, err = s.operator().Merchant(ctx, id)
	} else {
		var m cashback.Merchant
		m, err = s.operator().MerchantBySlug(ctx, name)
		id = m.ID
	}
	if err != nil && cashback.KindOf(err) == cashback.NotFound {
		err = noMerchant(name)
	}
	return id, err
}
