package web

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cagnotte/cagnotte/internal/account"
	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/earnings/claim"
	"github.com/cagnotte/cagnotte/internal/earnings/statement"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/pages"
)

// followRoutes say what a person should see to, what they can have, and what to write
// where cashback is missing.
func (s *Server) followRoutes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{get, "/{lang:fr|en}/money/cash", Shopper, NoStore, maxBody, ratePages, s.cashPage},
		{get, "/{lang:fr|en}/money/watch", Shopper, NoStore, maxBody, ratePages, s.watchPage},
		{post, "/{lang:fr|en}/money/watch/aside", Shopper, NoStore, maxForm, rateForms, s.putAside},
		{post, "/{lang:fr|en}/money/calendar", Shopper, NoStore, maxForm, rateForms, s.newFeed},
		{get, "/{lang:fr|en}/calendar/{token}", Anybody, NoStore, maxBody, ratePages, s.feed},
		{get, "/{lang:fr|en}/money/calendar.ics", Shopper, NoStore, maxBody, ratePages, s.calendar},
		{get, "/{lang:fr|en}/money/purchases/{id}/claim", Shopper, NoStore, maxBody, ratePages, s.claimPage},
		{get, "/{lang:fr|en}/money/purchases/{id}/proof", Shopper, NoStore, maxBody, rateForms, s.proofPack},
		{post, "/{lang:fr|en}/money/purchases/{id}/answer", Shopper, NoStore, maxForm, rateForms, s.claimAnswered},
		{post, "/{lang:fr|en}/money/purchases/{id}/claim", Shopper, NoStore, maxForm, rateForms, s.claimSent},
	}
}

// followed is a person's ledger with what is known of its portals.
type followed struct {
	earnings.Book
	*store.Known
}

func (x *followed) name(id string) string { return cmp.Or(x.Portals[id].Name, id) }

func (s *Server) follow(v *visit) (x followed, err error) {
	if x.Book, err = s.ledgers.Book(v.ctx, v.user.ID); err != nil {
		return x, err
	}
	x.Known, err = s.knownOf(v)
	return x, err
}

// knownOf is what there is to know about the visitor's purchases.
func (s *Server) knownOf(v *visit) (*store.Known, error) {
	x, err := s.ledgers.Known(v.ctx, v.user.ID)
	if err != nil {
		return nil, err
	}
	x.VAT = func(c cashback.Country, day cashback.Date) (cashback.Decimal, bool) {
		r, ok := s.vat.On(c, day)
		return r.Rate, ok
	}
	x.Zone = s.Zone
	rules, err := s.rulesOf(v)
	x.Uplift = statement.Uplift(rules)
	return x, err
}

// rulesOf are the rules by which a person's imports are read.
func (s *Server) rulesOf(v *visit) ([]*statement.Rule, error) {
	documents, err := s.ledgers.Documents(v.ctx, v.user.ID, statement.DocumentKind)
	if err != nil {
		return nil, err
	}
	return statement.WithOwn(s.rules, documents), nil
}

func (s *Server) cashPage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	x, err := s.follow(v)
	if err != nil {
		return nil, err
	}
	return html(v.ctx, pages.Cash(s.chrome(v, "money"), &pages.CashView{
		Outs: earnings.CashOuts(x.Book, x.Facts, v.now), PortalName: x.name, Seen: x.Head, Now: v.now,
		Currency: func(id string) cashback.Currency { return x.Portals[id].Currency },
	}))
}

type watchQuery struct {
	// Over asks for the cases too of which nothing is left to do.
	Over string `query:"over" enum:"1"`
}

func (s *Server) watchPage(v *visit) (*reply, error) {
	q, err := decode[watchQuery](v)
	if err != nil {
		return nil, err
	}
	return s.showWatch(v, q.Over != "", "", pages.Form{})
}

// showWatch is what there is to see to; feed is a calendar's new address, shown this
// once.
func (s *Server) showWatch(v *visit, over bool, feed string, form pages.Form) (*reply, error) {
	v.page = "money/watch"
	x, err := s.follow(v)
	if err != nil {
		return nil, err
	}
	x.Brief = !over
	alerts := earnings.Watch(x.Book, x.Facts, v.now)
	if err := x.Err(); err != nil {
		return nil, err
	}
	rep, err := html(v.ctx, pages.Watch(s.chrome(v, "money"), &pages.WatchView{Alerts: alerts, PortalName: x.name, Over: over, Feed: feed, Form: form, Now: v.now}))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

type asideForm struct {
	Alert string `form:"alert" required:"true" most:"64"`
	// Back brings it back.
	Back bool `form:"back"`
}

// putAside puts away what the shopper has seen to, or lets be; it comes back by itself with
// the next event.
func (s *Server) putAside(v *visit) (*reply, error) {
	f, form, err := decodeForm[asideForm](v)
	if err != nil {
		return nil, err
	}
	if !form.OK() {
		return nil, errNotFound
	}
	x, err := s.follow(v)
	if err != nil {
		return nil, err
	}
	x.Brief = true
	alerts := earnings.Watch(x.Book, x.Facts, v.now)
	if err := x.Err(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(alerts, func(a earnings.Alert) bool { return a.ID == f.Alert }) {
		return nil, errNotFound
	}
	if err := s.ledgers.PutAside(v.ctx, v.user.ID, f.Alert, !f.Back); err != nil {
		return nil, err
	}
	say := "put_aside"
	if f.Back {
		say = "brought_back"
	}
	return s.done(v, ours(v, "money/watch"), say), nil
}

// newFeed makes an address that a calendar may fetch the coming days from, for a year.
func (s *Server) newFeed(v *visit) (*reply, error) {
	_, form, err := decodeForm[struct{}](v)
	if err != nil {
		return nil, err
	}
	ends := s.Now().Add(account.KeyFor - time.Minute)
	_, token, err := s.desk.NewKey(v.ctx, *v.user, v.locale.T("watching.feed_key"), []account.Scope{account.Calendar}, ends)
	if err != nil && cashback.KindOf(err) == cashback.Conflict {
		form.Refuse("", v.locale.T("account.keys_full", "Most", v.locale.Int(account.MaxKeys)))
		return s.showWatch(v, false, "", form)
	}
	if err != nil {
		return nil, err
	}
	site := strings.TrimSuffix(s.Site, "/")
	if site == "" {
		site = "http://" + v.req.Host // one of those that the server answers to
	}
	return s.showWatch(v, false, site+ours(v, "calendar/"+token+".ics"), form)
}

type feedQuery struct {
	Token string `path:"token"`
}

// feed is the calendar for whoever knows its address. A program's key doesn't open it,
// since an address is seen by more than its owner, and this address opens nothing else.
func (s *Server) feed(v *visit) (*reply, error) {
	q, err := decode[feedQuery](v)
	if err != nil {
		return nil, err
	}
	u, _, err := s.desk.AuthenticateKey(v.ctx, strings.TrimSuffix(q.Token, ".ics"), account.Calendar)
	if kind := cashback.KindOf(err); err != nil && (kind == cashback.NotFound || kind == cashback.Forbidden) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	v.user = &u
	return s.writeCalendar(v)
}

// calendar is the coming days as a file that every calendar reads.
func (s *Server) calendar(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	return s.writeCalendar(v)
}

func (s *Server) writeCalendar(v *visit) (*reply, error) {
	x, err := s.follow(v)
	if err != nil {
		return nil, err
	}
	c := pages.Chrome{L: v.locale}
	var b bytes.Buffer
	err = earnings.WriteCalendar(&b, c.T("site.name"), earnings.Reminders(x.Book, x.Facts, v.now), v.now, func(r earnings.Reminder) earnings.ReminderText {
		amount := ""
		if r.Amount != nil {
			amount = c.Amount(*r.Amount)
		}
		return earnings.ReminderText{Summary: c.T("calendar."+string(r.Kind), "Shop", r.Shop, "Portal", x.name(r.Portal), "Amount", amount)}
	})
	if err != nil {
		return nil, err
	}
	return attached("cagnotte.ics", "text/calendar; charset=utf-8", b.Bytes()), nil
}

type claimQuery struct {
	ID   string `path:"id"`
	In   string `query:"in" enum:"en,fr"`
	Name string `query:"name"`
}

// caseOf is the claim that a purchase gives cause for; NotFound where it gives none.
func (s *Server) caseOf(v *visit, q claimQuery) (c claim.Case, clock earnings.Clock, in string, err error) {
	x, err := s.knownOf(v)
	if err != nil {
		return c, clock, "", err
	}
	id := purchaseID(v)
	p, events, err := s.ledgers.Purchase(v.ctx, v.user.ID, id)
	if err != nil {
		return c, clock, "", err
	}
	portal := x.Portals[p.Portal]
	c = claim.Case{Purchase: p, Events: events, Portal: portal, Zone: s.Zone, Member: q.Name, Written: cashback.DateOf(v.now)}
	for _, a := range earnings.WatchPurchase(p, x.Facts, cashback.DateOf(v.now)) {
		switch a.Kind {
		case earnings.AlertMissing, earnings.AlertShort, earnings.AlertOverdue, earnings.AlertDeclined:
			if c.Problem == "" {
				c.Problem, clock = a.Kind, a.Clock
			}
		}
	}
	if err := x.Err(); err != nil {
		return c, clock, "", err
	}
	if c.Problem == "" {
		return c, clock, "", errNotFound
	}
	if p.Evidence != "" {
		e, err := s.ledgers.Evidence(v.ctx, v.user.ID, p.Evidence)
		if err == nil {
			c.Evidence = &e
		} else if cashback.KindOf(err) != cashback.NotFound {
			return c, clock, "", err
		}
	}
	if in = q.In; in == "" {
		in = v.locale.Lang
		for _, l := range portal.Languages {
			if l == "en" || l == "fr" {
				in = l // the portal's own language is understood there
				break
			}
		}
	}
	return c, clock, in, nil
}

func (s *Server) claimPage(v *visit) (*reply, error) {
	q, err := decode[claimQuery](v)
	if err != nil {
		return nil, err
	}
	c, clock, in, err := s.caseOf(v, q)
	if err != nil {
		return nil, err
	}
	letter, err := claim.Write(c, in)
	if err != nil {
		return nil, err
	}
	return html(v.ctx, pages.Claim(s.chrome(v, "money"), &pages.ClaimView{
		Purchase: c.Purchase, PortalName: c.Portal.Name, Letter: letter, Clock: clock, In: in, Name: q.Name, Problem: c.Problem,
		Seen: c.Purchase.Events[len(c.Purchase.Events)-1], Languages: s.locales.All(), Evidence: c.Evidence != nil,
	}))
}

func (s *Server) proofPack(v *visit) (*reply, error) {
	q, err := decode[claimQuery](v)
	if err != nil {
		return nil, err
	}
	c, _, in, err := s.caseOf(v, q)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := claim.Pack(&b, c, in); err != nil {
		return nil, err
	}
	return attached("cagnotte-claim-"+c.Written.String()+".zip", "application/zip", b.Bytes()), nil
}

type claimForm struct {
	ID   string `path:"id"`
	Seen uint64 `form:"seen"`
}

// claimSent notes that the letter has gone.
func (s *Server) claimSent(v *visit) (*reply, error) {
	f, _, err := decodeForm[claimForm](v)
	if err != nil {
		return nil, err
	}
	p, _, err := s.ledgers.Purchase(v.ctx, v.user.ID, purchaseID(v))
	if err != nil {
		return nil, err
	}
	var events []earnings.Event
	for i, k := range []earnings.EventKind{earnings.ClaimOpened, earnings.ClaimSent} {
		if k == earnings.ClaimOpened && p.Claim == earnings.ClaimOpened {
			continue
		}
		events = append(events, earnings.Event{Kind: k, At: s.Now(), Purchase: p.ID, Portal: p.Portal, Source: "hand", Key: handKey(p.ID, f.Seen, i)})
	}
	return s.write(v, p.ID, events, func(string) (*reply, error) {
		return s.done(v, ours(v, "money/purchases/"+url.PathEscape(p.ID)), "moved_on"), nil
	})
}
