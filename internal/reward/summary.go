package reward

import (
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Relation says how a part goes with those before it.
type Relation string

const (
	// Plus: the part adds up with the one before it.
	Plus Relation = "plus"
	// Or: the part is an alternative to the one before it.
	Or Relation = "or"
)

// Summary is a reward in one row, as `cagnotte reward parse` prints it: the
// top-level fields sum up the parts, and Components lists them where there is
// more than one.
type Summary struct {
	UpTo bool                `json:"up_to"`
	Kind cashback.RewardKind `json:"kind"`
	// Value is the ceiling of a range; Min its bottom, over all alternatives.
	Value          cashback.NullDecimal `json:"value"`
	Min            cashback.NullDecimal `json:"min"`
	Currency       cashback.Currency    `json:"currency,omitempty"`
	PointsCurrency string               `json:"points_currency,omitempty"`
	PerAmount      cashback.NullDecimal `json:"per_amount"`
	PerUnit        string               `json:"per_unit,omitempty"`
	Previous       cashback.NullDecimal `json:"previous"`
	Cap            cashback.NullDecimal `json:"cap"`
	Audience       cashback.Audience    `json:"audience,omitempty"`
	Components     []Part               `json:"components"`
	// Reason and At say why and where a text was not understood.
	Reason string         `json:"reason,omitempty"`
	At     *cashback.Span `json:"at,omitempty"`
}

// Part is one component of a tier, with what the tier says about it.
type Part struct {
	Relation       Relation             `json:"relation"`
	UpTo           bool                 `json:"up_to"`
	Kind           cashback.RewardKind  `json:"kind"`
	Value          cashback.Decimal     `json:"value"`
	Min            cashback.NullDecimal `json:"min"`
	Currency       cashback.Currency    `json:"currency,omitempty"`
	PointsCurrency string               `json:"points_currency,omitempty"`
	PerAmount      cashback.NullDecimal `json:"per_amount"`
	PerUnit        string               `json:"per_unit,omitempty"`
	Cap            cashback.NullDecimal `json:"cap"`
	Audience       cashback.Audience    `json:"audience,omitempty"`
	Label          string               `json:"label,omitempty"`
	MinSpend       *cashback.Money      `json:"min_spend,omitempty"`
	Span           cashback.Span        `json:"span"`
}

// Summarise puts a reward into one row. Over several tiers of one kind the bottom is
// the lowest rate that is paid, and the top one is a ceiling; what isn't the same in
// all of them (audience, cap) stands in their parts only.
func Summarise(r cashback.Reward) Summary {
	s := Summary{Kind: r.Kind, Previous: r.Previous, Components: []Part{}, Reason: r.Reason}
	if r.Kind == cashback.Unknown {
		s.At = &r.At
		if n := r.Named; n != nil && len(n.Components) == 1 {
			c := n.Components[0]
			s.Kind, s.Currency, s.PointsCurrency, s.PerUnit = c.Kind, c.Currency, c.PointsCurrency, c.PerUnit
			s.UpTo, s.Audience = n.UpTo, n.Audience
			s.PerAmount = some(c.PerAmount)
		}
		return s
	}
	if r.Kind == cashback.NoCashback && r.Reason == "" {
		s.Value = cashback.Some(cashback.Decimal{})
	}
	if r.Cap != nil {
		s.Cap, s.Currency = major(r.Cap), r.Cap.Currency
	}
	count := 0
	for _, t := range r.Tiers {
		count += len(t.Components)
	}
	lead := -1
	var top cashback.Component
	for i, t := range r.Tiers {
		for j, c := range t.Components {
			if count > 1 {
				s.Components = append(s.Components, part(&t, &c, j))
			}
			// A tier that adds a conditional part to one before it repeats its first.
			if c.Kind != r.Kind || c.Value.IsZero() || i > 0 && len(t.Components) > 1 && t.Components[0].Span == r.Tiers[i-1].Components[0].Span {
				continue
			}
			if lead < 0 || c.Value.Cmp(top.Value) > 0 {
				lead, top = i, c
			}
		}
	}
	if lead < 0 {
		return s
	}
	t := &r.Tiers[lead]
	s.Value, s.Min, s.UpTo = cashback.Some(top.Value), top.Min, t.UpTo
	s.Currency, s.PointsCurrency, s.PerAmount, s.PerUnit = top.Currency, top.PointsCurrency, some(top.PerAmount), top.PerUnit
	s.Cap, s.Audience = major(t.Cap), t.Audience
	if t.Cap != nil && s.Currency == "" {
		s.Currency = t.Cap.Currency
	}
	for i := range r.Tiers {
		if i == lead {
			continue
		}
		if r.Tiers[i].Audience != s.Audience {
			s.Audience = cashback.Anybody
		}
		c := r.Tiers[i].Components[0]
		if c.Kind != top.Kind || c.Currency != top.Currency || c.Value.IsZero() {
			continue
		}
		low := c.Value
		if c.Min.Valid {
			low = c.Min.Decimal
		}
		if low.Cmp(top.Value) < 0 {
			s.UpTo = true
			if !s.Min.Valid || low.Cmp(s.Min.Decimal) < 0 {
				s.Min = cashback.Some(low)
			}
		}
	}
	return s
}

func part(t *cashback.Tier, c *cashback.Component, place int) Part {
	p := Part{
		Relation: Or, UpTo: t.UpTo, Kind: c.Kind, Value: c.Value, Min: c.Min,
		Currency: c.Currency, PointsCurrency: c.PointsCurrency, PerAmount: some(c.PerAmount), PerUnit: c.PerUnit,
		Cap: major(t.Cap), Audience: t.Audience, Label: t.Label, MinSpend: t.MinSpend, Span: c.Span,
	}
	if place > 0 {
		p.Relation = Plus
	}
	if c.Value.IsZero() {
		p.Kind = cashback.NoCashback
	}
	return p
}

func major(m *cashback.Money) cashback.NullDecimal {
	if m == nil {
		return cashback.NullDecimal{}
	}
	return cashback.Some(m.Decimal().Trim(0))
}

func some(d cashback.Decimal) cashback.NullDecimal {
	if d.IsZero() {
		return cashback.NullDecimal{}
	}
	return cashback.Some(d)
}
