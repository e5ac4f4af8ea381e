package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/pages"
)

// moneyRoutes are a person's own purchases, from the click to the bank. Each handler
// passes v.user.ID to the store, which reads nothing of anybody else.
func (s *Server) moneyRoutes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{post, "/{lang:fr|en}/go/{portal}/{merchant}", Shopper, NoStore, maxForm, rateForms, s.click},
		{get, "/{lang:fr|en}/money", Shopper, NoStore, maxBody, ratePages, s.moneyPage},
		{get, "/{lang:fr|en}/money/export/{format}", Shopper, NoStore, maxBody, rateForms, s.export},
		{post, "/{lang:fr|en}/money/restore", Shopper, NoStore, maxUpload, rateForms, s.restore},
		{get, "/{lang:fr|en}/money/purchases", Shopper, NoStore, maxBody, ratePages, s.purchasesPage},
		{get, "/{lang:fr|en}/money/purchases/{id}", Shopper, NoStore, maxBody, ratePages, s.purchasePage},
		{post, "/{lang:fr|en}/money/purchases/{id}", Shopper, NoStore, maxForm, rateForms, s.complete},
		{post, "/{lang:fr|en}/money/purchases/{id}/state", Shopper, NoStore, maxForm, rateForms, s.moveOn},
		{get, "/{lang:fr|en}/money/purchases/{id}/terms", Shopper, NoStore, maxBody, ratePages, s.termsFile},
		{get, "/{lang:fr|en}/money/purchases/{id}/leave", Shopper, NoStore, maxBody, ratePages, s.leave},
		{get, "/{lang:fr|en}/money/add", Shopper, NoStore, maxBody, ratePages, s.newPurchasePage},
		{post, "/{lang:fr|en}/money/add", Shopper, NoStore, maxForm, rateForms, s.newPurchase},
	}
}

// purchaseID is the purchase that the address names.
func purchaseID(v *visit) string {
	id := v.param("id")
	if v.req.URL.RawPath != "" {
		if x, err := url.PathUnescape(id); err == nil {
			return x
		}
	}
	return id
}

// purchaseURL is the page of a purchase.
func purchaseURL(v *visit, id string) string { return ours(v, "money/purchases/"+url.PathEscape(id)) }

// newPurchaseID names a purchase of this person's.
func (s *Server) newPurchaseID() (string, error) { return account.NewName(s.Random, 8) }

// twice is how soon a second click on the same offer is the same click.
const twice = time.Minute

// click freezes what the portal promises, notes that the shopper went there, and leads
// to the page that goes on to it.
func (s *Server) click(v *visit) (*reply, error) {
	q, _, err := decodeForm[goQuery](v)
	if err != nil {
		return nil, err
	}
	out, err := s.wayOut(v, q)
	if err != nil {
		return nil, err
	}
	have, err := s.ledgers.Purchases(v.ctx, v.user.ID, store.Filter{
		Portal: out.portal.ID, Merchant: out.merchant.ID, States: []earnings.State{earnings.StateClicked}, From: s.Now().Add(-twice),
	})
	if err != nil {
		return nil, err
	}
	if len(have) > 0 {
		return seeOther(purchaseURL(v, have[len(have)-1].ID) + "/leave"), nil
	}
	now := s.Now()
	kept, err := earnings.Terms{
		Frozen: now, Portal: out.portal.ID, PortalName: out.portal.Name, Facts: out.portal.Facts, Offer: out.offer, Shop: out.merchant.Name, Link: out.link,
	}.Freeze()
	if err != nil {
		return nil, err
	}
	id, err := s.newPurchaseID()
	if err != nil {
		return nil, err
	}
	_, err = s.ledgers.Enter(v.ctx, v.user.ID, store.Entry{
		Evidence: []earnings.Evidence{kept},
		Events: []earnings.Event{{
			Kind: earnings.Clicked, At: now, Purchase: id, Portal: out.portal.ID, Merchant: out.merchant.ID, Shop: out.merchant.Name,
			Source: "click", Evidence: kept.Hash, Key: "click:" + id,
		}},
	})
	if err != nil {
		return nil, err
	}
	return seeOther(purchaseURL(v, id) + "/leave"), nil
}

// leave stands between here and the portal: a form may lead only to ourselves (the
// policy's form-action), so it is this page that goes on, without the browser saying
// where it comes from.
func (s *Server) leave(v *visit) (*reply, error) {
	if _, err := decode[struct {
		ID string `path:"id"`
	}](v); err != nil {
		return nil, err
	}
	p, _, err := s.ledgers.Purchase(v.ctx, v.user.ID, purchaseID(v))
	if err != nil {
		return nil, err
	}
	t, err := s.termsOf(v.ctx, v.user.ID, p)
	if err != nil {
		return nil, err
	}
	if t == nil || t.Link == "" {
		return nil, errNoLink
	}
	rep, err := html(v.ctx, pages.Leave(s.chrome(v, "money"), &pages.LeaveView{
		Purchase: p.ID, Shop: p.Shop, PortalName: t.PortalName, Link: t.Link, Terms: *t,
	}))
	if err != nil {
		return nil, err
	}
	rep.header = map[string]string{"Referrer-Policy": "no-referrer"}
	if s.Now().Sub(p.Bought) < twice {
		// Who comes back to this page later reads it, and isn't sent off again.
		rep.header["Refresh"] = "1; url=" + t.Link
	}
	return rep, nil
}

// termsOf are the frozen terms of a purchase, nil where there are none.
func (s *Server) termsOf(ctx context.Context, user account.UserID, p earnings.Purchase) (*earnings.Terms, error) {
	if p.Evidence == "" {
		return nil, nil
	}
	e, err := s.ledgers.Evidence(ctx, user, p.Evidence)
	if err != nil && cashback.KindOf(err) == cashback.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := e.Terms()
	return &t, err
}

func (s *Server) termsFile(v *visit) (*reply, error) {
	if _, err := decode[struct {
		ID string `path:"id"`
	}](v); err != nil {
		return nil, err
	}
	p, _, err := s.ledgers.Purchase(v.ctx, v.user.ID, purchaseID(v))
	if err != nil {
		return nil, err
	}
	if p.Evidence == "" {
		return nil, errNotFound
	}
	e, err := s.ledgers.Evidence(v.ctx, v.user.ID, p.Evidence)
	if err != nil {
		return nil, err
	}
	return attached("cagnotte-terms-"+e.Hash[:12]+".json", kindJSON, e.Document), nil
}

// portalNames are what all portals are called, those that aren't public any more too, and
// the person's own: purchases outlive a portal.
func (s *Server) portalNames(v *visit) (map[string]string, []pages.Param, error) {
	list, err := s.Store.As(store.Operator).Portals(v.ctx)
	if err != nil {
		return nil, nil, err
	}
	own, err := s.ownPortals(v)
	if err != nil {
		return nil, nil, err
	}
	names, choice := map[string]string{}, []pages.Param{}
	add := func(p cashback.Portal) {
		if names[p.ID] == "" {
			names[p.ID] = p.Name
			choice = append(choice, pages.Param{Value: p.ID, Name: p.Name})
		}
	}
	for _, p := range list {
		add(p.Portal)
	}
	for _, p := range own {
		add(p)
	}
	slices.SortFunc(choice, func(a, b pages.Param) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value)) })
	return names, choice, nil
}

// ownPortals are those at which the person earns and that have no definition here.
func (s *Server) ownPortals(v *visit) ([]cashback.Portal, error) {
	documents, err := s.ledgers.Documents(v.ctx, v.user.ID, earnings.PortalKind)
	return earnings.OwnPortals(documents), err
}

// portal is one of the portals here, or of the person's own; NotFound for another.
func (s *Server) portal(v *visit, id string) (cashback.Portal, error) {
	p, err := s.Store.As(store.Operator).Portal(v.ctx, id)
	if err == nil || cashback.KindOf(err) != cashback.NotFound {
		return p.Portal, err
	}
	own, none := s.ownPortals(v)
	if none != nil {
		return cashback.Portal{}, none
	}
	if i := slices.IndexFunc(own, func(p cashback.Portal) bool { return p.ID == id }); i >= 0 {
		return own[i], nil
	}
	return cashback.Portal{}, err
}

// chosenPortal is the portal that a form names: one of the list, or another by its name,
// which is the person's own from then on. A name of the list means that one. What is wrong
// is said in the form.
func (s *Server) chosenPortal(v *visit, form *pages.Form, id, name string) (cashback.Portal, error) {
	if id == "" && strings.TrimSpace(name) != "" {
		_, choice, err := s.portalNames(v)
		if err != nil {
			return cashback.Portal{}, err
		}
		for _, known := range choice { // of two of the same name, the first of the list
			if strings.EqualFold(known.Name, strings.TrimSpace(name)) {
				return s.portal(v, known.Value)
			}
		}
		p, d, err := earnings.OwnPortal(name)
		if err == nil {
			err = s.ledgers.SaveDocument(v.ctx, v.user.ID, d)
		}
		if cashback.KindOf(err) == cashback.Invalid && err != nil {
			form.Refuse("portal_name", v.locale.T("error.portal_name"))
			return p, nil
		}
		return p, err
	}
	p, err := s.portal(v, id)
	if err != nil && cashback.KindOf(err) == cashback.NotFound {
		form.Refuse("portal", v.locale.T("error.value_missing", "Field", label(v, "portal")))
		return p, nil
	}
	return p, err
}

// nameOf is a portal's name, or its id where nobody knows it here.
func nameOf(names map[string]string, id string) string { return cmp.Or(names[id], id) }

type purchasesQuery struct {
	Portal string `query:"portal"`
	State  string `query:"state" enum:"clicked,expected,tracked,confirmed,payable,requested,paid,donated,declined,reversed"`
	Year   int64  `query:"year" minimum:"1990" maximum:"9999"`
	Page   int64  `query:"page" minimum:"1" maximum:"100000"`
}

// purchasesPer is how many purchases stand on a page.
const purchasesPer = 50

func (s *Server) purchasesPage(v *visit) (*reply, error) {
	q, err := decode[purchasesQuery](v)
	if err != nil {
		return nil, err
	}
	all, err := s.ledgers.Purchases(v.ctx, v.user.ID, store.Filter{})
	if err != nil {
		return nil, err
	}
	names, _, err := s.portalNames(v)
	if err != nil {
		return nil, err
	}
	p := &pages.PurchasesView{Portal: q.Portal, State: q.State, Now: v.now}
	if q.Year > 0 {
		p.Year = strconv.FormatInt(q.Year, 10)
	}
	var fits []earnings.Purchase
	for _, x := range all {
		year := strconv.Itoa(x.Day(s.Zone).Time().Year())
		if !slices.Contains(p.Years, year) {
			p.Years = append(p.Years, year)
		}
		if !slices.ContainsFunc(p.Portals, func(o pages.Param) bool { return o.Value == x.Portal }) {
			p.Portals = append(p.Portals, pages.Param{Value: x.Portal, Name: nameOf(names, x.Portal)})
		}
		if (q.Portal == "" || q.Portal == x.Portal) && (q.State == "" || q.State == string(x.State)) && (p.Year == "" || p.Year == year) {
			fits = append(fits, x)
		}
	}
	slices.Sort(p.Years)
	slices.Reverse(p.Years)
	slices.SortFunc(p.Portals, func(a, b pages.Param) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(fits, func(a, b earnings.Purchase) int { return b.Bought.Compare(a.Bought) })
	p.Total, p.Pages = len(fits), (len(fits)+purchasesPer-1)/purchasesPer
	p.Page = min(max(int(q.Page), 1), max(p.Pages, 1))
	first := (p.Page - 1) * purchasesPer
	for _, x := range fits[first:min(first+purchasesPer, len(fits))] {
		p.Lines = append(p.Lines, pages.PurchaseLine{Purchase: x, PortalName: nameOf(names, x.Portal)})
	}
	return html(v.ctx, pages.Purchases(s.chrome(v, "money"), p))
}

func (s *Server) purchasePage(v *visit) (*reply, error) {
	if _, err := decode[struct {
		ID string `path:"id"`
	}](v); err != nil {
		return nil, err
	}
	return s.showPurchase(v, purchaseForms{})
}

// purchaseForms are the forms of a purchase's page, as they were refused.
type purchaseForms struct{ complete, move, answer pages.Form }

// showPurchase is a purchase's page.
func (s *Server) showPurchase(v *visit, forms purchaseForms) (*reply, error) {
	id := purchaseID(v)
	p, events, err := s.ledgers.Purchase(v.ctx, v.user.ID, id)
	if err != nil {
		return nil, err
	}
	names, _, err := s.portalNames(v)
	if err != nil {
		return nil, err
	}
	v.page = "money/purchases/" + url.PathEscape(id)
	x := &pages.PurchaseView{
		Purchase: p, PortalName: nameOf(names, p.Portal), Events: events, Seen: p.Events[len(p.Events)-1], Complete: forms.complete, Move: forms.move, Answer: forms.answer, Now: v.now,
	}
	if x.Terms, err = s.termsOf(v.ctx, v.user.ID, p); err != nil {
		return nil, err
	}
	if x.Currency, err = s.currencyFor(v, p); err != nil {
		return nil, err
	}
	if p.Merchant != 0 {
		if m, err := s.truth.Merchant(v.ctx, p.Merchant); err == nil {
			x.Slug = m.Slug
		}
	}
	for _, to := range earnings.States {
		if to == p.State {
			continue
		}
		if _, ok := handWay(p.State, to); ok {
			x.Next = append(x.Next, to)
		}
	}
	known, err := s.knownOf(v)
	if err != nil {
		return nil, err
	}
	x.Alerts = earnings.WatchPurchase(p, known.Facts, cashback.DateOf(v.now))
	if err := known.Err(); err != nil {
		return nil, err
	}
	rep, err := html(v.ctx, pages.Purchase(s.chrome(v, "money"), x))
	if !forms.complete.OK() || !forms.move.OK() || !forms.answer.OK() {
		return refused(rep, err)
	}
	return rep, err
}

// currencyFor is what a purchase is paid in: its basket's, or what its shop takes.
func (s *Server) currencyFor(v *visit, p earnings.Purchase) (cashback.Currency, error) {
	if p.Basket != nil {
		if m, ok := p.Basket.Money(); ok {
			return m.Currency, nil
		}
	}
	if p.Merchant != 0 {
		m, err := s.truth.Merchant(v.ctx, p.Merchant)
		if err == nil {
			return s.currencyOfCountry(m.Country), nil
		}
		if cashback.KindOf(err) != cashback.NotFound {
			return "", err
		}
	}
	portal, err := s.portal(v, p.Portal)
	if err != nil && cashback.KindOf(err) != cashback.NotFound {
		return "", err
	}
	return cmp.Or(portal.Currency, s.ownCurrency(v)), nil
}

type completeForm struct {
	ID     string `path:"id"`
	Amount string `form:"amount" required:"true"`
	Order  string `form:"order" most:"200"`
	Seen   uint64 `form:"seen"`
}

// complete notes what was bought: what was paid, and the order's number. What the
// portal should pay follows from the frozen terms.
func (s *Server) complete(v *visit) (*reply, error) {
	f, form, err := decodeForm[completeForm](v)
	if err != nil {
		return nil, err
	}
	p, _, err := s.ledgers.Purchase(v.ctx, v.user.ID, purchaseID(v))
	if err != nil {
		return nil, err
	}
	currency, err := s.currencyFor(v, p)
	if err != nil {
		return nil, err
	}
	paid := typedMoney(v, &form, "amount", f.Amount, currency)
	if !form.OK() {
		return s.showPurchase(v, purchaseForms{complete: form})
	}
	terms, err := s.termsOf(v.ctx, v.user.ID, p)
	if err != nil {
		return nil, err
	}
	basket := earnings.AmountOf(paid)
	e := earnings.Event{
		Kind: earnings.Expected, At: p.Bought, Purchase: p.ID, Portal: p.Portal, Basket: &basket, Order: f.Order, Source: "hand",
		Amount: s.promised(v, terms, paid), Key: handKey(p.ID, f.Seen, 0),
	}
	return s.write(v, p.ID, []earnings.Event{e}, func(say string) (*reply, error) {
		form.Refuse("", say)
		return s.showPurchase(v, purchaseForms{complete: form})
	})
}

// handKey names what a form wrote, so that a form that is sent twice writes once.
func handKey(purchase string, seen uint64, i int) string {
	return "hand:" + purchase + ":" + strconv.FormatUint(seen, 10) + ":" + strconv.Itoa(i)
}

// typedMoney reads an amount that a person typed, or says what is wrong at its field.
func typedMoney(v *visit, form *pages.Form, field, value string, c cashback.Currency) cashback.Money {
	var b badInput
	if value == "" {
		return cashback.Money{}
	}
	m, err := amountOf(field, value, c)
	if errors.As(err, &b) {
		form.Refuse(field, b.sentence(v.locale, label(v, field)))
	}
	return m
}

// write appends what a form says. What the table of states doesn't allow, because the
// purchase has moved on meanwhile, is said in the form; the same form sent twice is done.
func (s *Server) write(v *visit, purchase string, events []earnings.Event, again func(say string) (*reply, error)) (*reply, error) {
	_, err := s.ledgers.Append(v.ctx, v.user.ID, events...)
	switch cashback.KindOf(err) {
	case cashback.Invalid:
		if err != nil {
			return again(v.locale.T("money.not_so"))
		}
	case cashback.Conflict:
		if err != nil {
			return again(v.locale.T("flash.moved_on")) // what was typed stays on the page
		}
	}
	if err != nil {
		return nil, err
	}
	return s.done(v, purchaseURL(v, purchase), "saved"), nil
}

// promised is what the portal should pay by the frozen terms; nil where they don't say.
func (s *Server) promised(v *visit, t *earnings.Terms, paid cashback.Money) *earnings.Amount {
	if t == nil || !t.Offer.Kind.Pays() {
		return nil
	}
	c := rank.Case{
		Now:      cashback.DateOf(t.Frozen.In(s.Zone)),
		Purchase: rank.Purchase{Amount: paid.Decimal(), Currency: paid.Currency, Country: cmp.Or(t.Offer.Entry.Country, s.DefaultCountry), Channel: "online"},
		Portals:  []rank.Portal{rank.PortalOf(cashback.Portal{ID: t.Portal, Name: t.PortalName, Currency: paid.Currency, Facts: t.Facts})},
		Offers:   []rank.Offer{rank.OfferOf(t.Offer)},
	}
	s.vat.Fill(&c)
	s.rates.Fill(&c)
	a, err := rank.Rank(c)
	if err != nil {
		s.log.Warn("terms can't be valued", "portal", t.Portal, "error", err)
		return nil
	}
	var minor int64
	switch {
	case len(a.Ranked) > 0:
		minor = a.Ranked[0].Reward
	case len(a.Unreachable) > 0:
		minor = a.Unreachable[0].Reward
	}
	if minor <= 0 {
		return nil
	}
	return &earnings.Amount{Minor: minor, Unit: earnings.Unit(paid.Currency)}
}

type moveForm struct {
	ID       string `path:"id"`
	State    string `form:"state" enum:"clicked,expected,tracked,confirmed,payable,requested,paid,donated,declined,reversed" required:"true"`
	Cashback string `form:"cashback"`
	To       string `form:"to" most:"200"`
	Note     string `form:"note" most:"200"`
	Seen     uint64 `form:"seen"`
}

// moveOn notes what the portal says now, for who follows it by hand.
func (s *Server) moveOn(v *visit) (*reply, error) {
	f, form, err := decodeForm[moveForm](v)
	if err != nil {
		return nil, err
	}
	p, _, err := s.ledgers.Purchase(v.ctx, v.user.ID, purchaseID(v))
	if err != nil {
		return nil, err
	}
	amount := s.typedAmount(v, &form, "cashback", f.Cashback, p)
	again := func(say string) (*reply, error) {
		form.Refuse("", say)
		return s.showPurchase(v, purchaseForms{move: form})
	}
	if !form.OK() {
		return s.showPurchase(v, purchaseForms{move: form})
	}
	events, key := handSteps(p, earnings.State(f.State), amount, s.Now())
	if key != "" {
		form.Refuse("cashback", v.locale.T(key))
		return s.showPurchase(v, purchaseForms{move: form})
	}
	if events == nil {
		return again(v.locale.T("money.not_so"))
	}
	for i := range events {
		events[i].Note, events[i].Key = f.Note, handKey(p.ID, f.Seen, i)
		if events[i].Kind == earnings.Donation {
			events[i].Note = strings.TrimSpace(f.To) // names the association
		}
	}
	return s.write(v, p.ID, events, again)
}

// typedAmount reads a cashback in what the purchase is counted in.
func (s *Server) typedAmount(v *visit, form *pages.Form, field, value string, p earnings.Purchase) *earnings.Amount {
	if value == "" {
		return nil
	}
	unit := earnings.Unit("")
	if p.Amount != nil {
		unit = p.Amount.Unit
	} else {
		c, err := s.currencyFor(v, p)
		if err != nil {
			c = "EUR"
		}
		unit = earnings.Unit(c)
	}
	if _, points := unit.Points(); points {
		// Two decimals, like most money.
		m := typedMoney(v, form, field, value, "EUR")
		return &earnings.Amount{Minor: m.Minor, Unit: unit}
	}
	m := typedMoney(v, form, field, value, cashback.Currency(unit))
	a := earnings.AmountOf(m)
	return &a
}

// handWay is earnings.Steps with the way to an association: what is payable is given; and
// with the way back of who has noted a payout wrongly.
func handWay(from, to earnings.State) ([]earnings.EventKind, bool) {
	if to == earnings.StatePayable && (from == earnings.StatePaid || from == earnings.StateDonated) {
		return []earnings.EventKind{earnings.PayoutUndone}, true
	}
	if to != earnings.StateDonated {
		return earnings.Steps(from, to)
	}
	if from == earnings.StatePayable || from == earnings.StateRequested {
		return []earnings.EventKind{earnings.Donation}, true
	}
	kinds, ok := earnings.Steps(from, earnings.StatePayable)
	return append(kinds, earnings.Donation), ok && from != earnings.StateDonated
}

// handSteps are the events that bring a purchase to a state and an amount; nil where
// there is no way, with the key of a sentence where only the amount is missing.
func handSteps(p earnings.Purchase, to earnings.State, amount *earnings.Amount, now time.Time) (events []earnings.Event, missing string) {
	event := func(k earnings.EventKind) earnings.Event {
		return earnings.Event{Kind: k, At: now, Purchase: p.ID, Portal: p.Portal, Source: "hand"}
	}
	differs := amount != nil && (p.Amount == nil || *amount != *p.Amount)
	if to == p.State {
		if !differs {
			return nil, "move.nothing"
		}
		e := event(earnings.AmountChanged)
		e.Amount = amount
		return []earnings.Event{e}, ""
	}
	kinds, ok := handWay(p.State, to)
	if !ok {
		return nil, ""
	}
	if p.Amount == nil && amount == nil && to != earnings.StateDeclined {
		return nil, "move.amount_needed"
	}
	for i, k := range kinds {
		e := event(k)
		e.Implied = i < len(kinds)-1
		if differs && i == 0 {
			if k == earnings.Tracked || k == earnings.Confirmed {
				e.Amount = amount
			} else if k != earnings.Declined && k != earnings.Reversed {
				change := event(earnings.AmountChanged)
				change.Amount = amount
				events = append(events, change)
			}
		}
		events = append(events, e)
	}
	return events, ""
}

func (s *Server) newPurchasePage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return s.showNewPurchase(v, pages.Form{})
}

func (s *Server) showNewPurchase(v *visit, form pages.Form) (*reply, error) {
	_, choice, err := s.portalNames(v)
	if err != nil {
		return nil, err
	}
	rep, err := html(v.ctx, pages.NewPurchase(s.chrome(v, "money"), &pages.NewPurchaseView{Form: form, Portals: choice, Today: cashback.DateOf(v.now).String()}))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

type newPurchaseForm struct {
	Portal   string `form:"portal"`
	Other    string `form:"portal_name" most:"200"`
	Shop     string `form:"shop" most:"200"`
	Date     string `form:"date" required:"true"`
	Amount   string `form:"amount"`
	Cashback string `form:"cashback"`
	Order    string `form:"order" most:"200"`
	For      string `form:"for" enum:"purchase,sign_up,referral,other"`
	Business bool   `form:"business"`
}

// newPurchase notes a purchase that wasn't begun here.
func (s *Server) newPurchase(v *visit) (*reply, error) {
	f, form, err := decodeForm[newPurchaseForm](v)
	if err != nil {
		return nil, err
	}
	portal, err := s.chosenPortal(v, &form, f.Portal, f.Other)
	if err != nil {
		return nil, err
	}
	day, err := cashback.ParseDate(f.Date)
	if err != nil {
		form.Refuse("date", v.locale.T("error.date", "Value", clip(f.Date)))
	} else if day > cashback.DateOf(v.now) || day < firstDay {
		form.Refuse("date", v.locale.T("add.date_range"))
	}
	currency := cmp.Or(portal.Currency, s.ownCurrency(v))
	what := earnings.RewardFor(cmp.Or(f.For, string(earnings.ForPurchase)))
	var basket *earnings.Amount
	if f.Amount != "" {
		a := earnings.AmountOf(typedMoney(v, &form, "amount", f.Amount, currency))
		basket = &a
	}
	if what == earnings.ForPurchase { // a purchase is at a shop and costs something
		for field, value := range map[string]string{"shop": f.Shop, "amount": f.Amount} {
			if strings.TrimSpace(value) == "" {
				form.Refuse(field, v.locale.T("error.value_missing", "Field", label(v, field)))
			}
		}
	} else if f.Cashback == "" { // a bonus is its amount
		form.Refuse("cashback", v.locale.T("error.value_missing", "Field", label(v, "cashback")))
	}
	var expected *earnings.Amount
	if f.Cashback != "" {
		a := earnings.AmountOf(typedMoney(v, &form, "cashback", f.Cashback, currency))
		expected = &a
	}
	if !form.OK() {
		return s.showNewPurchase(v, form)
	}
	id, err := s.newPurchaseID()
	if err != nil {
		return nil, err
	}
	e := earnings.Event{
		Kind: earnings.Expected, At: noon(day, s.Zone), Purchase: id, Portal: portal.ID, Shop: strings.TrimSpace(f.Shop),
		Basket: basket, Amount: expected, Order: f.Order, Business: f.Business, Source: "hand", Key: "hand:" + id,
	}
	switch what { // a bonus that the portal promises stands there from the beginning
	case earnings.ForSignUp:
		e.Kind = earnings.JoinBonus
	case earnings.ForReferral:
		e.Kind = earnings.Referral
	case earnings.ForOther:
		e.Kind, e.For = earnings.Tracked, what
	}
	return s.write(v, id, []earnings.Event{e}, func(say string) (*reply, error) {
		form.Refuse("", say)
		return s.showNewPurchase(v, form)
	})
}

// ownCurrency is what a person's amounts are in where nothing else says it.
func (s *Server) ownCurrency(v *visit) cashback.Currency {
	return cmp.Or(v.user.Settings.Currency, s.currencyOfCountry(cmp.Or(v.user.Settings.Country, s.DefaultCountry)))
}

// firstDay is before any portal was.
var firstDay = cashback.DateOf(time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC))

// noon is a day as a moment that is that day in every zone near.
func noon(d cashback.Date, zone *time.Location) time.Time {
	t := d.Time()
	return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, zone)
}
