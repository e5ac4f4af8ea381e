package rank

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// trials runs a property over seeded random inputs: few of them in make test, all
// with CAGNOTTE_PROVE=1 (make prove). A failure names its seed.
func trials(t *testing.T, few, all uint64, property func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	t.Parallel()
	n := few
	if os.Getenv("CAGNOTTE_PROVE") != "" {
		n = all
	}
	for seed := range n {
		property(t, rand.New(rand.NewPCG(seed, 0xca9)))
		if t.Failed() {
			t.Fatalf("the seed was %d", seed)
		}
	}
}

// maker makes random cases. Its values come from short lists, so that ties, exact
// thresholds and boundaries happen all the time; one case in fifty is wild, with
// digits that leave 64 bits.
type maker struct {
	*rand.Rand
	wild bool
}

func (m maker) chance(percent int) bool { return m.IntN(100) < percent }

func pick[T any](m maker, from ...T) T { return from[m.IntN(len(from))] }

func (m maker) dec(from ...string) cashback.Decimal {
	if m.wild && m.chance(30) {
		return decimal.MustNew(m.Int64N(1_000_000_000_000_000), 12+m.IntN(4))
	}
	return decimal.MustParse(pick(m, from...))
}

// maybe is absent half the time.
func (m maker) maybe(from ...string) cashback.NullDecimal {
	if m.chance(50) {
		return cashback.NullDecimal{}
	}
	return cashback.Some(m.dec(from...))
}

// share is a fraction that stays one in wild cases.
func (m maker) share(from ...string) cashback.NullDecimal {
	m.wild = false
	return m.maybe(from...)
}

func (m maker) days(from ...int) *int {
	if m.chance(40) {
		return nil
	}
	return &[]int{pick(m, from...)}[0]
}

const today = cashback.Date(20000)

var somePoints = []string{"pts", "miles", "stars"}

func (m maker) points() map[string]cashback.Decimal {
	if m.chance(15) {
		return nil
	}
	out := map[string]cashback.Decimal{}
	for _, p := range somePoints {
		if m.chance(80) {
			out[p] = m.dec("0.005", "0.008", "0.01", "1", "0")
		}
	}
	return out
}

func randomCase(r *rand.Rand) Case {
	m := maker{r, r.IntN(50) == 0}
	currencies := []cashback.Currency{"EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "GBP", "JPY"}
	c := Case{
		Now: today,
		Purchase: Purchase{
			Amount:     m.dec("0", "0.01", "20", "49.99", "50", "99.99", "100", "136.53", "500", "2500"),
			Currency:   pick(m, currencies...),
			Customer:   pick(m, cashback.Anybody, cashback.Anybody, cashback.New, cashback.Existing),
			Channel:    pick(m, "", "online", "app"),
			Category:   pick(m, "", "", "shoes", "tv", NoCategory),
			VATRate:    m.share("0", "0.19", "0.2", "0.055"),
			VATUnknown: m.chance(3),
		},
		Shopper: Shopper{
			GiftCardFactor: m.share("0.8", "0.9", "1", "0"),
			PatienceRate:   m.share("0", "0.2", "0.35", "1"),
			MonthlyRewards: m.maybe("0", "2", "5", "30"),
			UnknownMinimum: m.maybe("0", "10", "25"),
			PointValues:    m.points(),
			Balances:       map[string]cashback.Decimal{},
			History:        map[string]History{},
		},
		FX: map[string]cashback.Decimal{},
	}
	if m.chance(20) {
		c.Purchase.Date = today + cashback.Date(m.IntN(7)-3)
	}
	switch m.IntN(4) {
	case 0:
		c.Shopper.Methods = []string{"bank_transfer", "paypal"}
	case 1:
		c.Shopper.Methods = pick(m, []string{}, []string{"donation"}, []string{"gift_card", "donation"}, []string{"any", "crypto"}, []string{"donation", "cheque", "gift_card"})
	}
	for _, pair := range []string{"EUR/GBP", "GBP/EUR", "EUR/JPY", "JPY/GBP", "USD/EUR", "GBP/USD"} {
		if m.chance(75) {
			c.FX[pair] = m.dec("0.86", "1.17", "160", "0.0055", "1")
			if c.FX[pair].IsZero() {
				delete(c.FX, pair)
			}
		}
	}
	if m.chance(15) {
		c.Shopper.Portals = []string{"p0", "p2"}
	}
	for i := range 1 + m.IntN(5) {
		id := "p" + itoa(i)
		c.Portals = append(c.Portals, m.portal(id, currencies))
		if m.chance(95) {
			c.Offers = append(c.Offers, m.offer(id, pick(m, "m1", "m2")))
		}
		if m.chance(50) {
			c.Shopper.Balances[id] = m.dec("0", "0.5", "8", "14.99", "15", "40")
		}
		if m.chance(50) {
			c.Shopper.History[id] = History{
				Outcomes:  Outcomes{m.IntN(30), m.IntN(8)},
				Earned365: m.dec("0", "12.5", "15", "80"),
				Merchants: map[string]Outcomes{"m1": {m.IntN(5), m.IntN(3)}},
			}
		}
	}
	r.Shuffle(len(c.Offers), func(i, j int) { c.Offers[i], c.Offers[j] = c.Offers[j], c.Offers[i] })
	return c
}

func (m maker) portal(id string, currencies []cashback.Currency) Portal {
	p := Portal{
		ID:             id,
		Currency:       pick(m, currencies...),
		VATBasis:       pick(m, "", cashback.VATUnknown, cashback.VATNet, cashback.VATGross),
		ConfirmRate:    m.share("0", "0.8", "0.95", "1"),
		UpToShare:      m.share("0.1", "0.4", "1"),
		ValidationDays: m.days(0, 30, 45, 90),
		PointValues:    m.points(),
	}
	if m.chance(10) {
		return p
	}
	p.Payout = &cashback.Payout{Frequency: pick(m, "", cashback.OnDemand, cashback.Automatic, cashback.Weekly, cashback.Biweekly, cashback.Monthly,
		cashback.Bimonthly, cashback.Quarterly, cashback.HalfYearly, cashback.Yearly, cashback.FrequencyUnknown)}
	if m.chance(10) {
		return p
	}
	p.Payout.Methods = []cashback.PayoutMethod{}
	for range pick(m, 0, 1, 1, 2, 2, 3, 3, 4) {
		p.Payout.Methods = append(p.Payout.Methods, cashback.PayoutMethod{
			Kind:      pick(m, "bank_transfer", "paypal", "paypal", "card_credit", "cheque", "gift_card", "points_transfer", "donation", "crypto", "any", "any", "unknown", "barter"),
			Minimum:   m.maybe("0", "5", "15", "20", "40"),
			Fee:       m.maybe("0.5", "1", "3").Decimal,
			BonusRate: m.share("0.03", "0.05").Decimal,
			Share:     m.share("0.9", "1"),
		})
	}
	return p
}

func (m maker) offer(portal, merchant string) Offer {
	o := Offer{Portal: portal, Merchant: merchant, VerifiedOn: today - cashback.Date(m.IntN(3)), Quarantined: m.chance(3), ValidationDays: m.days(0, 14, 60)}
	if m.chance(8) {
		o.VerifiedOn = pick(m, 0, today-15, today-14, today+1)
	}
	for range pick(m, 0, 1, 1, 2, 2, 3, 4, 5) {
		o.Tiers = append(o.Tiers, m.tier())
	}
	return o
}

func (m maker) tier() Tier {
	t := Tier{
		Category: pick(m, "", "", "shoes", "tv"),
		Audience: pick(m, cashback.Anybody, cashback.Anybody, cashback.New, cashback.Existing),
		Channel:  pick(m, "", "", "", "online", "app"),
		UpTo:     m.chance(30),
	}
	if m.chance(30) {
		t.MinSpend = cashback.Some(m.dec("0", "20", "50", "100", "1000"))
		if m.chance(20) {
			t.MinSpendCurrency = pick[cashback.Currency](m, "EUR", "USD")
		}
	}
	if m.chance(40) {
		t.Cap = cashback.Some(m.dec("0", "1", "5", "10", "200"))
		t.CapCurrency = pick[cashback.Currency](m, "", "", "EUR", "USD", "PLN")
	}
	if m.chance(15) {
		t.ValidFrom = today + cashback.Date(m.IntN(5)-3)
	}
	if m.chance(15) {
		t.ValidTo = today + cashback.Date(m.IntN(5)-2)
	}
	for range pick(m, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3) {
		t.Components = append(t.Components, m.component())
	}
	return t
}

func (m maker) component() cashback.Component {
	k := cashback.Component{Kind: pick(m, cashback.Percent, cashback.Percent, cashback.Percent, cashback.Fixed, cashback.PointsPerUnit, cashback.PointsFixed)}
	switch k.Kind {
	case cashback.Percent:
		m.wild = false
		k.Value = m.dec("0", "1.75", "3", "3", "5", "6.5", "12.25")
	case cashback.Fixed:
		k.Value, k.Currency = m.dec("0", "2", "5", "10", "22"), pick[cashback.Currency](m, "EUR", "EUR", "EUR", "EUR", "GBP", "USD", "PLN", "")
	case cashback.PointsPerUnit:
		k.Value, k.PointsCurrency = m.dec("1", "2", "5", "20"), pick(m, somePoints...)
		k.Currency = pick[cashback.Currency](m, "", "", "EUR", "USD", "PLN")
		k.PerAmount = m.maybe("1", "0.5", "3", "100").Decimal
	case cashback.PointsFixed:
		k.Value, k.PointsCurrency = m.dec("100", "450", "1100"), pick(m, "pts", "miles", "stars", "pts", "miles", "stars", "")
	}
	if m.chance(30) {
		half, err := k.Value.Mul(decimal.MustParse("0.5"))
		if err == nil && !k.Value.Less(half) {
			k.Min = cashback.Some(half)
		}
	}
	if m.chance(3) {
		k.PerUnit = "litre"
	}
	return k
}

// clone copies a case deep enough to change any of it.
func clone(c Case) Case {
	c.Portals = slices.Clone(c.Portals)
	for i := range c.Portals {
		if p := c.Portals[i].Payout; p != nil {
			pay := *p
			pay.Methods = slices.Clone(p.Methods)
			c.Portals[i].Payout = &pay
		}
	}
	c.Offers = slices.Clone(c.Offers)
	for i := range c.Offers {
		c.Offers[i].Tiers = slices.Clone(c.Offers[i].Tiers)
		for j := range c.Offers[i].Tiers {
			c.Offers[i].Tiers[j].Components = slices.Clone(c.Offers[i].Tiers[j].Components)
		}
	}
	history := map[string]History{}
	for portal, h := range c.Shopper.History {
		merchants := map[string]Outcomes{}
		for k, v := range h.Merchants {
			merchants[k] = v
		}
		h.Merchants = merchants
		history[portal] = h
	}
	c.Shopper.History = history
	balances := map[string]cashback.Decimal{}
	for k, v := range c.Shopper.Balances {
		balances[k] = v
	}
	c.Shopper.Balances = balances
	return c
}

func mustRank(t *testing.T, c Case) Answer {
	t.Helper()
	a, err := Rank(c)
	if err != nil {
		t.Fatalf("%v\n%+v", err, c)
	}
	return a
}

// racingCase has offers that are close to each other: what a curve is about.
func racingCase(r *rand.Rand) Case {
	c := randomCase(r)
	m := maker{Rand: r}
	c.Purchase.Currency, c.Purchase.Category, c.Shopper.Portals = "EUR", "", nil
	if m.chance(70) {
		c.Shopper.Methods = nil
	}
	c.Portals, c.Offers = nil, nil
	rate := m.Int64N(900) + 50
	for i := range 2 + m.IntN(5) {
		id := "p" + itoa(i)
		p := m.portal(id, []cashback.Currency{"EUR"})
		if m.chance(60) { // like the first, but for a fact or two
			p = Portal{ID: id, Currency: "EUR", VATBasis: cashback.VATGross, PointValues: map[string]cashback.Decimal{"pts": decimal.MustNew(1, 2)}, ValidationDays: m.days(30, 31),
				Payout: &cashback.Payout{Frequency: cashback.Weekly, Methods: []cashback.PayoutMethod{{Kind: "paypal", Minimum: m.maybe("0", "15"), Fee: m.maybe("0.5").Decimal}}}}
		}
		o := Offer{Portal: id, Merchant: "m1", VerifiedOn: today}
		tier := Tier{Components: []cashback.Component{{Kind: cashback.Percent, Value: decimal.MustNew(rate+m.Int64N(pick[int64](m, 2, 20, 300)), 2)}}}
		switch m.IntN(6) {
		case 0:
			tier.Components = append(tier.Components, cashback.Component{Kind: cashback.Fixed, Value: decimal.MustNew(m.Int64N(300), 2), Currency: "EUR"})
		case 1:
			tier.Cap = cashback.Some(decimal.MustNew(m.Int64N(2000), 2))
		case 2:
			tier.Components[0] = cashback.Component{Kind: cashback.PointsPerUnit, Value: decimal.MustNew(rate, 2), PointsCurrency: "pts", PerAmount: m.maybe("2", "10").Decimal}
		case 3:
			o.Tiers = append(o.Tiers, m.tier())
		}
		o.Tiers = append(o.Tiers, tier)
		c.Portals, c.Offers = append(c.Portals, p), append(c.Offers, o)
	}
	return c
}
