package earnings

import (
	"cmp"
	"slices"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// isShort says that a purchase was credited with less than was expected; a cent is
// rounding.
func isShort(p Purchase) bool {
	return p.Expected != nil && p.Amount != nil && p.Expected.Unit == p.Amount.Unit && p.Amount.Minor > 0 && p.Amount.Minor < p.Expected.Minor-1
}

// watchShort explains an amount that is smaller than what was expected, and says what
// to do about it.
func watchShort(p Purchase, a Alert, f Facts, facts cashback.Facts) []Alert {
	if !isShort(p) {
		return nil
	}
	missing := Amount{p.Expected.Minor - p.Amount.Minor, p.Amount.Unit}
	a.Kind, a.Since, a.Amount = AlertShort, cashback.DateOf(p.Since[StateTracked]), &missing
	if a.Over && f.Brief {
		a.Reasons = []Reason{Because("watch.short.credited", p.Amount.String(), p.Expected.String()), a.Clock.reason()}
		return []Alert{a}
	}
	why := Explain(p, f, facts)
	a.Reasons = append([]Reason{Because("watch.short.credited", p.Amount.String(), p.Expected.String())}, why.Reasons...)
	switch {
	case why.Ruled:
		a.Over, a.Due = true, 0
		a.Reasons = append(a.Reasons, Because("watch.do.nothing"))
	case why.Rising:
		a.Over = false
		a.Reasons = append(a.Reasons, Because("watch.do.wait"))
	case a.Over:
		a.Reasons = append(a.Reasons, Because("watch.do.late"), a.Clock.reason())
	case p.State == StateTracked:
		a.Reasons = append(a.Reasons, Because("watch.do.wait_or_claim"), a.Clock.reason())
	default:
		a.Reasons = append(a.Reasons, Because("watch.do.claim"), a.Clock.reason())
	}
	return []Alert{a}
}

// Explanation is what a smaller amount can be put down to.
type Explanation struct {
	Reasons []Reason
	// Ruled says that the portal went by its rules: there is nothing to ask it.
	Ruled bool
	// Rising says that by the portal's word the amount is still to rise.
	Rising bool
}

// Explain says what has made a credited amount smaller than the expected one: the portal
// lowered it later, VAT, another tier, a cap, a rate that was in force at another time,
// "up to". Only what fits to the cent is stated as a cause. Where nothing does, that is
// said, with what was tried, and what part of the basket the amount would stand for.
func Explain(p Purchase, f Facts, facts cashback.Facts) (why Explanation) {
	say := func(key string, values ...string) { why.Reasons = append(why.Reasons, Because(key, values...)) }
	if f.Uplift != nil && f.Uplift(p.Portal, p.Wording) {
		why.Rising = true
		say("watch.short.uplift", p.Wording)
	}
	// What the portal listed first is what its rate made of the order; what it took off
	// later was somebody's decision, which no rate explains.
	amount := *p.Amount
	if f.Events != nil && len(p.Events) > len(p.Since) { // each event entered a state: no amount has changed
		if first, last, ok := lowered(f.Events(p), amount.Unit); ok {
			say("watch.short.lowered", first.String(), amount.String(), last.String())
			if amount = first; !isShort(Purchase{Expected: p.Expected, Amount: &first}) {
				return why
			}
		}
	}
	x := explainer{p: p, amount: amount, basis: facts.VATBasis}
	if portal := f.portal(p.Portal); f.VAT != nil && len(portal.Countries) > 0 {
		x.vat, x.vatKnown = f.VAT(portal.Countries[0], cashback.DateOf(p.Bought))
	}
	if r, ruled := x.byVAT(); r != nil {
		why.Ruled = ruled && len(why.Reasons) == 0
		why.Reasons = append(why.Reasons, *r)
		return why
	}
	terms, frozen := f.terms(p)
	if frozen {
		if rs, ruled := x.byTier(terms.Offer.Tiers); len(rs) > 0 {
			why.Ruled = ruled && len(why.Reasons) == 0
			why.Reasons = append(why.Reasons, rs...)
			return why
		}
	}
	if f.Rates != nil {
		if r := x.byRate(f.Rates(p), terms); r != nil {
			why.Reasons = append(why.Reasons, *r)
			return why
		}
	}
	if why.Rising {
		return why
	}
	if frozen && slices.ContainsFunc(terms.Offer.Tiers, func(t cashback.Tier) bool { return t.UpTo }) {
		say("watch.short.up_to", terms.Offer.Receipt.RawText)
		return why
	}
	if frozen {
		say("watch.short.unexplained")
	} else {
		say("watch.short.no_terms")
	}
	if r := x.part(terms.Offer.Tiers); r != nil {
		why.Reasons = append(why.Reasons, *r)
	}
	return why
}

// lowered finds the first amount that a portal listed, and the day on which it last
// lowered it; false where it never did.
func lowered(events []Event, u Unit) (first Amount, last cashback.Date, ok bool) {
	listed, now := false, int64(0)
	for _, e := range events {
		switch {
		case e.Amount == nil || e.Amount.Unit != u || e.Kind == Expected || e.Kind == Clicked:
		case e.Kind == Tracked:
			first, listed, now, last = *e.Amount, true, e.Amount.Minor, 0
		case e.Kind == AmountChanged && listed:
			if e.Amount.Minor < now {
				last = cashback.DateOf(e.At)
			}
			now = e.Amount.Minor
		}
	}
	return first, last, listed && last != 0 && now < first.Minor
}

// explainer holds what is tried against an amount.
type explainer struct {
	p        Purchase
	amount   Amount // what the portal listed first
	vat      cashback.Decimal
	vatKnown bool
	basis    *cashback.Fact[cashback.VATBasis]
}

// fits says that a sum is the amount, to the cent, and less than was expected.
func (x *explainer) fits(minor int64) bool {
	d := minor - x.amount.Minor
	return d >= -1 && d <= 1 && minor < x.p.Expected.Minor-1
}

// net is a sum without VAT; false where the rate isn't known or is none.
func (x *explainer) net(minor int64) (int64, bool) {
	if !x.vatKnown || x.vat.IsZero() {
		return 0, false
	}
	one, err := x.vat.Add(decimal.One)
	if err != nil {
		return 0, false
	}
	d, err := decimal.New(minor, 0)
	if err != nil {
		return 0, false
	}
	q, err := d.Quo(one)
	if err != nil {
		return 0, false
	}
	whole, _, ok := q.Round(0).Int64(0)
	return whole, ok
}

func (x *explainer) percent() string {
	v, err := x.vat.Mul(decimal.Hundred)
	if err != nil {
		return x.vat.String()
	}
	return v.Trim(0).String()
}

// byVAT explains the amount by VAT alone. The portal went by its rules where it states
// that it counts without.
func (x *explainer) byVAT() (r *Reason, ruled bool) {
	n, ok := x.net(x.p.Expected.Minor)
	if !ok || !x.fits(n) {
		return nil, false
	}
	key := "watch.short.vat"
	switch {
	case x.basis == nil || x.basis.Value == cashback.VATUnknown:
		key = "watch.short.vat_guess"
	case x.basis.Value == cashback.VATGross:
		key = "watch.short.vat_gross"
	default:
		ruled = true
	}
	because := Because(key, x.percent())
	return &because, ruled
}

// byTier explains the amount by a cap, another tier, or the lower end of one. A cap is a
// rule that stood there at the click.
func (x *explainer) byTier(tiers []cashback.Tier) (out []Reason, ruled bool) {
	for _, t := range tiers {
		if t.Cap != nil && Unit(t.Cap.Currency) == x.amount.Unit && x.fits(t.Cap.Minor) {
			return []Reason{Because("watch.short.cap", AmountOf(*t.Cap).String())}, true
		}
	}
	if x.p.Basket == nil {
		return nil, false
	}
	for _, t := range tiers {
		label := cmp.Or(t.Label, t.Raw)
		for _, low := range []bool{false, true} {
			minor, rate, ok := pays(t, *x.p.Basket, low)
			if !ok {
				continue
			}
			if label == "" {
				label = rate
			}
			if x.fits(minor) {
				out = append(out, Because("watch.short.tier", label, rate))
				break
			}
			if n, ok := x.net(minor); ok && x.fits(n) && minor < x.p.Expected.Minor-1 {
				out = append(out, Because("watch.short.tier_vat", label, rate, x.percent()))
				break
			}
		}
	}
	return out, false
}

// byRate explains the amount by a rate that the portal showed at another time than the
// click: before it, and the portal was late, or after it, when the order was listed.
func (x *explainer) byRate(points []cashback.RatePoint, terms Terms) *Reason {
	if x.p.Basket == nil {
		return nil
	}
	listed := x.p.Since[StateTracked]
	for _, pt := range slices.Backward(points) {
		if pt.From.After(listed) || pt.RawText == terms.Offer.Receipt.RawText {
			continue
		}
		for _, t := range pt.Tiers {
			minor, rate, ok := pays(t, *x.p.Basket, false)
			if !ok {
				continue
			}
			n, netted := x.net(minor)
			if !x.fits(minor) && (!netted || !x.fits(n)) {
				continue
			}
			from := cashback.DateOf(pt.From).String()
			if pt.To.IsZero() {
				r := Because("watch.short.rate_since", rate, from)
				return &r
			}
			r := Because("watch.short.rate_then", rate, from, cashback.DateOf(pt.To).String())
			return &r
		}
	}
	return nil
}

// part says which part of the basket the amount would stand for at the promised rate: a
// question to ask, not a cause.
func (x *explainer) part(tiers []cashback.Tier) *Reason {
	b := x.p.Basket
	if b == nil || b.Minor <= 0 || x.p.Expected.Minor <= 0 || len(tiers) == 0 {
		return nil
	}
	for _, t := range tiers {
		for _, c := range t.Components {
			if c.Kind != cashback.Percent {
				return nil // a fixed sum doesn't shrink with the basket
			}
		}
	}
	share, err := decimal.New(x.amount.Minor, 0)
	if err != nil {
		return nil
	}
	whole, err := decimal.New(x.p.Expected.Minor, 0)
	if err != nil {
		return nil
	}
	basket, err := decimal.New(b.Minor, 0)
	if err != nil {
		return nil
	}
	counted, err := basket.Mul(share)
	if err != nil {
		return nil
	}
	if counted, err = counted.Quo(whole); err != nil {
		return nil
	}
	minor, _, ok := counted.Round(0).Int64(0)
	if !ok || minor < b.Minor/2 || minor >= b.Minor { // less than half says nothing
		return nil
	}
	r := Because("watch.short.part", Amount{minor, b.Unit}.String(), b.String(), Amount{b.Minor - minor, b.Unit}.String())
	return &r
}
