package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/earnings"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/pages"
)

// payoutRoutes note what portals have paid, and what it was for.
func (s *Server) payoutRoutes() []Route {
	get, post := http.MethodGet, http.MethodPost
	return []Route{
		{get, "/{lang:fr|en}/money/payouts", Shopper, NoStore, maxBody, ratePages, s.payoutsPage},
		{post, "/{lang:fr|en}/money/payouts", Shopper, NoStore, maxDecisions, rateForms, s.notePayout},
		{post, "/{lang:fr|en}/money/payouts/undo", Shopper, NoStore, maxForm, rateForms, s.undoPayout},
		{post, "/{lang:fr|en}/money/payouts/asked", Shopper, NoStore, maxForm, rateForms, s.payoutAsked},
	}
}

// payoutQuery is what arrived, while its lines are looked for; nothing is written.
type payoutQuery struct {
	Portal string `query:"portal"`
	Amount string `query:"amount"`
	Date   string `query:"date"`
	Name   string `query:"name"`
	To     string `query:"to"`
}

func (s *Server) payoutsPage(v *visit) (*reply, error) {
	q, err := decode[payoutQuery](v)
	if err != nil {
		return nil, err
	}
	return s.showPayouts(v, payoutForm{Portal: q.Portal, Amount: q.Amount, Date: q.Date, Name: q.Name, To: q.To}, pages.Form{}, nil)
}

// payouts are a person's, and the book that they were read with.
func (s *Server) payouts(v *visit) (b earnings.Book, list []earnings.PaidOut, err error) {
	if b, err = s.ledgers.Book(v.ctx, v.user.ID); err != nil {
		return b, nil, err
	}
	documents, err := s.ledgers.Documents(v.ctx, v.user.ID, earnings.PayoutKind)
	return b, earnings.PaidOuts(b, documents), err
}

// arrived reads what a payout form states; the form has what is wrong.
func (s *Server) paidIn(v *visit, f payoutForm, form *pages.Form) (portal cashback.Portal, paid earnings.Amount, day cashback.Date, err error) {
	portal, err = s.portal(v, f.Portal)
	if err != nil {
		if cashback.KindOf(err) != cashback.NotFound {
			return portal, paid, day, err
		}
		err = nil
		form.Refuse("portal", v.locale.T("error.value_missing", "Field", label(v, "portal")))
	}
	paid = earnings.AmountOf(typedMoney(v, form, "amount", f.Amount, cmp.Or(portal.Currency, s.ownCurrency(v))))
	if paid.Minor == 0 {
		form.Refuse("amount", v.locale.T("error.value_missing", "Field", v.locale.T("paidout.amount")))
	}
	day = cashback.DateOf(v.now)
	if f.Date != "" {
		if day, err = cashback.ParseDate(f.Date); err != nil {
			form.Refuse("date", v.locale.T("error.date", "Value", clip(f.Date)))
			err = nil
		} else if day > cashback.DateOf(v.now) || day < firstDay {
			form.Refuse("date", v.locale.T("paidout.date_range"))
		}
	}
	return portal, paid, day, err
}

// showPayouts lists what was paid, and looks for the lines of what the form states. The
// lines that are chosen stay chosen where the form was refused.
func (s *Server) showPayouts(v *visit, f payoutForm, form pages.Form, chosen []string) (*reply, error) {
	v.page = "money/payouts"
	b, list, err := s.payouts(v)
	if err != nil {
		return nil, err
	}
	names, choice, err := s.portalNames(v)
	if err != nil {
		return nil, err
	}
	// First the portals at which money waits.
	waits := func(id string) bool {
		return slices.ContainsFunc(b.Balances, func(x earnings.Balance) bool {
			return x.Portal == id && (x.State == earnings.StatePayable || x.State == earnings.StateRequested)
		})
	}
	slices.SortStableFunc(choice, func(a, b pages.Param) int {
		return cmp.Compare(map[bool]int{false: 1}[waits(a.Value)], map[bool]int{false: 1}[waits(b.Value)])
	})
	x := &pages.PayoutsView{
		Form: form, Portals: choice, Now: v.now, Today: cashback.DateOf(v.now).String(), Seen: b.Head, Payouts: list,
		Portal: f.Portal, Amount: f.Amount, Date: cmp.Or(f.Date, cashback.DateOf(v.now).String()), Name: f.Name, To: f.To,
		PortalName: func(id string) string { return nameOf(names, id) },
	}
	if f.Portal != "" && (f.Amount != "" || !form.OK()) {
		portal, paid, day, err := s.paidIn(v, f, &x.Form)
		if err != nil {
			return nil, err
		}
		if x.Form.Faults["portal"]+x.Form.Faults["amount"]+x.Form.Faults["date"] == "" {
			ahead := earnings.Ahead(list, portal.ID, paid.Unit)
			m := earnings.MatchPayout(b, portal, paid, ahead)
			x.Match, x.Paid, x.Lines = &m, paid, b.Payable(portal.ID, paid.Unit)
			x.Lines = x.Lines[:min(len(x.Lines), maxPayoutLines)]
			if x.Chosen = chosen; chosen == nil {
				x.Chosen = append(slices.Clone(m.Purchases), m.Part...)
			}
			x.Name = earnings.FreeName(list, cmp.Or(f.Name, portal.ID+" "+day.String()))
		}
	}
	rep, err := html(v.ctx, pages.Payouts(s.chrome(v, "money"), x))
	if !x.Form.OK() {
		return refused(rep, err)
	}
	return rep, err
}

// maxPayoutLines is how many lines a form offers for a payout.
const maxPayoutLines = 400

type payoutForm struct {
	Portal string   `form:"portal" required:"true"`
	Amount string   `form:"amount" required:"true"`
	Date   string   `form:"date"`
	Name   string   `form:"name" most:"150"`
	To     string   `form:"to" most:"150"`
	Lines  []string `form:"line" many:"400"`
	Seen   uint64   `form:"seen"`
}

// notePayout writes what arrived, and moves the lines that it was for. What arrived
// needn't be their sum: more is kept as paid ahead, less as the portal's fee.
func (s *Server) notePayout(v *visit) (*reply, error) {
	f, form, err := decodeForm[payoutForm](v)
	if err != nil {
		return nil, err
	}
	lines := append([]string{}, f.Lines...)
	if !form.OK() {
		return s.showPayouts(v, f, form, lines)
	}
	portal, paid, day, err := s.paidIn(v, f, &form)
	if err != nil {
		return nil, err
	}
	if !form.OK() {
		return s.showPayouts(v, f, form, lines)
	}
	b, list, err := s.payouts(v)
	if err != nil {
		return nil, err
	}
	if f.Name == "" {
		f.Name = earnings.FreeName(list, portal.ID+" "+day.String())
	}
	if slices.ContainsFunc(list, func(x earnings.PaidOut) bool { return x.ID == f.Name && x.Known }) {
		return s.done(v, ours(v, "money/payouts"), "moved_on"), nil // the form was sent twice
	}
	if f.Seen != b.Head {
		form.Refuse("", v.locale.T("flash.look_again"))
		return s.showPayouts(v, f, form, nil)
	}
	var sum int64
	for _, p := range b.Payable(portal.ID, paid.Unit) {
		if slices.Contains(lines, p.ID) {
			sum += p.Amount.Minor
		}
	}
	at := noon(day, s.Zone)
	events, err := b.Payout(f.Name, lines, at, strings.TrimSpace(f.To))
	if kind := cashback.KindOf(err); err != nil && (kind == cashback.Invalid || kind == cashback.NotFound) {
		form.Refuse("", v.locale.T("paidout.not_so"))
		return s.showPayouts(v, f, form, nil)
	}
	if err != nil {
		return nil, err
	}
	record := earnings.Arrival{ID: f.Name, Portal: portal.ID, At: at, Arrived: paid, Gross: paid, GivenTo: strings.TrimSpace(f.To)}
	m := earnings.MatchPayout(b, portal, paid, earnings.Ahead(list, portal.ID, paid.Unit))
	switch ahead := earnings.Ahead(list, portal.ID, paid.Unit); {
	case m.Method != "" && sum == m.Sum.Minor:
		record.Gross, record.Method = m.Sum, m.Method
	case sum > paid.Minor+ahead:
		record.Gross.Minor = sum - ahead // what is missing went to somebody else
	}
	document, err := record.Document()
	if err != nil {
		return nil, err
	}
	_, err = s.ledgers.Enter(v.ctx, v.user.ID, store.Entry{Events: events, Documents: []earnings.Document{document}, After: &f.Seen})
	switch kind := cashback.KindOf(err); {
	case err == nil:
		return s.done(v, ours(v, "money/payouts"), "payout_noted"), nil
	case kind == cashback.Conflict:
		form.Refuse("", v.locale.T("flash.look_again"))
	case kind == cashback.Invalid:
		form.Refuse("", v.locale.T("paidout.not_so"))
	default:
		return nil, err
	}
	return s.showPayouts(v, f, form, nil)
}

type undoForm struct {
	Portal string `form:"portal" required:"true"`
	ID     string `form:"id" required:"true"`
	Seen   uint64 `form:"seen"`
}

// undoPayout takes back a payout, or a request for one, that was noted wrongly, and leads
// to where it can be noted as it was.
func (s *Server) undoPayout(v *visit) (*reply, error) {
	f, form, err := decodeForm[undoForm](v)
	if err != nil {
		return nil, err
	}
	if !form.OK() {
		return nil, badInput{"id", "error.value_missing", []any{"Field", label(v, "portal")}}
	}
	l, err := s.ledgers.Ledger(v.ctx, v.user.ID)
	if err != nil {
		return nil, err
	}
	documents, err := s.ledgers.Documents(v.ctx, v.user.ID, earnings.PayoutKind)
	if err != nil {
		return nil, err
	}
	list := earnings.PaidOuts(l.Book(), documents)
	i := slices.IndexFunc(list, func(x earnings.PaidOut) bool { return x.ID == f.ID && x.Portal == f.Portal })
	if i < 0 {
		return nil, errNotFound
	}
	x, page := list[i], ours(v, "money/payouts")
	if !x.Undone.IsZero() || f.Seen != uint64(l.Len()) {
		return s.done(v, page, "look_again"), nil
	}
	events, kept, err := l.UndoPayout(x, s.Now())
	if err != nil {
		return nil, err
	}
	in := store.Entry{Events: events, Documents: kept, After: &f.Seen}
	if !x.Asked {
		if m, money := x.Arrived.Money(); money {
			page += "?" + url.Values{"portal": {x.Portal}, "amount": {m.Decimal().String()}, "date": {cashback.DateOf(x.At.In(s.Zone)).String()}, "to": {x.GivenTo}}.Encode()
		}
	}
	_, err = s.ledgers.Enter(v.ctx, v.user.ID, in)
	if err != nil && cashback.KindOf(err) == cashback.Conflict {
		return s.done(v, ours(v, "money/payouts"), "look_again"), nil
	}
	if err != nil {
		return nil, err
	}
	return s.done(v, page, "payout_undone"), nil
}

type askedForm struct {
	Portal string `form:"portal" required:"true"`
	Unit   string `form:"unit" required:"true"`
	Seen   uint64 `form:"seen"`
}

// payoutAsked notes that the shopper has asked a portal for all that is payable there.
func (s *Server) payoutAsked(v *visit) (*reply, error) {
	f, form, err := decodeForm[askedForm](v)
	if err != nil {
		return nil, err
	}
	if !form.OK() {
		return nil, badInput{"portal", "error.value_missing", []any{"Field", label(v, "portal")}}
	}
	b, list, err := s.payouts(v)
	if err != nil {
		return nil, err
	}
	name := earnings.FreeName(list, f.Portal+" "+cashback.DateOf(v.now).String())
	var events []earnings.Event
	for _, p := range b.Payable(f.Portal, earnings.Unit(f.Unit)) {
		if p.State == earnings.StatePayable {
			events = append(events, earnings.Event{
				Kind: earnings.PayoutRequested, At: s.Now(), Purchase: p.ID, Portal: p.Portal, Payout: name, Source: "payout:" + name,
				Key: handKey(p.ID, p.Events[len(p.Events)-1], 0),
			})
		}
	}
	if f.Seen != b.Head || len(events) == 0 {
		return s.done(v, ours(v, "money/cash"), "moved_on"), nil
	}
	_, err = s.ledgers.Enter(v.ctx, v.user.ID, store.Entry{Events: events, After: &f.Seen})
	if err != nil && cashback.KindOf(err) == cashback.Conflict {
		return s.done(v, ours(v, "money/cash"), "moved_on"), nil
	}
	if err != nil {
		return nil, err
	}
	return s.done(v, ours(v, "money/cash"), "saved"), nil
}

type answerForm struct {
	ID     string `path:"id"`
	Answer string `form:"answer" enum:"won,part,refused" required:"true"`
	Amount string `form:"amount"`
	Note   string `form:"note" most:"200"`
	Seen   uint64 `form:"seen"`
}

// claimAnswered notes what the portal has answered to a claim, and what follows from it.
func (s *Server) claimAnswered(v *visit) (*reply, error) {
	f, form, err := decodeForm[answerForm](v)
	if err != nil {
		return nil, err
	}
	p, _, err := s.ledgers.Purchase(v.ctx, v.user.ID, purchaseID(v))
	if err != nil {
		return nil, err
	}
	again := func(say string) (*reply, error) {
		form.Refuse("", say)
		return s.showPurchase(v, purchaseForms{answer: form})
	}
	amount := s.typedAmount(v, &form, "amount", f.Amount, p)
	if f.Answer == string(earnings.AnswerPart) && f.Amount == "" {
		form.Refuse("amount", v.locale.T("answer.amount_needed"))
	}
	if !form.OK() {
		return s.showPurchase(v, purchaseForms{answer: form})
	}
	events, err := earnings.Answered(p, earnings.Answer(f.Answer), amount, s.Now(), f.Note)
	var place *cashback.Error
	if errors.As(err, &place) && place.Place.Field == "amount" {
		form.Refuse("amount", v.locale.T("answer.amount_needed"))
		return s.showPurchase(v, purchaseForms{answer: form})
	}
	if err != nil && cashback.KindOf(err) == cashback.Invalid {
		return again(v.locale.T("money.not_so"))
	}
	if err != nil {
		return nil, err
	}
	for i := range events {
		events[i].Key = handKey(p.ID, f.Seen, i)
	}
	return s.write(v, p.ID, events, again)
}
