package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/pages"
)

// importRoutes read what a portal tells its member: nothing is written before the
// person has seen what would be.
func (s *Server) importRoutes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{get, "/{lang:fr|en}/money/import", Shopper, NoStore, maxBody, ratePages, s.importPage},
		{post, "/{lang:fr|en}/money/import", Shopper, NoStore, maxUpload, rateForms, s.takeUpload},
		{get, "/{lang:fr|en}/money/import/{id}", Shopper, NoStore, maxBody, ratePages, s.dryRun},
		{post, "/{lang:fr|en}/money/import/{id}", Shopper, NoStore, maxDecisions, rateForms, s.applyImport},
		{post, "/{lang:fr|en}/money/import/{id}/map", Shopper, NoStore, maxDecisions, rateForms, s.mapByHand},
	}
}

// maxDecisions is a form with an answer for each of several hundred lines.
const maxDecisions = 256 << 10

// uploads keep what has been handed in until it is applied: in memory, one for each
// person, for an hour. Nothing of a file reaches the disk before its lines do.
type uploads struct {
	mu     sync.Mutex
	byUser map[account.UserID]*handedIn
}

// handedIn is a file or a pasted table, between its dry run and its application.
type handedIn struct {
	id, name, portal string
	raw              []byte
	at               time.Time
}

const (
	uploadFor = time.Hour
	// maxUploads bounds what all people's files take together; the oldest goes.
	maxUploads = 64 << 20
)

func (u *uploads) put(user account.UserID, h *handedIn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byUser == nil {
		u.byUser = map[account.UserID]*handedIn{}
	}
	u.byUser[user] = h
	for {
		total, oldest := 0, user
		for id, x := range u.byUser {
			total += len(x.raw)
			if x.at.Before(u.byUser[oldest].at) {
				oldest = id
			}
		}
		if total <= maxUploads || oldest == user {
			return
		}
		delete(u.byUser, oldest)
	}
}

// get is somebody's upload of that name; nil where it isn't there, or no longer.
func (u *uploads) get(user account.UserID, id string, now time.Time) *handedIn {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := u.byUser[user]
	if h == nil || h.id != id || now.Sub(h.at) > uploadFor {
		return nil
	}
	return h
}

func (u *uploads) drop(user account.UserID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.byUser, user)
}

func (s *Server) importPage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return s.showImport(v, pages.Form{})
}

func (s *Server) showImport(v *visit, form pages.Form) (*reply, error) {
	v.page = "money/import"
	_, choice, err := s.portalNames(v)
	if err != nil {
		return nil, err
	}
	past, err := s.ledgers.Imports(v.ctx, v.user.ID)
	if err != nil {
		return nil, err
	}
	slices.Reverse(past)
	rep, err := html(v.ctx, pages.Import(s.chrome(v, "money"), &pages.ImportView{Form: form, Portals: choice, Past: past[:min(len(past), 20)], Now: v.now}))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

type uploadForm struct {
	Portal string `form:"portal"`
	Other  string `form:"portal_name" most:"200"`
	Text   string `form:"text" lines:"true" most:"2000000"`
	File   upload `form:"file"`
}

// takeUpload keeps a file or a pasted table for its dry run.
func (s *Server) takeUpload(v *visit) (*reply, error) {
	f, form, err := decodeForm[uploadForm](v)
	if err != nil {
		return nil, err
	}
	raw, name := f.File.Body, f.File.Name
	if len(raw) == 0 {
		raw, name = []byte(f.Text), ""
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		form.Refuse("text", v.locale.T("imports.nothing"))
	}
	if form.OK() {
		portal, err := s.chosenPortal(v, &form, f.Portal, f.Other)
		if err != nil {
			return nil, err
		}
		f.Portal = portal.ID
		if _, err := statement.Open(name, bytes.NewReader(raw), statement.DefaultLimits()); err != nil {
			if cashback.KindOf(err) != cashback.Invalid {
				return nil, err
			}
			s.log.Info("an import was refused", "request", v.id, "error", err)
			form.Refuse(cmp.Or(map[bool]string{true: "file"}[len(f.File.Body) > 0], "text"), v.locale.T("imports.unreadable"))
		}
	}
	if !form.OK() {
		return s.showImport(v, form)
	}
	id, err := account.NewName(s.Random, 8)
	if err != nil {
		return nil, err
	}
	s.handed.put(v.user.ID, &handedIn{id, name, f.Portal, raw, s.Now()})
	return seeOther(ours(v, "money/import/"+id)), nil
}

// attempt is a dry run.
type attempt struct {
	*handedIn
	portal cashback.Portal
	doc    *statement.Document
	rules  []*statement.Rule
	ledger *earnings.Ledger
	today  cashback.Date
}

// try takes an upload apart again; nil where it is no longer there.
func (s *Server) try(v *visit, id string) (*attempt, error) {
	h := s.handed.get(v.user.ID, id, s.Now())
	if h == nil {
		return nil, nil
	}
	a := &attempt{handedIn: h, today: cashback.DateOf(v.now)}
	var err error
	if a.portal, err = s.portal(v, h.portal); err != nil {
		return nil, err
	}
	if a.doc, err = statement.Open(h.name, bytes.NewReader(h.raw), statement.DefaultLimits()); err != nil {
		return nil, err
	}
	if a.rules, err = s.rulesOf(v); err != nil {
		return nil, err
	}
	a.ledger, err = s.ledgers.Ledger(v.ctx, v.user.ID)
	return a, err
}

func (a *attempt) options() statement.Options {
	return statement.Options{Portal: a.portal.ID, Currency: a.portal.Currency, Today: a.today}
}

// plan says what the lines would do to the ledger.
func (s *Server) plan(v *visit, a *attempt, lines []earnings.Line, decisions map[string]string) (earnings.Plan, error) {
	shops := &earnings.ShopNames{}
	offers, err := s.Store.As(store.Operator).PortalOffers(v.ctx, a.portal.ID)
	if err != nil && cashback.KindOf(err) != cashback.NotFound {
		return earnings.Plan{}, err
	}
	for _, o := range offers {
		shops.Add(a.portal.ID, o.Entry.Name, o.Merchant)
	}
	return earnings.Diff(a.ledger, lines, earnings.DiffOptions{Now: s.Now(), Shops: shops, Decisions: decisions}), nil
}

type dryRunQuery struct {
	ID   string `path:"id"`
	Rule string `query:"rule"`
	// Map asks for the mapping by hand although a rule reads it.
	Map string `query:"map" enum:"1"`
}

// maxShown is how many lines a dry run shows; those that need an answer come first.
const maxShown = 300

// dryRun shows what an upload would change, or asks what can't be known: which of
// several rules, or what the columns are.
func (s *Server) dryRun(v *visit) (*reply, error) {
	q, err := decode[dryRunQuery](v)
	if err != nil {
		return nil, err
	}
	a, err := s.try(v, q.ID)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return s.done(v, ours(v, "money/import"), "gone"), nil
	}
	return s.showDryRun(v, a, q.Rule, q.Map != "", pages.Form{})
}

func (s *Server) showDryRun(v *visit, a *attempt, rule string, byHand bool, form pages.Form) (*reply, error) {
	v.page = "money/import/" + a.id
	x := &pages.DryRunView{ID: a.id, Name: a.name, PortalName: a.portal.Name, Form: form, Now: v.now}
	fits, err := statement.Choose(a.doc, a.rules, a.options()), error(nil)
	var fit *statement.Fit
	switch {
	case byHand:
	case rule != "":
		got, err := statement.Pick(a.doc, a.rules, rule, a.options())
		if err != nil {
			return nil, err
		}
		fit = &got
	case statement.Sure(fits):
		fit = &fits[0]
	}
	for _, f := range fits[:min(len(fits), 5)] {
		x.Rules = append(x.Rules, pages.RuleChoice{ID: f.Rule.ID, Name: f.Rule.Name, Reasons: f.Reasons, Lines: len(f.Reading.Lines)})
	}
	if fit == nil {
		if g, ok := a.doc.Guess(a.rules, a.options()); ok && (byHand || len(fits) == 0) {
			x.Guess = &g
			if _, x.Currencies, err = s.places(v); err != nil {
				return nil, err
			}
		}
		rep, err := html(v.ctx, pages.MapByHand(s.chrome(v, "money"), x))
		if !form.OK() {
			return refused(rep, err)
		}
		return rep, err
	}
	plan, err := s.plan(v, a, fit.Reading.Lines, nil)
	if err != nil {
		return nil, err
	}
	x.Rule, x.RuleName, x.Head = fit.Rule.ID, fit.Rule.Name, uint64(a.ledger.Len())
	x.Refused, x.Ignored, x.Events = fit.Reading.Refused, len(fit.Reading.Ignored), len(plan.Events())
	x.Counts = map[earnings.Verdict]int{}
	for _, c := range plan.Changes {
		x.Counts[c.Verdict]++
	}
	rank := map[earnings.Verdict]int{earnings.VerdictDoubtful: 0, earnings.VerdictChanged: 1, earnings.VerdictMet: 2, earnings.VerdictNew: 3}
	of := func(c earnings.Change) int {
		if r, ok := rank[c.Verdict]; ok {
			return r
		}
		return len(rank)
	}
	slices.SortStableFunc(plan.Changes, func(a, b earnings.Change) int { return cmp.Compare(of(a), of(b)) })
	x.Changes = plan.Changes[:min(len(plan.Changes), maxShown)]
	x.More = len(plan.Changes) - len(x.Changes)
	x.Purchase = func(id string) earnings.Purchase {
		p, _ := a.ledger.Purchase(id) // a candidate is in the ledger that made the plan
		return p
	}
	return html(v.ctx, pages.DryRun(s.chrome(v, "money"), x))
}

type applyForm struct {
	ID   string `path:"id"`
	Rule string `form:"rule" required:"true"`
	Head uint64 `form:"head"`
	// Decisions are "LINE PURCHASE" for doubtful lines, or "LINE new" and "LINE skip".
	Decisions []string `form:"decision" many:"600"`
}

// applyImport writes what the dry run has shown, with the answers to its questions. A
// ledger that has moved on since is looked at again.
func (s *Server) applyImport(v *visit) (*reply, error) {
	f, form, err := decodeForm[applyForm](v)
	if err != nil {
		return nil, err
	}
	if !form.OK() {
		return nil, badInput{"rule", "error.value_missing", nil}
	}
	a, err := s.try(v, f.ID)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return s.done(v, ours(v, "money/import"), "gone"), nil
	}
	back := ours(v, "money/import/"+a.id) + "?rule=" + f.Rule
	if f.Head != uint64(a.ledger.Len()) {
		return s.done(v, back, "look_again"), nil
	}
	fit, err := statement.Pick(a.doc, a.rules, f.Rule, a.options())
	if err != nil {
		return nil, err
	}
	decisions := map[string]string{}
	for _, d := range f.Decisions {
		if line, what, ok := strings.Cut(d, " "); ok && what != "" {
			decisions[line] = what
		}
	}
	plan, err := s.plan(v, a, fit.Reading.Lines, decisions)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(a.raw)
	_, err = s.ledgers.Enter(v.ctx, v.user.ID, store.Entry{
		Events: plan.Events(), After: &f.Head,
		Import: &earnings.Import{Hash: hex.EncodeToString(sum[:]), At: s.Now(), Rule: fit.Rule.ID, Name: a.name, Lines: len(fit.Reading.Lines)},
	})
	if err != nil && cashback.KindOf(err) == cashback.Conflict {
		return s.done(v, back, "look_again"), nil
	}
	if err != nil {
		return nil, err
	}
	s.handed.drop(v.user.ID)
	return s.done(v, ours(v, "money/purchases")+"?portal="+a.portal.ID, "imported"), nil
}

type mapForm struct {
	ID string `path:"id"`
	// Columns are "AT FIELD", words "PLACE STATE"; without the second part they are
	// left out.
	Columns  []string `form:"column" many:"200"`
	Words    []string `form:"word" many:"40"`
	Dates    string   `form:"dates" enum:"dmy,mdy,ymd"`
	Decimal  string   `form:"decimal" enum:".,comma"`
	Currency string   `form:"currency"`
}

// mapByHand makes a rule of what the person says about the table, and keeps it: the
// next table of that portal is read by it.
func (s *Server) mapByHand(v *visit) (*reply, error) {
	f, form, err := decodeForm[mapForm](v)
	if err != nil {
		return nil, err
	}
	a, err := s.try(v, f.ID)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return s.done(v, ours(v, "money/import"), "gone"), nil
	}
	g, ok := a.doc.Guess(a.rules, a.options())
	if !ok {
		return nil, errNotFound
	}
	fields := chosen(f.Columns)
	for i := range g.Columns {
		g.Columns[i].Field = statement.Field(fields[g.Columns[i].At])
		if g.Columns[i].Field != "" && !slices.Contains(statement.Fields, g.Columns[i].Field) {
			return nil, badInput{"column", "error.form_field", nil}
		}
	}
	states := chosen(f.Words)
	for i := range g.Words {
		if st := earnings.State(states[i+1]); st == "" || slices.Contains(statement.States, st) {
			g.Words[i].State = st
		} else {
			return nil, badInput{"word", "error.form_field", nil}
		}
	}
	g.Dates, g.Decimal = f.Dates, strings.ReplaceAll(f.Decimal, "comma", ",")
	if f.Currency != "" {
		c, err := currencyOf("currency", f.Currency)
		if err != nil {
			form.Refuse("currency", v.locale.T("error.currency", "Value", clip(f.Currency)))
		}
		g.Currency = string(c)
	}
	id := "own-" + a.portal.ID
	if form.OK() {
		r, err := g.Draft(id, a.portal.Name, a.portal.ID)
		if err == nil {
			var b []byte
			if b, err = r.YAML(); err != nil {
				return nil, err
			}
			if err := s.ledgers.SaveDocument(v.ctx, v.user.ID, earnings.Document{Kind: statement.DocumentKind, Name: id, Body: b}); err != nil {
				return nil, err
			}
			return s.done(v, ours(v, "money/import/"+a.id)+"?rule="+id, "mapped"), nil
		}
		if cashback.KindOf(err) != cashback.Invalid {
			return nil, err
		}
		s.log.Info("a mapping was refused", "request", v.id, "error", err)
		form.Refuse("", v.locale.T("imports.map_wrong"))
	}
	return s.showDryRun(v, a, "", true, form)
}

// chosen reads "NUMBER VALUE" choices.
func chosen(list []string) map[int]string {
	out := map[int]string{}
	for _, x := range list {
		at, what, _ := strings.Cut(x, " ")
		if n, err := strconv.Atoi(at); err == nil {
			out[n] = what
		}
	}
	return out
}
