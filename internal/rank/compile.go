package rank

import (
	"slices"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// engine is a case made ready to be evaluated at any amount: everything that
// doesn't depend on the amount is converted and looked up once.
type engine struct {
	c         *Case
	digits    int
	customers []cashback.Audience // the situations' customers
	patience  number
	offers    []offer
	pairs     []string // exchange rates that the offer being compiled used
}

// offer is a case's offer with its portal, in the basket's currency.
type offer struct {
	portal string
	stale  bool
	// hidden says that the shopper leaves the portal, or all of its methods, out.
	hidden bool
	// rateless says that the portal's currency has no rate.
	rateless bool
	// tiers are those whose channel and dates are open, in the case's order.
	tiers []tier
	// net is 1 + VAT where rates count before VAT, else 1.
	net number
	// estimate marks the portal's facts: VAT basis or methods unknown.
	estimate bool
	p        number
	balance  number
	// yearly is 365 × e: what is expected to come in at the portal in a year.
	yearly number
	// fixedDays is validation plus the wait for the payout run.
	fixedDays int64
	ways      []way
	// pairs are the exchange rates that it rests on, sorted.
	pairs []string
}

// way is a payout method that the shopper takes.
type way struct {
	kind    string
	index   int // among the portal's methods; they aren't known where it has none
	minimum number
	stated  bool // the minimum is the portal's own
	fee     number
	// factor is what a unit of reward is worth paid this way: bonus, gift card
	// factor, the share that reaches an association.
	factor number
	// alone is t₀: the threshold wait without this reward, where the balance alone
	// is below the minimum; alone.never otherwise doesn't matter.
	locked bool
	alone  wait
}

// tier is a tier as amounts can be put in.
type tier struct {
	index    int // among the offer's tiers
	category string
	audience cashback.Audience
	minSpend number // 0 where none, or where it has no rate
	stated   int    // how many of the five conditions it states
	// valued says that some component has a value, and the cap a rate.
	valued   bool
	estimate bool // an "up to" share or a missing value is in it
	top      pays
	bottom   pays
	capped   bool
	cap      number
}

// pays is what components add up to on a base: base × rate + fixed + for each unit
// part its points' worth for each whole unit.
type pays struct {
	rate, fixed number
	units       []unitPart
}

type unitPart struct {
	perBase number // whole units in one of the basket's currency
	worth   number // of the points for one unit
}

func (p *pays) on(base number) number {
	sum := p.fixed
	if p.rate.sign() != 0 {
		sum = sum.add(base.mul(p.rate))
	}
	for _, u := range p.units {
		sum = sum.add(base.mul(u.perBase).floor().mul(u.worth))
	}
	return sum
}

func (p *pays) reduce() {
	p.rate, p.fixed = p.rate.reduced(), p.fixed.reduced()
	for i := range p.units {
		p.units[i] = unitPart{p.units[i].perBase.reduced(), p.units[i].worth.reduced()}
	}
}

// compile makes a checked case ready.
func compile(c *Case) *engine {
	e := &engine{
		c:         c,
		digits:    c.Purchase.Currency.Digits(),
		customers: []cashback.Audience{c.Purchase.Customer},
		patience:  or(c.Shopper.PatienceRate, defaultPatienceRate).reduced(),
	}
	if c.Purchase.Customer == cashback.Anybody {
		e.customers = []cashback.Audience{cashback.New, cashback.Existing}
	}
	portals := make(map[string]*Portal, len(c.Portals))
	for i := range c.Portals {
		portals[c.Portals[i].ID] = &c.Portals[i]
	}
	e.offers = make([]offer, len(c.Offers))
	for i := range c.Offers {
		e.offers[i] = e.compileOffer(&c.Offers[i], portals[c.Offers[i].Portal])
	}
	return e
}

func (e *engine) compileOffer(in *Offer, portal *Portal) offer {
	c, shopper := e.c, &e.c.Shopper
	e.pairs = e.pairs[:0]
	o := offer{
		portal: in.Portal,
		stale:  in.Quarantined || in.VerifiedOn == 0 || c.Now-in.VerifiedOn > freshDays,
		net:    one,
	}
	if portal.VATBasis != cashback.VATGross {
		o.net = one.add(or(c.Purchase.VATRate, zero)).reduced()
		o.estimate = portal.VATBasis != cashback.VATNet
	}
	o.estimate = o.estimate || c.Purchase.VATUnknown
	rate, ok := e.rate(portal.Currency, c.Purchase.Currency)
	o.rateless = !ok
	for i := range in.Tiers {
		if t := &in.Tiers[i]; e.open(t) {
			o.tiers = append(o.tiers, e.compileTier(t, portal))
			o.tiers[len(o.tiers)-1].index = i
		}
	}

	o.balance = exactly(shopper.Balances[in.Portal]).mul(rate).reduced()
	h := shopper.History[in.Portal]
	o.yearly = most(exactly(h.Earned365).mul(rate), or(shopper.MonthlyRewards, defaultMonthlyRewards).mul(whole(3))).reduced()
	at := h.Merchants[in.Merchant]
	m := or(portal.ConfirmRate, defaultConfirmRate).mul(whole(20)).add(whole(int64(h.Confirmed))).
		div(whole(20 + int64(h.Confirmed) + int64(h.Declined)))
	o.p = m.mul(whole(5)).add(whole(int64(at.Confirmed))).div(whole(5 + int64(at.Confirmed) + int64(at.Declined))).reduced()

	o.fixedDays = defaultValidationDays
	switch {
	case in.ValidationDays != nil:
		o.fixedDays = int64(*in.ValidationDays)
	case portal.ValidationDays != nil:
		o.fixedDays = int64(*portal.ValidationDays)
	}
	methods, frequency := []cashback.PayoutMethod{{Kind: unknownMethod}}, cashback.FrequencyUnknown
	if portal.Payout != nil {
		frequency = portal.Payout.Frequency
	}
	if portal.Payout != nil && portal.Payout.Methods != nil {
		methods = portal.Payout.Methods
	} else {
		o.estimate = true
	}
	o.fixedDays += payoutDays(frequency)
	for i, method := range methods {
		if shopper.takes(method.Kind) {
			o.ways = append(o.ways, e.compileWay(&o, &method, rate))
			o.ways[len(o.ways)-1].index = i
		}
	}
	slices.Sort(e.pairs)
	o.pairs = slices.Clone(slices.Compact(e.pairs))
	o.hidden = len(o.ways) == 0 || shopper.Portals != nil && !slices.Contains(shopper.Portals, in.Portal)
	return o
}

func (e *engine) compileWay(o *offer, m *cashback.PayoutMethod, rate number) way {
	w := way{
		kind:    m.Kind,
		minimum: or(e.c.Shopper.UnknownMinimum, defaultUnknownMinimum),
		stated:  m.Minimum.Valid,
		fee:     exactly(m.Fee).mul(rate),
		factor:  one.add(exactly(m.BonusRate)),
	}
	if w.stated {
		w.minimum = exactly(m.Minimum.Decimal).mul(rate)
	}
	switch m.Kind {
	case giftCard:
		w.factor = w.factor.mul(or(e.c.Shopper.GiftCardFactor, defaultGiftCardFactor))
	case donation:
		w.factor = w.factor.mul(or(m.Share, one))
	}
	w.minimum, w.fee, w.factor = w.minimum.reduced(), w.fee.reduced(), w.factor.reduced()
	if o.balance.less(w.minimum) {
		w.locked = true
		w.alone = o.threshold(w.minimum.sub(o.balance))
	}
	return w
}

// takes says whether the shopper takes a payout method.
func (s *Shopper) takes(kind string) bool {
	if kind == anyMethod || kind == unknownMethod {
		return slices.ContainsFunc(cashMethods[:], s.takes) || slices.Contains(s.Methods, kind)
	}
	if s.Methods == nil {
		return kind == giftCard || slices.Contains(cashMethods[:], kind)
	}
	return slices.Contains(s.Methods, kind)
}

// open says whether a tier's channel and dates fit the purchase. The minimum spend
// depends on the amount and is looked at there.
func (e *engine) open(t *Tier) bool {
	p := &e.c.Purchase
	channel, date := p.Channel, p.Date
	if channel == "" {
		channel = defaultChannel
	}
	if date == 0 {
		date = e.c.Now
	}
	return (t.Channel == "" || t.Channel == channel) &&
		(t.ValidFrom == 0 || t.ValidFrom <= date) && (t.ValidTo == 0 || date <= t.ValidTo)
}

func (e *engine) compileTier(in *Tier, portal *Portal) tier {
	t := tier{category: in.Category, audience: in.Audience}
	for _, states := range [...]bool{in.Category != "", in.Audience != "", in.Channel != "", in.MinSpend.Valid, in.ValidFrom != 0 || in.ValidTo != 0} {
		if states {
			t.stated++
		}
	}
	basket := e.c.Purchase.Currency
	if in.MinSpend.Valid {
		if r, ok := e.rate(orCurrency(in.MinSpendCurrency, portal.Currency), basket); ok {
			t.minSpend = exactly(in.MinSpend.Decimal).mul(r)
		}
	}
	capRated := true
	if in.Cap.Valid {
		var r number
		if r, capRated = e.rate(orCurrency(in.CapCurrency, portal.Currency), basket); capRated {
			t.capped, t.cap = true, exactly(in.Cap.Decimal).mul(r)
		}
	}
	ranged := slices.ContainsFunc(in.Components, func(k cashback.Component) bool { return k.Min.Valid })
	share := one
	if in.UpTo && !ranged {
		share = or(portal.UpToShare, defaultUpToShare)
		t.estimate = true
	}
	for i := range in.Components {
		k := &in.Components[i]
		bottom := exactly(k.Value).mul(share)
		if k.Min.Valid {
			bottom = exactly(k.Min.Decimal)
		}
		if t.top.plus(e, k, portal, exactly(k.Value)) && t.bottom.plus(e, k, portal, bottom) {
			t.valued = true
		} else {
			t.estimate = true
		}
	}
	t.valued = t.valued && capRated
	t.top.reduce()
	t.bottom.reduce()
	return t
}

// plus adds a component that pays value; false when it has no value for want of a
// rate, a point value or a purchase to count it by.
func (p *pays) plus(e *engine, k *cashback.Component, portal *Portal, value number) bool {
	basket := e.c.Purchase.Currency
	if k.PerUnit != "" {
		return false
	}
	switch k.Kind {
	case cashback.Percent:
		p.rate = p.rate.add(value.mul(fraction(1, 100)))
		return true
	case cashback.Fixed:
		if k.Currency == "" {
			return false // a bare sign's currency isn't guessed
		}
		r, ok := e.rate(k.Currency, basket)
		p.fixed = p.fixed.add(value.mul(r))
		return ok
	case cashback.PointsFixed:
		worth, ok := e.pointValue(k.PointsCurrency, portal)
		p.fixed = p.fixed.add(value.mul(worth))
		return ok
	case cashback.PointsPerUnit:
		worth, ok := e.pointValue(k.PointsCurrency, portal)
		r, rated := e.rate(basket, orCurrency(k.Currency, portal.Currency))
		if !ok || !rated {
			return false
		}
		if !k.PerAmount.IsZero() {
			r = r.div(exactly(k.PerAmount))
		}
		p.units = append(p.units, unitPart{perBase: r, worth: value.mul(worth)})
		return true
	}
	return false
}

// pointValue is what a point is worth in the basket's currency: the shopper's
// value wins over the portal's.
func (e *engine) pointValue(points string, portal *Portal) (number, bool) {
	if v, ok := e.c.Shopper.PointValues[points]; ok && points != "" {
		return exactly(v), true
	}
	v, ok := portal.PointValues[points]
	if !ok || points == "" {
		return zero, false
	}
	r, ok := e.rate(portal.Currency, e.c.Purchase.Currency)
	return exactly(v).mul(r), ok
}

// rate is what one unit of a currency gives in another, 0 and false without a
// direct rate or its inverse.
func (e *engine) rate(from, to cashback.Currency) (number, bool) {
	if from == to {
		return one, true
	}
	name := string(from) + "/" + string(to)
	if r, ok := e.c.FX[name]; ok {
		e.pairs = append(e.pairs, name)
		return exactly(r).reduced(), true
	}
	name = string(to) + "/" + string(from)
	if r, ok := e.c.FX[name]; ok {
		e.pairs = append(e.pairs, name)
		return exactly(r).reduced().inverse(), true
	}
	return zero, false
}

func orCurrency(c, otherwise cashback.Currency) cashback.Currency {
	if c != "" {
		return c
	}
	return otherwise
}
