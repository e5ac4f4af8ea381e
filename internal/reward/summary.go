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

// Summarise puts a reward into one row.
func Summarise(r cashback.Reward) Summary {
	s := Summary{Kind: r.Kind, Previous: r.Previous, Components: []Part{}, Reason: r.Reason}
	if r.Kind == cashback.Unknown {
		s.At = &r.At
		if n := r.Named; n != nil {
			s.Kind, s.Currency, s.PointsCurrency, s.PerUnit = n.Kind, n.Currency, n.PointsCurrency, n.PerUnit
			s.PerAmount = some(n.PerAmount)
		}
	}
	if r.Kind == cashback.NoCashback && r.Reason == "" {
		s.Value = cashback.Some(cashback.Decimal{})
	}
	setCap := func(m *cashback.Money) cashback.NullDecimal {
		if m == nil {
			return cashback.NullDecimal{}
		}
		return cashback.Some(m.Decimal().Trim(0))
	}
	if r.Cap != nil {
		s.Cap, s.Currency = setCap(r.Cap), r.Cap.Currency
	}
	for i, t := range r.Tiers {
		for j, c := range t.Components {
			relation := Or
			if j > 0 {
				relation = Plus
			}
			s.Components = append(s.Components, Part{
				Relation: relation, UpTo: t.UpTo, Kind: c.Kind, Value: c.Value, Min: c.Min,
				Currency: c.Currency, PointsCurrency: c.PointsCurrency, PerAmount: some(c.PerAmount), PerUnit: c.PerUnit,
				Cap: setCap(t.Cap), Audience: t.Audience, Label: t.Label, MinSpend: t.MinSpend, Span: c.Span,
			})
		}
		_ = i
	}
	lead := -1
	for i, p := range s.Components {
		if p.Kind != r.Kind || p.Value.IsZero() {
			continue
		}
		if lead < 0 || p.Value.Cmp(s.Components[lead].Value) > 0 {
			lead = i
		}
	}
	if lead < 0 {
		return s
	}
	p := s.Components[lead]
	s.Value, s.Min, s.UpTo = cashback.Some(p.Value), p.Min, p.UpTo
	s.Currency, s.PointsCurrency, s.PerAmount, s.PerUnit = p.Currency, p.PointsCurrency, p.PerAmount, p.PerUnit
	s.Cap, s.Audience = p.Cap, p.Audience
	if len(s.Components) == 1 {
		s.Components = []Part{}
	}
	return s
}

func some(d cashback.Decimal) cashback.NullDecimal {
	if d.IsZero() {
		return cashback.NullDecimal{}
	}
	return cashback.Some(d)
}
