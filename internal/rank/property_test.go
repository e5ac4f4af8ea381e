package rank

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// What must always hold: RANKING.md, the section of that name.

func TestPropertyStepsAndGroups(t *testing.T) {
	trials(t, 2_000, 1_000_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		a := mustRank(t, c)
		seen := map[string]int{}
		for i, row := range a.Ranked {
			seen[row.Portal]++
			var sum int64
			for _, s := range row.Steps {
				sum += s.Amount
			}
			if sum != row.Value || row.Possible < row.Value || row.Value < 0 || row.Days < 0 || len(row.Steps) != 8 || row.Headline != row.Steps[0].Amount {
				t.Errorf("row %d: %+v", i, row)
			}
			if i > 0 && a.Ranked[i-1].Value < row.Value {
				t.Errorf("row %d pays more than the one before it", i)
			}
		}
		for _, u := range a.Unreachable {
			seen[u.Portal]++
			if u.ShortBy < 0 || u.Reward < 0 {
				t.Errorf("%+v", u)
			}
		}
		for _, id := range slices.Concat(a.Unvalued, a.Stale, a.Hidden) {
			seen[id]++
		}
		for id, times := range seen {
			if times != 1 {
				t.Errorf("%s stands in %d groups", id, times)
			}
		}
		for _, o := range c.Offers {
			old := o.Quarantined || o.VerifiedOn == 0 || c.Now-o.VerifiedOn > 14
			if old != slices.Contains(a.Stale, o.Portal) {
				t.Errorf("%s: stale %v, want %v", o.Portal, !old, old)
			}
		}
	})
}

func TestPropertyOrderOfInput(t *testing.T) {
	trials(t, 2_000, 1_000_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		want := mustRank(t, c)
		s := clone(c)
		r.Shuffle(len(s.Portals), func(i, j int) { s.Portals[i], s.Portals[j] = s.Portals[j], s.Portals[i] })
		r.Shuffle(len(s.Offers), func(i, j int) { s.Offers[i], s.Offers[j] = s.Offers[j], s.Offers[i] })
		r.Shuffle(len(s.Shopper.Methods), func(i, j int) {
			s.Shopper.Methods = slices.Clone(s.Shopper.Methods)
			s.Shopper.Methods[i], s.Shopper.Methods[j] = s.Shopper.Methods[j], s.Shopper.Methods[i]
		})
		for i := range s.Portals {
			if p := s.Portals[i].Payout; p != nil {
				r.Shuffle(len(p.Methods), func(i, j int) { p.Methods[i], p.Methods[j] = p.Methods[j], p.Methods[i] })
			}
		}
		for i := range s.Offers {
			tiers := s.Offers[i].Tiers
			r.Shuffle(len(tiers), func(i, j int) { tiers[i], tiers[j] = tiers[j], tiers[i] })
			for _, tier := range tiers {
				k := tier.Components
				r.Shuffle(len(k), func(i, j int) { k[i], k[j] = k[j], k[i] })
			}
		}
		if d := cmp.Diff(want, mustRank(t, s)); d != "" {
			t.Errorf("another order, another answer:\n%s\n%+v", d, c)
		}
	})
}

// better is a change for the better of one offer, and whether it found something
// to change.
type better func(m maker, c *Case, o *Offer, p *Portal) bool

var improvements = map[string]better{
	"a rate": func(m maker, _ *Case, o *Offer, _ *Portal) bool {
		k := m.aComponent(o)
		if k == nil {
			return false
		}
		k.Value = more(k.Value)
		return true
	},
	"a bottom": func(m maker, _ *Case, o *Offer, _ *Portal) bool {
		k := m.aComponent(o)
		if k == nil || !k.Min.Valid {
			return false
		}
		k.Min.Decimal = k.Value
		return true
	},
	"a cap": func(m maker, _ *Case, o *Offer, _ *Portal) bool {
		if len(o.Tiers) == 0 {
			return false
		}
		tier := &o.Tiers[m.IntN(len(o.Tiers))]
		tier.Cap.Decimal = more(tier.Cap.Decimal)
		return tier.Cap.Valid
	},
	"a bonus": func(m maker, _ *Case, _ *Offer, p *Portal) bool {
		w := m.aMethod(p)
		if w == nil {
			return false
		}
		w.BonusRate = more(w.BonusRate)
		return true
	},
	"a share": func(m maker, _ *Case, _ *Offer, p *Portal) bool {
		w := m.aMethod(p)
		if w == nil || !w.Share.Valid {
			return false
		}
		w.Share.Decimal = dec(1)
		return true
	},
	"a confirmed count": func(m maker, c *Case, o *Offer, p *Portal) bool {
		h := c.Shopper.History[p.ID]
		if h.Merchants == nil {
			h.Merchants = map[string]Outcomes{}
		}
		at := h.Merchants[o.Merchant]
		if m.chance(50) {
			h.Confirmed += 1 + m.IntN(5)
		} else {
			at.Confirmed += 1 + m.IntN(5)
		}
		h.Merchants[o.Merchant] = at
		c.Shopper.History[p.ID] = h
		return true
	},
	"a declined count": func(m maker, c *Case, o *Offer, p *Portal) bool {
		h := c.Shopper.History[p.ID]
		at := h.Merchants[o.Merchant]
		if at.Declined > 0 && m.chance(50) {
			at.Declined--
			h.Merchants[o.Merchant] = at
		} else if h.Declined > 0 {
			h.Declined--
		} else {
			return false
		}
		c.Shopper.History[p.ID] = h
		return true
	},
	"a fee": func(m maker, _ *Case, _ *Offer, p *Portal) bool {
		w := m.aMethod(p)
		if w == nil || w.Fee.IsZero() {
			return false
		}
		w.Fee = less(w.Fee)
		return true
	},
	"a delay": func(m maker, _ *Case, o *Offer, p *Portal) bool {
		d := &o.ValidationDays
		if *d == nil {
			d = &p.ValidationDays
		}
		if *d == nil || **d == 0 {
			return false
		}
		fewer := **d - 1 - m.IntN(**d)
		*d = &fewer
		return true
	},
	"a minimum": func(m maker, c *Case, _ *Offer, p *Portal) bool {
		w := m.aMethod(p)
		if w == nil || !w.Minimum.Valid || w.Minimum.Decimal.IsZero() {
			return false
		}
		delete(c.Shopper.Balances, p.ID)
		w.Minimum.Decimal = less(w.Minimum.Decimal)
		return true
	},
}

// more and less change a number by an amount that crosses caps and thresholds.
func more(d cashback.Decimal) cashback.Decimal {
	v, err := d.Mul(decimal.MustParse("1.25"))
	if err == nil {
		v, err = v.Add(decimal.MustParse("0.31"))
	}
	if err != nil || v.Less(d) {
		return d
	}
	return v
}

func less(d cashback.Decimal) cashback.Decimal {
	v, err := d.Mul(decimal.MustParse("0.6"))
	if err != nil {
		return d
	}
	return v
}

func (m maker) aComponent(o *Offer) *cashback.Component {
	if len(o.Tiers) == 0 {
		return nil
	}
	k := o.Tiers[m.IntN(len(o.Tiers))].Components
	if len(k) == 0 {
		return nil
	}
	return &k[m.IntN(len(k))]
}

func (m maker) aMethod(p *Portal) *cashback.PayoutMethod {
	if p.Payout == nil || len(p.Payout.Methods) == 0 {
		return nil
	}
	return &p.Payout.Methods[m.IntN(len(p.Payout.Methods))]
}

// place returns how many rows pay strictly more than the portal's, and its row.
func place(a Answer, portal string) (int, *Row) {
	for i := range a.Ranked {
		if a.Ranked[i].Portal == portal {
			return slices.IndexFunc(a.Ranked, func(r Row) bool { return r.Value == a.Ranked[i].Value }), &a.Ranked[i]
		}
	}
	return -1, nil
}

// A change for the better never lowers an offer's value, nor its place except
// among equal values.
func TestPropertyImprovements(t *testing.T) {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range improvements {
			if !yield(name) {
				return
			}
		}
	})
	done := map[string]int{}
	trials(t, 3_000, 1_000_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		m := maker{Rand: r}
		if len(c.Offers) == 0 {
			return
		}
		name := pick(m, names...)
		after := clone(c)
		o := &after.Offers[m.IntN(len(c.Offers))]
		p := &after.Portals[slices.IndexFunc(after.Portals, func(p Portal) bool { return p.ID == o.Portal })]
		if name == "a minimum" {
			delete(c.Shopper.Balances, p.ID)
		}
		if !improvements[name](m, &after, o, p) || after.check() != nil {
			return
		}
		before, then := mustRank(t, c), mustRank(t, after)
		was, old := place(before, o.Portal)
		is, now := place(then, o.Portal)
		if old == nil {
			return // it may have become reachable
		}
		done[name]++
		if now == nil || now.Value < old.Value || is > was {
			t.Errorf("bettering %s of %s: value and place %v %d, then %v %d\n%+v", name, o.Portal, old, was, now, is, c)
		}
		// Among equal tiers the one that yields least stands for the situation, in what
		// is possible too (RANKING.md, "Situations"): bettered, it may leave that to
		// another, of which less is possible.
		if !equalTiers(o.Tiers) && now != nil && now.Possible < old.Possible {
			t.Errorf("bettering %s of %s: possible %v, then %v\n%+v", name, o.Portal, old, now, c)
		}
	})
	for _, name := range names {
		if done[name] < 10 {
			t.Errorf("bettering %s was tried on %d ranked offers only", name, done[name])
		}
	}
}

// equalTiers says whether two of the tiers are as specific as each other: which then
// stands for a situation depends on what they pay.
func equalTiers(tiers []Tier) bool {
	stated := map[int]bool{}
	for i := range tiers {
		t, n := &tiers[i], 0
		for _, said := range []bool{t.Category != "", t.Audience != "", t.Channel != "", t.MinSpend.Valid, t.ValidFrom != 0 || t.ValidTo != 0} {
			if said {
				n++
			}
		}
		if stated[n] {
			return true
		}
		stated[n] = true
	}
	return false
}

// Learning whether the customer is new never lowers a value.
func TestPropertyLearningTheCustomer(t *testing.T) {
	trials(t, 1_000, 500_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		c.Purchase.Customer = cashback.Anybody
		before := mustRank(t, c)
		for _, customer := range []cashback.Audience{cashback.New, cashback.Existing} {
			c.Purchase.Customer = customer
			after := mustRank(t, c)
			for _, row := range before.Ranked {
				_, now := place(after, row.Portal)
				// Left out means that nothing fits this customer: it was worth 0 before.
				if now == nil && row.Value > 0 || now != nil && now.Value < row.Value {
					t.Errorf("%s: %+v, but for a customer who is %s %+v\n%+v", row.Portal, row, customer, now, c)
				}
			}
		}
	})
}

// An offer at least as good in every respect under the same conditions never has a
// lower value: its twin at another portal is bettered several times.
func TestPropertyDominance(t *testing.T) {
	compared := 0
	trials(t, 1_000, 500_000, func(t *testing.T, r *rand.Rand) {
		c := clone(randomCase(r))
		m := maker{Rand: r}
		if len(c.Offers) == 0 {
			return
		}
		o := &c.Offers[m.IntN(len(c.Offers))]
		id := o.Portal
		delete(c.Shopper.Balances, id)
		copied := clone(c)
		twin := copied.Offers[slices.IndexFunc(copied.Offers, func(x Offer) bool { return x.Portal == id })]
		portal := copied.Portals[slices.IndexFunc(copied.Portals, func(x Portal) bool { return x.ID == id })]
		twin.Portal, portal.ID = "twin", "twin"
		if h, ok := copied.Shopper.History[id]; ok {
			c.Shopper.History["twin"] = h
		}
		if slices.Contains(c.Shopper.Portals, id) {
			c.Shopper.Portals = append(slices.Clone(c.Shopper.Portals), "twin")
		}
		for range 1 + m.IntN(4) {
			improvements[pick(m, "a rate", "a bottom", "a cap", "a bonus", "a share", "a confirmed count", "a declined count", "a fee", "a delay", "a minimum")](m, &c, &twin, &portal)
		}
		c.Offers, c.Portals = append(c.Offers, twin), append(c.Portals, portal)
		if c.check() != nil {
			return
		}
		a := mustRank(t, c)
		_, plain := place(a, id)
		_, better := place(a, "twin")
		if plain == nil {
			return
		}
		compared++
		if better == nil || better.Value < plain.Value {
			t.Errorf("%s has %+v, its better twin %+v\n%+v", id, plain, better, c)
		}
	})
	if compared < 100 {
		t.Errorf("only %d pairs were compared", compared)
	}
}

// The generator reaches what the properties are about: every group, both ways of
// each mark, every step with an amount.
func TestPropertyGeneratorReaches(t *testing.T) {
	reached := map[string]int{}
	trials(t, 2_000, 2_000, func(t *testing.T, r *rand.Rand) {
		c := randomCase(r)
		a := mustRank(t, c)
		reached["unvalued"] += len(a.Unvalued)
		reached["stale"] += len(a.Stale)
		reached["hidden"] += len(a.Hidden)
		reached["unreachable"] += len(a.Unreachable)
		reached["left out"] += len(c.Offers) - len(a.Ranked) - len(a.Unreachable) - len(a.Unvalued) - len(a.Stale) - len(a.Hidden)
		for _, row := range a.Ranked {
			reached[fmt.Sprintf("estimate %v", row.Estimate)]++
			reached[fmt.Sprintf("certain of 0: %v", row.Reward == 0)]++
			reached[fmt.Sprintf("a range: %v", row.Possible > row.Value)]++
			reached["by "+row.Method]++
			for _, s := range row.Steps {
				reached[fmt.Sprintf("%s %v", s.Step, s.Amount != 0)]++
			}
		}
	})
	for _, want := range []string{"unvalued", "stale", "hidden", "unreachable", "left out", "estimate true", "estimate false", "certain of 0: true", "certain of 0: false", "a range: true", "a range: false",
		"by bank_transfer", "by paypal", "by gift_card", "by donation", "by any", "by unknown",
		"headline true", "conditions true", "vat true", "cap true", "settlement true", "chance true", "wait true", "unlock true", "conditions false", "vat false", "cap false", "settlement false", "unlock false"} {
		if reached[want] < 10 {
			t.Errorf("%q was reached %d times", want, reached[want])
		}
	}
}
