package rank

import (
	"slices"

	"github.com/govalues/decimal"

	"github.com/cagnotte/cagnotte/internal/cashback"
)

// MinObservations is how many observations a learnt value needs: with fewer, a few
// odd shops would be the portal.
const MinObservations = 20

// Lessons are what a portal's own catalogue teaches about it (issue 5, point 4): what
// its headline rates come to where it lists the tiers behind them, and how long its
// offers say that confirmation takes. The zero value has learnt nothing.
type Lessons struct {
	shares []cashback.Decimal
	days   []int
}

// See learns from one published offer.
func (l *Lessons) See(o cashback.Offer) {
	if o.Status != cashback.OK && o.Status != "" {
		return
	}
	if o.ValidationDays > 0 && o.ValidationDays <= maxDays {
		l.days = append(l.days, o.ValidationDays)
	}
	if share, ok := tierShare(o.Tiers); ok {
		l.shares = append(l.shares, share)
	}
}

// tierShare is what the least of an offer's alternatives pays beside the highest:
// had the portal only said "up to" the highest, this is what surely came of it.
func tierShare(tiers []cashback.Tier) (cashback.Decimal, bool) {
	if len(tiers) < 2 {
		return cashback.Decimal{}, false
	}
	var least, most cashback.Decimal
	for i, t := range tiers {
		// Tiers of one component each and of the same kind can be compared.
		if t.UpTo || len(t.Components) != 1 {
			return cashback.Decimal{}, false
		}
		c, first := t.Components[0], tiers[0].Components[0]
		if c.Kind != first.Kind || c.Currency != first.Currency || c.PointsCurrency != first.PointsCurrency || c.PerAmount.Cmp(first.PerAmount) != 0 || c.PerUnit != first.PerUnit || c.Value.IsNeg() {
			return cashback.Decimal{}, false
		}
		low := c.Value
		if c.Min.Valid {
			low = c.Min.Decimal
		}
		if i == 0 || low.Less(least) {
			least = low
		}
		if i == 0 || most.Less(c.Value) {
			most = c.Value
		}
	}
	if !most.IsPos() || !least.Less(most) {
		return cashback.Decimal{}, false // nothing was a ceiling
	}
	share, err := least.Quo(most)
	return share.Round(4), err == nil
}

// UpToShare is the median share, rounded down to a hundredth, with how many offers
// it was learnt from; false for fewer than MinObservations.
func (l *Lessons) UpToShare() (cashback.Decimal, int, bool) {
	if len(l.shares) < MinObservations {
		return cashback.Decimal{}, len(l.shares), false
	}
	slices.SortFunc(l.shares, decimal.Decimal.Cmp)
	return l.shares[(len(l.shares)-1)/2].Trunc(2).Trim(0), len(l.shares), true
}

// ValidationDays is the median of the days that the offers state, the longer of two
// middles; false for fewer than MinObservations.
func (l *Lessons) ValidationDays() (int, int, bool) {
	if len(l.days) < MinObservations {
		return 0, len(l.days), false
	}
	slices.Sort(l.days)
	return l.days[len(l.days)/2], len(l.days), true
}
