package web

import (
	"cmp"
	"context"
	"slices"

	"github.com/bojanz/currency"
	"github.com/govalues/decimal"

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
	p := rank.Purchase{Country: cmp.Or(m.Country, s.DefaultCountry), VATUnknown: true, Channel: cmp.Or(q.Channel, "online"), Category: q.Category}
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
func (s *Server) ranking(ctx context.Context, v *visit, m cashback.Merchant, q purchaseQuery) (*view.Ranking, error) {
	p, amount, err := s.purchase(q, m)
	if err != nil {
		return nil, err
	}
	sh, err := s.shelf(ctx, v.state.change)
	if err != nil {
		return nil, err
	}
	offers, err := s.offersOf(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	c := rank.Case{Now: cashback.DateOf(v.now), Purchase: p}
	out := &view.Ranking{
		Merchant: merchantView(m, len(offers)),
		Now:      c.Now,
		Purchase: view.Purchase{Amount: amount, Customer: q.Customer, Channel: p.Channel, Category: p.Category},
		Ranked:   []view.Row{}, Unreachable: []view.Short{}, Other: []view.Left{}, Offers: []view.Offer{}, Settles: []view.Settle{},
	}
	if !p.VATUnknown {
		d := cmp.Or(p.VATRate, cashback.Some(decimal.Zero)).Decimal
		out.Purchase.VATRate = &d
	}
	for _, o := range offers {
		portal := sh.byID[o.Receipt.Portal]
		if portal == nil {
			continue // saved after the shelf was read; the next change shows it
		}
		out.Offers = append(out.Offers, offerView(o, portal))
		out.Settles = append(out.Settles, settle(portal))
		if reason := notRanked(o); reason != "" {
			out.Other = append(out.Other, view.Left{Portal: portal.ID, Reason: reason})
			continue
		}
		c.Portals = append(c.Portals, portalCase(portal.Portal))
		c.Offers = append(c.Offers, offerCase(o))
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

// notRanked says why an offer isn't even asked about.
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

func offerView(o cashback.Offer, p *store.Portal) view.Offer {
	v := view.Offer{
		Portal: p.ID, PortalName: p.Name, Kind: o.Kind, Tiers: o.Tiers, Previous: o.Previous,
		Status: o.Status, Conditions: o.Conditions, Receipt: o.Receipt,
	}
	if v.Tiers == nil {
		v.Tiers = []cashback.Tier{}
	}
	if _, ok := target(o, p); ok {
		v.ClickOut = clickOut(p.ID, o.Merchant)
	}
	return v
}

// portalCase is a portal as the ranking asks for it.
func portalCase(p cashback.Portal) rank.Portal {
	out := rank.Portal{ID: p.ID, Currency: p.Currency}
	f := &p.Facts
	if f.VATBasis != nil {
		out.VATBasis = f.VATBasis.Value
	}
	if f.ConfirmRate != nil {
		out.ConfirmRate = cashback.Some(f.ConfirmRate.Value)
	}
	if f.UpToShare != nil {
		out.UpToShare = cashback.Some(f.UpToShare.Value)
	}
	if f.ValidationDays != nil {
		out.ValidationDays = &f.ValidationDays.Value
	}
	if f.PointValues != nil {
		out.PointValues = f.PointValues.Value
	}
	if f.Payout != nil {
		out.Payout = &f.Payout.Value
	}
	return out
}

// offerCase is an offer as the ranking asks for it.
func offerCase(o cashback.Offer) rank.Offer {
	out := rank.Offer{Portal: o.Receipt.Portal, VerifiedOn: cashback.DateOf(o.Receipt.ReadAt), Quarantined: o.Status == cashback.Quarantined}
	if o.ValidationDays > 0 {
		out.ValidationDays = &o.ValidationDays
	}
	for _, t := range o.Tiers {
		x := rank.Tier{
			Category: t.Category, Audience: t.Audience, Channel: t.Channel, ValidFrom: t.ValidFrom, ValidTo: t.ValidTo,
			UpTo: t.UpTo, Components: t.Components,
		}
		if t.MinSpend != nil {
			x.MinSpend, x.MinSpendCurrency = cashback.Some(t.MinSpend.Decimal()), t.MinSpend.Currency
		}
		if t.Cap != nil {
			x.Cap, x.CapCurrency = cashback.Some(t.Cap.Decimal()), t.Cap.Currency
		}
		out.Tiers = append(out.Tiers, x)
	}
	return out
}
