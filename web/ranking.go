package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bojanz/currency"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// purchaseQuery is a basket as an address states it. Every field may be missing.
type purchaseQuery struct {
	Amount   string `query:"amount" form:"amount" doc:"What is paid, VAT included, in major units: 120 or 12.50. Default 100." example:"120"`
	Customer string `query:"customer" form:"customer" enum:"new,existing" doc:"Whether the shopper has bought there before; absent when not known."`
	Channel  string `query:"channel" form:"channel" enum:"online,in_store,app" doc:"Default online."`
	Category string `query:"category" form:"category" doc:"The basket's category as the offers name it; - for none of them; absent when not known."`
	Date     string `query:"date" form:"date" doc:"The day of the purchase, YYYY-MM-DD, at most a year away; default today." example:"2026-11-27"`
}

// pairs are the parameters that state it, as names and values by turns.
func (q purchaseQuery) pairs() []string {
	return []string{"amount", q.Amount, "customer", q.Customer, "channel", q.Channel, "category", q.Category, "date", q.Date}
}

// currencyOfCountry is what a shop of the country takes.
func (s *Server) currencyOfCountry(c cashback.Country) cashback.Currency {
	for _, c := range []cashback.Country{c, s.DefaultCountry} {
		if code, ok := currency.ForCountryCode(string(c)); ok {
			return cashback.Currency(code)
		}
	}
	return "EUR"
}

// defaultAmount is the basket before anybody says another: 100, or what comes close
// to it in a currency without minor units.
func defaultAmount(c cashback.Currency) cashback.Money {
	return cashback.Money{Minor: 100_00, Currency: c}
}

// maxAhead is how far from today a purchase may be: offers are dated by weeks, and
// beyond a year a date is a slip.
const maxAhead = 366

// purchase turns a query into a basket, or says which field is wrong.
func (s *Server) purchase(v *visit, q purchaseQuery, of shopperQuery, m cashback.Merchant) (rank.Purchase, cashback.Money, error) {
	p := rank.Purchase{
		Country: cmp.Or(m.Country, s.DefaultCountry), Channel: cmp.Or(q.Channel, "online"), Category: q.Category,
		Currency: s.currencyOfCountry(m.Country), Customer: cashback.Audience(q.Customer),
	}
	var err error
	if of.Currency != "" {
		if p.Currency, err = currencyOf("currency", of.Currency); err != nil {
			return p, cashback.Money{}, err
		}
	}
	amount := defaultAmount(p.Currency)
	if q.Amount != "" {
		if amount, err = amountOf("amount", q.Amount, p.Currency); err != nil {
			return p, amount, err
		}
	}
	p.Amount = amount.Decimal()
	if len(q.Category) > maxCategory {
		return p, amount, badInput{"category", "error.value_long", []any{"Most", maxCategory}}
	}
	if q.Date != "" {
		day, err := cashback.ParseDate(q.Date)
		if err != nil {
			return p, amount, badInput{"date", "error.date", []any{"Value", clip(q.Date)}}
		}
		if day < v.state.day-maxAhead || day > v.state.day+maxAhead {
			return p, amount, badInput{"date", "error.date_far", []any{"From", (v.state.day - maxAhead).String(), "To", (v.state.day + maxAhead).String()}}
		}
		p.Date = day
	}
	if of.Country != "" {
		if p.Country, err = countryOf("country", of.Country); err != nil {
			return p, amount, err
		}
	}
	p.VATRate, err = fractionOf("vat", of.VAT, maxPercent)
	return p, amount, err
}

// maxCategory is what the ranking accepts as a name, in bytes.
const maxCategory = 200

// question is a purchase at a shop, ready to be ranked, with what an answer shows
// beside the ranking.
type question struct {
	rank.Case
	out *view.Ranking
	// lived says that it holds what one person has lived through.
	lived bool
}

// ask makes the question of a purchase at a merchant.
func (s *Server) ask(ctx context.Context, v *visit, id cashback.MerchantID, q purchaseQuery, of shopperQuery) (*question, error) {
	m, listings, err := s.shopOf(ctx, id)
	if err != nil {
		return nil, err
	}
	p, amount, err := s.purchase(v, q, of, m)
	if err != nil {
		return nil, err
	}
	shopper, err := of.shopper(p.Currency)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	c := rank.Case{Now: v.state.day, Purchase: p, Shopper: shopper}
	out := &view.Ranking{
		Merchant: merchantView(m, len(listings)),
		Now:      c.Now,
		Purchase: view.Purchase{
			Amount: amount, Customer: q.Customer, Channel: p.Channel, Category: p.Category, Date: cmp.Or(p.Date, c.Now),
			Country: p.Country, VATStated: p.VATRate.Valid,
		},
		Shopper: shopperView(shopper, p.Currency),
		Ranked:  []view.Row{}, Unreachable: []view.Short{}, Other: []view.Left{},
	}
	n := len(listings)
	c.Portals, c.Offers = make([]rank.Portal, 0, n), make([]rank.Offer, 0, n)
	out.Offers, out.Settles = make([]view.Offer, 0, n), make([]view.Settle, 0, n)
	for _, l := range listings {
		portal := sh.byID[l[0].Receipt.Portal]
		if portal == nil {
			continue // saved after the shelf was read; the next change shows it
		}
		for _, o := range l {
			out.Offers = append(out.Offers, offerView(o, portal, v.now, v.state.day))
		}
		out.Settles = append(out.Settles, portal.pays)
		if reason := notRanked(l[0]); reason != "" {
			out.Other = append(out.Other, view.Left{Portal: portal.ID, Reason: reason})
			continue
		}
		c.Portals = append(c.Portals, portal.terms)
		c.Offers = append(c.Offers, rank.OfferOf(l...))
	}
	if _, ok := s.vat.Fill(&c); ok {
		out.Reference.VATAsOf = s.vat.AsOf
	}
	if c.Purchase.VATRate.Valid {
		out.Purchase.VATRate = &c.Purchase.VATRate.Decimal
	}
	if used := s.rates.Fill(&c); len(used) > 0 {
		out.Reference.Rates, out.Reference.RatesAsOf, out.Reference.RatesSource = used, s.rates.AsOf, s.rates.Source
	}
	return &question{Case: c, out: out}, nil
}

// wanted is what an answer holds beside the ranking.
type wanted struct{ reasons, question, giving bool }

// ranking answers a purchase at a merchant: the one view behind the shop page and
// the API.
func (s *Server) ranking(ctx context.Context, v *visit, id cashback.MerchantID, q purchaseQuery, of shopperQuery, w wanted) (*view.Ranking, error) {
	asked, err := s.ask(ctx, v, id, q, of)
	if err != nil {
		return nil, err
	}
	return asked.answer(w)
}

func (q *question) answer(w wanted) (*view.Ranking, error) {
	c, out := q.Case, q.out
	var a rank.Answer
	var err error
	if w.reasons {
		var reasons rank.Reasons
		a, reasons, err = rank.Explain(c)
		out.Reasons = &reasons
	} else {
		a, err = rank.Rank(c)
	}
	if err != nil {
		return nil, err
	}
	out.Unvalued, out.Stale, out.Hidden = a.Unvalued, a.Stale, a.Hidden
	grouped := make([]string, 0, len(c.Offers))
	grouped = append(append(append(grouped, a.Unvalued...), a.Stale...), a.Hidden...)
	out.Ranked = make([]view.Row, 0, len(a.Ranked))
	for _, r := range a.Ranked {
		o := out.Offer(r.Portal)
		row := view.Row{
			Portal: r.Portal, Value: r.Value, Possible: r.Possible, Reward: r.Reward, Headline: r.Headline,
			Days: r.Days, Method: r.Method, Estimate: r.Estimate, Receipt: o.Receipt, ClickOut: o.ClickOut,
		}
		row.Steps = make([]view.Step, len(r.Steps))
		for i, st := range r.Steps {
			row.Steps[i] = view.Step(st)
		}
		out.Ranked = append(out.Ranked, row)
		grouped = append(grouped, r.Portal)
	}
	for _, u := range a.Unreachable {
		out.Unreachable = append(out.Unreachable, view.Short{
			Portal: u.Portal, Reward: u.Reward, ShortBy: u.ShortBy, Method: u.Method, Receipt: out.Offer(u.Portal).Receipt,
		})
		grouped = append(grouped, u.Portal)
	}
	for _, o := range c.Offers {
		if !slices.Contains(grouped, o.Portal) {
			out.Other = append(out.Other, view.Left{Portal: o.Portal, Reason: view.ReasonNoTier})
		}
	}
	if w.question {
		ask, some, err := rank.Ask(c)
		if err != nil {
			return nil, err
		}
		if some {
			out.Question = &ask
		}
	}
	if w.giving {
		g, err := rank.KeepOrGive(c)
		if err != nil {
			return nil, err
		}
		out.Giving = &g
	}
	return out, nil
}

// notRanked says why a listing isn't even asked about: of its entries the first is
// the soundest.
func notRanked(o cashback.Offer) view.Reason {
	switch {
	case o.Unread == store.Withheld:
		return view.ReasonWithheld
	case o.Kind == cashback.NoCashback:
		return view.ReasonNoCashback
	case !o.Kind.Pays():
		return view.ReasonUnread
	case o.Status == cashback.Unverified:
		return view.ReasonUnverified
	}
	return ""
}

func offerView(o cashback.Offer, p *portal, now time.Time, day cashback.Date) view.Offer {
	v := view.Offer{
		Portal: p.ID, PortalName: p.Name, Kind: o.Kind, Tiers: o.Tiers, Previous: o.Previous,
		Status: o.Status, Stale: day-cashback.DateOf(o.Receipt.ReadAt) > staleDays, Late: now.Sub(o.Receipt.ReadAt) > p.late, Conditions: o.Conditions, Receipt: o.Receipt,
	}
	if v.Tiers == nil {
		v.Tiers = []cashback.Tier{}
	}
	if _, ok := p.home.target(o); ok {
		v.ClickOut = clickOut(p.ID, o.Merchant)
	}
	return v
}
