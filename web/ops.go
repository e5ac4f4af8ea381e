package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/merchant"
	"github.com/cagnotte/cagnotte/web/locale"
	"github.com/cagnotte/cagnotte/web/pages"
)

// deskRoutes are the operator's pages. To everybody else they don't exist.
func (s *Server) deskRoutes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{get, "/ops", Anybody, NoStore, maxBody, ratePages, s.linked("ops", "")},
		{get, "/{lang:fr|en}/ops", Operator, NoStore, maxBody, ratePages, s.opsPage},
		{get, "/{lang:fr|en}/ops/live", Operator, NoStore, maxBody, ratePages, s.opsLive},
		{get, "/{lang:fr|en}/ops/portals/{id}", Operator, NoStore, maxBody, ratePages, s.opsPortal},
		{get, "/{lang:fr|en}/ops/runs/{id}", Operator, NoStore, maxBody, ratePages, s.opsRun},
		{get, "/{lang:fr|en}/ops/merchants", Operator, NoStore, maxBody, ratePages, s.opsMerchants},
		{get, "/{lang:fr|en}/ops/audit", Operator, NoStore, maxBody, ratePages, s.opsAudit},
		{post, "/{lang:fr|en}/ops/portals/{id}/{verb}", Operator, NoStore, maxForm, rateForms, s.opsTell},
		{post, "/{lang:fr|en}/ops/all/{verb}", Operator, NoStore, maxForm, rateForms, s.opsTellAll},
		{post, "/{lang:fr|en}/ops/runs/{id}/{verb}", Operator, NoStore, maxForm, rateForms, s.opsSettle},
		{post, "/{lang:fr|en}/ops/merchants/{verb}", Operator, NoStore, maxForm, rateForms, s.opsCorrect},
	}
}

// opsPage is everything at a glance.
func (s *Server) opsPage(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	v.page = "ops"
	portals, err := s.deskPortals(v.ctx, v.now)
	if err != nil {
		return nil, err
	}
	d := &pages.DeskView{Now: v.now, Portals: portals, Crawls: s.Crawls != nil && s.Crawls.Active()}
	if s.Catalogue != nil {
		reviews, err := s.Catalogue.Reviews(v.ctx)
		if err != nil {
			return nil, err
		}
		d.Reviews = len(reviews)
	}
	if d.Audit, err = s.Store.Audit(v.ctx, 0, 8); err != nil {
		return nil, err
	}
	return html(v.ctx, pages.Desk(s.chrome(v, "ops"), d))
}

// The most lines of the desk's lists.
const (
	opsRuns    = 20
	opsUnread  = 50
	opsReviews = 50
	opsAudit   = 100
)

func (s *Server) opsPortal(v *visit) (*reply, error) {
	q, err := decode[portalIDQuery](v)
	if err != nil {
		return nil, err
	}
	return s.showPortal(v, q.ID, "", pages.Form{})
}

// showPortal is a portal's page; form is that of the verb that has been refused.
func (s *Server) showPortal(v *visit, id, verb string, form pages.Form) (*reply, error) {
	v.page = "ops/portals/" + url.PathEscape(id)
	p, err := s.onePortal(v.ctx, id, v.now)
	if err != nil {
		return nil, err
	}
	d := &pages.DeskPortalView{Now: v.now, Portal: p, Crawls: s.Crawls != nil && s.Crawls.Active(), Forms: map[string]pages.Form{verb: form}}
	if d.Runs, err = s.operator().Runs(v.ctx, id, opsRuns); err != nil {
		return nil, err
	}
	if d.Unread, err = s.unread(v.ctx, id); err != nil {
		return nil, err
	}
	for _, u := range d.Unread {
		d.UnreadOffers += u.Count
	}
	d.UnreadTexts = len(d.Unread)
	sp, err := s.operator().Portal(v.ctx, id)
	if err != nil {
		return nil, err
	}
	for _, name := range cashback.FactNames() {
		value, origin, known := sp.Facts.Fact(name)
		_, _, own := sp.Edits.Fact(name)
		d.Facts = append(d.Facts, pages.DeskFact{Name: name, Value: value, Origin: origin, Known: known, Own: own})
	}
	if p.Withheld > 0 {
		if d.Withheld, err = s.withheld(v.ctx, id); err != nil {
			return nil, err
		}
		d.Withheld.Items = d.Withheld.Items[:min(len(d.Withheld.Items), opsUnread)]
	}
	d.Unread = d.Unread[:min(len(d.Unread), opsUnread)]
	all, err := s.Store.Audit(v.ctx, 0, 500)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.Portal == id && len(d.Audit) < opsRuns {
			d.Audit = append(d.Audit, e)
		}
	}
	rep, err := html(v.ctx, pages.DeskPortal(s.chrome(v, "ops"), d))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

func (s *Server) opsRun(v *visit) (*reply, error) {
	q, err := decode[runQuery](v)
	if err != nil {
		return nil, err
	}
	return s.showRun(v, q.ID, "", pages.Form{})
}

func (s *Server) showRun(v *visit, id, verb string, form pages.Form) (*reply, error) {
	v.page = "ops/runs/" + url.PathEscape(id)
	r, err := s.deskReport(v.ctx, id, v.now)
	if err != nil {
		return nil, err
	}
	rep, err := html(v.ctx, pages.DeskRun(s.chrome(v, "ops"), &pages.DeskRunView{Now: v.now, Report: r, Forms: map[string]pages.Form{verb: form}}))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

func (s *Server) opsAudit(v *visit) (*reply, error) {
	q, err := decode[auditQuery](v)
	if err != nil {
		return nil, err
	}
	lines, err := s.Store.Audit(v.ctx, q.Below, opsAudit)
	if err != nil {
		return nil, err
	}
	d := &pages.AuditView{Now: v.now, Lines: lines}
	if len(lines) == opsAudit {
		d.Next = strconv.FormatUint(lines[len(lines)-1].Number, 10)
	}
	return html(v.ctx, pages.Audit(s.chrome(v, "ops"), d))
}

// opsTell carries out a form about a portal.
func (s *Server) opsTell(v *visit) (*reply, error) {
	w, form, err := decodeForm[wish](v)
	if err != nil {
		return nil, err
	}
	id, verb := v.param("id"), v.param("verb")
	back := ours(v, "ops/portals/"+url.PathEscape(id))
	if w.Back == "ops" {
		back = ours(v, "ops")
	}
	if form.OK() {
		err := s.tell(v.ctx, v.by(), id, verb, w)
		switch {
		case err == nil:
			return s.done(v, back, "desk_"+verb), nil
		case cashback.KindOf(err) == cashback.Conflict:
			return s.done(v, back, "desk_conflict"), nil
		}
		var wrong *cashback.Error
		if err := blame(v, &form, err); err != nil {
			// A fact's own sentence says what its value may be; it is in English.
			if verb != verbFacts || !errors.As(err, &wrong) || wrong.Kind != cashback.Invalid {
				return nil, err
			}
			form.Refuse("value", v.locale.T("refuse.value"))
			if v.locale.Lang == "en" {
				form.Faults["value"] = wrong.Message
			}
		}
	}
	return s.showPortal(v, id, verb, form)
}

func (s *Server) opsTellAll(v *visit) (*reply, error) {
	w, form, err := decodeForm[wish](v)
	if err != nil {
		return nil, err
	}
	verb := v.param("verb")
	if form.OK() {
		if err := s.tellAll(v.ctx, v.by(), verb, w); err != nil {
			return nil, err
		}
	}
	return s.done(v, ours(v, "ops"), "desk_"+verb), nil
}

// opsSettle accepts or rejects a run.
func (s *Server) opsSettle(v *visit) (*reply, error) {
	f, form, err := decodeForm[struct {
		Reason string `form:"reason"`
	}](v)
	if err != nil {
		return nil, err
	}
	id, verb := v.param("id"), v.param("verb")
	if form.OK() {
		_, err := s.settleRun(v.ctx, v.by(), id, verb, f.Reason)
		switch {
		case err == nil:
			return s.done(v, ours(v, "ops/runs/"+url.PathEscape(id)), "desk_"+verb), nil
		case cashback.KindOf(err) == cashback.Conflict:
			return s.done(v, ours(v, "ops/runs/"+url.PathEscape(id)), "desk_settled"), nil
		}
		if err := blame(v, &form, err); err != nil {
			return nil, err
		}
	}
	return s.showRun(v, id, verb, form)
}

func (s *Server) opsMerchants(v *visit) (*reply, error) {
	q, err := decode[struct {
		Merchant string `query:"merchant"`
	}](v)
	if err != nil {
		return nil, err
	}
	return s.showMerchants(v, q.Merchant, "", pages.Form{})
}

// showMerchants is the review queue, or one merchant with its entries.
func (s *Server) showMerchants(v *visit, one, verb string, form pages.Form) (*reply, error) {
	if s.Catalogue == nil {
		return nil, errNotFound
	}
	v.page = "ops/merchants"
	d := &pages.MerchantsView{Now: v.now, Forms: map[string]pages.Form{verb: form}, Names: map[cashback.MerchantID]cashback.Merchant{}}
	learn := func(id cashback.MerchantID) error {
		if _, known := d.Names[id]; id == 0 || known {
			return nil
		}
		m, err := s.operator().Merchant(v.ctx, id)
		if err == nil {
			d.Names[id] = m
		} else if cashback.KindOf(err) == cashback.NotFound {
			return nil // a correction outlives its merchants
		}
		return err
	}
	if one != "" {
		id, err := s.merchantNamed(v.ctx, one)
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
		d.One = &pages.MerchantView{Merchant: m}
		for i, ref := range members {
			d.One.Entries = append(d.One.Entries, pages.MerchantEntry{Ref: ref, Reasons: reasons[i]})
		}
	} else {
		reviews, err := s.Catalogue.Reviews(v.ctx)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(reviews, func(a, b merchant.Review) int { return cmp.Compare(a.Confidence, b.Confidence) })
		d.All = len(reviews)
		d.Reviews = reviews[:min(len(reviews), opsReviews)]
		for _, r := range d.Reviews {
			if err := learn(r.Merchant); err != nil {
				return nil, err
			}
		}
	}
	events, err := s.Catalogue.Corrections(v.ctx)
	if err != nil {
		return nil, err
	}
	slices.Reverse(events)
	undone := map[uint64]bool{}
	for _, e := range events {
		if e.Kind == merchant.Undo {
			undone[e.Undoes] = true
		}
	}
	for _, e := range events[:min(len(events), opsRuns)] {
		if err := errors.Join(learn(e.Merchant), learn(e.Other)); err != nil {
			return nil, err
		}
		d.Corrections = append(d.Corrections, pages.Correction{Event: e, Undone: undone[e.Number]})
	}
	rep, err := html(v.ctx, pages.DeskMerchants(s.chrome(v, "ops"), d))
	if !form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

// opsCorrect carries out a correction of merchants.
func (s *Server) opsCorrect(v *visit) (*reply, error) {
	f, form, err := decodeForm[struct {
		Merchant string   `form:"merchant"`
		Other    string   `form:"other"`
		Entries  []string `form:"entries"`
		Name     string   `form:"name"`
		Undoes   uint64   `form:"undoes"`
		Note     string   `form:"note"`
		Back     string   `form:"back"`
	}](v)
	if err != nil {
		return nil, err
	}
	if s.Catalogue == nil {
		return nil, errNotFound
	}
	kind := merchant.EventKind(v.param("verb"))
	ev := merchant.Event{Kind: kind, By: v.by(), Note: f.Note, Name: f.Name, Undoes: f.Undoes}
	for field, to := range map[string]struct {
		name string
		id   *cashback.MerchantID
	}{"merchant": {f.Merchant, &ev.Merchant}, "other": {f.Other, &ev.Other}} {
		if to.name == "" {
			continue
		}
		if *to.id, err = s.merchantNamed(v.ctx, to.name); err != nil {
			if cashback.KindOf(err) != cashback.NotFound {
				return nil, err
			}
			form.Refuse(field, v.locale.T("desk.no_merchant", "Name", clip(to.name)))
		}
	}
	for _, e := range f.Entries {
		ref, err := refOf(e)
		if err != nil {
			return nil, badInput{"entries", "error.form", nil}
		}
		ev.Entries = append(ev.Entries, ref)
	}
	switch kind {
	case merchant.Merge, merchant.Apart, merchant.Split, merchant.Rename, merchant.Undo:
	default:
		return nil, errNotFound
	}
	if form.OK() {
		if _, _, err = s.correct(v.ctx, ev); err == nil {
			return s.done(v, ours(v, "ops/merchants"), "desk_corrected"), nil
		}
		switch cashback.KindOf(err) {
		case cashback.Invalid, cashback.Conflict, cashback.NotFound:
			form.Refuse("", v.locale.T("desk.refused"))
		default:
			return nil, err
		}
	}
	return s.showMerchants(v, f.Back, string(kind), form)
}

// liveEvery is the least time between two messages of a stream: people don't read
// faster. liveAlive is how often a silent stream proves that it is alive.
const (
	liveEvery = 250 * time.Millisecond
	liveAlive = 20 * time.Second
)

// liveRun is a run in progress as the page shows it.
type liveRun struct {
	Portal string `json:"portal"`
	Text   string `json:"text"`
	Value  int    `json:"value"`
	Max    int    `json:"max"`
}

// opsLive tells how far runs have come, as server-sent events: "progress" with all that
// run, and "changed" when a run has begun or ended, so that the page looks again.
func (s *Server) opsLive(v *visit) (*reply, error) {
	if _, err := decode[struct{}](v); err != nil {
		return nil, err
	}
	if s.Crawls == nil {
		return nil, errNotFound
	}
	l := v.locale
	return &reply{stream: func(send func(event, data string) error) {
		end := time.NewTimer(streamLife)
		defer end.Stop()
		alive := time.NewTicker(liveAlive)
		defer alive.Stop()
		// wait returns when there is news, or proof of life is due; false when all is over.
		wait := func(news <-chan struct{}, pause <-chan time.Time) bool {
			select {
			case <-news:
			case <-pause:
			case <-v.ctx.Done():
				return false
			case <-s.stopping:
				return false
			case <-end.C:
				return false
			}
			return true
		}
		was := ""
		for first := true; ; first = false {
			runs, changed := s.Crawls.Watch()
			now, out := "", []liveRun{}
			for _, id := range slices.Sorted(maps.Keys(runs)) {
				p := runs[id]
				now += id + " " + p.Run + "\n"
				out = append(out, liveRun{id, progressText(l, p.Pages, p.Known, p.Offers), p.Pages, max(p.Known, 1)})
			}
			data, err := json.Marshal(out)
			if err == nil {
				err = send("progress", string(data))
			}
			if err == nil && now != was && !first {
				err = send("changed", "")
			}
			if err != nil {
				return // the page has gone
			}
			was = now
			pace := time.NewTimer(liveEvery)
			more := wait(nil, pace.C) && wait(changed, alive.C)
			pace.Stop()
			if !more {
				return
			}
		}
	}}, nil
}

func progressText(l *locale.Locale, read, known, offers int) string {
	return l.Count("desk.progress", known, "Pages", l.Int(read), "Offers", l.Count("desk.offers", offers))
}
