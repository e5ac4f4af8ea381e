package index

import (
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// The dimensions of a filter, as bits of what an offer fails.
const (
	failCountry uint16 = 1 << iota
	failCategory
	failPortal
	failKind
	failMethod // and its threshold
	failFrequency
	failDonation
	failOther // dimensions without a facet
)

// What a lane shows in a view.
const (
	hidden uint8 = iota
	// listed shows that the portal lists the shop, and nothing else.
	listed
	shown
)

// plan is a query made ready for one snapshot: everything that depends on portals
// and lanes is worked out once, so that an offer costs a few nanoseconds.
type plan struct {
	c      *columns
	lane   []laneView
	traits []uint64 // by portal
	cats   []bool   // by category; nil when any will do
	lands  []bool   // by country; nil when any will do
	home   uint16   // the asker's country, or noCountry
	fresh  uint32   // read before this is stale
	kinds  bool     // the filter names kinds
	noUpTo bool
	strict bool  // Verified
	least  int64 // MinPercent in millionths, 0 for none
	// initial is the letter that names begin with, 0 for any.
	initial byte
}

// laneView is what a plan makes of one lane: together, so that an offer touches one
// line of the cache.
type laneView struct {
	worth  Worth
	portal uint16
	fail   uint16
	vis    uint8
	kind   uint8 // its bit in the facet of kinds
}

const noCountry = math.MaxUint16

// methodsAt is the first bit of the methods in a portal's traits, after the
// frequencies and the donation bit.
const (
	donationBit = 16
	methodsAt   = 20
)

// methods in the order of their bits; others share the last bit.
var methods = []string{
	"bank_transfer", "paypal", "card_credit", "cheque", "gift_card", "points_transfer", "donation", "crypto", "any", "unknown", "other",
}

// traitsOf packs what facets count of a portal.
func traitsOf(p *cashback.Portal) uint64 {
	var t uint64
	if d := p.Facts.Donation; d != nil && d.Value.Possible {
		t |= 1 << donationBit
	}
	if p.Facts.Payout == nil {
		return t
	}
	pay := &p.Facts.Payout.Value
	if i := slices.Index(frequencies, pay.Frequency); i >= 0 {
		t |= 1 << i
	}
	for i := range pay.Methods {
		m := slices.Index(methods, pay.Methods[i].Kind)
		if m < 0 {
			m = len(methods) - 1
		}
		t |= 1 << (methodsAt + m)
		if pay.Methods[i].Kind == "donation" {
			t |= 1 << donationBit
		}
	}
	return t
}

func (c *columns) plan(q *Query, now time.Time) *plan {
	p := &plan{
		c:      c,
		lane:   make([]laneView, len(c.lanes)),
		traits: make([]uint64, len(c.portals)),
		home:   noCountry,
		kinds:  len(q.Filter.Kinds) > 0,
		noUpTo: q.Filter.NoUpTo,
		strict: q.Filter.Verified,
		fresh:  seconds(now.Add(-staleAfter)),
	}
	f := &q.Filter
	if f.Initial != "" {
		p.initial = f.Initial[0]
	}
	if f.MinPercent.Valid {
		p.least = max(1, millionths(f.MinPercent.Decimal))
	}
	if len(f.Categories) > 0 {
		p.cats = make([]bool, len(c.cats.list))
		for _, name := range f.Categories {
			if i, ok := c.cats.of[name]; ok {
				p.cats[i] = true
			}
		}
	}
	if len(f.Countries) > 0 {
		p.lands = make([]bool, len(c.countries.list))
		for _, name := range f.Countries {
			if i, ok := c.countries.of[string(name)]; ok {
				p.lands[i] = true
			}
		}
	}
	if i, ok := c.countries.of[string(q.Country)]; ok && q.Country != "" {
		p.home = i
	}
	portalVis := make([]uint8, len(c.portals))
	portalFail := make([]uint16, len(c.portals))
	for i := range c.portals {
		portal := &c.portals[i]
		portalVis[i] = visibility(portal.Publication, q.View)
		if portalVis[i] == hidden {
			continue
		}
		p.traits[i] = traitsOf(portal)
		portalFail[i] = q.failing(portal, p.traits[i])
	}
	for i := range c.lanes {
		l, v := &c.lanes[i], &p.lane[i]
		v.portal, v.kind = l.portal, uint8(max(0, slices.Index(kinds, l.kind)))
		if i == 0 || portalVis[l.portal] == hidden {
			continue
		}
		v.vis, v.fail = portalVis[l.portal], portalFail[l.portal]
		if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, l.kind) {
			v.fail |= failKind
		}
		if p.least > 0 && l.kind != cashback.Percent {
			v.fail |= failOther
		}
		if v.vis != shown || !l.kind.Pays() {
			continue
		}
		portal := &c.portals[l.portal]
		value := q.Valuer
		if value == nil {
			value = FaceValue(hundred(portal.Currency))
		}
		v.worth = value(Lane{portal, l.kind, l.currency, l.points})
		v.worth.Unit, v.worth.Ceiling = max(0, v.worth.Unit), max(0, v.worth.Ceiling)
	}
	return p
}

// kept is what is worked out once for a snapshot, when it is first asked for.
type kept struct {
	// public is the plan that most questions share: the public's, without a filter.
	public  atomic.Pointer[plan]
	portals atomic.Pointer[[]portalCount]
}

// planSeconds is how long a kept plan's idea of the present may be used.
const planSeconds = 60

// publicPlan is the plan of a question without a filter, for the public.
func (c *columns) publicPlan(country cashback.Country, now time.Time) *plan {
	p := c.kept.public.Load()
	if at := seconds(now.Add(-staleAfter)); p == nil || at < p.fresh || at-p.fresh > planSeconds {
		p = c.plan(&Query{}, now)
		c.kept.public.Store(p)
	}
	mine := *p
	mine.home = noCountry
	if i, ok := c.countries.of[string(country)]; ok && country != "" {
		mine.home = i
	}
	return &mine
}

// hundred is a basket of 100 in major units.
func hundred(c cashback.Currency) cashback.Money {
	m := cashback.Money{Minor: 100, Currency: c}
	for range c.Digits() {
		m.Minor *= 10
	}
	return m
}

func visibility(mode cashback.Publication, v View) uint8 {
	switch mode {
	case cashback.Public:
		return shown
	case cashback.RelationOnly:
		if v == OperatorView {
			return shown
		}
		return listed
	case cashback.Private:
		if v == OperatorView {
			return shown
		}
	}
	return hidden
}

// failing says which dimensions of the filter a portal's facts fail.
func (q *Query) failing(p *cashback.Portal, traits uint64) (fail uint16) {
	f := &q.Filter
	if len(f.Portals) > 0 && !slices.Contains(f.Portals, p.ID) {
		fail |= failPortal
	}
	if len(f.Frequencies) > 0 {
		known := p.Facts.Payout != nil && slices.Contains(f.Frequencies, p.Facts.Payout.Value.Frequency)
		if !known {
			fail |= failFrequency
		}
	}
	if (len(f.Methods) > 0 || f.MaxMinimum != nil) && !q.pays(p) {
		fail |= failMethod
	}
	if f.Donation && traits&(1<<donationBit) == 0 {
		fail |= failDonation
	}
	if len(f.PortalCountries) > 0 && !shares(f.PortalCountries, p.Countries) {
		fail |= failOther
	}
	if len(f.Languages) > 0 && !shares(f.Languages, p.Languages) {
		fail |= failOther
	}
	return fail
}

func shares[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}

// pays reports whether one of the portal's methods is both wanted and reached at
// the threshold that is accepted.
func (q *Query) pays(p *cashback.Portal) bool {
	if p.Facts.Payout == nil {
		return false
	}
	for i := range p.Facts.Payout.Value.Methods {
		m := &p.Facts.Payout.Value.Methods[i]
		if len(q.Filter.Methods) > 0 && !slices.Contains(q.Filter.Methods, m.Kind) {
			continue
		}
		if q.Filter.MaxMinimum == nil || q.reached(m, p.Currency) {
			return true
		}
	}
	return false
}

func (q *Query) reached(m *cashback.PayoutMethod, c cashback.Currency) bool {
	if !m.Minimum.Valid {
		return false
	}
	if m.Minimum.Decimal.Sign() <= 0 {
		return true
	}
	most := *q.Filter.MaxMinimum
	least, err := cashback.MoneyOf(m.Minimum.Decimal, c)
	if err != nil {
		return false
	}
	if least.Currency != most.Currency {
		if q.Convert == nil {
			return false
		}
		var ok bool
		if least, ok = q.Convert(least, most.Currency); !ok {
			return false
		}
	}
	return least.Minor <= most.Minor
}

// failHidden marks an offer that doesn't exist in this view.
const failHidden uint16 = 1 << 15

// fails says which dimensions an offer fails. The shop's own aren't among them.
func (p *plan) fails(offer []cell) uint16 {
	head := &offer[0]
	lane := &p.lane[head.lane]
	if lane.vis == hidden {
		return failHidden
	}
	fail := lane.fail
	if lane.vis == listed {
		// What isn't shown can't pass a filter on it, nor tell by failing one.
		fail &^= failKind
		if p.kinds {
			fail |= failKind
		}
		if p.noUpTo || p.strict || p.least > 0 {
			fail |= failOther
		}
		return fail
	}
	if fail&failKind != 0 {
		for i := range offer[1:] {
			if p.lane[offer[1+i].lane].fail&failKind == 0 {
				fail &^= failKind
			}
		}
	}
	if p.noUpTo && head.flags&upTo != 0 {
		fail |= failOther
	}
	if p.strict && !p.ranked(head) {
		fail |= failOther
	}
	if p.least > 0 && (head.flags&valued == 0 || head.least < p.least || head.flags&(upTo|floor) == upTo) {
		fail |= failOther
	}
	return fail
}

// ranked reports whether the gate and the calendar let an offer count.
func (p *plan) ranked(head *cell) bool {
	return head.flags&(unverified|quarantined) == 0 && head.readAt >= p.fresh
}

// own is what an offer is certain to be worth to the asker, in millionths of a minor
// unit: the least of its alternatives, each the sum of its components. known is
// false where an alternative has no component with a value (RANKING.md, "Groups of
// the answer").
func (p *plan) own(offer []cell) (worth int64, known bool) {
	least := int64(math.MaxInt64)
	sum, any := int64(0), false
	for i := range offer {
		c := &offer[i]
		if i > 0 && c.flags&either != 0 {
			if !any {
				return 0, false
			}
			least = min(least, sum)
			sum, any = 0, false
		}
		w := &p.lane[c.lane].worth
		if c.flags&valued == 0 || !w.Known {
			continue
		}
		any = true
		unit := w.Unit
		if c.flags&(upTo|floor) == upTo {
			unit = w.Ceiling
		}
		sum += own(c.least, unit)
		if sum < 0 {
			sum = math.MaxInt64
		}
	}
	if !any {
		return 0, false
	}
	return min(least, sum), true
}

// shopFails says which of the merchant's own dimensions fail.
func (p *plan) shopFails(pg *page, slot int) (fail uint16) {
	if p.lands != nil && !p.lands[pg.country[slot]] {
		fail |= failCountry
	}
	if p.cats != nil && !p.cats[pg.cat[slot]] {
		fail |= failCategory
	}
	if p.initial != 0 && initialOf(pg.shops[slot].keys[0]) != p.initial {
		fail |= failOther
	}
	return fail
}

// summary is what a query sees of one shop.
type summary struct {
	// portals counts those that list the shop in this view, passing those whose
	// offers pass the filter.
	portals, passing int
	// best is the best own value among ranked offers that pass, of portal bestAt;
	// -1 where there is none.
	best   int64
	bestAt uint16
	// readAt is when the newest of its passing offers was read.
	readAt uint32
}

// look summarises a shop; tally, which may be nil, counts its offers into facets.
func (p *plan) look(pg *page, slot int, tally *tally) summary {
	sum := summary{best: -1}
	cells := pg.of(slot)
	shopFail := p.shopFails(pg, slot)
	if shopFail != 0 && tally == nil {
		return sum
	}
	if tally != nil {
		tally.begin()
	}
	lastSeen, lastPassing := -1, -1
	for i := 0; i < len(cells); {
		j := i + 1
		for j < len(cells) && cells[j].flags&(plus|either) != 0 {
			j++
		}
		offer := cells[i:j]
		i = j
		fail := p.fails(offer)
		if fail == failHidden {
			continue
		}
		fail |= shopFail
		portal := int(p.lane[offer[0].lane].portal)
		if portal != lastSeen {
			lastSeen = portal
			sum.portals++
		}
		if tally != nil {
			tally.offer(p, offer, portal, fail)
		}
		if fail != 0 {
			continue
		}
		if portal != lastPassing {
			lastPassing = portal
			sum.passing++
		}
		sum.readAt = max(sum.readAt, offer[0].readAt)
		if p.lane[offer[0].lane].vis == shown && p.ranked(&offer[0]) {
			if worth, known := p.own(offer); known && worth > sum.best {
				sum.best, sum.bestAt = worth, uint16(portal)
			}
		}
	}
	if tally != nil {
		tally.shop(pg, slot)
	}
	return sum
}

// nameOrder is a folded name's first 16 bytes as two numbers whose order, highest
// first, is the alphabet's.
func nameOrder(key string) (first, second int64) {
	var b [16]byte
	copy(b[:], key)
	return math.MaxInt64 - int64(binary.BigEndian.Uint64(b[:8])>>1), math.MaxInt64 - int64(binary.BigEndian.Uint64(b[8:])>>1)
}

// initialOf is the letter under which a folded name stands in a list from A to Z, or
// OtherInitial.
func initialOf(key string) byte {
	if key != "" && key[0] >= 'a' && key[0] <= 'z' {
		return key[0]
	}
	return OtherInitial[0]
}
