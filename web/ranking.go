package web

import (
	"cmp"
	"context"
	"slices"

	"github.com/bojanz/currency"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/rank"
	"github.com/cagnotte/cagnotte/internal/store"
	"github.com/cagnotte/cagnotte/web/view"
)

// purchaseQuery is a basket as an address states it. Every field may be missing.
type purchaseQuery struct {
	Amount   string `query:"amount" doc:"What is paid, VAT included, in major units: 120 or 12.50. Default 100." example:"120"`
	Currency string `query:"currency" doc:"ISO 4217; default the currency of the shop's country." example:"EUR"`
	Customer string `query:"customer" enum:"new,existing" doc:"Whether the shopper has bought there before; absent when not known."`
	Channel  string `query:"channel" enum:"online,in_store,app" doc:"Default online."`
	Category string `query:"category" doc:"The basket's category as the offers name it; - for none of them; absent when not known."`
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

// purchase turns a query into a basket, or says which field is wrong.
func (s *Server) purchase(q purchaseQuery, m cashback.Merchant) (rank.Purchase, cashback.Money, error) {
	p := rank.Purchase{Country: cmp.Or(m.Country, s.DefaultCountry), Channel: cmp.Or(q.Channel, "online"), Category: q.Category}
	code := s.currencyOfCountry(m.Country)
	if q.Currency != "" {
		c, err := currencyOf("currency", q.Currency)
		if err != nil {
			return p, cashback.Money{}, err
		}
		code = c
	}
	amount := defaultAmount(code)
	if q.Amount != "" {
		a, err := amountOf("amount", q.Amount, code)
		if err != nil {
			return p, amount, err
		}
		amount = a
	}
	p.Amount, p.Currency, p.Customer = amount.Decimal(), code, cashback.Audience(q.Customer)
	return p, amount, nil
}

// ranking answers a purchase at a merchant: the one view behind the shop page and
// the API.
func (s *Server) ranking(ctx context.Context, v *visit, id cashback.MerchantID, q purchaseQuery) (*view.Ranking, error) {
	m, listings, err := s.shopOf(ctx, id)
	if err != nil {
		return nil, err
	}
	p, amount, err := s.purchase(q, m)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	c := rank.Case{Now: v.state.day, Purchase: p}
	out := &view.Ranking{
		Merchant: merchantView(m, len(listings)),
		Now:      c.Now,
		Purchase: view.Purchase{Amount: amount, Customer: q.Customer, Channel: p.Channel, Category: p.Category},
		Ranked:   []view.Row{}, Unreachable: []view.Short{}, Other: []view.Left{}, Offers: []view.Offer{}, Settles: []view.Settle{},
	}
	for _, l := range listings {
		portal := sh.byID[l[0].Receipt.Portal]
		if portal == nil {
			continue // saved after the shelf was read; the next change shows it
		}
		for _, o := range l {
			out.Offers = append(out.Offers, offerView(o, portal))
		}
		out.Settles = append(out.Settles, portal.pays)
		if reason := notRanked(l[0]); reason != "" {
			out.Other = append(out.Other, view.Left{Portal: portal.ID, Reason: reason})
			continue
		}
		c.Portals = append(c.Portals, portal.terms)
		c.Offers = append(c.Offers, rank.OfferOf(l...))
	}
	if vat, ok := s.vat.Fill(&c); ok {
		out.Purchase.VATRate = &vat.Rate
		out.Reference.VATAsOf = s.vat.AsOf
	}
	if used := s.rates.Fill(&c); len(used) > 0 {
		out.Reference.Rates, out.Reference.RatesAsOf, out.Reference.RatesSource = used, s.rates.AsOf, s.rates.Source
	}
	a, err := rank.Rank(c)
	if err != nil {
		return nil, err
	}
	out.Unvalued, out.Stale, out.Hidden = a.Unvalued, a.Stale, a.Hidden
	grouped := slices.Concat(a.Unvalued, a.Stale, a.Hidden)
	for _, r := range a.Ranked {
		o := out.Offer(r.Portal)
		row := view.Row{
			Portal: r.Portal, Value: r.Value, Possible: r.Possible, Reward: r.Reward, Headline: r.Headline,
			Days: r.Days, Method: r.Method, Estimate: r.Estimate, Receipt: o.Receipt, ClickOut: o.ClickOut,
		}
		for _, st := range r.Steps {
			row.Steps = append(row.Steps, view.Step(st))
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

func offerView(o cashback.Offer, p *portal) view.Offer {
	v := view.Offer{
		Portal: p.ID, PortalName: p.Name, Kind: o.Kind, Tiers: o.Tiers, Previous: o.Previous,
		Status: o.Status, Conditions: o.Conditions, Receipt: o.Receipt,
	}
	if v.Tiers == nil {
		v.Tiers = []cashback.Tier{}
	}
	if _, ok := p.home.target(o); ok {
		v.ClickOut = clickOut(p.ID, o.Merchant)
	}
	return v
}
